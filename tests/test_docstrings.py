"""The examples in the docstrings of the public names run, on a run of small images."""

import doctest
import inspect
import shutil

import numpy as np
import pytest

import zatlas
from tests.conftest import spots

SETTINGS = {
    "net.name": "mlp",
    "net.widths": [16],
    "training.batch": 32,
    "training.preview": 0,
    "training.schedule": "constant",
    "training.rate": 3e-3,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory, own_cache):
    """A folder with a VAE, a conditional VAE and a GAN of small images in `runs`."""
    folder = tmp_path_factory.mktemp("docstrings")
    images = spots(150)
    arrays = {}
    for part, rows in (("train", images.split != 2), ("test", images.split == 2)):
        arrays[f"x_{part}"] = images.pixels[rows]
        arrays[f"y_{part}"] = np.array(images.classes)[images.labels[rows]]
    np.savez(folder / "shapes.npz", **arrays)
    for name, model, settings in (
        ("shapes", "vae", {}),
        ("conditional", "vae", {"model.conditional": True}),
        ("gan", "gan", {}),
    ):
        zatlas.train(
            folder / "shapes.npz",
            model=model,
            dim=2,
            epochs=20,
            settings={**SETTINGS, **settings},
            out=folder / "runs" / name,
            verbose=False,
        )
    return folder


def public_examples():
    """Every docstring example of a public name, or of a public method of a public class."""
    finder = doctest.DocTestFinder(recurse=False, exclude_empty=True)
    owners = {"zatlas": zatlas}
    for name in zatlas.__all__:
        value = getattr(zatlas, name)
        owners[name] = value
        if inspect.isclass(value) and value.__module__.startswith("zatlas"):
            members = [each for each in dir(value) if not each.startswith("_")]
            owners |= {f"{name}.{each}": inspect.getattr_static(value, each) for each in members}
    for name, value in owners.items():
        value = getattr(value, "__func__", getattr(value, "func", value))
        yield from ((name, each) for each in finder.find(value, name, globs={}))


LONG = {"Atlas.explore", "Atlas.export", "Sweep", "export", "sweep", "zatlas"}
EXAMPLES = [
    pytest.param(name, example, id=name, marks=[pytest.mark.slow] if name in LONG else [])
    for name, example in public_examples()
    if example.examples
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_an_example_of_a_docstring_runs(name, example, place, tmp_path, monkeypatch):
    shutil.copytree(place / "runs", tmp_path / "runs")
    shutil.copy(place / "shapes.npz", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"zatlas": zatlas, "np": np}
    names |= {"atlas": zatlas.load("runs/shapes"), "conditional": zatlas.load("runs/conditional")}
    example.globs.update(names)
    lines = []
    result = doctest.DocTestRunner(verbose=False).run(example, out=lines.append)
    assert not result.failed, "".join(lines)
