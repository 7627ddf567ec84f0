"""Limits of a model stand in the captions of the figures that they concern."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from torch import nn

from zatlas.create import import_model
from zatlas.figures.inversions import inversion_sheet, sample_inputs
from zatlas.figures.paths import interpolation
from zatlas.figures.sheets import sample_sheet
from zatlas.latent.inversion import invert
from zatlas.locate import locate_all
from zatlas.store import atomic


@pytest.fixture(scope="module")
def spatial(tmp_path_factory, own_cache):
    """An auto-encoder whose latents are small images."""
    decoder = nn.Sequential(nn.ConvTranspose2d(4, 1, 4, 4), nn.Sigmoid())
    folder = tmp_path_factory.mktemp("runs") / "spatial"
    return import_model(decoder, folder, shape=(4, 2, 2), encoder=nn.Conv2d(1, 4, 4, 4), verbose=False)


def words(canvas):
    """All texts of a figure, in one line."""
    return " ".join("".join(ElementTree.fromstring(canvas.svg()).itertext()).split())


def test_paths_and_samples_of_spatial_latents_are_captioned(spatial, wide):
    def path(workspace):
        anchors = locate_all(workspace, ["random:0", "random:1"])
        return words(interpolation(workspace, anchors).strip())

    assert "the 4x2x2 latents changes on its own, so this is a cross-fade" in path(spatial)
    assert "cross-fade" not in path(wide)
    assert "the 4x2x2 latents is sampled independently" in words(sample_sheet(spatial, 4))
    assert "independently" not in words(sample_sheet(wide, 4))


def test_samples_of_a_diffusion_auto_encoder_say_that_their_prior_is_a_substitute(spatial):
    file = spatial.run.provenance_file
    table = json.loads(file.read_text())
    table["imported"] |= {"kind": "diffusers", "settings": {"class": "AutoencoderKL"}}
    table["imported"]["files"]["weights"] = table["imported"]["files"]["decoder"]
    atomic.write_file(file, json.dumps(table).encode())
    assert "the normal prior is a substitute" in words(sample_sheet(spatial, 4))


def test_an_inversion_compares_its_error_with_the_difference_of_two_images(rival):
    given = sample_inputs(rival, None, 0)
    given = replace(given, names=given.names[:2], images=given.images[:2])
    result = invert(rival.generator, given.images, steps=3, show=False)
    text = words(inversion_sheet(rival, given, result))
    assert f"error {np.median(result.rms):.1%} of the grey range" in text
    assert "two images of this model differ by" in text and "hard to distinguish" not in text
