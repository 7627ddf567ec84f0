"""Consent to programs: a run's model may be one, and opening the run runs it.

TorchScript, torch.export and ONNX files are programs, and so is a Python class that a run names. A
person consents by `--trust` or `trust=True`. The programs that a person imports with `zatlas bring`
need no consent later: their SHA-256 is remembered in a file of the user, outside of all runs.

`--trust` holds for one command and is not remembered: a consent that lasts would be forgotten, and
who looks at a stranger's run once has not said that it is harmless.
"""

import hashlib
import json
import os
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.errors import NeedsTrust

FILE = "trusted.json"
FORMAT = 1
LARGEST = 16 << 20  # bytes of that file

_everything = 0  # commands with --trust that run now
_consented: set[str] = set()  # SHA-256 of what this process may run


@dataclass(frozen=True)
class Program:
    """What would run: a file, or package.module:Class with the weights that it is filled with."""

    name: str
    digest: str
    folder: str = ""  # that the class was imported from, if it was not installed


@contextmanager
def consent(given: bool = True) -> Iterator[None]:
    """Inside the block every run may be opened, if consent is given."""
    global _everything
    _everything += given
    try:
        yield
    finally:
        _everything -= given


def check(run: Path, programs: Sequence[Program], trust: bool = False) -> list[str]:
    """Raise `NeedsTrust` unless these programs may run; the folders that classes may come from."""
    known = _remembered()
    new = [one for one in programs if one.digest not in _consented and one.digest not in known]
    if new and not (trust or _everything):
        raise NeedsTrust(
            f"The model of {run} is a program ({', '.join(one.name for one in new)}), which would run "
            "with all your rights. If you trust whoever made it, add --trust to the command (in "
            "Python: trust=True)."
        )
    _consented.update(one.digest for one in programs)
    return [folder for one in programs if (folder := known.get(one.digest, ""))]


def remember(programs: Sequence[Program]) -> str:
    """Let this user open these programs from now on; a sentence if that cannot be noted."""
    _consented.update(one.digest for one in programs)
    known = _entries()
    day = time.strftime("%Y-%m-%d")
    known |= {one.digest: {"name": one.name, "folder": one.folder, "day": day} for one in programs}
    try:
        _write(json.dumps({"format": FORMAT, "trusted": known}, indent=1).encode())
    except (OSError, RuntimeError) as error:  # a read-only disk; a user without a home folder
        return (
            f"That this model is yours cannot be noted ({error}), so the run will need --trust "
            "whenever it is opened. Set ZATLAS_STATE to a folder that you may write."
        )
    return ""


def state_folder() -> Path:
    """Where the user's own state is: $ZATLAS_STATE, else the system's folder for such."""
    if place := os.environ.get("ZATLAS_STATE"):
        return Path(place)
    if place := os.environ.get("XDG_STATE_HOME"):
        return Path(place) / "zatlas"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "zatlas"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local") / "zatlas"
    return Path.home() / ".local" / "state" / "zatlas"


def digest_of(path: Path) -> str:
    """SHA-256 of a file, read now: what a run says of itself is no evidence."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def class_digest(names: Sequence[str], weights: str) -> str:
    """SHA-256 that stands for classes, as they are named, with weights of this SHA-256."""
    return hashlib.sha256(json.dumps([*names, weights]).encode()).hexdigest()


def _remembered() -> dict[str, str]:
    """The folder of each digest that the user may run."""
    return {digest: about["folder"] for digest, about in _entries().items()}


def _entries() -> dict[str, Mapping[str, str]]:
    """What is in the file; nothing, if it is missing, damaged, or writable by others."""
    try:
        with (state_folder() / FILE).open("rb") as file:
            state = os.fstat(file.fileno())
            if hasattr(os, "getuid") and (state.st_uid != os.getuid() or state.st_mode & 0o022):
                return {}
            found: Any = json.loads(file.read(LARGEST))
        entries = found["trusted"] if found["format"] == FORMAT else {}
        return {
            str(digest): {key: str(about[key]) for key in ("name", "folder", "day")}
            for digest, about in entries.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, RuntimeError):
        return {}


def _write(data: bytes) -> None:
    """Put the file in place in one step, for this user's eyes only."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    side = folder / f".{FILE}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        handle = os.open(side, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        side.replace(folder / FILE)
    except OSError:
        side.unlink(missing_ok=True)
        raise
