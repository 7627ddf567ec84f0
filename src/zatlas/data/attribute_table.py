"""Tables of labels and attributes: CSV or Parquet in, columns of one kind each out, and whose a row is."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadData, CannotRead, TooLarge, first_line
from zatlas.data.image_dataset import Column


def read_table(path: Path, text: Collection[str] = ()) -> dict[str, np.ndarray]:
    """The columns of a CSV or Parquet file, missing values as None.

    Columns named in `text` are left as they are written: 000123 is then no number.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix.lower() == ".parquet":
            result = parquet.read_table(path)
        else:
            with csv.open_csv(path) as head:
                kinds = {name: pa.string() for name in head.schema.names if name.lower() in text}
            options = csv.ConvertOptions(column_types=kinds)
            result = csv.read_csv(path, convert_options=options)
        names = Counter(result.column_names)
        columns = {
            name: _object_column(result.column(name).to_pylist()) for name in names if names[name] == 1
        }
    except MemoryError as error:
        raise TooLarge(f"{path} does not fit into memory.") from error
    except OSError as error:
        if error.errno:  # a read error is no damage
            raise CannotRead(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error
        raise BadData(f"{path} cannot be read as a table: {first_line(error)}.") from error
    except (pa.ArrowException, ValueError) as error:  # UnicodeDecodeError is one
        raise BadData(f"{path} cannot be read as a table: {first_line(error)}.") from error
    if len(columns) < len(names):
        twice = next(name for name in names if name not in columns)
        raise BadData(f"{path} has more than one column named {twice!r}; name them apart.")
    return columns


def typed_column(values: Sequence[Any]) -> Column:
    """Boolean for truth, 0 and 1, or -1 and 1; else numbers or text, with NaN or "" where none is."""
    known = [value for value in values if not _is_missing(value)]
    whole = len(known) == len(values)
    if known and all(isinstance(value, bool) for value in known):
        truth = [np.nan if _is_missing(value) else float(value) for value in values]
        return np.array(truth) == 1 if whole else np.array(truth, np.float32)
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        numbers = np.array([np.nan if _is_missing(v) else v for v in values], np.float32)
        kinds = set(np.unique(numbers[~np.isnan(numbers)]).tolist())
        if whole and kinds and (kinds <= {0.0, 1.0} or kinds <= {-1.0, 1.0}):
            return numbers == 1
        return numbers
    return np.array(["" if _is_missing(value) else str(value) for value in values], np.str_)


def match_rows(paths: Sequence[str], names: Sequence[Any] | np.ndarray) -> Rows:
    """The row that names each file, else -1.

    A name may lack the ending or the folders, or have others; it then counts only where it can
    mean but one file, and a file only where it can be but one name.
    """
    rows = np.full(len(paths), -1, dtype=np.int64)
    said = {_normalized(name): row for row, name in enumerate(names) if name is not None}
    for of_file, of_name in (
        (str, str),
        (_stem, str),
        (_file_name, _file_name),
        (_file_stem, _file_name),
        (_file_stem, _file_stem),
    ):
        left = np.flatnonzero(rows < 0).tolist()
        if not left:
            break
        taken = set(rows.tolist())
        free = _unique_forms({name: row for name, row in said.items() if row not in taken}, of_name)
        once = _unique_forms({paths[file]: file for file in left}, of_file)
        for form, file in once.items():
            rows[file] = free.get(form, -1)
    return rows


def _unique_forms(named: Mapping[str, int], form: Callable[[str], str]) -> dict[str, int]:
    """Numbers by a shorter form of their names, without the forms that several share."""
    forms = [form(name) for name in named]
    count = Counter(forms)
    return {short: n for short, n in zip(forms, named.values(), strict=True) if count[short] == 1}


def _normalized(name: Any) -> str:
    return str(name).replace("\\", "/").removeprefix("./")


def _stem(path: str) -> str:
    return path[: len(path) - len(PurePosixPath(path).suffix)]


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _file_stem(path: str) -> str:
    return _stem(_file_name(path))


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and np.isnan(value))


def _object_column(values: list[Any]) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column
