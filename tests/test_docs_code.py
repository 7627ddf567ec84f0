"""Every Python block of the documents runs, in the order of its page."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import zatlas
from tests import stylegan_files
from tests.write_docs import DOCS
from tests.write_notebooks import TUTORIALS
from zatlas.core.registry import LAYOUTS
from zatlas.demo import unpack

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
ROOT = DOCS.parent
ALL = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
PAGES = [page for page in ALL[1:] if BLOCK.search(page.read_text()) and page.stem not in TUTORIALS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, digits, rival):
    """A folder with the runs and files that the documents name."""
    result = tmp_path_factory.mktemp("docs")
    for name, run in (("digits", digits), ("digits-vae", digits), ("gan", rival)):
        shutil.copytree(run.run.folder, result / "runs" / name)
    unpack(result / "zatlas-demo" / "faces-vae")
    shutil.copytree(ROOT / "examples" / "articles", result / "examples" / "articles")
    network = stylegan_files.write(stylegan_files.CASES["skip"], result)
    zatlas.import_model(network, result / "runs" / "portraits", verbose=False)
    shipped = Path(zatlas.__file__).parent / "shipped" / "faces-classifier.safetensors"
    shutil.copy(shipped, result / "faces.safetensors")
    return result


def names_of(page, folder):
    """Names that a page assumes: your own model, your own images, the run of the page."""
    decoder = nn.Sequential(nn.Linear(100, 64), nn.Unflatten(1, (1, 8, 8)), nn.Sigmoid())
    names = {"decoder": decoder, "encoder": nn.Sequential(nn.Flatten(), nn.Linear(64, 100))}
    if page == "inverting.md":
        names["images"] = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    if page == "directions.md":
        names["atlas"] = zatlas.load(folder / "zatlas-demo" / "faces-vae")
    return names


def test_python_of_every_page_is_in_a_block_that_runs():
    """Those of the README run in test_docs.py, of tutorials in test_tutorials.py, and the others below."""
    assert DOCS / "python.md" in PAGES
    for page in ALL:
        fences = re.findall(
            r"^ *(?:```|~~~) *(\w*)[^\n]*\n(.*?)^ *(?:```|~~~)", page.read_text(), re.M | re.S
        )
        code = [block for language, block in fences if language != "python"]
        assert not [block for block in code if re.search(r"^(import|from) zatlas|^>>> ", block, re.M)], page


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documents_runs(page, folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = names_of(page.name, folder)
    try:
        for block in BLOCK.findall(page.read_text()):
            exec(compile(block, page.name, "exec"), names)
    finally:
        LAYOUTS._registered.clear()
