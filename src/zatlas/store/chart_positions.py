"""Positions of all latents on a chart: `charts/NAME.parquet`, one row for each latent.

Columns: `index` (the row of the dataset, as in the table of latents), `x` and `y`.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zatlas.core.arrays import Plane, Rows
from zatlas.core.errors import Damaged
from zatlas.store import atomic, digests

KEY = b"zatlas"  # metadata key of the provenance
SCHEMA = [("index", pa.int64()), ("x", pa.float32()), ("y", pa.float32())]


def write(path: Path, blocks: Iterable[tuple[Rows, Plane]], made: Mapping[str, Any]) -> Path:
    """Write the table, one row group for each block."""
    schema = pa.schema(SCHEMA).with_metadata({KEY: json.dumps(made).encode()})
    with (
        atomic.file(path) as side,
        pq.ParquetWriter(side, schema, compression="none", use_dictionary=False) as writer,
    ):
        for rows, positions in blocks:
            x, y = np.ascontiguousarray(positions.T)
            writer.write_table(pa.table([rows, x, y], schema=schema))
    return path


def provenance(path: Path) -> Mapping[str, Any] | None:
    """Return the provenance of the positions; None if the file does not exist or cannot be parsed."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        result: Mapping[str, Any] = json.loads((pq.read_schema(path).metadata or {}).get(KEY, b"null"))
    except (pa.ArrowException, OSError, ValueError):
        return None
    return result


def read(path: Path) -> tuple[Rows, Plane]:
    """Return the rows of the dataset and their positions (n, 2), in the order of the file."""
    digests.verify(path)
    try:
        table = pq.read_table(path)
        positions = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
        return table["index"].to_numpy(), positions
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise Damaged(f"{path} cannot be read: {error}. Remove it, and zatlas computes it again.") from error
