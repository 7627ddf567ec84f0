"""The table of encoded images: `latents/NAME-SPLIT.parquet`, one row an image, for pandas, duckdb and us.

It is one file or, of very many images, a folder of that name with a file for each part of them, sealed
when all are there.

Columns: `index` (the row of the image set), `split`, `label`, the attributes, `z` (the mean) and,
where the encoder gives one, `deviation`. It is written in blocks, so memory does not grow with it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zatlas.core.arrays import Latents, Rows
from zatlas.core.errors import BadRecipe, Damaged
from zatlas.store import atomic, digests

KEY = b"zatlas"  # of the file's metadata: what the codes were made of
SEAL = "made.json"  # of a folder of parts: it is whole, and what the codes were made of


@dataclass(frozen=True)
class LatentTable:
    """Encoded images: their rows in the image set, their points, and how unsure the encoder is."""

    rows: Rows
    latents: Latents
    std: Latents | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class LatentBlock:
    """Some rows of the table, with what else is known of each image."""

    table: LatentTable
    columns: Mapping[str, np.ndarray]


def write(path: Path, blocks: Iterable[LatentBlock], made: Mapping[str, Any]) -> Path:
    """Write the table; each block goes to the disk while the next is being made."""
    with atomic.file(path) as side, ThreadPoolExecutor(1) as pool:
        writer: pq.ParquetWriter | None = None
        busy: Future[None] | None = None
        try:
            for block in blocks:
                table = _table(block)
                if writer is None:
                    schema = table.schema.with_metadata({KEY: json.dumps(made).encode()})
                    # Codes do not compress, and statistics of them tell nothing.
                    plain = [name for name in table.column_names if name not in ("z", "deviation")]
                    writer = pq.ParquetWriter(
                        side, schema, compression="none", use_dictionary=False, write_statistics=plain
                    )
                if busy is not None:
                    busy.result()
                busy = pool.submit(writer.write_table, table)
            if busy is not None:
                busy.result()
        finally:
            if writer is not None:
                writer.close()
    return path


def provenance(path: Path) -> Mapping[str, Any] | None:
    """What the codes in this file were made of; None where there is no such file."""
    if path.is_dir():
        seal = path / SEAL
        if not seal.exists():
            return None
        digests.verify(seal)
        return json.loads(seal.read_bytes())
    if not path.exists():
        return None
    with _opened(path) as file:
        return json.loads((file.schema_arrow.metadata or {}).get(KEY, b"null"))


def part(folder: Path, number: int) -> Path:
    """The file of one part."""
    return folder / f"part-{number:06d}.parquet"


def seal(folder: Path, made: Mapping[str, Any]) -> Path:
    """Say that all parts are there."""
    return atomic.write_file(folder / SEAL, atomic.as_json(made))


def read(path: Path) -> LatentTable:
    """All the codes in this file, or in the parts of this folder."""
    if path.is_dir():
        return _joined([read(part) for part in sorted(path.glob("part-*.parquet"))])
    with _opened(path) as file:
        names = [name for name in ("index", "z", "deviation") if name in file.schema_arrow.names]
        table = file.read(columns=names)
        rows = table["index"].to_numpy().astype(np.int64)
        latents = _points(table["z"], len(rows))
        spread = _points(table["deviation"], len(rows)) if "deviation" in names else None
        return LatentTable(rows, latents, spread)


def blocks(path: Path, most: int = 65_536) -> Iterator[LatentTable]:
    """The rows and points of this file, or of the parts of this folder, so many at a time."""
    for one in sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]:
        with _opened(one) as file:
            for batch in file.iter_batches(most, columns=["index", "z"]):
                rows = batch["index"].to_numpy().astype(np.int64)
                yield LatentTable(rows, _points(pa.chunked_array([batch["z"]]), len(rows)))


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    digests.verify(path)
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise Damaged(f"{path} cannot be read: {error}. Remove it; it is made again.") from error


def query(tables: Mapping[str, Path], sql: str) -> pa.Table:
    """The answer of duckdb to a question about these tables, each named as it is here."""
    import duckdb

    with duckdb.connect() as base:
        for name, path in tables.items():
            for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
                digests.verify(file)
            base.read_parquet(str(path / "*.parquet" if path.is_dir() else path)).create_view(name)
        try:
            return base.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise BadRecipe(f"duckdb cannot answer {sql!r}: {first}") from error


def _joined(parts: Sequence[LatentTable]) -> LatentTable:
    rows = np.concatenate([part.rows for part in parts])
    latents = np.concatenate([part.latents for part in parts])
    spreads = [part.std for part in parts if part.std is not None]
    return LatentTable(rows, latents, np.concatenate(spreads) if spreads else None)


def _table(block: LatentBlock) -> pa.Table:
    table = block.table
    columns: dict[str, Any] = {"index": pa.array(table.rows), **dict(block.columns)}
    columns["z"] = _lists(table.latents)
    if table.std is not None:
        columns["deviation"] = _lists(table.std)
    return pa.table(columns)


def _lists(latents: Latents) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(latents).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, latents.shape[1])


def _points(column: pa.ChunkedArray, n: int) -> Latents:
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return flat.reshape(n, -1).astype(np.float32, copy=False)
