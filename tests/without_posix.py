"""A program for a process of its own: what Windows lacks is hidden from zatlas, and a run is made and used.

Only imports by modules of zatlas are intercepted, so that torch and the standard library work as usual.
"""

import builtins
import errno
import importlib
import os
import pkgutil
import signal
import sys
from fcntl import F_GETFL, fcntl
from pathlib import Path
from types import ModuleType

ABSENT = {"fcntl", "resource", "termios", "pwd", "grp"}
OS = {
    "fork",
    "preadv",
    "pread",
    "pwrite",
    "getuid",
    "geteuid",
    "sysconf",
    "nice",
    "setpriority",
    "getpriority",
}
OS |= {
    "O_NOFOLLOW",
    "O_DIRECTORY",
    "O_NONBLOCK",
    "O_CLOEXEC",
    "killpg",
    "setsid",
    "fchmod",
    "mkfifo",
    "uname",
}
OS |= {"sched_getaffinity", "statvfs", "register_at_fork"}
SIGNALS = {"SIGHUP", "SIGALRM", "SIGKILL", "SIGPIPE", "SIGUSR1"}


def refuse_open_folder(path, flags, mode=0o777, *, dir_fd=None):
    if dir_fd is not None:
        raise NotImplementedError("dir_fd")
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Windows opens no folders", str(path))
    return os.open(path, flags, mode)


def refuse_read_only_fsync(handle):
    if fcntl(handle, F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Windows flushes only what is open for writing")
    os.fsync(handle)


def refuse_open_files(move):
    """Rename as Windows does: a file that this process has open or mapped, or its folder, cannot be moved."""

    def moved(source, target):
        in_use = [os.path.realpath(f"/proc/self/fd/{handle}") for handle in os.listdir("/proc/self/fd")]
        maps = Path("/proc/self/maps").read_text().splitlines()
        in_use += [line.split(maxsplit=5)[-1] for line in maps]
        for path in (os.path.realpath(source), os.path.realpath(target)):
            for one in in_use:
                if one == path or one.startswith(f"{path}/"):
                    raise PermissionError(errno.EACCES, f"{one} is open", str(source))
        move(source, target)

    return moved


def copy_of(module, hidden, **replaced):
    copy = ModuleType(module.__name__)
    copy.__dict__.update({k: v for k, v in vars(module).items() if k not in hidden} | replaced)
    return copy


WINDOWS = {
    "os": copy_of(
        os,
        OS,
        name="nt",
        supports_dir_fd=frozenset(),
        open=refuse_open_folder,
        fsync=refuse_read_only_fsync,
        replace=refuse_open_files(os.replace),
        rename=refuse_open_files(os.rename),
    ),
    "signal": copy_of(signal, SIGNALS),
}


def hide():
    ordinary = builtins.__import__

    def importing(name, globals=None, locals=None, fromlist=(), level=0):
        if level == 0 and str((globals or {}).get("__name__", "")).startswith("zatlas"):
            if name in ABSENT:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in WINDOWS:
                return WINDOWS[name]
        return ordinary(name, globals, locals, fromlist, level)

    builtins.__import__ = importing


def main(folder):
    hide()
    import zatlas

    for module in pkgutil.walk_packages(zatlas.__path__, "zatlas."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    from zatlas.cli import main as command
    from zatlas.core.errors import Busy
    from zatlas.server import serve
    from zatlas.site import static
    from zatlas.store import run as runs

    settings = {"training.preview": 0, "net.name": "mlp", "net.widths": [8]}
    run = folder / "run"
    zatlas.train("digits", settings=settings, out=run, dim=2, epochs=1, verbose=False)
    assert command(["train", "--resume", str(run)]) == 0
    with runs.open_run(run).lock():
        try:
            with runs.open_run(run).lock():
                raise AssertionError("two processes hold one run")
        except Busy as busy:
            assert f"process {os.getpid()}" in str(busy)
    atlas = zatlas.load(run)
    assert command(["sample", str(run)]) == 0
    page = {"index.html": b"<!doctype html><title>page</title>"}
    serve.page = lambda: {url: (lambda data=data: data) for url, data in page.items()}
    frame = atlas.explore()
    from tests.serving import Page

    with Page(frame.url) as socket:
        z = atlas.sample_latents(2, seed=0)
        assert socket.request("decode", z.tobytes(), n=2)[0]["shape"] == [2, 1, 8, 8]
    frame.close()
    for name in ("index.html", "single.html"):
        (folder / "static").mkdir(exist_ok=True)
        (folder / "static" / name).write_text("<!doctype html><body><!--zatlas:data-->")
    static.files = lambda package: folder
    assert command(["export", str(run), str(folder / "exported"), "--points", "50"]) == 0
    print("used")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
