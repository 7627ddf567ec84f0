"""Tables of labels and attributes: CSV or Parquet in, columns of one kind each out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.errors import BadData
from zatlas.data.imageset import Column


def read_table(path: Path) -> dict[str, np.ndarray]:
    """The columns of a CSV or Parquet file, missing values as None."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        binary = path.suffix.lower() == ".parquet"
        found = parquet.read_table(path) if binary else csv.read_csv(path)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise BadData(f"{path} cannot be read as a table: {error}.") from error
    columns = {name: found.column(name).to_pylist() for name in found.column_names}
    return {name: _objects(values) for name, values in columns.items()}


def typed(values: Sequence[Any]) -> Column:
    """Boolean for truth, 0 and 1, or -1 and 1; else numbers or text, with NaN or "" where none is."""
    known = [value for value in values if not _missing(value)]
    whole = len(known) == len(values)
    if known and all(isinstance(value, bool) for value in known):
        truth = [np.nan if _missing(value) else float(value) for value in values]
        return np.array(truth) == 1 if whole else np.array(truth, np.float32)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        numbers = np.array([np.nan if _missing(v) else v for v in values], np.float32)
        kinds = set(np.unique(numbers[~np.isnan(numbers)]).tolist())
        if whole and kinds and (kinds <= {0.0, 1.0} or kinds <= {-1.0, 1.0}):
            return numbers == 1
        return numbers
    return np.array(["" if _missing(value) else str(value) for value in values], np.str_)


def _missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))


def _objects(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
