"""zatlas: train an image generative model, or bring one, and explore its latent space.

>>> import zatlas
>>> atlas = zatlas.train("digits", dim=2, epochs=5)    # doctest: +SKIP
>>> atlas = zatlas.open("runs/digits-vae")             # doctest: +SKIP
"""

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zatlas.atlas import Atlas

__version__ = version("zatlas")
__all__ = ["open", "train"]


def open(run: str | Path) -> "Atlas":
    """The run in this folder, with its model and its images."""
    from zatlas.atlas import Atlas  # brings torch, which `import zatlas` need not

    return Atlas.open(Path(run))


def train(data: str, **settings: Any) -> "Atlas":
    """Train a model on images and open the run; `zatlas.start.train` lists the settings."""
    from zatlas.start import train

    return train(data, **settings)
