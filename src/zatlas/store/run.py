"""A run: the folder that training leaves, readable by a person, by pandas and by a browser.

recipe.toml          all that decided how it was trained
made.json            versions, machine, seed, the data's fingerprint, the folder's format
data_report.json     what was used of the data, and what was set aside and why
weights.safetensors  the model: its weights, described in their metadata
inverter.safetensors an encoder that was taught later, for a model that came without one
retry.parquet      what a scorer has read of the images
scorer.safetensors   that scorer, if it is one of zatlas: a page reads its pictures with it
priors/              densities fitted to the codes, to sample from
metrics.jsonl        a row an epoch
digests.jsonl        what each of these files held when it was written, so that damage is found
checkpoints/         to resume from
previews/            what the model could do along the way; curves.png beside it
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadRun, CannotWrite
from zatlas.core.shell import shell_command
from zatlas.store import atomic, digests, lock, metrics, retry, safe_paths

FORMAT = 1


@dataclass(frozen=True)
class Run:
    """A run's folder and what is where in it."""

    folder: Path

    def path(self, *names: str) -> Path:
        """The path of a file or folder of this run: plain names, and no link on the way."""
        return safe_paths.path(self.folder, *names)

    @property
    def weights(self) -> Path:
        return self.path("weights.safetensors")

    @property
    def inverter(self) -> Path:
        return self.path("inverter.safetensors")

    @property
    def predictions(self) -> Path:
        return self.path("predictions.parquet")

    @property
    def classifier(self) -> Path:
        return self.path("classifier.safetensors")

    @property
    def checkpoints(self) -> Path:
        return self.path("checkpoints")

    @property
    def metrics_file(self) -> Path:
        return self.path("metrics.jsonl")

    @property
    def recipe_file(self) -> Path:
        return self.path("recipe.toml")

    @property
    def provenance_file(self) -> Path:
        return self.path("made.json")

    @property
    def result_file(self) -> Path:
        return self.path("result.json")

    @property
    def gallery(self) -> Path:
        return self.path("gallery")

    def read(self, path: Path) -> bytes:
        """The bytes of a file of this run, if they are those that were written."""
        return digests.read(path)

    def provenance(self) -> dict[str, Any]:
        """How this run was made: versions, machine, seed and data."""
        return json.loads(self.read(self.provenance_file))

    def metrics(self) -> list[dict[str, Any]]:
        """The rows of `metrics.jsonl`; a last one that is still being written is left out."""
        try:
            data = self.read(self.metrics_file)
        except FileNotFoundError:
            return []
        return metrics.parse(data, self.metrics_file)

    @contextmanager
    def lock(self, *, enabled: bool = True) -> Iterator[None]:
        """Hold the run as its only trainer; the system lets go if this process dies.

        Of several processes that train together, one wants it for all.
        """
        if not enabled:
            yield
            return
        with lock.lock_folder(self.folder):
            yield

    @property
    def lock_holder(self) -> str | None:
        """The process that trains this run now, found out without standing in its way."""
        return lock.lock_holder(self.folder)


def create_run(folder: Path, files: Mapping[str, bytes]) -> Run:
    """A new run with these files in it, all at once; an existing folder is refused."""
    check_free(folder)
    with atomic.folder(folder, sealed=False, recorded=True) as side:
        for name, data in files.items():
            (side / name).write_bytes(data)
    return Run(folder)


def check_free(folder: Path) -> None:
    """Refuse to make a run where there is something."""
    check_name(folder)
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise BadRun(
            f"No run can be made at {folder}: {error.strerror}. Choose another place with --out."
        ) from error
    if not taken and not atomic.is_writable(folder):
        raise CannotWrite(f"{folder} cannot be written. Choose a place that you may write: --out")
    if taken:
        raise BadRun(
            f"{folder} is there already and not empty. Choose another place with --out, or go on "
            f"with what is there: {shell_command('train', '--resume', folder)}"
        )


def check_name(folder: Path) -> None:
    """Refuse a path that is not UTF-8: Parquet, TensorBoard and web pages cannot name it."""
    whole = os.path.abspath(folder)  # noqa: PTH100
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise BadRun(
            f"The path {os.fsencode(whole)!r} is not UTF-8, so a run cannot be there. Rename the folder, "
            "or choose another place with --out."
        ) from error


def open_run(folder: Path) -> Run:
    """The run in this folder, if it is one that this version can read."""
    run = Run(folder)
    check_name(folder)
    if not retry.is_folder(folder):
        command = shell_command("train", "digits", "--out", folder)
        raise BadRun(f"There is no run at {folder}. Train one: {command}")
    if run.provenance_file.exists() and not safe_paths.is_file(folder / digests.FILE):
        raise BadRun(
            f"{folder} has no {digests.FILE}, so damage to its files would not be found. If the run is "
            f"yours, record them as they are: {shell_command('check', folder, '--accept', '.')}"
        )
    try:
        made = run.provenance()
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
    return atomic.unused_path(Path("runs") / name)
