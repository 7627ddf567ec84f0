"""Networks that were trained for some steps by their reference code decode alike in zatlas."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.test_references import our_biggan
from zatlas.models.importers import stylegan
from zatlas.models.importers.imported import ImportOptions
from zatlas.models.importers.network_pickle import Network
from zatlas.models.importers.stylegan import from_network, load

FOLDER = Path(__file__).parent / "fixtures" / "trained"
MAX_DIFFERENCE = 1e-4  # of a pixel from -1 to 1
BIGGAN = {
    "output_dim": 16,
    "z_dim": 8,
    "class_embed_dim": 8,
    "channel_width": 4,
    "num_classes": 3,
    "layers": [[True, 16, 8], [False, 8, 4], [True, 4, 2], [False, 2, 1]],
    "attention_layer_position": 2,
    "eps": 1e-4,
    "n_stats": 51,
}


def images_of_stylegan(state, z):
    """The images of our network with the weights of a StyleGAN2-ADA, at psi 0.7."""
    with tempfile.TemporaryDirectory() as name:
        side = Path(name)
        tensors = {key: value.contiguous().clone() for key, value in state.items()}
        save_file(tensors, side / stylegan.FILE)
        info = from_network(
            Network("G_ema", "Generator", {}, {}), side / "x.pkl", side, ImportOptions(truncation=0.7)
        )
        halves = load({"weights": side / stylegan.FILE}, info.settings)
        with torch.no_grad():
            return halves.decode(torch.from_numpy(z)).numpy()


def images_of_biggan(state, z):
    """The images of our network with the weights of a BigGAN-deep, one for each class, at truncation 0.4."""
    return our_biggan(BIGGAN, state, 0.4)(z, np.eye(3, dtype=np.float32))


@pytest.mark.parametrize(
    ("name", "decode"), [("stylegan2", images_of_stylegan), ("biggan-deep", images_of_biggan)]
)
def test_a_trained_network_decodes_as_its_reference(name, decode):
    with np.load(FOLDER / f"{name}.npz") as file:
        weights = {key: torch.from_numpy(file[key]) for key in file if key.startswith("weight.")}
        z, expected = file["z"], file["images"]
    images = decode({key.removeprefix("weight."): value for key, value in weights.items()}, z)
    assert expected.std() > 0.1
    np.testing.assert_allclose(images, expected, atol=MAX_DIFFERENCE, rtol=0)
