"""Writes the notebooks of examples/notebooks from pages of the documents: `python -m tests.write_notebooks`.

A Python block becomes a cell. Commands of a tutorial become cells, too. Those of an article stay text: its
Python does the same.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCS, FOLDER = ROOT / "docs", ROOT / "examples" / "notebooks"
TUTORIALS = ("ten-minutes", "your-photos", "your-model", "real-direction", "many-machines")
ARTICLES = ("article-faces", "article-digits", "article-interpolation")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$\n?", re.DOTALL | re.MULTILINE)
PYTHON = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
FIGURE = re.compile(r"<zatlas-figure.*?</zatlas-figure>\n*", re.DOTALL)
EXPORTED = re.compile(r'^zatlas\.export\(.*, "([\w-]+\.html)", figure=.*\)$', re.MULTILINE)
FACES = """from pathlib import Path

from zatlas.demo import unpack

unpack(Path("zatlas-demo/faces-vae"))  # the face model of "Ten minutes"
"""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook(page: str) -> str:
    """The notebook of a page, without outputs."""
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    cells = [cell(i, *each) for i, each in enumerate(parts(page, FIGURE.sub(place, text)))]
    metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def place(figure: re.Match[str]) -> str:
    """A line that says where a live figure is: the next cell shows it, if that exports one."""
    source = PYTHON.search(figure.string, figure.end())
    shown = source is not None and EXPORTED.search(source[1]) is not None
    return f"*The live figure is {'in the output of the next cell' if shown else 'on the site only'}.*\n\n"


def parts(page: str, text: str) -> Iterator[tuple[str, str]]:
    """The kind and the source of each cell."""
    title, _, rest = text.partition("\n")
    origin = f"`python -m tests.write_notebooks` makes this notebook from [a page]({page}.md)."
    prose, begin = f"{title}\n\n{origin}\n", 0
    for block in BLOCK.finditer(rest):
        language, source = block.groups()
        is_command = not language and page in TUTORIALS
        if language != "python" and not is_command:
            continue
        yield "markdown", prose + rest[begin : block.start()]
        if page == "real-direction" and not begin:
            yield "code", FACES
        yield "code", shell(source) if is_command else framed(source)
        prose, begin = "", block.end()
    yield "markdown", prose + rest[begin:]


def shell(commands: str) -> str:
    """Commands as lines of a cell; the explorer is shown in the notebook."""
    explored = re.compile(r"^zatlas explore (\S+)$")
    lines = [line.partition("  #")[0] for line in commands.splitlines()]
    shown = [explored.sub(r'import zatlas\n\nzatlas.load("\1").explore()', line) for line in lines]
    return "\n".join(line if "\n" in line else f"!{line}" for line in shown)


def framed(source: str) -> str:
    """Python that exports a figure, with a frame that shows it."""
    exported = EXPORTED.search(source)
    if exported is None:
        return source
    frame = f'IFrame("{exported[1]}", width=720, height=520)'
    return f"from IPython.display import IFrame\n\n{source}{frame}"


def cell(number: int, kind: str, source: str) -> dict[str, Any]:
    """A cell of the format of Jupyter; links lead to the pages."""
    if kind == "markdown":
        source = re.sub(r"\]\((?!https?:|#)([^)]+\))", r"](../../docs/\1", source)
    lines = source.strip().splitlines(keepends=True)
    result: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number:02}", "metadata": {}, "source": lines}
    return result if kind == "markdown" else {**result, "execution_count": None, "outputs": []}


if __name__ == "__main__":
    for name in TUTORIALS + ARTICLES:
        (FOLDER / f"{name}.ipynb").write_text(notebook(name), encoding="utf-8")
