"""A run: the folder that training leaves, readable by a person, by pandas and by a browser.

recipe.toml          all that decided how it was trained
made.json            versions, machine, seed, the data's fingerprint, the folder's format
data_report.json     what was used of the data, and what was set aside and why
weights.safetensors  the model: its weights, described in their metadata
inverter.safetensors an encoder that was taught later, for a model that came without one
reading.parquet      what a scorer has read of the images
scorer.safetensors   that scorer, if it is one of zatlas: a page reads its pictures with it
priors/              densities fitted to the codes, to sample from
metrics.jsonl        a row an epoch
checkpoints/         to resume from
previews/            what the model could do along the way; curves.png beside it
"""

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from zatlas.core.errors import BadRun, Busy
from zatlas.core.shell import shell_command
from zatlas.store import atomic

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A run's folder and what is where in it."""

    folder: Path

    @property
    def weights(self) -> Path:
        return self.folder / "weights.safetensors"

    @property
    def inverter(self) -> Path:
        return self.folder / "inverter.safetensors"

    @property
    def reading(self) -> Path:
        return self.folder / "reading.parquet"

    @property
    def scorer(self) -> Path:
        return self.folder / "scorer.safetensors"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def recipe_file(self) -> Path:
        return self.folder / "recipe.toml"

    @property
    def made_file(self) -> Path:
        return self.folder / "made.json"

    @property
    def gallery(self) -> Path:
        return self.folder / "gallery"

    def made(self) -> dict[str, Any]:
        """How this run was made: versions, machine, seed and data."""
        return json.loads(self.made_file.read_bytes())

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`; a last one that is still being written is left out."""
        if not self.metrics_file.exists():
            return []
        lines = self.metrics_file.read_bytes().split(b"\n")[:-1]
        return [json.loads(line) for line in lines]

    def inside(self, name: str) -> Path:
        """The path of a file named by the run's own contents: never one outside the folder."""
        parts = PurePosixPath(name).parts
        odd = any(part in ("..", "/") or "\\" in part or ":" in part for part in parts)
        if odd or not parts or any(ord(letter) < 32 for letter in name):
            raise BadRun(
                f"The run {self.folder} names a file {name!r}, which would lie outside it."
            )
        path = self.folder.joinpath(*parts)
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise BadRun(f"The run {self.folder} leads out of itself by the link {name!r}.")
        return path

    @contextmanager
    def lease(self, *, wanted: bool = True) -> Iterator[None]:
        """Hold the run as its only trainer; the system lets go if this process dies.

        Of several processes that train together, one wants it for all.
        """
        if not wanted:
            yield
            return
        lock = self.folder / ".lock"
        with atomic.explained(lock):
            handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(handle, 200, 0).decode(errors="replace").strip()
                raise Busy(
                    f"{self.folder} is being trained by {holder or 'another process'}. "
                    "Wait for it to end, or train another run with --out."
                ) from None
            with atomic.explained(lock):
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)
            yield
        finally:
            os.close(handle)


def create(folder: Path, files: Mapping[str, bytes]) -> Run:
    """A new run with these files in it, all at once; an existing folder is refused."""
    check_free(folder)
    with atomic.folder(folder, sealed=False) as side:
        for name, data in files.items():
            (side / name).write_bytes(data)
    return Run(folder)


def check_free(folder: Path) -> None:
    """Refuse to make a run where there is something."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadRun(
            f"{folder} is there already and not empty. Choose another place with --out, or go on "
            f"with what is there: {shell_command('train', '--resume', folder)}"
        )


def open_run(folder: Path) -> Run:
    """The run in this folder, if it is one that this version can read."""
    run = Run(folder)
    if not folder.is_dir():
        command = shell_command("train", "digits", "--out", folder)
        raise BadRun(f"There is no run at {folder}. Train one: {command}")
    try:
        made = run.made()
        number = int(made["format"])
    except FileNotFoundError:
        raise BadRun(f"{folder} is no run: it has no made.json.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadRun(f"{folder}/made.json cannot be read: {error}.") from error
    if number > FORMAT:
        raise BadRun(
            f"{folder} has format {number}, made by zatlas {made.get('zatlas', 'of a later day')}; "
            f"this zatlas reads up to {FORMAT}. Update: pip install -U zatlas"
        )
    return run


def free_folder(name: str) -> Path:
    """runs/NAME, or the first of runs/NAME-2, runs/NAME-3 ... that is not there."""
    return atomic.unused(Path("runs") / name)
