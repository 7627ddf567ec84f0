"""HTML of results for notebooks: tables, and figures as data URLs."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from zatlas.core.numbers import significant
from zatlas.render.figure import Figure


def data_url(figure: Figure) -> str:
    """Return the figure as the data URL of a PNG image."""
    return "data:image/png;base64," + base64.b64encode(figure.rendered("png")).decode()


def card(
    title: str, facts: Mapping[str, object], figure: Figure | None = None, calls: Sequence[str] = ()
) -> str:
    """Return a figure with a title and a table of facts beside it, and calls to type next."""
    image = "" if figure is None else f'<img src="{data_url(figure)}" style="max-width:100%;height:auto">'
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(key)}</th>'
        f'<td style="text-align:left">{escape(_text(value))}</td></tr>'
        for key, value in facts.items()
    )
    next_calls = " ".join(f"<code>{escape(call)}</code>" for call in calls)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:1em;align-items:flex-start">'
        f"<div><b>{escape(title)}</b><table>{rows}</table>"
        f"{f'<div>next: {next_calls}</div>' if calls else ''}</div>{image}</div>"
    )


def html_table(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows with the same keys as an HTML table; floats have three significant digits."""
    heads = "".join(f"<th>{escape(key)}</th>" for key in (rows[0] if rows else ()))
    lines = ["".join(f"<td>{escape(_text(value))}</td>" for value in row.values()) for row in rows]
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"


def _text(value: object) -> str:
    if value is None:
        return ""
    return significant(value) if isinstance(value, float) else str(value)
