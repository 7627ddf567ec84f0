"""Images in pieces that any process can read by itself: of a known set, a folder of files, or Parquet shards.

A set that is known by name is prepared as a whole before it is used. A folder and shards are not: each
piece is decoded where it is needed, so that there may be more of them than one disk can hold.
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

PARTITION_SIZE = 4096  # images of a piece
LABEL = "label"
IMAGE_COLUMNS = ("image", "img", "jpg", "jpeg", "png", "picture")  # columns of shards that hold files


@dataclass(frozen=True)
class ReadBlock:
    """The images of a piece, what is known of each, and the files that held none."""

    rows: Rows  # their numbers in the whole
    pixels: Pixels
    columns: Mapping[str, np.ndarray]
    skipped: Sequence[SkippedFile] = ()


class Partitions(Protocol):
    """Images piece by piece; sent to another process, it reads the same there."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    @property
    def counts(self) -> Sequence[int]: ...  # how many images each piece has, good or bad

    def read(self, number: int) -> ReadBlock: ...


def open_partitions(data: str, shape: Shape) -> Partitions:
    """The pieces of DATA, as images of this shape."""
    place = Path(data).expanduser()
    if place.is_dir():
        files, asides, _ = folder.find_images(place)
        if files:
            return FilePartitions(place, tuple(files), shape, tuple(asides))
        if shards := tuple(sorted(place.rglob("*.parquet"))):
            return ShardPartitions(place, shards, shape)
    source, options = sources.resolve(data)
    return DatasetPartitions(source, shape[1] if shape[1] == shape[2] else None, options)


@dataclass(frozen=True)
class DatasetPartitions:
    """Rows of a set that is opened by its name: one split of it, or all."""

    source: str
    size: int | None
    options: Mapping[str, Any] = field(default_factory=dict)
    split: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """To another process goes what the set is called, and none of its images."""
        return DatasetPartitions, (self.source, self.size, self.options, self.split)

    @cached_property
    def images(self) -> ImageDataset:
        """The set; once prepared, other processes find it in the cache."""
        return sources.load(self.source, size=self.size, **self.options)

    @property
    def name(self) -> str:
        """What the set is called."""
        return self.images.name

    @property
    def fingerprint(self) -> str:
        """Of the images."""
        return self.images.fingerprint

    @cached_property
    def rows(self) -> Rows:
        """The rows that are wanted."""
        return np.arange(len(self.images)) if self.split is None else self.images.rows(self.split)

    @property
    def counts(self) -> Sequence[int]:
        """Whole pieces, and what is left."""
        return _partition_sizes(len(self.rows))

    def read(self, number: int) -> ReadBlock:
        """Rows of the set."""
        images, rows = self.images, self.rows[number * PARTITION_SIZE : (number + 1) * PARTITION_SIZE]
        columns = {"split": np.array(SPLITS)[images.split[rows]]}
        if images.labels is not None and images.classes:
            columns[LABEL] = np.array(images.classes)[images.labels[rows]]
        columns |= {name: column[rows] for name, column in images.attributes.items()}
        return ReadBlock(rows, images.read_pixels(rows), columns)


@dataclass(frozen=True)
class FilePartitions:
    """Image files of a folder; the folder that each is in is its class."""

    folder: Path
    files: tuple[Path, ...]
    shape: Shape
    skipped: tuple[SkippedFile, ...] = ()  # what could not be listed; told with the first piece

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """Of the files' names, lengths and times of change."""
        return _digest(self.files, self.shape)

    @property
    def counts(self) -> Sequence[int]:
        """Whole pieces, and what is left."""
        return _partition_sizes(len(self.files))

    def read(self, number: int) -> ReadBlock:
        """Files, decoded; those that cannot be are set aside."""
        start = number * PARTITION_SIZE
        files = self.files[start : start + PARTITION_SIZE]
        rows, pixels, asides = _decode_files([(str(file), file) for file in files], self.shape)
        kinds = [files[row].parent for row in rows]
        columns = {"file": np.array([str(files[r].relative_to(self.folder)) for r in rows], np.str_)}
        if any(kind != self.folder for kind in kinds):
            columns[LABEL] = np.array([kind.name for kind in kinds], np.str_)
        told = [*self.skipped, *asides] if number == 0 else asides
        return ReadBlock(rows + start, pixels, columns, told)


@dataclass(frozen=True)
class ShardPartitions:
    """Parquet files with a picture in each row, as datasets are handed round; a piece is a row group."""

    folder: Path
    shards: tuple[Path, ...]
    shape: Shape

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.resolve().name

    @cached_property
    def fingerprint(self) -> str:
        """Of the files' names, lengths and times of change."""
        return _digest(self.shards, self.shape)

    @cached_property
    def groups(self) -> Sequence[tuple[Path, int, int]]:
        """Every row group: its file, its number there, its rows."""
        result = []
        for path in self.shards:
            about = _metadata(path)
            groups = range(about.num_row_groups)
            result += [(path, group, about.row_group(group).num_rows) for group in groups]
        return result

    @property
    def counts(self) -> Sequence[int]:
        """Rows of each group."""
        return [rows for _, _, rows in self.groups]

    def read(self, number: int) -> ReadBlock:
        """The pictures of a row group, decoded, and its other columns."""
        path, group, _ = self.groups[number]
        start = sum(self.counts[:number])
        table = _explain_errors(path, lambda: _row_group(path, group))
        image = _image_column(path, table.schema)
        sources_ = [
            (f"{path.name} row {row}", _bytes_of(value)) for row, value in enumerate(table[image].to_pylist())
        ]
        rows, pixels, asides = _decode_files(sources_, self.shape)
        columns = {
            name: typed_column(column.to_pylist())[rows]
            for name, column in zip(table.column_names, table.columns, strict=True)
            if name != image and _is_simple(column.type)
        }
        return ReadBlock(rows + start, pixels, columns, asides)


def _row_group(path: Path, group: int) -> pa.Table:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(group)


def _partition_sizes(total: int) -> list[int]:
    return [min(PARTITION_SIZE, total - start) for start in range(0, total, PARTITION_SIZE)]


def _decode_files(
    files: Sequence[tuple[str, Path | bytes]], shape: Shape
) -> tuple[Rows, Pixels, list[SkippedFile]]:
    """The places of those that are images, their pixels, and the others with reasons."""
    channels, height, width = shape
    size = height if height == width else None
    saved: list[int] = []
    pixels = np.empty((len(files), *shape), np.uint8)
    asides: list[SkippedFile] = []

    def read(file: Path | bytes) -> Pixels | BadImage:
        try:
            return read_image(file, channels=channels, size=size).pixels
        except BadImage as error:
            return error

    with ThreadPoolExecutor() as pool:  # decoders let threads run
        result = list(pool.map(read, (file for _, file in files)))
    for row, ((name, _), image) in enumerate(zip(files, result, strict=True)):
        if isinstance(image, BadImage):
            if image.reason == NOT_READ:  # it must not be missing from a finished part
                raise CannotRead(
                    f"{name} {image.detail}. Parts that are finished stay: give the same command again "
                    "when it can be read, or move it away."
                )
            asides.append(image.as_report(name))
            continue
        if image.shape != shape:
            raise BadData(
                f"{name} is {image.shape[2]}x{image.shape[1]}; this model's images are {width}x{height}, "
                "and only square ones are cut to size. Bring them to that size first."
            )
        pixels[len(saved)] = image
        saved.append(row)
    return np.array(saved, np.int64), pixels[: len(saved)], asides


def _digest(files: Sequence[Path], shape: Shape) -> str:
    digest = hashlib.sha256(repr(shape).encode())
    for file in files:
        try:
            state = file.stat()
            digest.update(repr((str(file), state.st_size, state.st_mtime_ns)).encode())
        except (OSError, ValueError):  # reading it will say why
            digest.update(repr(str(file)).encode())
    return digest.hexdigest()


def _metadata(path: Path) -> pq.FileMetaData:
    return _explain_errors(path, lambda: pq.read_metadata(path))


def _explain_errors(path: Path, read: Callable[[], T]) -> T:
    """What `read` makes of a Parquet file; what is wrong with it as a sentence."""
    try:
        return read()
    except MemoryError as error:
        raise TooLarge(f"A row group of {path} does not fit into memory.") from error
    except OSError as error:
        if error.errno:  # a read error is no damage
            raise CannotRead(f"{path} cannot be read: {error.strerror}.") from error
        raise BadData(f"{path} cannot be read as Parquet: {first_line(error)}.") from error
    except (pa.ArrowException, ValueError) as error:
        raise BadData(f"{path} cannot be read as Parquet: {first_line(error)}.") from error


def _image_column(path: Path, schema: pa.Schema) -> str:
    """The column that holds files as bytes, alone or beside their paths."""
    kinds = {f.name: f.type for f in schema}
    holding = [name for name, kind in kinds.items() if _holds_bytes(kind)]
    known = [name for name in holding if name.lower() in IMAGE_COLUMNS] or holding
    if not known:
        raise BadData(
            f"{path} has no column of image files; it has {', '.join(kinds)}. Pictures are expected as "
            "bytes, or as a struct with a field `bytes`."
        )
    return known[0]


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
