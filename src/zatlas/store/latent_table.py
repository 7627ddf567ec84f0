"""The table of encoded images: `latents/NAME-SPLIT.parquet`, one row for each image.

For millions of images it is a folder of that name with one file for each part, and `made.json` once all
parts are written.

Columns: `index` (the row of the dataset), `split`, `label`, the attributes, `z` (the mean) and, if the
encoder returns one, `std`. The table is written in blocks, so memory use does not grow with it.
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
from zatlas.core.extras import require
from zatlas.store import atomic, digests

KEY = b"zatlas"  # metadata key of the provenance
PARTS_FILE = "made.json"  # the provenance of a complete folder of parts


@dataclass(frozen=True)
class LatentTable:
    """Encoded images: rows of the dataset, latents (n, d), and the encoder's std (n, d) if it has one."""

    rows: Rows
    latents: Latents
    std: Latents | None = None

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True)
class LatentBlock:
    """Some rows of the table, with labels and attributes as further columns."""

    table: LatentTable
    columns: Mapping[str, np.ndarray]


def write(path: Path, blocks: Iterable[LatentBlock], provenance: Mapping[str, Any]) -> Path:
    """Write the table; a thread writes each block while the next is computed."""
    with atomic.file(path) as side, ThreadPoolExecutor(1) as pool:
        writer: pq.ParquetWriter | None = None
        pending: Future[None] | None = None
        try:
            for block in blocks:
                table = _as_arrow(block)
                if writer is None:
                    schema = table.schema.with_metadata({KEY: json.dumps(provenance).encode()})
                    # Latents do not compress, and their statistics are not used.
                    plain = [name for name in table.column_names if name not in ("z", "std")]
                    writer = pq.ParquetWriter(
                        side, schema, compression="none", use_dictionary=False, write_statistics=plain
                    )
                if pending is not None:
                    pending.result()
                pending = pool.submit(writer.write_table, table)
            if pending is not None:
                pending.result()
        finally:
            if writer is not None:
                writer.close()
    return path


def provenance(path: Path) -> Mapping[str, Any] | None:
    """Return the provenance of a table; None if the table does not exist or is incomplete."""
    if path.is_dir():
        file_of_parts = path / PARTS_FILE
        if not file_of_parts.exists():
            return None
        digests.verify(file_of_parts)
        return json.loads(file_of_parts.read_bytes())
    if not path.exists():
        return None
    with _open(path) as file:
        return json.loads((file.schema_arrow.metadata or {}).get(KEY, b"null"))


def part_path(folder: Path, number: int) -> Path:
    """Return the path of one part."""
    return folder / f"part-{number:06d}.parquet"


def mark_complete(folder: Path, provenance: Mapping[str, Any]) -> Path:
    """Write the file that marks a folder of parts as complete."""
    return atomic.write_file(folder / PARTS_FILE, atomic.as_json(provenance))


def read(path: Path) -> LatentTable:
    """Return all latents of a table."""
    if path.is_dir():
        return _concatenate([read(part) for part in sorted(path.glob("part-*.parquet"))])
    with _open(path) as file:
        names = [name for name in ("index", "z", "std") if name in file.schema_arrow.names]
        table = file.read(columns=names)
        rows = table["index"].to_numpy().astype(np.int64)
        latents = _to_array(table["z"], len(rows))
        std = _to_array(table["std"], len(rows)) if "std" in names else None
        return LatentTable(rows, latents, std)


def blocks(path: Path, batch_rows: int = 65_536) -> Iterator[LatentTable]:
    """Yield the rows and latents of a table, `batch_rows` at a time."""
    for part in sorted(path.glob("part-*.parquet")) if path.is_dir() else [path]:
        with _open(part) as file:
            for batch in file.iter_batches(batch_rows, columns=["index", "z"]):
                rows = batch["index"].to_numpy().astype(np.int64)
                yield LatentTable(rows, _to_array(pa.chunked_array([batch["z"]]), len(rows)))


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    digests.verify(path)
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise Damaged(f"{path} cannot be read: {error}. Remove it, and zatlas computes it again.") from error


def query(tables: Mapping[str, Path], sql: str) -> pa.Table:
    """Return the result of a duckdb query; `tables` maps names in the query to files."""
    require("sql", "A query")
    import duckdb

    with duckdb.connect() as database:
        for name, path in tables.items():
            for file in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
                digests.verify(file)
            database.read_parquet(str(path / "*.parquet" if path.is_dir() else path)).create_view(name)
        try:
            return database.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise BadRecipe(f"duckdb cannot run {sql!r}: {str(error).splitlines()[0]}") from error


def _concatenate(parts: Sequence[LatentTable]) -> LatentTable:
    rows = np.concatenate([part.rows for part in parts])
    latents = np.concatenate([part.latents for part in parts])
    stds = [part.std for part in parts if part.std is not None]
    return LatentTable(rows, latents, np.concatenate(stds) if stds else None)


def _as_arrow(block: LatentBlock) -> pa.Table:
    table = block.table
    columns: dict[str, Any] = {"index": pa.array(table.rows), **dict(block.columns)}
    columns["z"] = _to_lists(table.latents)
    if table.std is not None:
        columns["std"] = _to_lists(table.std)
    return pa.table(columns)


def _to_lists(latents: Latents) -> pa.Array:
    flat = pa.array(np.ascontiguousarray(latents).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, latents.shape[1])


def _to_array(column: pa.ChunkedArray, n: int) -> Latents:
    parts = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in column.chunks]
    flat = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return flat.reshape(n, -1).astype(np.float32, copy=False)
