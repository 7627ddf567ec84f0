"""Random attributes are not called significant, and true ones are."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.conftest import small_run
from zatlas.directions.cross_fitting import cross_fit, halves
from zatlas.directions.find import find_direction, store_of
from zatlas.directions.label_fits import label_fits
from zatlas.directions.measure import evaluate_directions, make_evaluator
from zatlas.directions.named_directions import fit_named
from zatlas.models.classifier import Classifier
from zatlas.store import direction_files
from zatlas.workspace import Workspace

SHARES = (0.5, 0.2, 0.1)  # of the images that a random attribute is true of


def with_coins(workspace, count):
    """The same run with random booleans among the attributes of its images."""
    rng, images = np.random.default_rng(3), workspace.dataset
    coins = {f"coin {i}": rng.random(len(images)) < SHARES[i % 3] for i in range(count)}
    return Workspace.open(
        workspace.run.folder, dataset=replace(images, attributes={**images.attributes, **coins})
    )


@pytest.fixture(scope="module")
def overfit(tmp_path_factory, own_cache):
    """An auto-encoder with almost as many dimensions as images."""
    folder = tmp_path_factory.mktemp("runs") / "overfit"
    return small_run(folder, "faces:count=300", model="ae", size=16, dim=256, epochs=10)


@pytest.mark.parametrize("name", ["wide", "overfit"])
def test_random_attributes_are_not_better_than_shuffled_labels(name, request):
    workspace = with_coins(request.getfixturevalue(name), 15)
    fitted = fit_named(workspace, [f"coin {i}" for i in range(15)])
    reports = evaluate_directions(workspace, fitted.directions)
    assert all(report.shuffled is not None for report in reports)
    assert sum(report.significant for report in reports) <= 1
    assert 0.2 < np.mean([report.shuffled.p for report in reports]) < 0.8
    for report in reports:
        if not report.significant:
            assert report.summary().startswith("Not better than shuffled labels")
            assert "times" not in report.summary()


def test_true_classes_are_better_than_shuffled_labels(wide):
    fitted = fit_named(wide, wide.dataset.classes)
    for report in evaluate_directions(wide, fitted.directions):
        assert report.significant and report.shuffled.p < 0.02, report.summary()
        assert report.effect.low < report.effect.value < report.effect.high
        assert f"better than shuffled labels (p = {report.shuffled.p:.2g}) and " in report.summary()


@pytest.mark.parametrize("method", ["median_difference", "linear", "joint"])
def test_every_linear_method_is_tested(portraits, method):
    workspace = with_coins(portraits, 4)
    names = ["Bald", "Pale_Skin", *(f"coin {i}" for i in range(4))]
    reports = evaluate_directions(workspace, fit_named(workspace, names, method=method).directions)
    assert [report.shuffled.p <= 0.05 for report in reports[:2]] == [True, True]
    assert sum(report.significant for report in reports[2:]) <= 1


def test_samples_of_a_gan_are_tested_with_the_labels_of_a_classifier(rival):
    def predict(x):
        flat = x.flatten(1)
        light = flat[:, :32].mean(dim=1) > flat[:, 32:].mean(dim=1)
        random = (flat.double().sum(dim=1) * 1e5) % 1 < 0.5  # of the image, but not of its latent
        return torch.stack([light, random], dim=1).float()

    classifier = Classifier(("light", "coin"), predict, ("flag", "flag"))
    workspace = rival.annotate(classifier)
    fitted = fit_named(workspace, ["light", "coin"])
    light, coin = evaluate_directions(workspace, fitted.directions, classifier)
    assert light.significant and not coin.significant
    assert light.shuffled is not None and coin.shuffled is not None


def test_halves_have_equally_many_images_with_each_attribute():
    flags = np.random.default_rng(0).random((401, 5)) < [0.5, 0.3, 0.1, 0.02, 0.005]
    first, second = halves(flags, seed=0)
    assert sorted([*first, *second]) == list(range(401))
    counts = [flags[rows].sum(axis=0) for rows in (first, second)]
    assert np.abs(counts[0] - counts[1]).max() <= 5 and np.abs(counts[0] - counts[1])[-2:].max() <= 2


def test_a_direction_that_was_made_by_hand_has_no_test(wide):
    seven = find_direction(wide, "7")
    other = replace(seven, vector=-seven.vector)
    (fit,) = label_fits(wide, [seven, other])
    assert cross_fit(make_evaluator(wide), fit, [other]) == [None]
    (report,) = evaluate_directions(wide, [replace(seven, facts={}, score=None)])
    assert report.shuffled is None and "shuffled labels" not in report.summary()


def test_a_saved_direction_is_tested_again(wide):
    (report,) = evaluate_directions(wide, [find_direction(wide, "3")])
    store_of(wide).save(replace(report.direction, name="threeness", description="3"), report)
    loaded = store_of(wide).report("threeness")
    assert loaded.shuffled == report.shuffled and loaded.significant
    (again,) = evaluate_directions(wide, [store_of(wide).load("threeness")])
    assert again.shuffled == report.shuffled
    direction_files.remove(store_of(wide).folder, "threeness")


def test_directions_of_one_attribute_are_tested_each_with_its_own_fit(portraits):
    plain, without = (
        find_direction(portraits, "Bald"),
        find_direction(portraits, "Bald", orthogonal_to=["Male"]),
    )
    linear = find_direction(portraits, "Bald", method="linear")
    given = [plain, without, linear, replace(plain, facts={})]
    together = evaluate_directions(portraits, given)
    assert together[3].shuffled is None and together[3].effect != together[0].effect
    assert len({report.effect.value for report in together}) == 4
    assert together[2].effect == evaluate_directions(portraits, [linear])[0].effect
