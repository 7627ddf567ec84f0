"""The small latents, generator and run that checks use."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zatlas.api import train
from zatlas.core.arrays import Latents
from zatlas.core.space import Space
from zatlas.models.generator import Generator
from zatlas.workspace import Workspace

DIM = 3
SEED = 0
SMALL = {"net.name": "mlp", "net.widths": [64], "training.batch": 128, "training.rate": 3e-3}


def random_latents(n: int, dim: int = DIM) -> Latents:
    """Return n normal latents (n, dim)."""
    return np.random.default_rng(SEED).normal(size=(n, dim)).astype(np.float32)


def numpy_state() -> np.ndarray:
    """Return the state of numpy's global random generator."""
    state: Any = np.random.get_state()  # noqa: NPY002
    return np.array(state[1])


def spatial_generator() -> Generator:
    """Return a small model of latents (2, 3, 3), whose 8x8 images are random projections of them."""
    mixer = torch.randn(18, 64, generator=torch.Generator().manual_seed(SEED))

    def decode(z: Tensor, y: Tensor | None) -> Tensor:
        return (z.flatten(1) @ mixer / 4).reshape(-1, 1, 8, 8).sigmoid()

    return Generator(Space((2, 3, 3)), decode)


def small_run(folder: Path | str, **settings: Any) -> Workspace:
    """Train a small VAE of 8x8 digits for two epochs, which takes about a second.

    Parameters
    ----------
    folder : str or Path
        Folder of the run.
    settings
        Arguments of `zatlas.train` that replace those of the small run.

    Examples
    --------
    >>> from zatlas import testing
    >>> testing.small_run("runs/small", dim=4).dim
    4
    """
    given = {"data": "digits", "dim": 2, "epochs": 2, "seed": SEED, "verbose": False, **settings}
    given["settings"] = {**SMALL, "training.preview": 0, **settings.get("settings", {})}
    return train(given.pop("data"), out=folder, device="cpu", **given).workspace
