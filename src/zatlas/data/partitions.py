"""Images in partitions that any process can read: of a dataset, a folder of files, or Parquet shards.

A dataset is cached completely before it is used. Partitions of a folder or of shards are decoded when they
are needed, so that their pixels need not fit on the disk.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zatlas.core.arrays import Pixels, Rows
from zatlas.core.errors import BadData, CannotRead, TooLarge, first_line
from zatlas.data import folder, sources
from zatlas.data.attribute_table import typed_column
from zatlas.data.files import SkippedFile
from zatlas.data.image_dataset import SPLITS, ImageDataset
from zatlas.data.image_reader import NOT_READ, BadImage, read_image

Shape = tuple[int, int, int]
T = TypeVar("T")

PARTITION_SIZE = 4096  # images
LABEL = "label"
IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "picture")  # columns of shards with image files


@dataclass(frozen=True)
class ReadBlock:
    """The images of a partition, their labels and attributes, and the skipped files."""

    rows: Rows  # indices among all images
    pixels: Pixels
    columns: Mapping[str, np.ndarray]
    skipped: Sequence[SkippedFile] = ()


class Partitions(Protocol):
    """Images in partitions; can be pickled and read in another process."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def counts(self) -> Sequence[int]: ...  # images of each partition, including skipped ones

    def read(self, number: int) -> ReadBlock: ...


def open_partitions(data: str, shape: Shape) -> Partitions:
    """Return the partitions of DATA, with images of this shape."""
    path = Path(data).expanduser()
    if path.is_dir():
        files, skipped, _ = folder.find_images(path)
        if files:
            return FilePartitions(path, tuple(files), shape, tuple(skipped))
        if shards := tuple(sorted(path.rglob("*.parquet"))):
            return ShardPartitions(path, shards, shape)
    source, options = sources.resolve(data)
    return DatasetPartitions(source, shape[1] if shape[1] == shape[2] else None, options)


@dataclass(frozen=True)
class DatasetPartitions:
    """One split of a dataset, or all of it."""

    source: str
    size: int | None
    options: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the name and options of the dataset without its images."""
        return DatasetPartitions, (self.source, self.size, self.options, self.split)

    @cached_property
    def images(self) -> ImageDataset:
        """The dataset; other processes find it in the cache."""
        return sources.load(self.source, size=self.size, **self.options)

    @property
    def name(self) -> str:
        """The name of the dataset."""
        return self.images.name

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the images."""
        return self.images.fingerprint

    @cached_property
    def rows(self) -> Rows:
        """The rows of the split."""
        return np.arange(len(self.images)) if self.split is None else self.images.rows(self.split)

    @property
    def counts(self) -> Sequence[int]:
        """The number of images of each partition."""
        return _partition_sizes(len(self.rows))

    def read(self, number: int) -> ReadBlock:
        """Return the images of a partition."""
        images, rows = self.images, self.rows[number * PARTITION_SIZE : (number + 1) * PARTITION_SIZE]
        columns = {"split": np.array(SPLITS)[images.split[rows]]}
        if images.labels is not None and images.classes:
            columns[LABEL] = np.array(images.classes)[images.labels[rows]]
        columns |= {name: column[rows] for name, column in images.attributes.items()}
        return ReadBlock(rows, images.read_pixels(rows), columns)


@dataclass(frozen=True)
class FilePartitions:
    """Image files of a folder; the parent folder of each is its class."""

    folder: Path
    files: tuple[Path, ...]
    shape: Shape
    skipped: tuple[SkippedFile, ...] = ()  # files that could not be listed; reported with the first partition

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """The digest of the names, sizes and modification times of the files."""
        return _digest(self.files, self.shape)

    @property
    def counts(self) -> Sequence[int]:
        """The number of images of each partition."""
        return _partition_sizes(len(self.files))

    def read(self, number: int) -> ReadBlock:
        """Return the decoded images of a partition, and the files that were skipped."""
        start = number * PARTITION_SIZE
        files = self.files[start : start + PARTITION_SIZE]
        rows, pixels, skipped = _decode_files([(str(file), file) for file in files], self.shape)
        parents = [files[row].parent for row in rows]
        columns = {"file": np.array([str(files[r].relative_to(self.folder)) for r in rows], np.str_)}
        if any(parent != self.folder for parent in parents):
            columns[LABEL] = np.array([parent.name for parent in parents], np.str_)
        return ReadBlock(rows + start, pixels, columns, [*self.skipped, *skipped] if number == 0 else skipped)


@dataclass(frozen=True)
class ShardPartitions:
    """Parquet files with an image in each row; a partition is a row group."""

    folder: Path
    shards: tuple[Path, ...]
    shape: Shape

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """The digest of the names, sizes and modification times of the files."""
        return _digest(self.shards, self.shape)

    @cached_property
    def groups(self) -> Sequence[tuple[Path, int, int]]:
        """Every row group: its file, its index, its number of rows."""
        result = []
        for path in self.shards:
            metadata = _metadata(path)
            groups = range(metadata.num_row_groups)
            result += [(path, group, metadata.row_group(group).num_rows) for group in groups]
        return result

    @property
    def counts(self) -> Sequence[int]:
        """The number of rows of each group."""
        return [rows for _, _, rows in self.groups]

    def read(self, number: int) -> ReadBlock:
        """Return the decoded images of a row group, and its other columns."""
        path, group, _ = self.groups[number]
        start = sum(self.counts[:number])
        table = _explain_errors(path, lambda: _row_group(path, group))
        image = _image_column(path, table.schema)
        files = [
            (f"{path.name} row {row}", _bytes_of(value)) for row, value in enumerate(table[image].to_pylist())
        ]
        rows, pixels, skipped = _decode_files(files, self.shape)
        columns = {
            name: typed_column(column.to_pylist())[rows]
            for name, column in zip(table.column_names, table.columns, strict=True)
            if name != image and _is_simple(column.type)
        }
        return ReadBlock(rows + start, pixels, columns, skipped)


def _row_group(path: Path, group: int) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(group)


def _partition_sizes(total: int) -> list[int]:
    return [min(PARTITION_SIZE, total - start) for start in range(0, total, PARTITION_SIZE)]


def _decode_files(
    files: Sequence[tuple[str, Path | bytes]], shape: Shape
) -> tuple[Rows, Pixels, list[SkippedFile]]:
    """Return the indices of the files that are images, their pixels, and the skipped files."""
    channels, height, width = shape
    size = height if height == width else None
    rows: list[int] = []
    pixels = np.empty((len(files), *shape), np.uint8)
    skipped: list[SkippedFile] = []

    def read(file: Path | bytes) -> Pixels | BadImage:
        try:
            return read_image(file, channels=channels, size=size).pixels
        except BadImage as error:
            return error

    with ThreadPoolExecutor() as pool:  # decoders release the GIL
        images = list(pool.map(read, (file for _, file in files)))
    for row, ((name, _), image) in enumerate(zip(files, images, strict=True)):
        if isinstance(image, BadImage):
            if image.reason == NOT_READ:  # a finished part must be complete
                raise CannotRead(
                    f"{name} {image.detail}. Finished parts are saved: repeat the command when it can be "
                    "read, or move the file away."
                )
            skipped.append(image.as_report(name))
            continue
        if image.shape != shape:
            raise BadData(
                f"{name} is {image.shape[2]}x{image.shape[1]}, but this model's images are {width}x{height}. "
                "zatlas resizes only to square sizes; resize the files first."
            )
        pixels[len(rows)] = image
        rows.append(row)
    return np.array(rows, np.int64), pixels[: len(rows)], skipped


def _digest(files: Sequence[Path], shape: Shape) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    for file in files:
        try:
            state = file.stat()
            digest.update(repr((str(file), state.st_size, state.st_mtime_ns)).encode())
        except (OSError, ValueError):  # reading the file reports the reason
            digest.update(repr(str(file)).encode())
    return digest.hexdigest()


def _metadata(path: Path) -> pq.FileMetaData:
    return _explain_errors(path, lambda: pq.read_metadata(path))


def _explain_errors(path: Path, read: Callable[[], T]) -> T:
    """Return the result of `read`; errors become a `ZatlasError` that names the file."""
    try:
        return read()
    except MemoryError as error:
        raise TooLarge(f"A row group of {path} does not fit into memory.") from error
    except OSError as error:
        if error.errno:  # a read error, not a broken file
            raise CannotRead(f"{path} cannot be read: {error.strerror}.") from error
        raise BadData(f"{path} cannot be read as Parquet: {first_line(error)}.") from error
    except (pa.ArrowException, ValueError) as error:
        raise BadData(f"{path} cannot be read as Parquet: {first_line(error)}.") from error


def _image_column(path: Path, schema: pa.Schema) -> str:
    """Return the column of image files: bytes, or structs with bytes and paths."""
    types = {f.name: f.type for f in schema}
    binary = [name for name, kind in types.items() if _holds_bytes(kind)]
    candidates = [name for name in binary if name.lower() in IMAGE_COLUMNS] or binary
    if not candidates:
        raise BadData(
            f"{path} has no column of image files; it has {', '.join(types)}. Store images as bytes, or as a "
            "struct with a field `bytes`."
        )
    return candidates[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def _bytes_of(value: Any) -> bytes:
    return (value.get("bytes") if isinstance(value, dict) else value) or b""


def _is_simple(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
    )
