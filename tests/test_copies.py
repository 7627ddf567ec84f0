"""Runs and results are copied and pickled, and stay small: the caches are left out."""

import copy
import pickle
import subprocess
import sys
from functools import cache

import numpy as np
import pytest

import zatlas
from tests.test_python import IMAGES, LABELS, NAMES, trained
from zatlas.data.image_dataset import image_dataset

COPIES = {
    "pickle": lambda value: pickle.loads(pickle.dumps(value)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(scope="module")
def atlas(tmp_path_factory, own_cache):
    run = trained(IMAGES, NAMES[LABELS], tmp_path_factory.mktemp("copies") / "run", dim=3, epochs=5)
    run.latents("train"), run.chart("pca").inverse_transform([0, 0])
    return run


RESULTS = {  # what to copy, and an array that the copy must give, too
    "Atlas": (lambda a: a, lambda r: r.decode(r.latents("train"))),
    "Workspace": (lambda a: a.workspace, lambda r: r.latents("train")),
    "Generator": (lambda a: a.generator, lambda r: r.decode(np.zeros(3))),
    "ImageDataset": (lambda a: a.dataset, lambda r: r.pixels),
    "Recipe": (lambda a: a.recipe, lambda r: np.float32(r.seed)),
    "Chart": (lambda a: a.chart("pca"), lambda r: r.inverse_transform(np.zeros(2))),
    "LatentPath": (lambda a: a.interpolate(0, "left"), lambda r: r.images(5)),
    "spline": (lambda a: a.interpolate(0, 1, "left", method="spline"), lambda r: r.latents(9)),
    "RunDirection": (lambda a: a.find_direction("left"), lambda r: r.move(np.zeros(3))),
    "transform": (
        lambda a: a.find_directions("transform", settings={"samples": 256})[0],
        lambda r: r.move(np.zeros(3)),
    ),
    "DirectionReport": (lambda a: a.find_direction("left").evaluate(), lambda r: np.float32(r.effect.value)),
    "Evaluation": (lambda a: a.evaluate(["space"]), lambda r: np.array([m.value for m in r.result.metrics])),
    "InversionResult": (lambda a: a.invert(a.generate(2)), lambda r: r.latents),
    "SavedPrior": (lambda a: a.fit_prior("mixture"), lambda r: r.prior.sample(4, seed=0)),
    "Anchor": (lambda a: a.locate("left"), lambda r: r.latent),
    "Figure": (lambda a: a.plot.grid(3), lambda r: r.array),
    "Plots": (lambda a: a.plot, lambda r: r.grid(3).array),
}


@pytest.fixture(scope="module")
def result_of(atlas):
    return cache(lambda name: RESULTS[name][0](atlas))


@pytest.mark.parametrize("copied", COPIES)
@pytest.mark.parametrize("name", RESULTS)
def test_a_result_is_copied(name, copied, result_of):
    result, values = result_of(name), RESULTS[name][1]
    np.testing.assert_array_equal(values(COPIES[copied](result)), values(result))


@pytest.mark.parametrize("name", RESULTS)
def test_a_pickle_is_small(name, result_of):
    result = result_of(name)
    size = len(pickle.dumps(result))
    RESULTS[name][1](result)  # fills caches
    limit = 1000 if name in ("Atlas", "Workspace", "Chart", "LatentPath", "RunDirection") else 20_000
    assert len(pickle.dumps(result)) <= size + 10 and size < limit


@pytest.mark.slow
def test_another_process_opens_a_pickled_atlas(atlas, tmp_path):
    (tmp_path / "atlas.pkl").write_bytes(pickle.dumps(atlas))
    program = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).latents('train').sum())"
    command = [sys.executable, "-c", program, str(tmp_path / "atlas.pkl")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(atlas.latents("train").sum()), abs=1e-3)


def test_predictions_that_are_not_saved_are_part_of_a_copy(atlas):
    from zatlas.training.classifier_training import train_classifier

    annotated = atlas.annotate(train_classifier(atlas.dataset, epochs=1, show=False))
    assert set(COPIES["pickle"](annotated).dataset.attributes) == set(annotated.dataset.attributes) != set()


def test_a_mapped_file_is_not_copied_into_a_pickle(tmp_path):
    pixels = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(500, 1, 8, 8))
    pixels[:] = np.arange(500)[:, None, None, None] % 256
    images = image_dataset("mapped", pixels)
    data = pickle.dumps(images)
    assert len(data) < 3000 and (pickle.loads(data).pixels == pixels).all()


# Torch and frames


def test_a_dataset_is_a_torch_dataset(atlas, tmp_path):
    from torch.utils.data import DataLoader

    items = atlas.to_torch("train")
    images, labels = next(iter(DataLoader(items, batch_size=16, num_workers=0)))
    rows = atlas.dataset.rows("train")[:16]
    np.testing.assert_array_equal(images.numpy(), atlas.dataset.images(rows))
    assert labels.tolist() == atlas.dataset.labels[rows].tolist()
    again = trained(atlas.to_torch(), out=tmp_path / "again")
    assert (again.dataset.pixels == atlas.dataset.pixels).all()
    assert set(again.dataset.classes) == set(atlas.dataset.classes)
    assert len(pickle.loads(pickle.dumps(items))) == len(items)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_latents_are_a_frame_with_a_column_for_each_dimension(library, atlas):
    pytest.importorskip(library)
    frame = atlas.frame("train", library=library)
    names = [f"{name}{i}" for name in ("z", "std") for i in range(3)]
    assert list(frame.columns) == ["index", "split", "label", *names]
    np.testing.assert_array_equal(np.array(frame[["z0", "z1", "z2"]]), atlas.latents("train"))
    chart = atlas.chart("pca", split="train")
    placed = atlas.frame("train", library=library, chart=True)
    np.testing.assert_allclose(np.array(placed[["x", "y"]]), chart.positions, atol=1e-5)


def test_another_library_of_frames_is_refused(atlas):
    with pytest.raises(zatlas.ZatlasError, match="Did you mean 'pandas'"):
        atlas.frame(library="panda")
