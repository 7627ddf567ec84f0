"""Parse `metrics.jsonl`: one JSON object for each epoch."""

import json
from pathlib import Path
from typing import Any, NoReturn

from zatlas.core.errors import Damaged
from zatlas.core.shell import shell_command


def parse(data: bytes, path: Path) -> list[dict[str, Any]]:
    """Return the rows of this file; an incomplete last line is ignored, other invalid lines are `Damaged`."""
    rows = []
    for number, line in enumerate(data.split(b"\n")[:-1], 1):
        try:
            rows.append(_parse_row(line))
        except (ValueError, RecursionError) as error:
            raise Damaged(
                f"{path} is damaged: line {number} is not a row of metrics ({error}). Restore it from a "
                f"checkpoint: {shell_command('train', '--resume', path.parent)}"
            ) from error
    return rows


def _parse_row(line: bytes) -> dict[str, Any]:
    row = json.loads(line, parse_constant=_refuse_constant)
    if not isinstance(row, dict):
        raise ValueError("not a JSON object")
    if type(row.get("epoch")) is not int or row["epoch"] < 0:
        raise ValueError("no valid epoch")
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{name!r} is not a number")
    return row


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")
