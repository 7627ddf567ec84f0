"""Where all codes lie on a chart: `charts/NAME.parquet`, one row a code, for pandas, duckdb and us.

Columns: `index` (the row of the image set, as in the table of codes), `x` and `y`.
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

KEY = b"zatlas"  # of the file's metadata: what the places were made of
SCHEMA = [("index", pa.int64()), ("x", pa.float32()), ("y", pa.float32())]


def write(path: Path, blocks: Iterable[tuple[Rows, Plane]], made: Mapping[str, Any]) -> Path:
    """Write the table, a group of rows for each block."""
    schema = pa.schema(SCHEMA).with_metadata({KEY: json.dumps(made).encode()})
    with (
        atomic.file(path) as side,
        pq.ParquetWriter(side, schema, compression="none", use_dictionary=False) as writer,
    ):
        for rows, places in blocks:
            x, y = np.ascontiguousarray(places.T)
            writer.write_table(pa.table([rows, x, y], schema=schema))
    return path


def provenance(path: Path) -> Mapping[str, Any] | None:
    """What the places in this file were made of; None where there is no such file."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        result: Mapping[str, Any] = json.loads((pq.read_schema(path).metadata or {}).get(KEY, b"null"))
    except (pa.ArrowException, OSError, ValueError):
        return None  # it is made again
    return result


def read(path: Path) -> tuple[Rows, Plane]:
    """The rows of the image set and their places, in the order in which they were written."""
    digests.verify(path)
    try:
        table = pq.read_table(path)
        places = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
        return table["index"].to_numpy(), places
    except (pa.ArrowException, OSError, ValueError, LookupError) as error:
        raise Damaged(f"{path} cannot be read: {error}. Remove it; it is made again.") from error
