"""Networks that zatlas wrote from papers decode as their references do; the fixtures hold their pixels."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import reference_weights as reference
from zatlas.models.importers import biggan, biggan_plain, progan, stylegan_light
from zatlas.models.importers.imported import ImportOptions
from zatlas.models.nets_biggan import BigGANGenerator
from zatlas.models.nets_progan import ProGANGenerator

FIXTURES = Path(__file__).parent / "fixtures" / "references"
MAX_ERROR = 1e-4  # of a pixel


def our_biggan(table, state, truncation):
    """Our generator with weights of the reference, as a function of z and class weights."""
    config = biggan._config(table, "test")
    net = BigGANGenerator(config).eval()
    net.load_state_dict(biggan.renamed(state, config, Path("test")))
    net.set_truncation(truncation)

    def decode(z, label):
        with torch.no_grad():
            return net(torch.from_numpy(z), torch.as_tensor(label)).numpy()

    return decode


def our_progan(state, dim):
    """Our generator with weights of the reference, as a function of z and class weights."""
    net = ProGANGenerator(progan.config_of(state, ImportOptions(shape=(dim,)))).eval()
    net.load_state_dict(progan.renamed(state))

    def decode(z, label):
        with torch.no_grad():
            return net(torch.from_numpy(z), label).numpy()

    return decode


def our_light(state):
    """Our generator with weights of the reference, as a function of z; its noise is 0.5."""
    config, tensors = stylegan_light.converted(state)
    net = config.build().eval()
    net.load_state_dict(tensors | {"mapping.mean": torch.zeros(config.z_dim)})

    def decode(z):
        with torch.no_grad():
            noise = torch.from_numpy(reference.light_noise(config.side))
            return net.synthesis(net.mapping(torch.from_numpy(z)), noise).numpy()

    return decode


def our_plain(state):
    """Our BigGAN (not deep) with weights of the reference, as a function of z and class numbers."""
    config, tensors = biggan_plain.converted(state)
    net = config.build().eval()
    net.load_state_dict(tensors)

    def decode(z, label):
        with torch.no_grad():
            return net(torch.from_numpy(z), torch.as_tensor(label)).numpy()

    return decode


def fixture(name):
    """The shapes of the reference's weights, the shape of its images and some of its pixels."""
    with np.load(FIXTURES / f"{name}.npz") as file:
        table = json.loads(str(file["table"]))
        return table["shapes"], tuple(table["images"]), file["pixels"]


def names(known, large):
    """The names of configurations; those of full size are slow."""
    return [pytest.param(name, marks=[pytest.mark.nightly] * large(name)) for name in known]


def torch_weights(shapes):
    return {name: torch.from_numpy(np.asarray(x)) for name, x in reference.weights(shapes).items()}


def check_equal(images, shape, pixels):
    assert images.shape == shape and pixels.std() > 0.05
    np.testing.assert_allclose(reference.some_pixels(images), pixels, atol=MAX_ERROR, rtol=0)


@pytest.mark.parametrize("name", names(reference.CONFIGS, lambda name: "full" in name))
def test_biggan_deep_decodes_as_its_reference(name):
    table = reference.biggan_config(name)
    z, label = reference.latents(table["z_dim"]), np.zeros((2, table["num_classes"]), np.float32)
    label[0, 3], label[1, 2:4] = 1, 0.5
    for truncation in reference.CONFIGS[name][-1]:
        shapes, *expected = fixture(f"{name}-{truncation}")
        check_equal(our_biggan(table, torch_weights(shapes), truncation)(z, label), *expected)


@pytest.mark.parametrize("name", names(reference.PROGANS, lambda name: "full" in name or "1024" in name))
def test_progan_decodes_as_its_reference(name):
    *_, classes, _, lod = reference.PROGANS[name]
    shapes, *expected = fixture(name)
    state = {**torch_weights(shapes), "lod": torch.tensor(lod)}
    dim = 512 if name.endswith("full") else reference.Z_DIM
    label = torch.eye(classes)[:2] if classes else None
    check_equal(our_progan(state, dim)(reference.latents(dim), label), *expected)


@pytest.mark.parametrize("name", names(reference.LIGHTS, lambda name: "full" in name))
def test_stylegan2_pytorch_decodes_as_its_reference(name):
    shapes, *expected = fixture(name)
    dim = 512 if name.endswith("full") else reference.Z_DIM
    check_equal(our_light(torch_weights(shapes))(reference.latents(dim)), *expected)


@pytest.mark.parametrize("name", reference.PLAINS)
def test_biggan_decodes_as_its_reference(name):
    shapes, *expected = fixture(name)
    z = reference.latents(reference.plain_dim(name))
    check_equal(our_plain(torch_weights(shapes))(z, [3, 1]), *expected)
