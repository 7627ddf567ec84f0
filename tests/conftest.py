"""What all tests share: a cache of their own, one thread each, and a few small images."""

import numpy as np
import pytest
import torch

from zatlas.data.imageset import ImageSet, image_set
from zatlas.training.recipe import Recipe, make_recipe

torch.set_num_threads(1)  # the tests themselves run side by side


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def blobs() -> ImageSet:
    """A hundred and fifty 8x8 images of three classes: a bright spot in one of three corners."""
    return spots(150)


def spots(count: int, size: int = 8, channels: int = 1) -> ImageSet:
    """Images with a soft bright spot; which corner it is near is the class."""
    chance = np.random.default_rng(0)
    kinds = np.arange(count) % 3
    corners = np.array([[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]])[kinds] * size
    centres = corners + chance.normal(0, size / 16, (count, 2))
    y, x = np.mgrid[:size, :size]
    far = (x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2
    grey = (255 * np.exp(-far / (size / 4) ** 2)).astype(np.uint8)
    pixels = np.repeat(grey[:, None], channels, axis=1)
    split = np.where(np.arange(count) % 5 == 4, 2, 0).astype(np.uint8)
    return image_set("spots", pixels, labels=kinds, split=split, classes=("left", "right", "below"))


def recipe(family: str = "vae", **tables) -> Recipe:
    """A small recipe for `spots`: two epochs of a small net."""
    net = {"name": "mlp", "widths": [16], **tables.get("net", {})}
    training = {"epochs": 2, "batch": 32, "preview": 0, **tables.get("training", {})}
    model = {"family": family, "dim": 2, **tables.get("model", {})}
    data = {"source": "spots", **tables.get("data", {})}
    said = {"data": data, "model": model, "net": net, "training": training}
    return make_recipe({**said, "seed": tables.get("seed", 0)})
