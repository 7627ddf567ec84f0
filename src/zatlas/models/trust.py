"""Consent to run programs: the model of a run may be a program, which opening the run executes.

TorchScript, torch.export and ONNX files are programs, and so is a Python class that a run names. The
user consents with `--trust` or `trust=True`. Programs that the user imports with `zatlas import` need no
consent later: zatlas stores their SHA-256 in a file of the user, outside of all runs.

`--trust` holds for one command and is not stored: a user who looks at an untrusted run once has not
decided to trust it forever.
"""

import hashlib
import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.errors import NeedsTrust
from zatlas.core.system import SYSTEM

FILE = "trusted.json"
FORMAT = 1
MAX_BYTES = 16 << 20  # of that file

_trusting = 0  # number of open `consent` blocks in this process
_trusted: set[str] = set()  # SHA-256 of the programs that this process may run


@dataclass(frozen=True)
class Program:
    """A program that would run: a file, or package.module:Class together with its weights."""

    name: str
    digest: str
    folder: str = ""  # of the module of the class; empty if it is installed


@contextmanager
def consent(given: bool = True) -> Iterator[None]:
    """Let this process open every run inside the block, if `given` is true."""
    global _trusting
    _trusting += given
    try:
        yield
    finally:
        _trusting -= given


def check(run: Path, programs: Sequence[Program], trust: bool = False) -> list[str]:
    """Raise `NeedsTrust` unless these programs may run; return the folders of their modules."""
    folders = {digest: entry["folder"] for digest, entry in _entries().items()}
    new = [
        program for program in programs if program.digest not in _trusted and program.digest not in folders
    ]
    if new and not (trust or _trusting):
        raise NeedsTrust(
            f"The model of {run} is a program ({', '.join(program.name for program in new)}). It would run "
            "with all your permissions. If you trust its author, add --trust to the command (in "
            "Python: trust=True)."
        )
    _trusted.update(program.digest for program in programs)
    return [folder for program in programs if (folder := folders.get(program.digest, ""))]


def remember(programs: Sequence[Program]) -> str:
    """Let this user open these programs from now on; return a warning if that cannot be stored, else ""."""
    _trusted.update(program.digest for program in programs)
    entries, day = _entries(), time.strftime("%Y-%m-%d")
    for program in programs:
        entries[program.digest] = {"name": program.name, "folder": program.folder, "day": day}
    try:
        _write(json.dumps({"format": FORMAT, "trusted": entries}, indent=1).encode())
    except (OSError, RuntimeError) as error:  # for example a read-only disk, or no home folder
        return (
            f"zatlas could not store that you trust this model ({error}). Every command that opens the run "
            "will need --trust. Set ZATLAS_STATE to a writable folder and import the model again."
        )
    return ""


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file. It is computed anew, because the run's own record is not trusted."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def class_digest(names: Sequence[str], weights: str) -> str:
    """Return one SHA-256 for classes, given by name, and weights, given by their SHA-256."""
    return hashlib.sha256(json.dumps([*names, weights]).encode()).hexdigest()


def _entries() -> dict[str, Mapping[str, str]]:
    """Return the entries of the file by digest; none if it is missing, damaged or writable by others."""
    try:
        with (SYSTEM.state_folder() / FILE).open("rb") as file:
            state = os.fstat(file.fileno())
            if not SYSTEM.only_user_can_write(state):
                return {}
            content: Any = json.loads(file.read(MAX_BYTES))
        entries = content["trusted"] if content["format"] == FORMAT else {}
        return {
            str(digest): {key: str(entry[key]) for key in ("name", "folder", "day")}
            for digest, entry in entries.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, RuntimeError):
        return {}


def _write(data: bytes) -> None:
    """Replace the file atomically; only this user can read it."""
    folder = SYSTEM.state_folder()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = folder / f".{FILE}-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        handle = SYSTEM.open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / FILE)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
