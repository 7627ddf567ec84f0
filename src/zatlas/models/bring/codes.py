"""Codes without a model: a map of points that somebody else has made, from npy, npz or Parquet."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from zatlas.core.arrays import Points
from zatlas.core.errors import BadData, NotSupported, UnknownName
from zatlas.models.bring.brought import Asked, Taken, first_line, words_of

FILE = "codes.npy"
SUFFIXES = (".npy", ".npz", ".parquet")
NAMES = ("codes", "z", "embeddings", "embedding", "latents", "points", "arr_0")
LARGEST = 16 << 30  # bytes of unpacked codes


def take(source: Path, side: Path, asked: Asked) -> Taken:
    """The codes as one array in the run."""
    suffix = source.suffix.lower()
    try:
        if suffix == ".npy":
            found = np.load(source, mmap_mode="r", allow_pickle=False)
        elif suffix == ".npz":
            found = _from_npz(source, asked.key)
        else:
            found = _from_parquet(source, asked.key)
    except (BadData, UnknownName):
        raise
    except (
        ValueError,
        OSError,
        EOFError,
        zipfile.BadZipFile,
        pa.ArrowException,
        KeyError,
    ) as error:
        pickled = "it holds Python objects, which are never unpickled"
        why = pickled if "pickle" in str(error) else first_line(error)
        raise BadData(f"{source} cannot be read as codes: {why}.") from error
    if found.ndim < 2 or len(found) < 2 or found.dtype.kind not in "fiu" or not found.size:
        raise BadData(
            f"{source} holds {found.dtype} {found.shape}; codes are numbers, a row for each of 2 points "
            "or more."
        )
    codes = np.ascontiguousarray(found, np.float32).reshape(len(found), -1)
    if not np.isfinite(codes).all():
        raise BadData(
            f"{source} has codes that are no numbers (NaN or infinite): leave those rows out."
        )
    np.save(side / FILE, codes)
    shape = asked.shape or tuple(int(size) for size in found.shape[1:])
    if int(np.prod(shape)) != codes.shape[1]:
        raise BadData(
            f"{source} has {codes.shape[1]} numbers a row, which are no {words_of(shape)}."
        )
    told = (
        f"{len(codes):,} codes of {words_of(shape)}, and no decoder: there is a map, and no images.",
    )
    return Taken("codes", {"codes": FILE}, {}, (shape,), prior="none", told=told)


def read(path: Path) -> Points:
    """The codes of a run."""
    try:
        found: Points = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.asarray(found)
    except (ValueError, OSError, EOFError) as error:
        raise BadData(f"{path} cannot be read as codes: {first_line(error)}.") from error


def no_decoder(z: Tensor, y: Tensor | None = None) -> Tensor:
    """What stands for the decoder: a sentence."""
    raise NotSupported(
        "These codes were brought without a decoder, so there are no images of points: charts, "
        "points and distances work. Bring the model itself for the rest: zatlas bring MODEL --out RUN."
    )


def _from_npz(source: Path, key: str | None) -> np.ndarray:
    with zipfile.ZipFile(source) as archive:
        whole = sum(entry.file_size for entry in archive.infolist())
    if whole > LARGEST:
        raise BadData(
            f"{source} would unpack to {whole / 1e9:.1f} GB; up to {LARGEST / 1e9:.0f} are read."
        )
    with np.load(source, allow_pickle=False) as arrays:
        if key is not None and key not in arrays.files:
            raise UnknownName(f"array in {source.name}", key, arrays.files)
        likely = [name for name in NAMES if name in arrays.files]
        if key is None and not likely and len(arrays.files) != 1:
            raise BadData(
                f"{source} holds {', '.join(arrays.files) or 'nothing'}: say with --key which are codes."
            )
        return arrays[key or (likely or arrays.files)[0]]


def _from_parquet(source: Path, key: str | None) -> np.ndarray:
    """A column of lists, or all columns of numbers side by side."""
    with pq.ParquetFile(source) as file:
        names = file.schema_arrow.names
        if key is not None and key not in names:
            raise UnknownName(f"column in {source.name}", key, names)
        lists = [name for name in names if pa.types.is_nested(file.schema_arrow.field(name).type)]
        chosen = key or next((name for name in NAMES if name in lists), lists[0] if lists else None)
        if chosen is not None:
            column = file.read(columns=[chosen])[chosen].combine_chunks()
            flat = column.flatten().to_numpy(zero_copy_only=False)
            if column.null_count or len(flat) % max(len(column), 1):
                raise BadData(f"The rows of {chosen} in {source} are of different lengths.")
            return flat.reshape(len(column), -1)
        numbers = [
            name for name in names if pa.types.is_floating(file.schema_arrow.field(name).type)
        ]
        if not numbers:
            raise BadData(
                f"{source} has no column of lists and none of decimals: {', '.join(names)}."
            )
        table = file.read(columns=numbers)
    return np.stack([table[name].to_numpy() for name in numbers], axis=1)
