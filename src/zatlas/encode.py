"""Encode millions of images in parts, in this process or on a cluster, each image once.

A part is a file that one process writes completely or not at all. Existing parts are not written again, so
a stopped job resumes, and a worker that dies costs only time.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from zatlas.contents import open_dataset
from zatlas.core.arrays import Labels
from zatlas.core.cluster import ray_cluster
from zatlas.core.errors import BadData, NotSupported
from zatlas.core.logs import log_level
from zatlas.core.progress import bar
from zatlas.core.shell import shell_command
from zatlas.data.partitions import LABEL, DatasetPartitions, Partitions, ReadBlock, partitions_of
from zatlas.latent.latent_blocks import from_bytes
from zatlas.models.generator import Generator
from zatlas.store import atomic
from zatlas.store import latent_table as tables
from zatlas.store.latent_table import LatentBlock, LatentTable
from zatlas.store.safe_paths import file_name
from zatlas.workspace import Workspace

Where = Literal["here", "ray"]

MAX_BAD_SHARE = 0.05  # largest share of unusable images
RESERVED_COLUMNS = ("index", "z", "deviation")  # names of the columns of zatlas


@dataclass(frozen=True)
class EncodeJob:
    """The run that encodes, the images in parts, and the folder of the result."""

    run: Path
    pieces: Partitions
    folder: Path
    made: Mapping[str, Any]

    def missing(self) -> list[int]:
        """Return the numbers of the missing parts, and remove parts of other images or weights."""
        atomic.remove_file(self.folder / tables.SEAL)
        numbers = {tables.part(self.folder, number): number for number in range(len(self.pieces.counts))}
        present = []
        for path in self.folder.glob("part-*.parquet"):
            if path in numbers and tables.provenance(path) == self._part(numbers[path]):
                present.append(numbers[path])
                continue
            atomic.remove_file(path)
            atomic.remove_file(path.with_suffix(".json"))
        return sorted(set(numbers.values()) - set(present))

    def write(self, number: int, read: ReadBlock, generator: Generator) -> int:
        """Encode the images of a part, write it, and return the number of images."""
        labels = _labels(read, generator)
        latents = LatentTable(read.rows, *generator.latents(read.pixels, labels))
        columns = {
            name if name not in RESERVED_COLUMNS else f"{name}_": column
            for name, column in read.columns.items()
        }
        path = tables.part(self.folder, number)
        if read.set_aside:
            atomic.write_file(path.with_suffix(".json"), atomic.as_json(list(read.set_aside)))
        tables.write(path, [LatentBlock(latents, columns)], self._part(number))
        return len(latents)

    def _part(self, number: int) -> dict[str, Any]:
        return {**self.made, "part": number}


def encode(
    workspace: Workspace,
    data: str | None = None,
    *,
    split: str | None = None,
    on: Where = "here",
    out: Path | None = None,
) -> Path:
    """Encode images, or the dataset of the run, into a folder of Parquet files, and return its path.

    The charts and figures of the run use encoded splits of its dataset from then on.
    """
    if not workspace.source.decodes:
        raise NotSupported(f"{workspace.name} has only latents: there is no model to encode images with.")
    if workspace.generator.encoder is None:
        raise NotSupported(
            f"{workspace.name} has no encoder, so its images have no latents. Train one: "
            f"{shell_command('invert', workspace.run.folder, '--learn')}"
        )
    job = _job(workspace, data, split, out)
    if tables.provenance(job.folder) == job.made:
        return job.folder
    job.folder.mkdir(parents=True, exist_ok=True)
    missing = job.missing()
    numbers = _here(job, workspace, missing) if on == "here" else _on_ray(job, missing)
    counts = job.pieces.counts
    with bar("encoding", sum(counts)) as advance:
        advance(sum(counts) - sum(counts[number] for number in missing))
        for number in numbers:
            advance(counts[number])
    _refuse_many(job)
    tables.seal(job.folder, job.made)
    return job.folder


def _job(workspace: Workspace, data: str | None, split: str | None, out: Path | None) -> EncodeJob:
    made = {"weights": workspace.digest}
    if data is None:
        recipe = workspace.recipe
        # Raises an error if the images have changed.
        open_dataset(workspace.run, data_changed=workspace.data_changed)
        source = recipe.source_in(workspace.run)
        pieces: Partitions = DatasetPartitions(source, recipe.size, recipe.options, split)
    else:
        pieces = partitions_of(data, workspace.description.shape)
        if split is not None:
            if not isinstance(pieces, DatasetPartitions):
                raise BadData(f"{data} has no splits: omit --split.")
            pieces = DatasetPartitions(pieces.source, pieces.size, pieces.options, split)
    made |= {"data": pieces.fingerprint, "split": split or "all"}
    name = file_name(f"{pieces.name}-{split or 'all'}")
    if out is not None and out.is_file():
        raise BadData(f"{out} is a file; zatlas writes the latents to a folder. Choose another --out.")
    folder = out or workspace.folder("latents") / f"{name}.parquet"
    _refuse_foreign(folder)
    if folder.is_file() and tables.provenance(folder) != made:
        atomic.remove_file(folder)  # a table of other weights
    return EncodeJob(workspace.run.folder.resolve(), pieces, folder.resolve(), made)


def _refuse_foreign(folder: Path) -> None:
    """Raise `BadData` for a folder with files that are not parts of zatlas."""
    seal = tables.provenance(folder) if folder.is_dir() else None
    foreign = [] if seal is None or "weights" in seal else [folder / tables.SEAL]
    parts = sorted(folder.glob("part-*.parquet"))
    foreign += [path for path in parts if tables.provenance(path) is None]
    if foreign:
        raise BadData(
            f"{folder} holds {foreign[0].name}, which is not part of a table of latents and would be lost. "
            "Choose another folder."
        )


def _here(job: EncodeJob, workspace: Workspace, numbers: Sequence[int]) -> Iterator[int]:
    """Write the parts in order, and yield their numbers; the next is read while one is encoded."""
    generator = from_bytes(workspace.generator)
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(job.pieces.read, number) for number in numbers[:1]]
        for index, number in enumerate(numbers):
            read = ahead.pop().result()
            ahead += [pool.submit(job.pieces.read, n) for n in numbers[index + 1 : index + 2]]
            job.write(number, read, generator)
            yield number


def _on_ray(job: EncodeJob, numbers: Sequence[int]) -> Iterator[int]:
    """Yield the numbers of parts that ray's processes write, on the cluster of RAY_ADDRESS or this machine.

    Moritz et al. 2018, https://arxiv.org/abs/1712.05889
    """
    if not numbers:
        return

    class Encoding:
        """The model of one process, opened once.

        The process that sends the job has opened the same run, and checked its trust.
        """

        def __init__(self) -> None:
            self.generator = from_bytes(Workspace.open(job.run, trust=True).generator)

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            for number in batch["part"].tolist():
                job.write(number, job.pieces.read(number), self.generator)
            return batch

    # Messages of ray about its workers go to stderr.
    quiet = log_level("ray.data", logging.ERROR)
    with redirect_stdout(sys.stderr), ray_cluster("Encoding") as ray, quiet:
        threads = int(ray.cluster_resources().get("CPU", 1))
        cards = int(ray.cluster_resources().get("GPU", 0))
        workers = min(cards or threads, len(numbers))
        items = [{"part": number} for number in numbers]
        result = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            Encoding, batch_size=1, concurrency=workers, num_cpus=1, num_gpus=1 if cards else 0
        )
        for row in result.iter_rows():
            yield int(row["part"])


def _labels(read: ReadBlock, generator: Generator) -> Labels | None:
    """Return the class numbers for a conditional encoder, by the names of its classes."""
    if not generator.classes:
        return None
    numbers = {name: number for number, name in enumerate(generator.classes)}
    names = read.columns.get(LABEL)
    if names is None or not set(names.tolist()) <= set(numbers):
        raise BadData(
            "This model is conditional, and these images do not have its classes: "
            f"{', '.join(generator.classes)}. Put them into folders with these names."
        )
    return np.array([numbers[name] for name in names.tolist()], np.int64)


def _refuse_many(job: EncodeJob) -> None:
    """Raise `BadData` if more than `MAX_BAD_SHARE` of the images cannot be used; the parts stay."""
    paths = sorted(job.folder.glob("part-*.json"))
    entries = [entry for path in paths for entry in json.loads(path.read_bytes())]
    total = sum(job.pieces.counts)
    if len(entries) > MAX_BAD_SHARE * total:
        first = entries[0]
        raise BadData(
            f"{len(entries):,} of {total:,} images cannot be used, for example {first['file']}: {first['detail']}. "
            f"All are listed in {job.folder}/part-*.json. Repair or remove them, and encode again."
        )
