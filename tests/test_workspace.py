"""The data of a run, asked for by many threads at once."""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from zatlas import contents, run_model
from zatlas import workspace as module
from zatlas.directions import find
from zatlas.latent import saved_charts
from zatlas.sample import fit_prior, prior_of
from zatlas.store.cache import Cache
from zatlas.workspace import Workspace

THREADS = 8


def together(make):
    """What each of several threads gets, all of which begin at the same moment."""
    gate = Barrier(THREADS)

    def begin(_):
        gate.wait()
        return make()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


@pytest.fixture
def counted(monkeypatch):
    """How often each artifact of a run is made."""
    counts = Counter()

    def count(owner, name):
        make = getattr(owner, name)

        def counting(*words, **settings):
            counts[name] += 1
            return make(*words, **settings)

        monkeypatch.setattr(owner, name, counting)

    count(contents, "open_dataset")
    count(contents, "model_digest")
    for name in ("latent_blocks", "density", "neighbor_index"):
        count(module, name)
    count(run_model, "make_recipe")
    count(saved_charts, "make_chart")
    count(find, "fit_probes")
    return counts


def test_eight_threads_make_each_artifact_of_a_run_once(wide, tmp_path, counted):
    copy = tmp_path / "wide"
    shutil.copytree(wide.run.folder, copy, ignore=shutil.ignore_patterns("latents", "charts", "priors"))
    run = Workspace.open(copy)
    counted.clear()
    z = np.zeros((1, run.dim), np.float32)
    for make in (
        lambda: run.recipe.family,
        lambda: run.table("train").latents,
        lambda: run.density.relative_distance(z),
        lambda: run.nearest(z)[0],
        lambda: run.chart("pca").positions,
        lambda: find.probes_of(run).weights,
    ):
        first, *others = together(make)
        assert all(np.array_equal(first, other) for other in others)
    assert counted.pop("latent_blocks") == 2  # the training images, and the test images of the chart
    assert counted and set(counted.values()) == {1}, counted


def test_eight_threads_fit_one_prior(wide, monkeypatch):
    fits = []
    run = Workspace.open(wide.run.folder)
    monkeypatch.setattr("zatlas.sample.find_prior", lambda workspace, kind: None)
    monkeypatch.setattr("zatlas.sample.fit_prior", lambda *words: fits.append(words) or fit_prior(*words))
    first, *others = together(lambda: prior_of(run, "mixture"))
    assert len(fits) == 1 and all(other is first for other in others)


def test_a_value_that_cannot_be_made_is_tried_again():
    cache = Cache()
    with pytest.raises(ZeroDivisionError):
        cache.get("x", lambda: 1 // 0)
    assert cache.get("x", lambda: 3) == 3 == cache.get("x", lambda: 4)
    cache.set("x", 5)
    assert cache.get("x", lambda: 6) == 5
