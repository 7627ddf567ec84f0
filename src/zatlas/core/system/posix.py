"""Linux and macOS."""

import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from zatlas.core.system.base import System

PROCESS_NICENESS = 15
# Of a thread: it gets a tenth of the time of a training on the same core. Not the minimum: while it holds
# Python's lock, the server answers no page.
THREAD_NICENESS = 10
LONE_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that represent no byte


class Posix(System):
    """Linux or macOS."""

    opens_folders = True
    locks_mapped_files = False

    def __init__(self) -> None:
        self.hangup = signal.SIGHUP

    def open_file(self, path: Path | str, flags: int, mode: int = 0o666) -> int:
        return os.open(path, flags, mode)

    def open_without_links(self, path: Path | str, flags: int, dir_fd: int | None = None) -> int:
        return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666, dir_fd=dir_fd)

    def open_folder(self, path: Path | str, *, links: bool = True, dir_fd: int | None = None) -> int:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
        return os.open(path, flags, dir_fd=dir_fd)

    def read_at(self, handle: int, buffer: memoryview, offset: int) -> int:
        return os.preadv(handle, [buffer], offset)

    def sync_file(self, path: Path) -> None:
        _sync(os.open(path, os.O_RDONLY))

    def sync_folder(self, path: Path) -> None:
        _sync(self.open_folder(path))

    def sync_all(self) -> None:
        os.sync()

    def replace(self, source: Path, target: Path) -> None:
        os.replace(source, target)

    def only_user_can_write(self, state: os.stat_result) -> bool:
        return state.st_uid == os.getuid() and not state.st_mode & 0o022

    def is_alive(self, process: int) -> bool:
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
        return True

    def stop_signals(self) -> list[int]:
        # Without SIGHUP where this process ignores it already, as below nohup.
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        return [signal.SIGINT, signal.SIGTERM, *([] if ignored else [signal.SIGHUP])]

    def end_by_signal(self, number: int) -> None:
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def group_options(self) -> dict[str, Any]:
        return {"start_new_session": True}

    def ask_to_stop(self, process: subprocess.Popen) -> None:
        process.terminate()  # not SIGINT, which ray blocks

    def lower_process_priority(self) -> None:
        os.nice(PROCESS_NICENESS)

    def lower_thread_priority(self) -> None:
        if sys.platform == "linux":  # elsewhere it would be the priority of the process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), THREAD_NICENESS)

    def free_memory(self) -> int:
        page = os.sysconf("SC_PAGE_SIZE")
        sizes = [page * os.sysconf("SC_PHYS_PAGES")]
        available = [line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
        sizes += [1024 * int(line.split()[1]) for line in available]
        limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
        if limit and used and limit[0].isdecimal():
            sizes.append(int(limit[0]) - int(used[0]))
        address_space = _soft_limit("RLIMIT_AS")
        if address_space is not None and (pages := _lines("/proc/self/statm")):
            sizes.append(address_space - int(pages[0].split()[0]) * page)
        return max(min(sizes), 0)

    def busy_cores(self) -> float:
        try:
            return os.getloadavg()[0]
        except OSError:
            return 0.0

    def open_file_limit(self) -> int | None:
        return _soft_limit("RLIMIT_NOFILE")

    def limit_process(self, memory: int, seconds: int) -> None:
        import resource

        limits = {resource.RLIMIT_FSIZE: memory, resource.RLIMIT_CPU: seconds, resource.RLIMIT_CORE: 0}
        status = dict(line.split(":", 1) for line in _lines("/proc/self/status"))
        if "VmData" in status:  # macOS does not say it, and does not enforce the limit either
            limits[resource.RLIMIT_DATA] = (int(status["VmData"].split()[0]) << 10) + memory
        for kind, limit in limits.items():
            _, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))

    def processor_name(self) -> str:
        for line in _lines("/proc/cpuinfo"):
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
        return platform.processor() or platform.machine()

    def quote(self, text: str) -> str:
        if text.isprintable():
            return shlex.quote(text)
        # Control characters and bytes that are not UTF-8: `$'...'` of bash and zsh.
        encoded = LONE_SURROGATES.sub("?", text).encode("utf-8", "surrogateescape")
        return "$'" + "".join(map(_escaped, encoded)) + "'"

    def has_screen(self) -> bool:
        displays = ("DISPLAY", "WAYLAND_DISPLAY")
        return sys.platform == "darwin" or any(os.environ.get(name) for name in displays)


def _sync(handle: int) -> None:
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _soft_limit(name: str) -> int | None:
    import resource

    soft, _ = resource.getrlimit(getattr(resource, name))
    return None if soft == resource.RLIM_INFINITY else soft


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # macOS, or no permission
        return []


def _escaped(byte: int) -> str:
    letter = chr(byte)
    plain = 32 <= byte < 127 and letter not in "\\'"
    return letter if plain else f"\\x{byte:02x}"
