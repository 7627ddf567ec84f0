"""Every Python block of the documents runs, in the order of its page."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from torch import nn

import zatlas
from tests.test_importers import Decoder
from tests.write_docs import DOCS
from zatlas.core.registry import LAYOUTS
from zatlas.demo import unpack

BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
PAGES = [page for page in sorted(DOCS.glob("*.md")) if BLOCK.search(page.read_text())]


@pytest.fixture(scope="module")
def place(tmp_path_factory, digits, rival):
    """A folder with the runs and files that the documents name."""
    folder = tmp_path_factory.mktemp("docs")
    for name, run in (("digits", digits), ("digits-vae", digits), ("gan", rival)):
        shutil.copytree(run.run.folder, folder / "runs" / name)
    unpack(folder / "zatlas-demo" / "faces-vae")
    shipped = Path(zatlas.__file__).parent / "shipped" / "faces-classifier.safetensors"
    shutil.copy(shipped, folder / "faces.safetensors")
    return folder


def names_of(page, place):
    """What a page takes for granted: your own model, your own images, the run it speaks of."""
    names = {"decoder": Decoder(100), "encoder": nn.Sequential(nn.Flatten(), nn.Linear(64, 100))}
    if page == "inverting.md":
        names["images"] = np.random.default_rng(0).random((2, 1, 8, 8), np.float32)
    if page == "steering.md":
        names["atlas"] = zatlas.load(place / "zatlas-demo" / "faces-vae")
    return names


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_in_the_documents_runs(page, place, monkeypatch):
    monkeypatch.chdir(place)
    names = names_of(page.name, place)
    try:
        for block in BLOCK.findall(page.read_text()):
            exec(compile(block, page.name, "exec"), names)
    finally:
        LAYOUTS._registered.clear()
