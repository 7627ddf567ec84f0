"""A page to read, offline and without a script: pictures with what they show and how to make them again."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote as url_quote

FILMS = (".mp4", ".webm")
DATA_URL = "data:"  # a picture that is part of the page
LIGHT = "--paper:#fff;--ink:#222;--pale:#666;--line:#e4e4e4;--soft:#f6f6f4"
DARK = "--paper:#15171a;--ink:#ececec;--pale:#a3a8ae;--line:#34383d;--soft:#1e2125"
STYLE = """
:root{%s;color-scheme:%s}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.55 system-ui,sans-serif}
main,header{max-width:66rem;margin:0 auto;padding:0 1.5rem}
header{padding-top:3.5rem}
h1{font-size:2.1rem;line-height:1.2;margin:0 0 .6rem;text-wrap:balance}
h2{font-size:1.5rem;margin:4rem 0 0;padding-top:1.2rem;border-top:1px solid var(--line)}
h3{font-size:1.1rem;margin:0 0 .3rem}
p{margin:.3rem 0;max-width:44rem}
nav{margin:1.4rem 0 0;color:var(--pale)}
nav a{margin-right:1.3rem}
a{color:inherit;text-underline-offset:.2em}
figure{margin:2.4rem 0 0}
figure img,figure video{display:block;max-width:100%%;max-height:92vh;height:auto;margin-bottom:.9rem}
.theory{color:var(--pale)}
code{display:inline-block;max-width:100%%;overflow-x:auto;margin-top:.4rem;padding:.15rem .5rem;
border-radius:4px;background:var(--soft);font:14px/1.5 ui-monospace,monospace;white-space:pre}
pre{margin:.5rem 0 1.1rem;padding:.7rem .9rem;overflow-x:auto;border-radius:4px;background:var(--soft);
font:14px/1.5 ui-monospace,monospace}
table{width:100%%;margin:1.6rem 0 0;border-collapse:collapse;font-variant-numeric:tabular-nums}
th,td{padding:.5rem 1.2rem .5rem 0;border-top:1px solid var(--line);text-align:left;vertical-align:top}
th{border-top:0;color:var(--pale);font-weight:400;font-size:.9rem}
td:first-child{font-weight:600;white-space:nowrap}
td:last-child{color:var(--pale);font-size:.9rem;line-height:1.45;padding-right:0}
@media(max-width:46rem){
thead{display:none}
tr{display:block;padding:.6rem 0;border-top:1px solid var(--line)}
td{display:block;padding:0;border:0}
td:empty{display:none}
td:not(:first-child):not(:last-child)::before{content:attr(data-column) " ";color:var(--pale)}
}
footer{max-width:66rem;margin:5rem auto 3rem;padding:1.2rem 1.5rem 0;overflow-wrap:anywhere;
color:var(--pale);font-size:.9rem}
"""


@dataclass(frozen=True)
class Figure:
    """A picture or a film beside the page, and its words."""

    file: str  # or the picture itself, as a data: address
    title: str
    about: str = ""
    theory: str = ""
    command: str = ""
    leads_to: str = ""  # where a click on it goes, if not to the picture itself


@dataclass(frozen=True)
class Note:
    """Something said, with what to type, a line each."""

    title: str
    about: str
    commands: tuple[tuple[str, str], ...] = ()  # what it is for, and the command


@dataclass(frozen=True)
class Table:
    """Rows of words under the names of their columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """What stands under one heading."""

    title: str
    figures: tuple[Figure | Note | Table, ...]


def render_page(
    title: str,
    about: str,
    sections: Sequence[Section],
    left_out: Sequence[str] = (),
    *,
    told: str = "Made by zatlas. Every picture is made again by the command under it.",
    dark: bool = False,
) -> str:
    """The whole page as HTML; `told` stands at its foot."""
    style = STYLE % ((DARK, "dark") if dark else (LIGHT, "light"))
    links = "".join(f'<a href="#{_anchor(s.title)}">{escape(s.title)}</a> ' for s in sections)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{escape(title)}</title><style>{style}</style></head><body>",
        f"<header><h1>{escape(title)}</h1><p>{escape(about)}</p><nav>{links}</nav></header><main>",
        *map(_section, sections),
        "</main>",
        f"<footer>{_footer(told, left_out)}</footer></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _section(section: Section) -> str:
    parts = "\n".join(map(_part, section.figures))
    title = section.title
    return f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>\n{parts}\n</section>'


def _part(part: Figure | Note | Table) -> str:
    if isinstance(part, Figure):
        return _figure(part)
    return _note(part) if isinstance(part, Note) else _table(part)


def _note(note: Note) -> str:
    words = [f"<h3>{escape(note.title)}</h3>", f"<p>{escape(note.about)}</p>"]
    words += [f"<p>{escape(what)}</p><pre>{escape(command)}</pre>" for what, command in note.commands]
    return f"<figure>{''.join(words)}</figure>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = (zip(table.columns, row, strict=True) for row in table.rows)
    body = "".join(f"<tr>{''.join(_cell(*cell) for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(column: str, words: str) -> str:
    """A cell that knows its column: a narrow window shows the cells of a row below one another."""
    return f'<td data-column="{escape(column, quote=True)}">{escape(words)}</td>'


def _figure(figure: Figure) -> str:
    source = _address(figure.file)
    name = escape(figure.title, quote=True)
    if figure.file.startswith(DATA_URL):
        shown = f'<img src="{source}" alt="{name}">'
    elif figure.file.endswith(FILMS):
        how = 'controls loop muted playsinline preload="auto"'
        shown = f'<video src="{source}" {how} aria-label="{name}"></video>'
    else:
        goal = _address(figure.leads_to or figure.file)
        shown = f'<a href="{goal}"><img src="{source}" alt="{name}" loading="lazy"></a>'
    title = escape(figure.title)
    if figure.leads_to:
        title = f'<a href="{_address(figure.leads_to)}">{title}</a>'
    words = [f"<h3>{title}</h3>"]
    words += [f"<p>{escape(figure.about)}</p>"] if figure.about else []
    words += [f'<p class="theory">{escape(figure.theory)}</p>'] if figure.theory else []
    words += [f"<code>{escape(figure.command)}</code>"] if figure.command else []
    return f"<figure>{shown}<figcaption>{''.join(words)}</figcaption></figure>"


def _footer(told: str, left_out: Sequence[str]) -> str:
    return escape(" Left out: ".join([told, " ".join(left_out)]) if left_out else told)


def _address(file: str) -> str:
    """A file beside the page, or data, as an attribute of HTML: `#`, `?` and `%` belong to the name."""
    return escape(file if file.startswith(DATA_URL) else url_quote(file), quote=True)


def _anchor(title: str) -> str:
    return "-".join(title.lower().split())
