"""Coarse images of slow decoders: what they show, and that a server sends them without waiting."""

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests import stylegan_files
from tests.serving import FILES, Page, get
from tests.stylegan_files import Case
from zatlas.create import import_model
from zatlas.models.nets_stylegan2 import StyleGAN2, upsampled
from zatlas.models.nets_stylegan2_light import StyleGAN2Light
from zatlas.sample import sample_latents
from zatlas.server.handlers import coarse_generator
from zatlas.server.serve import serving

CASE = Case("ada", widths=(16, 16, 8, 8), psi=0.7, classes=2)  # of 32 pixels


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("previews")
    return import_model(stylegan_files.write(CASE, folder), folder / "run", truncation=0.7, verbose=False)


@torch.inference_mode()
def test_a_coarse_image_is_the_sum_of_the_first_blocks():
    synthesis = StyleGAN2(widths=(8, 8, 8, 8), w_dim=8).build().synthesis
    w = torch.randn(2, 8, 8, generator=torch.Generator().manual_seed(0))
    coarse = synthesis(w, blocks=2)
    for block in synthesis.blocks[2:]:  # which then add nothing
        block.pixels.conv.weight.zero_()
        block.pixels.bias.zero_()
    assert coarse.shape == (2, 3, 8, 8)
    larger = upsampled(upsampled(coarse, synthesis.taps), synthesis.taps)
    torch.testing.assert_close(larger, synthesis(w))


def test_a_stylegan2_of_another_package_has_coarse_images_too():
    net = StyleGAN2Light(widths=(8, 8, 8), z_dim=8).build()
    assert net.synthesis(torch.zeros(1, 3, 8), blocks=1).shape == (1, 3, 4, 4)


def test_the_coarse_image_of_a_sample_is_the_same_in_every_space(workspace):
    expected = None
    for name in ("z", "w", "w+", "s"):
        space = workspace.in_space(name)
        coarse = coarse_generator(space.generator)
        labels = np.arange(4) % 2 if space.generator.classes else None
        images = coarse.decode(sample_latents(space, 4), labels)
        assert images.shape == (4, 3, 8, 8) and images.std() > 0.01
        expected = images if expected is None else expected
        np.testing.assert_allclose(images, expected, atol=1e-5)
    one = workspace.generator.for_class(1)
    np.testing.assert_allclose(
        coarse_generator(one).decode(sample_latents(workspace, 2)[1:]), expected[1:2], atol=1e-5
    )


def test_a_model_whose_blocks_add_no_images_has_no_coarse_ones(tmp_path):
    source = stylegan_files.write(replace(CASE, architecture="resnet", classes=0), tmp_path)
    assert import_model(source, tmp_path / "run", verbose=False).generator.coarse is None


@pytest.mark.slow
def test_a_preview_does_not_wait_for_a_complete_image(workspace):
    wide = workspace.in_space("w+")
    z = sample_latents(wide, 1)
    running, finish = threading.Event(), threading.Event()
    with serving([wide], points=40, files=FILES) as server:
        assert b'"coarse":8' in get(server.url, "/data/manifest.json")[2]
        decoder = server.explorer.handlers["a"].decoder
        original = decoder.decode

        def slow(*given):
            running.set()
            finish.wait(20)
            return original(*given)

        decoder.decode = slow
        with Page(server.url) as page:
            complete = page.send("decode", z.tobytes(), n=1)
            assert running.wait(20)
            answer, preview = page.request("decode", z.tobytes(), n=1, coarse=True)
            assert answer["shape"] == [1, 3, 8, 8]
            expected = coarse_generator(wide.generator).decode(z)
            assert np.abs(preview / 255 - expected).max() <= 1 / 255
            finish.set()
            answer, pixels = page.receive()
            assert answer["id"] == complete
            assert np.abs(pixels / 255 - wide.decode(z)).max() <= 1 / 255
