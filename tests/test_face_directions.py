"""Directions of drawn faces, evaluated by a classifier; the model and the classifier are shipped."""

from importlib.resources import as_file, files

import numpy as np
import pytest
from benchmarks.attribute_ends import ends_are_right, unevenness
from benchmarks.flip_rates import flip_rates
from benchmarks.truth import BENT, others_of

from zatlas.demo import unpack
from zatlas.directions.find import find_directions
from zatlas.directions.types import LinearDirection
from zatlas.figures.attribute_edits import attribute
from zatlas.figures.catalogue import FACE_ATTRIBUTES
from zatlas.latent.curves import lerp
from zatlas.latent.geodesic import geodesic, length
from zatlas.locate import interpolate
from zatlas.models.classifier import load_classifier
from zatlas.workspace import Workspace

pytestmark = pytest.mark.slow

FACES = 150


@pytest.fixture(scope="module")
def faces(tmp_path_factory, own_cache):
    return Workspace.open(unpack(tmp_path_factory.mktemp("runs") / "faces-vae"))


@pytest.fixture(scope="module")
def classifier():
    with as_file(files("zatlas") / "shipped" / "faces-classifier.safetensors") as file:
        return load_classifier(file)


@pytest.fixture(scope="module")
def directions(faces):
    """A direction for each of the twelve attributes, fitted to labels without the classifier."""
    linear = [name for name in FACE_ATTRIBUTES if name not in BENT]
    result = {
        direction.name: direction
        for names, method in ((linear, "constrained"), (BENT, "local"))
        for direction in find_directions(
            faces, "labels", names=names, method=method, orthogonal_to=FACE_ATTRIBUTES
        )
    }
    assert all(isinstance(result[name], LinearDirection) for name in linear)
    return result


@pytest.mark.parametrize("name", FACE_ATTRIBUTES)
def test_a_direction_flips_its_attribute_in_nine_faces_of_ten_and_keeps_the_others(
    faces, classifier, directions, name
):
    z = faces.latents("test")[:FACES]
    rates = flip_rates(faces.generator, classifier, z, directions[name], name, others_of(name))
    assert rates.mean >= 0.9
    assert rates.side_effect < 0.15


@pytest.mark.parametrize("method", ["medians", "chart"])
@pytest.mark.parametrize("name", FACE_ATTRIBUTES)
def test_an_edit_of_faces_begins_and_ends_where_it_says_and_changes_evenly(faces, classifier, name, method):
    paths = [attribute(faces, name, method=method, seed=seed) for seed in range(20)]
    ends = faces.decode(np.concatenate([path.latents(2) for path in paths]))
    assert ends_are_right(classifier, ends, name).sum() >= 19
    assert max(unevenness(path.images(10)) for path in paths[:5]) < 3


def test_geodesics_of_faces_are_no_longer_than_straight_lines(faces):
    z = faces.latents("test")
    shorter = []
    for a, b in zip(z[:20, None], z[20:40, None], strict=True):
        line = interpolate(faces, np.concatenate([a, b]), "lerp")
        assert line.blend is lerp
        path = geodesic(faces.generator, a, b, steps=20)
        shorter.append(length(faces.generator, path) <= length(faces.generator, line))
    assert np.mean(shorter) >= 0.95
