"""Codes without a model: a map of points that somebody else has made, from npy, npz or Parquet.

What stands beside the codes, a value for each, becomes the labels and the attributes of the points.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from zatlas.core.arrays import Pixels, Points
from zatlas.core.errors import BadData, NotSupported, UnknownName, first_line
from zatlas.data import arrays
from zatlas.data.imageset import ImageSet, image_set
from zatlas.models.bring.brought import Asked, Taken, words_of

FILE, BESIDE = "codes.npy", "beside.parquet"
SUFFIXES = (".npy", ".npz", ".parquet")
NAMES = ("codes", "z", "embeddings", "embedding", "latents", "points", "arr_0")
LABELS = ("label", "labels", "class", "target", "targets", "y")  # what labels are called
LARGEST = 16 << 30  # bytes of unpacked codes
MOST_CLASSES = 1000  # of labels; more are values
MOST_KINDS = 50  # of a text that stands for labels where none go by that name
MOST_TEXT = 2 << 30  # bytes of a column of texts, all as long as its longest
BATCH = 4096  # rows of a Parquet file that are read at a time

Beside = Mapping[str, np.ndarray]  # columns of flags, numbers or texts, by name


def take(source: Path, side: Path, asked: Asked) -> Taken:
    """The codes as one array in the run."""
    found, beside, name = _in_file(source, asked.key)
    if found.ndim < 2 or len(found) < 2 or found.dtype.kind not in "fiu" or not found.size:
        raise BadData(
            f"{source} holds {found.dtype} {found.shape}; codes are numbers, a row for each of 2 points "
            "or more."
        )
    codes = np.ascontiguousarray(found, np.float32).reshape(len(found), -1)
    if not np.isfinite(codes).all():
        raise BadData(f"{source} has codes that are no numbers (NaN or infinite): leave those rows out.")
    np.save(side / FILE, codes)
    shape = asked.shape or tuple(int(size) for size in found.shape[1:])
    if int(np.prod(shape)) != codes.shape[1]:
        raise BadData(f"{source} has {codes.shape[1]} numbers a row, which are no {words_of(shape)}.")
    about = f", from {name}," if name else ""
    told = [
        f"{len(codes):,} codes of {words_of(shape)}{about} and no decoder: there is a map, and no images."
    ]
    files, settings = {"codes": FILE}, {"label": ""}
    if beside:
        label = _label_of(beside)
        files["beside"], settings["label"] = BESIDE, label
        table = pa.table({key: pa.array(column) for key, column in beside.items()})
        pq.write_table(table, side / BESIDE)
        told.append(_known_words(beside, label))
    return Taken("codes", files, settings, (shape,), prior="none", told=tuple(told))


def read(path: Path) -> Points:
    """The codes of a run."""
    found: Points = np.asarray(arrays.read_npy(path, mapped=True))
    return found


def known(codes: Points, path: Path, label: str, name: str) -> ImageSet:
    """What came beside the codes, as the labels and attributes of images that nobody has."""
    try:
        with pq.ParquetFile(path) as file:
            arrays.check_memory(path, _least(file.metadata))
            table = _read(path, file, file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"{path} cannot be read: {first_line(error)}.") from error
    beside = {key: _values(table[key]) for key in table.column_names}
    pixels: Pixels = Unseen(len(codes))  # type: ignore[assignment]
    found = image_set(
        name, pixels, labels=beside.pop(label, None), attributes=beside, fingerprint=f"codes {name}"
    )
    # Nothing was trained on some of them: all are on the map.
    return replace(found, split=np.zeros(len(codes), np.uint8))


class Unseen:
    """Stands for the pixels of images that were not brought; a sentence, for whoever asks for them."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, count: int) -> None:
        self.shape = (count, 0, 0, 0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Pixels:
        raise NotSupported(
            "These codes were brought without their images. Bring them with those, one for each code: "
            "zatlas bring CODES --data FOLDER --out RUN"
        )


def no_decoder(z: Tensor, y: Tensor | None = None) -> Tensor:
    """What stands for the decoder: a sentence."""
    raise NotSupported(
        "These codes were brought without a decoder, so there are no images of points: charts, "
        "points and distances work. Bring the model itself for the rest: zatlas bring MODEL --out RUN."
    )


def _in_file(source: Path, key: str | None) -> tuple[np.ndarray, Beside, str]:
    """The codes in a file, what stands beside them, and what they are called there."""
    suffix = source.suffix.lower()
    if suffix == ".npy":
        found = arrays.read_npy(source, mapped=True)
        arrays.check_memory(source, found.size * 4)  # as float32
        return found, {}, ""
    if suffix == ".npz":
        return _from_npz(source, key)
    return arrays.attempt(source, lambda: _from_parquet(source, key))


def _from_npz(source: Path, key: str | None) -> tuple[np.ndarray, Beside, str]:
    """An array of codes, and those that hold one value for each."""
    headers = arrays.npz_headers(source)
    whole = sum(header.nbytes for header in headers.values())
    if whole > LARGEST:
        raise BadData(f"{source} would unpack to {whole / 1e9:.1f} GB; up to {LARGEST / 1e9:.0f} are read.")
    shapes = {name: header.shape for name, header in headers.items()}
    if key is not None and key not in shapes:
        raise UnknownName(f"array in {source.name}", key, shapes)
    wide = [name for name, shape in shapes.items() if len(shape) > 1]
    wide = [name for name in NAMES if name in shapes] or wide
    if key is None and len(wide) != 1 and not set(wide) & set(NAMES):
        raise BadData(f"{source} holds {', '.join(shapes) or 'nothing'}: say with --key which are codes.")
    chosen = key or wide[0]
    count = shapes[chosen][:1]
    columns = [n for n in shapes if n != chosen and shapes[n] in (count, (*count, 1))]
    found = arrays.read_npz(source, lambda name: name == chosen or name in columns)
    beside: dict[str, np.ndarray] = {}
    for name in columns:
        column = found[name].reshape(-1)
        kind = column.dtype.kind
        if kind in "biufUSM":
            text = np.char.decode(column, "utf-8", "replace") if kind == "S" else column
            beside[name] = _values(pa.array(text))
    return found[chosen], beside, chosen


def _from_parquet(source: Path, key: str | None) -> tuple[np.ndarray, Beside, str]:
    """A column of lists, or all columns of decimals side by side; and the other columns."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        arrays.check_memory(source, _least(file.metadata))
        names = [name for name in schema.names if not name.startswith("__")]  # those are an index
        if key is not None and key not in names:
            raise UnknownName(f"column in {source.name}", key, names)
        lists = [name for name in names if pa.types.is_nested(schema.field(name).type)]
        chosen = key or next((name for name in NAMES if name in lists), lists[0] if lists else None)
        numbers = [name for name in names if pa.types.is_floating(schema.field(name).type)]
        numbers = (
            [chosen] if chosen else [name for name in numbers if name not in LABELS[:-1]]
        )  # y is a place there
        if not numbers:
            raise BadData(f"{source} has no column of lists and none of decimals: {', '.join(names)}.")
        wanted = [name for name in names if name in numbers or name not in lists]
        table = _read(source, file, wanted)
    beside: dict[str, np.ndarray] = {}
    for name in table.column_names:
        if name not in numbers:
            beside[name] = _values(table[name])
    if chosen is None:
        codes = np.stack([table[name].to_numpy() for name in numbers], axis=1)
        return codes, beside, ", ".join(numbers)
    column = table[chosen].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if column.null_count or len(flat) % max(len(column), 1):
        raise BadData(f"The rows of {chosen} in {source} are of different lengths.")
    return flat.reshape(len(column), -1), beside, chosen


def _least(about: pq.FileMetaData) -> int:
    """The fewest bytes that the values of a Parquet file take in memory, by what it says of itself."""
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    return sum(4 * group.column(j).num_values for group in groups for j in range(group.num_columns))


def _read(source: Path, file: pq.ParquetFile, names: list[str]) -> pa.Table:
    """These columns, batch by batch: repeated texts and rows may need far more than the file."""
    parts, size = [], 0
    for batch in file.iter_batches(BATCH, columns=names):
        size += batch.nbytes
        arrays.check_memory(source, size)
        parts.append(batch)
    return pa.Table.from_batches(parts, file.schema_arrow.empty_table().select(names).schema)


def _values(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """The values of a column; of those that are neither flags nor numbers, their texts."""
    kind = column.type
    if pa.types.is_boolean(kind) and not column.null_count:
        return np.array(column.to_pylist(), bool)
    if pa.types.is_integer(kind) and not column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.array([np.nan if v is None else v for v in column.to_pylist()], np.float64)
    texts = ["" if v is None else str(v) for v in column.to_pylist()]
    if 4 * len(texts) * max(map(len, texts), default=0) > MOST_TEXT:
        raise BadData(
            f"A column of {len(texts):,} texts has one of {max(map(len, texts)):,} letters, which is too "
            "much for labels or attributes. Leave that column out of the file."
        )
    return np.array(texts, np.str_)


def _label_of(beside: Beside) -> str:
    """The column that is the label: the one that is called so, else the first text of few values."""
    kinds = {name: len(np.unique(column)) for name, column in beside.items()}
    called = [name for name in LABELS if kinds.get(name, MOST_CLASSES + 1) <= MOST_CLASSES]
    texts = [name for name, column in beside.items() if column.dtype.kind == "U"]
    return next(iter(called + [name for name in texts if 1 < kinds[name] <= MOST_KINDS]), "")


def _known_words(beside: Beside, label: str) -> str:
    """What was taken as what."""
    rest = ", ".join(f"{key} ({_sort(column)})" for key, column in beside.items() if key != label)
    known = f"label, from {label}" if label else "no label"
    return f"Of the points is known: {known}" + (f"; attributes {rest}." if rest else ".")


def _sort(column: np.ndarray) -> str:
    return {"b": "yes or no", "U": "text"}.get(column.dtype.kind, "number")
