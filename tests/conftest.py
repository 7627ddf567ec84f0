"""What all tests share: a cache of their own, and a few small images."""

from pathlib import Path

import numpy as np
import pytest

from zatlas.core.system import SYSTEM
from zatlas.core.system.posix import Posix
from zatlas.create import train
from zatlas.data.image_dataset import ImageDataset, image_dataset
from zatlas.store import digests
from zatlas.training.recipe import Recipe, make_recipe
from zatlas.workspace import Workspace


def pytest_collection_modifyitems(items):
    for item in items:
        if "posix" in item.keywords and not isinstance(SYSTEM, Posix):
            item.add_marker(pytest.mark.skip(reason="only Linux and macOS have this"))


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZATLAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("ZATLAS_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def blobs() -> ImageDataset:
    """A hundred and fifty 8x8 images of three classes: a bright spot in one of three corners."""
    return spots(150)


def spots(count: int, size: int = 8, channels: int = 1) -> ImageDataset:
    """Images with a soft bright spot; which corner it is near is the class."""
    rng = np.random.default_rng(0)
    kinds = np.arange(count) % 3
    corners = np.array([[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]])[kinds] * size
    centres = corners + rng.normal(0, size / 16, (count, 2))
    y, x = np.mgrid[:size, :size]
    far = (x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2
    grey = (255 * np.exp(-far / (size / 4) ** 2)).astype(np.uint8)
    pixels = np.repeat(grey[:, None], channels, axis=1)
    split = np.where(np.arange(count) % 5 == 4, 2, 0).astype(np.uint8)
    return image_dataset("spots", pixels, labels=kinds, split=split, classes=("left", "right", "below"))


def recipe(family: str = "vae", **tables) -> Recipe:
    """A small recipe for `spots`: two epochs of a small net."""
    net = {"name": "mlp", "widths": [16], **tables.get("net", {})}
    training = {"epochs": 2, "batch": 32, "preview": 0, **tables.get("training", {})}
    model = {"family": family, "dim": 2, **tables.get("model", {})}
    data = {"source": "spots", **tables.get("data", {})}
    result = {"data": data, "model": model, "net": net, "training": training}
    return make_recipe({**result, "seed": tables.get("seed", 0)})


def small_run(folder: Path, data: str | Path, **settings) -> Workspace:
    """A run of a small net that has learnt something, in a second or two."""
    words = {key: settings.pop(key) for key in ("model", "dim", "epochs", "size") if key in settings}
    default = {"training.preview": 0, "training.batch": 128, "training.rate": 3e-3, "net.name": "mlp"}
    result = {**default, "net.widths": [64], **settings}
    return train(data, settings=result, out=folder, verbose=False, **{"epochs": 8, **words})


@pytest.fixture(autouse=True)
def default_charts(tmp_path_factory):
    """After a test that made a chart of a shared run, the run has its default chart again."""
    yield
    for path in tmp_path_factory.getbasetemp().glob("runs*/*/charts/current.json"):
        path.unlink()
        digests.forget(path)


@pytest.fixture(scope="session")
def digits(tmp_path_factory, own_cache) -> Workspace:
    """A 2-D VAE of handwritten digits."""
    return small_run(tmp_path_factory.mktemp("runs") / "digits", "digits", dim=2)


@pytest.fixture(scope="session")
def wide(tmp_path_factory, own_cache) -> Workspace:
    """A VAE of digits with twelve axes."""
    return small_run(tmp_path_factory.mktemp("runs") / "wide", "digits", dim=12)


@pytest.fixture(scope="session")
def conditional(tmp_path_factory, own_cache) -> Workspace:
    """A conditional VAE of digits."""
    settings = {"model.conditional": True}
    folder = tmp_path_factory.mktemp("runs") / "conditional"
    return small_run(folder, "digits", dim=2, epochs=20, **settings)


@pytest.fixture(scope="session")
def plain(tmp_path_factory, own_cache) -> Workspace:
    """An auto-encoder of digits."""
    return small_run(tmp_path_factory.mktemp("runs") / "plain", "digits", model="ae", dim=2)


@pytest.fixture(scope="session")
def rival(tmp_path_factory, own_cache) -> Workspace:
    """A GAN of digits, which has no encoder."""
    folder = tmp_path_factory.mktemp("runs") / "rival"
    return small_run(folder, "digits", model="gan", dim=12, epochs=2)


@pytest.fixture(scope="session")
def portraits(tmp_path_factory, own_cache) -> Workspace:
    """A VAE of small drawn faces, which have attributes and no classes."""
    folder = tmp_path_factory.mktemp("runs") / "portraits"
    return small_run(folder, "faces:count=600", size=16, dim=8, epochs=12)
