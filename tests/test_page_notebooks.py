"""The notebooks of the tutorials and articles are those of their pages, and every cell runs."""

import os
import re
import sys

import pytest

from tests.write_notebooks import ARTICLES, FOLDER, TUTORIALS, notebook

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

NAMES = TUTORIALS + ARTICLES
SHORT = ("your-model", "article-interpolation")  # under a minute
MARKS = {name: pytest.mark.slow if name in SHORT else pytest.mark.nightly for name in NAMES}
SECONDS = 1800  # for one cell, on a busy machine


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_is_that_of_its_page(name):
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert text == notebook(name), "give the command: python -m tests.write_notebooks"
    nbformat.validate(nbformat.reads(text, as_version=4))
    cells = nbformat.reads(text, as_version=4).cells
    assert any(cell.cell_type == "code" for cell in cells)
    for target in re.findall(r"\]\((\.\.[^)#]+)", "\n".join(cell.source for cell in cells)):
        assert (FOLDER / target).exists(), target


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS[name]) for name in NAMES])
def test_every_cell_of_a_notebook_runs(name, own_cache, tmp_path, monkeypatch):
    shim(tmp_path / "bin", monkeypatch)
    book = nbformat.reads(notebook(name), as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    for cell in code:
        cell.source = re.sub(r"^!(?!timeout).*$", r"\g<0>\nassert _exit_code == 0", cell.source, flags=re.M)
    resources = {"metadata": {"path": tmp_path}}
    nbclient.NotebookClient(book, timeout=SECONDS, resources=resources).execute()
    shown = [data for cell in code for each in cell.outputs if (data := each.get("data"))]
    html = "".join(data.get("text/html", "") for data in shown)
    frames = re.findall(r'<iframe[^>]* src="([\w-]+\.html)"', html.replace("\n", " "))
    assert all((tmp_path / frame).exists() for frame in frames)
    if name in ARTICLES:
        assert len(frames) >= 2


def shim(folder, monkeypatch):
    """Put commands `zatlas` and `torchrun` of this Python into the path of the kernel."""
    folder.mkdir()
    for name, module in (("zatlas", "zatlas"), ("torchrun", "torch.distributed.run")):
        (folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
