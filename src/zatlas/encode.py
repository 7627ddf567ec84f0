"""Encode large datasets part by part, in this process or on a cluster.

Each part is a file that is written atomically. Existing parts are not encoded again, so that an interrupted
job can be resumed, and a failed worker does not lose finished parts.
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
from zatlas.core.extras import require
from zatlas.core.logs import log_level
from zatlas.core.progress import bar
from zatlas.data.partitions import LABEL, DatasetPartitions, Partitions, ReadBlock, open_partitions
from zatlas.models.generator import Generator
from zatlas.store import atomic
from zatlas.store import latent_table as tables
from zatlas.store.latent_table import LatentBlock, LatentTable
from zatlas.store.safe_paths import file_name
from zatlas.workspace import Workspace

Where = Literal["here", "ray"]

MAX_BAD_SHARE = 0.05  # maximum share of skipped images
RESERVED_COLUMNS = ("index", "z", "std")  # columns of zatlas


@dataclass(frozen=True)
class EncodeJob:
    """Images to encode, the run with the model, and the folder for the result."""

    run: Path
    partitions: Partitions
    folder: Path
    provenance: Mapping[str, Any]

    def missing(self) -> list[int]:
        """Return the numbers of the missing parts; parts of other images or weights are removed."""
        atomic.remove_file(self.folder / tables.PARTS_FILE)
        numbers = {tables.part_path(self.folder, n): n for n in range(len(self.partitions.counts))}
        finished = []
        for path in self.folder.glob("part-*.parquet"):
            if path in numbers and tables.provenance(path) == self._part(numbers[path]):
                finished.append(numbers[path])
                continue
            atomic.remove_file(path)
            atomic.remove_file(path.with_suffix(".json"))
        return sorted(set(numbers.values()) - set(finished))

    def write(self, number: int, read: ReadBlock, generator: Generator) -> int:
        """Encode a block and write it as a part; return its number of images."""
        labels = _labels_of(read, generator)
        latents = LatentTable(read.rows, *generator.latents(read.pixels, labels))
        columns = {
            name if name not in RESERVED_COLUMNS else f"{name}_": column
            for name, column in read.columns.items()
        }
        path = tables.part_path(self.folder, number)
        if read.skipped:
            atomic.write_file(path.with_suffix(".json"), atomic.as_json(list(read.skipped)))
        tables.write(path, [LatentBlock(latents, columns)], self._part(number))
        return len(latents)

    def _part(self, number: int) -> dict[str, Any]:
        return {**self.provenance, "part": number}


def encode(
    workspace: Workspace,
    data: str | None = None,
    *,
    split: str | None = None,
    on: Where = "here",
    out: Path | None = None,
) -> Path:
    """Encode DATA, or the images of the run, into a folder of Parquet files, and return its path.

    Charts and other commands use the encoded splits of the run.
    """
    if not workspace.source.decodes:
        raise NotSupported(f"{workspace.name} has latents without a model, so it cannot encode images.")
    if workspace.generator.encoder is None:
        raise NotSupported(
            f"{workspace.name} has no encoder, so it cannot encode images. Train one: "
            f"{workspace.command('invert', workspace.run.folder, '--train-encoder')}"
        )
    if on == "ray":
        require("ray", "Encoding on a cluster")
    job = _make_job(workspace, data, split, out)
    if tables.provenance(job.folder) == job.provenance:
        return job.folder
    job.folder.mkdir(parents=True, exist_ok=True)
    missing = job.missing()
    numbers = _encode_here(job, workspace, missing) if on == "here" else _encode_on_ray(job, missing)
    counts = job.partitions.counts
    with bar("encoding", sum(counts)) as advance:
        advance(sum(counts) - sum(counts[number] for number in missing))
        for number in numbers:
            advance(counts[number])
    _check_skipped(job)
    tables.mark_complete(job.folder, job.provenance)
    return job.folder


def _make_job(workspace: Workspace, data: str | None, split: str | None, out: Path | None) -> EncodeJob:
    provenance = {"weights": workspace.digest}
    if data is None:
        recipe = workspace.recipe
        # Raises `DataMismatch` if the images differ.
        open_dataset(workspace.run, data_changed=workspace.data_changed)
        source = recipe.source_in(workspace.run)
        pieces: Partitions = DatasetPartitions(source, recipe.size, recipe.options, split)
    else:
        pieces = open_partitions(data, workspace.description.shape)
        if split is not None:
            if not isinstance(pieces, DatasetPartitions):
                raise BadData(f"{data} has no splits, so none can be selected.")
            pieces = DatasetPartitions(pieces.source, pieces.size, pieces.options, split)
    provenance |= {"fingerprint": pieces.fingerprint, "split": split or "all"}
    name = file_name(f"{pieces.name}-{split or 'all'}")
    if out is not None and out.is_file():
        raise BadData(f"{out} is a file, but the result is a folder. Choose another folder.")
    folder = out or workspace.folder("latents") / f"{name}.parquet"
    _check_folder(folder)
    if folder.is_file() and tables.provenance(folder) != provenance:
        atomic.remove_file(folder)  # a table of other weights
    return EncodeJob(workspace.run.folder.resolve(), pieces, folder.resolve(), provenance)


def _check_folder(folder: Path) -> None:
    """Raise `BadData` for a folder with a run or with files of another program."""
    provenance = tables.provenance(folder) if folder.is_dir() else None
    foreign = [] if provenance is None or "weights" in provenance else [folder / tables.PARTS_FILE]
    parts = sorted(folder.glob("part-*.parquet"))
    foreign += [path for path in parts if tables.provenance(path) is None]
    if foreign:
        raise BadData(
            f"{folder} contains {foreign[0].name}, which is not part of a table of latents and would be "
            "lost. Choose another folder."
        )


def _encode_here(job: EncodeJob, workspace: Workspace, numbers: Sequence[int]) -> Iterator[int]:
    """Encode part after part; a thread reads the next one."""
    generator = workspace.generator
    with ThreadPoolExecutor(1) as pool:
        ahead = [pool.submit(job.partitions.read, number) for number in numbers[:1]]
        for index, number in enumerate(numbers):
            read = ahead.pop().result()
            ahead += [pool.submit(job.partitions.read, n) for n in numbers[index + 1 : index + 2]]
            job.write(number, read, generator)
            yield number


def _encode_on_ray(job: EncodeJob, numbers: Sequence[int]) -> Iterator[int]:
    """Encode parts in processes of Ray: on the cluster of RAY_ADDRESS, or on this machine.

    Moritz et al. 2018, https://arxiv.org/abs/1712.05889
    """
    if not numbers:
        return

    class Encoding:
        """The model in a worker process, opened once.

        The process that sends the job has already opened the same run, with consent if it needs trust.
        """

        def __init__(self) -> None:
            self.generator = Workspace.open(job.run, trust=True).generator

        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
            for number in batch["part"].tolist():
                job.write(number, job.partitions.read(number), self.generator)
            return batch

    # The output of Ray is not part of the result.
    quiet = log_level("ray.data", logging.ERROR)
    with redirect_stdout(sys.stderr), ray_cluster("Encoding") as ray, quiet:
        threads = int(ray.cluster_resources().get("CPU", 1))
        gpus = int(ray.cluster_resources().get("GPU", 0))
        workers = min(gpus or threads, len(numbers))
        items = [{"part": number} for number in numbers]
        result = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            Encoding, batch_size=1, concurrency=workers, num_cpus=1, num_gpus=1 if gpus else 0
        )
        for row in result.iter_rows():
            yield int(row["part"])


def _labels_of(read: ReadBlock, generator: Generator) -> Labels | None:
    """Return the labels for a conditional encoder; None if the encoder is unconditional."""
    if not generator.classes:
        return None
    index_of = {name: number for number, name in enumerate(generator.classes)}
    names = read.columns.get(LABEL)
    if names is None or not set(names.tolist()) <= set(index_of):
        raise BadData(
            "This model needs the class of each image, and these images lack its classes: "
            f"{', '.join(generator.classes)}. Put the images into folders with these names."
        )
    return np.array([index_of[name] for name in names.tolist()], np.int64)


def _check_skipped(job: EncodeJob) -> None:
    """Raise `BadData` if too many images were skipped; the finished parts are not removed."""
    paths = sorted(job.folder.glob("part-*.json"))
    skipped = [file for path in paths for file in json.loads(path.read_bytes())]
    total = sum(job.partitions.counts)
    if len(skipped) > MAX_BAD_SHARE * total:
        first = skipped[0]
        raise BadData(
            f"{len(skipped):,} of {total:,} images cannot be used, such as {first['file']}: "
            f"{first['detail']}. {job.folder}/part-*.json lists all of them. Repair or remove them, and "
            "encode again."
        )
