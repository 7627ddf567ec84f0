"""zatlas: train an image generative model, or import one, and explore its latent space.

>>> import zatlas
>>> atlas = zatlas.train("digits", dim=2, epochs=5)    # doctest: +SKIP
>>> atlas = zatlas.load("runs/digits-vae")             # doctest: +SKIP
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zatlas.api import export, import_model, load, resume, sweep, train
    from zatlas.atlas import Atlas
    from zatlas.core.registry import register
    from zatlas.core.space import Space
    from zatlas.directions.types import FieldDirection, LinearDirection
    from zatlas.latent.chart import Chart
    from zatlas.models.generator import Generator
    from zatlas.workspace import Workspace

__version__ = version("zatlas")
_MODULES = {  # where each public name is; torch is imported when one is first used
    "Atlas": "zatlas.atlas",
    "Chart": "zatlas.latent.chart",
    "FieldDirection": "zatlas.directions.types",
    "Generator": "zatlas.models.generator",
    "LinearDirection": "zatlas.directions.types",
    "Space": "zatlas.core.space",
    "Workspace": "zatlas.workspace",
    "export": "zatlas.api",
    "import_model": "zatlas.api",
    "load": "zatlas.api",
    "register": "zatlas.core.registry",
    "resume": "zatlas.api",
    "sweep": "zatlas.api",
    "train": "zatlas.api",
}
__all__ = [
    "Atlas",
    "Chart",
    "FieldDirection",
    "Generator",
    "LinearDirection",
    "Space",
    "Workspace",
    "export",
    "import_model",
    "load",
    "register",
    "resume",
    "sweep",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'zatlas' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULES]
