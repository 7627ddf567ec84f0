"""A run: the folder of a trained or imported model.

recipe.toml              all settings of the training
made.json                versions, machine, seed, fingerprint of the data, format of the folder
data_report.json         how many images were used, and which files were skipped and why
weights.safetensors      the model: its weights, with a description as metadata
inverter.safetensors     an encoder that was trained later, for a model without one
classifier.safetensors   a classifier that zatlas trained
predictions.parquet      its predictions for the images
metrics.jsonl            one row for each epoch; curves.png draws them
result.json              metrics of the finished training on test images
digests.jsonl            size and SHA-256 of each file, to detect damage
checkpoints/ previews/   states to resume from, and images during training
latents/ charts/ priors/ directions/ timelines/ gallery/ report.html   results of later commands
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
    """The folder of a run, and the paths of its files."""

    folder: Path

    def path(self, *names: str) -> Path:
        """Return the path of a file or folder of this run; `BadRun` if it contains a link."""
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
        """Return the bytes of a file of this run after verifying it."""
        return digests.read(path)

    def provenance(self) -> dict[str, Any]:
        """Return the contents of made.json: versions, machine, seed and data."""
        return json.loads(self.read(self.provenance_file))

    def metrics(self) -> list[dict[str, Any]]:
        """Return the rows of `metrics.jsonl`, without an incomplete last line."""
        try:
            data = self.read(self.metrics_file)
        except FileNotFoundError:
            return []
        return metrics.parse(data, self.metrics_file)

    @contextmanager
    def lock(self, *, enabled: bool = True) -> Iterator[None]:
        """Lock the run for training; of several processes that train together, one locks it."""
        if not enabled:
            yield
            return
        with lock.lock_folder(self.folder):
            yield

    @property
    def lock_holder(self) -> str | None:
        """The process that trains this run now, such as "process 12 on host"; None if there is none."""
        return lock.lock_holder(self.folder)


def create_run(folder: Path, files: Mapping[str, bytes]) -> Run:
    """Create a run with these files atomically; `BadRun` if the folder exists."""
    check_free(folder)
    with atomic.folder(folder, sealed=False, recorded=True) as side:
        for name, data in files.items():
            (side / name).write_bytes(data)
    return Run(folder)


def check_free(folder: Path) -> None:
    """Raise an error if a run cannot be created at this folder."""
    check_name(folder)
    try:
        taken = folder.exists() and (not folder.is_dir() or any(folder.iterdir()))
    except OSError as error:
        raise BadRun(
            f"No run can be created at {folder}: {error.strerror}. Choose another folder: --out FOLDER "
            "(in Python: out=)"
        ) from error
    if not taken and not atomic.is_writable(folder):
        raise CannotWrite(
            f"{folder} cannot be written. Choose a folder that you can write to: --out FOLDER (in Python: "
            "out=)"
        )
    if taken:
        raise BadRun(
            f"{folder} already exists and is not empty. Choose another folder with --out (in Python: out=), "
            f"or resume that run (in Python: zatlas.resume({str(folder)!r})): "
            f"{shell_command('train', '--resume', folder)}"
        )


def check_name(folder: Path) -> None:
    """Raise `BadRun` for a path that is not UTF-8, which Parquet, TensorBoard and web pages need."""
    absolute = os.path.abspath(folder)  # noqa: PTH100
    try:
        absolute.encode()
    except UnicodeEncodeError as error:
        raise BadRun(
            f"The path {os.fsencode(absolute)!r} is not UTF-8, so it cannot hold a run. Rename the folder, "
            "or choose another one: --out FOLDER (in Python: out=)"
        ) from error


def open_run(folder: Path) -> Run:
    """Return the run in this folder; `BadRun` if there is none or its format is too new."""
    run = Run(folder)
    check_name(folder)
    if not retry.is_folder(folder):
        command = shell_command("train", "digits", "--out", folder)
        call = f"zatlas.train('digits', out={str(folder)!r})"
        raise BadRun(f"There is no run at {folder}. Train one (in Python: {call}): {command}")
    if run.provenance_file.exists() and not safe_paths.is_file(folder / digests.FILE):
        raise BadRun(
            f"{folder} has no {digests.FILE}, so damage to its files cannot be detected. If the run is "
            f"yours, record its files as they are: {shell_command('check', folder, '--accept', '.')}"
        )
    try:
        content = run.provenance()
        number = int(content["format"])
    except FileNotFoundError:
        raise BadRun(f"{folder} is not a run: it has no made.json.") from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadRun(f"{folder}/made.json cannot be read: {error}.") from error
    if number > FORMAT:
        raise BadRun(
            f"{folder} has format {number}, written by zatlas {content.get('zatlas', '(newer)')}, but this "
            f"version reads up to {FORMAT}. Update: pip install -U zatlas"
        )
    return run


def free_folder(name: str, parent: Path = Path("runs")) -> Path:
    """Return runs/NAME, or the first of runs/NAME-2, runs/NAME-3 ... that does not exist."""
    return atomic.unused_path(parent / name)
