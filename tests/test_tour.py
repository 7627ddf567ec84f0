"""The notebook of the examples runs without a surprise: each cell shows what it should, in few outputs."""

import re
from pathlib import Path

import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "examples" / "notebooks" / "tour.ipynb"
BAR = re.compile(r"[a-z ]+: [\d,]+ [a-z]+ in .*")
MAX_BYTES = 300_000  # of the outputs of a cell


@pytest.fixture(scope="module")
def notebook(tmp_path_factory, own_cache):
    result = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("tour")
    nbclient.NotebookClient(result, timeout=600, resources={"metadata": {"path": folder}}).execute()
    return result


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def results(cell):
    """The outputs of a cell without the bars of tasks, which a slow machine shows."""
    texts = [each.get("data", {}).get("text/plain", "") for each in cell.outputs]
    return [each for each, text in zip(cell.outputs, texts, strict=True) if not BAR.fullmatch(text)]


def test_the_notebook_is_saved_without_outputs():
    cells = code(nbformat.read(NOTEBOOK, as_version=4))
    assert len(cells) >= 24 and not any(cell.outputs or cell.execution_count for cell in cells)


@pytest.mark.slow
def test_no_cell_of_the_notebook_surprises(notebook):
    for cell in code(notebook):
        outputs = results(cell)
        kinds = [each.output_type for each in outputs]
        assert "error" not in kinds and len(set(kinds)) <= 2, (cell.source, kinds)
        assert sum(kind != "stream" for kind in kinds) <= 1, (cell.source, kinds)
        assert len(str(outputs)) < MAX_BYTES, cell.source
        for each in outputs:
            assert each.get("name") != "stderr", (cell.source, each.text)
            text = each.get("data", {}).get("text/plain", each.get("text", ""))
            assert len(text) < 5000, (cell.source, text)


@pytest.mark.slow
def test_each_cell_shows_a_figure_a_card_or_a_value(notebook):
    shown = {cell.source.splitlines()[-1]: results(cell) for cell in code(notebook)}
    for source, outputs in shown.items():
        data = next((each.data for each in outputs if "data" in each), {})  # it may print a line first
        if source.startswith("atlas.plot.") and ".save(" not in source:
            assert "image/png" in data, source
        if source in ("atlas", "chart", "path", "seven"):
            assert '<img src="data:image/png' in data["text/html"], source
        if source in ("report", "evaluation"):
            assert "<table" in data["text/html"], source
    training = code(notebook)[0].outputs[0]
    assert (
        "data:image/svg+xml" in training.data["text/html"] and "<progress" not in training.data["text/html"]
    )
    assert re.search(r"epoch 50/50 .*validation", training.data["text/plain"])
    assert "out=" in shown["    print(error)"][0].text
    explorer = shown["atlas.explore(height=640)"][0].data
    assert "application/vnd.jupyter.widget-view+json" in explorer or "<iframe" in explorer["text/html"]
