"""What a reader does with a downloaded run, through the command line and the Python API, in one process."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tests.hostile.child import TRACEBACK, Note
from tests.hostile.world import World, prepare

LOOKED = ("open", "sample", "explore", "site", "page", "check")
USUAL = (*LOOKED, "resume")
ASKED = ("//etc/passwd", "/..%2f..%2f..%2fhome/Documents/secret.txt", "/%2e%2e/%2e%2e/home/.ssh/id")
PATIENCE = 60  # seconds for an explorer to say its address and to close; the parent's are shorter


def read(world: World, words: Path, actions: Sequence[str], note: Note) -> None:
    """Do all of this to the run, and note how each ended; every path that Python opens is written down."""
    prepare(world.base, world.folder, world.folder / "cache")
    os.chdir(world.downloads)
    sys.path.insert(0, "")  # as `python -c` and notebooks have it
    _watch_opened(world)
    for action in actions:
        note(f"{action}=")
        try:
            result = DEEDS[action](world, words)
        except Exception:
            traceback.print_exc()
            result = TRACEBACK
        note(f"{action}={result}")


def command(do: Callable[[], None]) -> str:
    """The exit status of a command, with the command line's own signals and errors.

    The line is not parsed: that takes longer than most of the commands.
    """
    from zatlas import cli

    cli._run = lambda _words: do()
    return str(cli.main())


def _open(world: World, words: Path) -> str:
    """Open the run from Python and look at what it holds."""
    from zatlas.core.errors import ZatlasError

    try:
        from zatlas.directions.find import store_of
        from zatlas.sample import sample_latents
        from zatlas.workspace import Workspace

        workspace = Workspace.open("run")
        workspace.decode(sample_latents(workspace, 2))
        store_of(workspace).all()
        workspace.data  # noqa: B018
    except ZatlasError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "2"
    return "0"


def _explore(world: World, words: Path) -> str:
    """Explore the run: fetch the page, every URL of its manifest and some that should not be there."""
    from zatlas.commands.share import explore

    start = words.stat().st_size
    over = threading.Event()
    thread = threading.Thread(target=_visit, args=(words, start, world.folder / "tmp", over))
    thread.start()
    try:
        status = command(lambda: explore((Path("run"),), no_open=True))
        return status.replace(str(128 + signal.SIGINT), "0")
    finally:
        over.set()
        thread.join(5)


def _visit(words: Path, start: int, folder: Path, over: threading.Event) -> None:
    """Wait for the address, fetch everything into `place`, and press Ctrl-C."""
    address = _address(words, start, over)
    if address is None:
        return
    with (folder / "answers").open("wb") as answers, (folder / "pages").open("wb") as pages:
        try:
            manifest = _get(address, "/data/manifest.json")[1]
            answers.write(manifest)
            for path in dict.fromkeys(_urls(manifest)):
                if over.is_set():
                    break
                kind, body = _get(address, path)
                (pages if "html" in kind else answers).write(body + b"\n")
        except (OSError, HTTPException, ValueError):
            pass  # the explorer has refused the run, and closed
    if not over.is_set():
        os.kill(os.getpid(), signal.SIGINT)


def _address(words: Path, start: int, over: threading.Event) -> str | None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not over.is_set():
        for line in words.read_bytes()[start:].decode(errors="replace").splitlines(keepends=True):
            if line.startswith("http://") and line.endswith("\n"):
                return line.strip()
        time.sleep(0.01)
    return None


def _get(address: str, path: str) -> tuple[str, bytes]:
    parts = urlsplit(address)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.getheader("content-type", ""), answer.read()


def _urls(manifest: bytes) -> Iterator[str]:
    """The page, every string of the manifest that may be a path, and three URLs that lead outside."""
    yield "/"
    for text in _strings(json.loads(manifest)):
        if "/" in text or "." in text or "\\" in text or not text:
            yield "/" + quote(text[:2000], safe="/%", errors="replace")
            if not text.startswith("data/a/"):
                yield "/data/a/" + quote(text[:2000], safe="/%", errors="replace")
    yield from ASKED


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in [*value.values(), *value] if isinstance(value, dict) else value:
            yield from _strings(one)


def _sample(world: World, words: Path) -> str:
    from zatlas.commands.look import sample

    return command(lambda: sample(Path("run"), count=9, out=world.out / "sample.png"))


def _site(world: World, words: Path) -> str:
    from zatlas.commands.share import export

    return command(lambda: export(Path("run"), (world.out / "site",)))


def _page(world: World, words: Path) -> str:
    from zatlas.commands.share import export

    return command(lambda: export(Path("run"), (world.out / "page.html",)))


def _gallery(world: World, words: Path) -> str:
    from zatlas.commands.look import gallery

    return command(lambda: gallery(Path("run"), no_open=True))


def _resume(world: World, words: Path) -> str:
    from zatlas.commands.make import train

    return command(lambda: train(resume=Path("run")))


def _check(world: World, words: Path) -> str:
    from zatlas.commands.run_data import check

    return command(lambda: check(Path("run")))


def _import(world: World, words: Path) -> str:
    """Import the model that lies beside the run."""
    from zatlas.commands.make import import_model

    (source,) = world.downloads.glob("model.*")
    return command(lambda: import_model(source, out=world.out / "imported"))


DEEDS: dict[str, Callable[[World, Path], str]] = {
    "open": _open,
    "explore": _explore,
    "sample": _sample,
    "site": _site,
    "page": _page,
    "gallery": _gallery,
    "resume": _resume,
    "check": _check,
    "import": _import,
}


def _watch_opened(world: World) -> None:
    """Write down every path in the victim's home that this process opens or lists."""
    home = os.path.realpath(world.home)
    log = os.open(world.folder / "tmp" / "opened", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    busy = threading.local()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in ("open", "os.listdir", "os.scandir", "shutil.copyfile"):
            return
        path = arguments[0]
        if not isinstance(path, str | bytes | os.PathLike) or getattr(busy, "on", False):
            return
        busy.on = True
        try:
            text, flags = os.fsdecode(path), arguments[2] if event == "open" else 0
            if isinstance(flags, int) and flags & os.O_NOFOLLOW:  # a link at its end is refused
                text = os.path.join(os.path.realpath(os.path.dirname(text)), os.path.basename(text))
                real = text
            else:
                real = os.path.realpath(text)
            if real.startswith(home + os.sep):
                os.write(log, f"{event} {real}\n".encode(errors="replace"))
        except (OSError, ValueError):
            return
        finally:
            busy.on = False

    sys.addaudithook(hook)
