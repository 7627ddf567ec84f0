"""Import latents without a model, from npy, npz or Parquet files.

Other arrays or columns with one value per latent become labels and attributes.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from zatlas.core.arrays import Latents, Pixels, check_finite
from zatlas.core.errors import BadData, NotSupported, UnknownName, first_line
from zatlas.data import npy
from zatlas.data.attribute_table import typed_array
from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.models.importers.imported import ImportOptions, SourceInfo, shape_text

FILE, TABLE = "latents.npy", "labels.parquet"
SUFFIXES = (".npy", ".npz", ".parquet")
NAMES = ("latents", "z", "embeddings", "embedding", "codes", "points", "arr_0")
LABELS = ("label", "labels", "class", "target", "targets", "y")  # possible names of the labels
MAX_BYTES = 16 << 30  # of unpacked latents
MAX_CLASSES = 1000  # different labels; with more, a column is an attribute
MAX_TEXT_CLASSES = 50  # different texts of a column that is not named as a label
MAX_TEXT_BYTES = 2 << 30  # of a text column, whose entries are as long as its longest
BATCH = 4096  # rows of a Parquet file that are read at a time

Columns = Mapping[str, np.ndarray]  # flags, numbers or texts, by name


def write_latents(source: Path, side: Path, options: ImportOptions) -> SourceInfo:
    """Write the latents of a file into the run as one array, and the other columns as a table."""
    array, columns, name = _load(source, options.key)
    if array.ndim < 2 or len(array) < 2 or array.dtype.kind not in "fiu" or not array.size:
        raise BadData(
            f"{source} holds an array of {array.dtype} with shape {array.shape}. Latents are numbers with "
            "at least 2 rows."
        )
    latents = np.ascontiguousarray(array, np.float32).reshape(len(array), -1)
    check_finite(latents, "Remove those rows.", f"latents in {source}")
    np.save(side / FILE, latents)
    shape = options.shape or tuple(int(size) for size in array.shape[1:])
    if int(np.prod(shape)) != latents.shape[1]:
        raise BadData(
            f"{source} has {latents.shape[1]} numbers per row, which do not fit the shape "
            f"{shape_text(shape)}. Give another shape (--shape; in Python: shape=)."
        )
    origin = f" from {name}" if name else ""
    lines = [f"{len(latents):,} latents of shape {shape_text(shape)}{origin}, without a decoder."]
    files, settings = {"latents": FILE}, {"label": ""}
    if columns:
        label = _label_of(columns)
        files["labels"], settings["label"] = TABLE, label
        table = pa.table({key: pa.array(column) for key, column in columns.items()})
        pq.write_table(table, side / TABLE)
        lines.append(_describe(columns, label))
    return SourceInfo("latents", files, settings, (shape,), prior="none", lines=tuple(lines))


def write_cloud(
    source: Path, side: Path, options: ImportOptions, taken: SourceInfo
) -> tuple[SourceInfo, Latents]:
    """Write latents for a decoder into the run; return its description with them, and the latents."""
    if source.suffix.lower() not in SUFFIXES or not source.is_file():
        raise BadData(f"The latents of a decoder are a file ({', '.join(SUFFIXES)}), not {source}.")
    shapes = taken.shapes if len(taken.shapes) == 1 else ()
    written = write_latents(source, side, replace(options, key=None))
    (shape,) = written.shapes
    if not options.shape and shapes and np.prod(shapes[0]) == np.prod(shape):
        shape = shapes[0]
    (side / TABLE).unlink(missing_ok=True)
    latents = read(side / FILE)
    line = f"{len(latents):,} latents from {source.name} replace a prior: samples are rows of them."
    files = {**taken.files, "latents": FILE}
    lines = (*taken.lines, line)
    return replace(taken, files=files, shapes=(shape,), prior="none", lines=lines), latents


def read(path: Path) -> Latents:
    """Return the latents (n, dim) of a run, as a memory map."""
    latents: Latents = np.asarray(npy.read_npy(path, mapped=True))
    return latents


def labels_and_attributes(latents: Latents, path: Path, label: str, name: str) -> ImageDataset:
    """Return the columns of the table at `path` as a dataset without pixels."""
    try:
        with pq.ParquetFile(path) as file:
            npy.check_memory(path, _min_bytes(file.metadata))
            table = _read(path, file, file.schema_arrow.names)
    except (pa.ArrowException, OSError) as error:
        raise BadData(f"{path} cannot be read: {first_line(error)}.") from error
    columns = {key: _values(table[key]) for key in table.column_names}
    pixels: Pixels = LatentsOnly(len(latents))  # type: ignore[assignment]
    labels = columns.pop(label, None)
    attributes = {key: typed_array(column) for key, column in columns.items()}
    dataset = image_dataset(name, pixels, labels=labels, attributes=attributes, fingerprint=f"latents {name}")
    # There is no training and test split: all latents are in one split.
    return replace(dataset, split=np.zeros(len(latents), np.uint8))


class LatentsOnly:
    """The pixels of a dataset without images; indexing raises `NotSupported`."""

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, count: int) -> None:
        self.shape = (count, 0, 0, 0)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> Pixels:
        raise NotSupported(
            "These latents were imported without images. Import them with one image for each latent: "
            "zatlas import LATENTS --data FOLDER --out RUN"
        )


def no_decoder(z: Tensor, y: Tensor | None = None) -> Tensor:
    """Raise `NotSupported`: the decoder of a run that has only latents."""
    raise NotSupported(
        "These latents were imported without a decoder, so zatlas cannot make images of them. Charts, "
        "scatter plots and distances work. For images, import the model: zatlas import MODEL --out RUN"
    )


def _load(source: Path, key: str | None) -> tuple[np.ndarray, Columns, str]:
    """Return the latents in a file, the other columns, and the name of the latents."""
    suffix = source.suffix.lower()
    if suffix == ".npy":
        array = npy.read_npy(source, mapped=True)
        npy.check_memory(source, array.size * 4)  # as float32
        return array, {}, ""
    if suffix == ".npz":
        return _from_npz(source, key)
    return npy.attempt(source, lambda: _from_parquet(source, key))


def _from_npz(source: Path, key: str | None) -> tuple[np.ndarray, Columns, str]:
    """Return an array of latents, and the arrays with one value per latent."""
    headers = npy.npz_headers(source)
    size = sum(header.nbytes for header in headers.values())
    if size > MAX_BYTES:
        raise BadData(
            f"{source} would unpack to {size / 1e9:.1f} GB; the limit is {MAX_BYTES / 1e9:.0f} GB. Save the "
            "latents as .npy."
        )
    shapes = {name: header.shape for name, header in headers.items()}
    if key is not None and key not in shapes:
        raise UnknownName(f"array in {source.name}", key, shapes)
    candidates = [name for name, shape in shapes.items() if len(shape) > 1]
    candidates = [name for name in NAMES if name in shapes] or candidates
    if key is None and len(candidates) != 1 and not set(candidates) & set(NAMES):
        names = ", ".join(shapes) or "nothing"
        raise BadData(f"{source} holds {names}. Name the array of latents with --key (in Python: key=).")
    chosen = key or candidates[0]
    count = shapes[chosen][:1]
    others = [name for name in shapes if name != chosen and shapes[name] in (count, (*count, 1))]
    content = npy.read_npz(source, lambda name: name == chosen or name in others)
    columns: dict[str, np.ndarray] = {}
    for name in others:
        column = content[name].reshape(-1)
        kind = column.dtype.kind
        if kind in "biufUSM":
            text = np.char.decode(column, "utf-8", "replace") if kind == "S" else column
            columns[name] = _values(pa.array(text))
    return content[chosen], columns, chosen


def _from_parquet(source: Path, key: str | None) -> tuple[np.ndarray, Columns, str]:
    """Return a column of lists, or all float columns together, as latents; and the other columns."""
    with pq.ParquetFile(source) as file:
        schema = file.schema_arrow
        npy.check_memory(source, _min_bytes(file.metadata))
        names = [name for name in schema.names if not name.startswith("__")]  # an index of pandas
        if key is not None and key not in names:
            raise UnknownName(f"column in {source.name}", key, names)
        lists = [name for name in names if pa.types.is_nested(schema.field(name).type)]
        chosen = key or next((name for name in NAMES if name in lists), lists[0] if lists else None)
        numbers = [name for name in names if pa.types.is_floating(schema.field(name).type)]
        # Here "y" is a coordinate, not a label.
        numbers = [chosen] if chosen else [name for name in numbers if name not in LABELS[:-1]]
        if not numbers:
            raise BadData(
                f"{source} has neither a column of lists nor columns of floats: {', '.join(names)}."
            )
        selected = [name for name in names if name in numbers or name not in lists]
        table = _read(source, file, selected)
    columns = {name: _values(table[name]) for name in table.column_names if name not in numbers}
    if chosen is None:
        latents = np.stack([table[name].to_numpy() for name in numbers], axis=1)
        return latents, columns, ", ".join(numbers)
    column = table[chosen].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if column.null_count or len(flat) % max(len(column), 1):
        raise BadData(
            f"The rows of {chosen} in {source} have different lengths. Give all latents the same size."
        )
    return flat.reshape(len(column), -1), columns, chosen


def _min_bytes(metadata: pq.FileMetaData) -> int:
    """Return the minimum bytes that the values of a Parquet file take in memory, from its metadata."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    return sum(4 * group.column(j).num_values for group in groups for j in range(group.num_columns))


def _read(source: Path, file: pq.ParquetFile, names: list[str]) -> pa.Table:
    """Read these columns batch by batch, because repeated values may take far more memory than the file."""
    parts, size = [], 0
    for batch in file.iter_batches(BATCH, columns=names):
        size += batch.nbytes
        npy.check_memory(source, size)
        parts.append(batch)
    return pa.Table.from_batches(parts, file.schema_arrow.empty_table().select(names).schema)


def _values(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Return a column as flags or numbers; any other type as texts."""
    kind = column.type
    if pa.types.is_boolean(kind) and not column.null_count:
        return np.array(column.to_pylist(), bool)
    if pa.types.is_integer(kind) and not column.null_count:
        return np.asarray(column.to_numpy(zero_copy_only=False))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return np.array([np.nan if v is None else v for v in column.to_pylist()], np.float64)
    texts = ["" if v is None else str(v) for v in column.to_pylist()]
    if 4 * len(texts) * max(map(len, texts), default=0) > MAX_TEXT_BYTES:
        raise BadData(
            f"A column of {len(texts):,} texts contains one of {max(map(len, texts)):,} characters, which is "
            "too long for labels or attributes. Leave that column out of the file."
        )
    return np.array(texts, np.str_)


def _label_of(columns: Columns) -> str:
    """Return the column of labels: one with such a name, else the first text with few values, else ""."""
    counts = {name: len(np.unique(column)) for name, column in columns.items()}
    named = [name for name in LABELS if counts.get(name, MAX_CLASSES + 1) <= MAX_CLASSES]
    texts = [name for name, column in columns.items() if column.dtype.kind == "U"]
    return next(iter(named + [name for name in texts if 1 < counts[name] <= MAX_TEXT_CLASSES]), "")


def _describe(columns: Columns, label: str) -> str:
    """Return a line about which columns are labels and attributes."""
    others = ", ".join(f"{key} ({_type_name(column)})" for key, column in columns.items() if key != label)
    labels = f"Labels from {label}" if label else "No labels"
    return f"{labels}; attributes {others}." if others else f"{labels}."


def _type_name(column: np.ndarray) -> str:
    return {"b": "yes or no", "U": "text"}.get(typed_array(column).dtype.kind, "number")
