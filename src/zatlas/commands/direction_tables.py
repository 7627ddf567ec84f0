"""Tables of directions that fit a terminal; the JSON of the same commands has every value."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zatlas.core.numbers import significant

Row = Mapping[str, Any]


def effect_table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """The measured effect of each direction, from the rows of `report_rows`."""
    return [
        {
            "direction": _name(row),
            "one std changes it by": _change(row, "effect", interval=True),
            "random": _change(row, "random"),
            "AUC": auc_text(row),
            "side effects": row["side effects"],
            "works": row["usable"].replace(" standard deviations", " std"),
        }
        for row in rows
    ]


def saved_table(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The saved directions, with the names of their files."""
    return [
        {
            "direction": _name(row),
            "kind": row["kind"],
            "std": row["std"],
            "AUC": auc_text(row),
            "file": Path(row["file"]).name,
        }
        for row in rows
    ]


def auc_text(row: Row) -> str:
    """The AUC on held-out latents; it says so if it is not better than chance."""
    if row["auc"] is None:
        return ""
    return significant(row["auc"]) + ("" if row["better than chance"] else ", not better than chance")


def _name(row: Row) -> str:
    moves = row["moves"]
    return row["direction"] if moves in ("", row["direction"]) else f"{row['direction']} (moves {moves})"


def _change(row: Row, key: str, *, interval: bool = False) -> str:
    """A change in percent of the attribute, or of grey for a direction without an attribute."""
    value = f"{significant(100 * row[key])} %"
    if not interval:
        return value
    return f"{value} ({significant(100 * row['low'])} to {significant(100 * row['high'])})"
