"""Read labels and attributes from CSV or Parquet files, and match their rows to image files."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadData, CannotRead, TooLarge, first_line
from zatlas.data.image_dataset import Column

WORDS = (("no", "yes"), ("false", "true"))
TRUTH = (*WORDS, ("n", "y"), ("f", "t"), ("0", "1"), ("-1", "1"))  # false and true, in any case
MAX_SPELLINGS = 24  # different texts of a boolean column, such as yes, Yes and YES


def read_table(path: Path, text: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Return the columns of a CSV or Parquet file; missing values are None.

    Columns of a CSV file that are named in `text` stay text, so that 000123 is not a number.
    """
    import pyarrow as pa
    from pyarrow import csv, parquet

    try:
        if path.suffix.lower() == ".parquet":
            table = parquet.read_table(path)
        else:
            with csv.open_csv(path) as head:
                kinds = {name: pa.string() for name in head.schema.names if name.lower() in text}
            options = csv.ConvertOptions(column_types=kinds)
            table = csv.read_csv(path, convert_options=options)
        names = Counter(table.column_names)
        columns = {name: _object_column(table.column(name).to_pylist()) for name in names if names[name] == 1}
    except MemoryError as error:
        raise TooLarge(f"{path} does not fit into memory.") from error
    except OSError as error:
        if error.errno:  # a read error, not a broken file
            raise CannotRead(f"{path} cannot be read: {error.strerror}. Nothing was changed.") from error
        raise BadData(f"{path} cannot be read as a table: {first_line(error)}.") from error
    except (pa.ArrowException, ValueError) as error:  # UnicodeDecodeError is one
        raise BadData(f"{path} cannot be read as a table: {first_line(error)}.") from error
    if len(columns) < len(names):
        duplicate = next(name for name in names if name not in columns)
        raise BadData(f"{path} has several columns named {duplicate!r}. Rename them.")
    return columns


def typed_column(values: Sequence[Any]) -> Column:
    """Return booleans for yes and no in their usual forms; else numbers (NaN is missing) or text ("").

    With a missing value, booleans become the numbers 0 and 1, and NaN.
    """
    present = [value for value in values if not _is_missing(value)]
    if (flags := _flags(values, present)) is not None:
        return flags
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in present):
        return np.array([np.nan if _is_missing(v) else v for v in values], np.float32)
    return np.array(["" if _is_missing(value) else str(value) for value in values], np.str_)


def typed_array(column: np.ndarray) -> Column:
    """Return an array of numbers or texts as booleans if it has only yes and no; else the same array."""
    if column.dtype.kind not in "iufU":
        return column
    distinct = np.unique(column)
    typed = typed_column(column.tolist()) if len(distinct) <= MAX_SPELLINGS else column
    return column if typed.dtype.kind == column.dtype.kind == "U" else typed


def _flags(values: Sequence[Any], present: Sequence[Any]) -> Column | None:
    """Return booleans, or 0, 1 and NaN if a value is missing; None for a column of other values."""
    if not present or not all(isinstance(value, (bool, int, float, str)) for value in present):
        return None
    words = {value: _word(value) for value in set(present)}
    spellings = set(words.values())
    pair = next((pair for pair in TRUTH if spellings <= set(pair)), None)
    if pair is None or (len(spellings) == 1 and not _suffices(present[0], pair, values, present)):
        return None
    flags = [np.nan if _is_missing(value) else float(words[value] == pair[1]) for value in values]
    return np.array(flags) == 1 if len(present) == len(values) else np.array(flags, np.float32)


def _suffices(value: Any, pair: tuple[str, str], values: Sequence[Any], present: Sequence[Any]) -> bool:
    """Return whether the only value of a column shows that the column is boolean.

    A single "y" or "f" may be anything, and so may the only number of a column with missing values.
    """
    if isinstance(value, str):
        return pair in WORDS
    return isinstance(value, bool) or len(present) == len(values)


def _word(value: bool | int | float | str) -> str:
    if isinstance(value, (bool, str)):
        return str(value).strip().lower()
    return f"{value:.9g}"


def match_rows(paths: Sequence[str], names: Sequence[Any] | np.ndarray) -> Rows:
    """Return the row that names each file, or -1.

    Names may lack the suffix or the folders, or have other ones. Such a match counts only if it is unique
    for the file and for the name.
    """
    rows = np.full(len(paths), -1, dtype=np.int64)
    row_of = {_normalized(name): row for row, name in enumerate(names) if name is not None}
    for of_file, of_name in (
        (str, str),
        (_stem, str),
        (_file_name, _file_name),
        (_file_stem, _file_name),
        (_file_stem, _file_stem),
    ):
        unmatched = np.flatnonzero(rows < 0).tolist()
        if not unmatched:
            break
        taken = set(rows.tolist())
        free = _unique_forms({name: row for name, row in row_of.items() if row not in taken}, of_name)
        files = _unique_forms({paths[file]: file for file in unmatched}, of_file)
        for form, file in files.items():
            rows[file] = free.get(form, -1)
    return rows


def _unique_forms(named: Mapping[str, int], form: Callable[[str], str]) -> dict[str, int]:
    """Return numbers by a shorter form of their names, without forms that several names share."""
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
