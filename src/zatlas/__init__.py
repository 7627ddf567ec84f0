"""zatlas: train an image generative model, or import one, and explore its latent space.

Make a run: `train`, `resume`, `import_model`, `sweep`. Open one: `load`. Each returns an `Atlas`:

>>> import zatlas
>>> atlas = zatlas.load("runs/shapes")
>>> atlas.latents().shape
(30, 2)
>>> atlas.plot.grid(5).save("grid.png").name
'grid.png'

An atlas samples, encodes and decodes; interpolates between names ("left", "Sneaker:3", "face.png");
lays latents out as a `Chart`; finds directions of attributes and measures their side effects; draws
figures (`atlas.plot`); evaluates the model; and opens or exports the explorer. `push` puts a run on the
Hugging Face hub. `register` adds plugins: datasets, models, nets, layouts, direction methods, importers,
metrics, figures and callbacks; `zatlas.testing` checks them.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import zatlas.core.logs  # noqa: F401  # sets up the logger "zatlas", before a program changes it

if TYPE_CHECKING:
    from zatlas import testing
    from zatlas.api import export, import_model, load, push, resume, train
    from zatlas.atlas import Atlas
    from zatlas.core.errors import ZatlasError
    from zatlas.core.registry import register
    from zatlas.core.space import Space
    from zatlas.directions.direction_report import DirectionReport
    from zatlas.directions.types import FieldDirection, LinearDirection
    from zatlas.figures.paths import LatentPath
    from zatlas.latent.chart import Chart
    from zatlas.models.generator import Generator
    from zatlas.plots import Plots
    from zatlas.render.figure import Figure
    from zatlas.results import Evaluation, RunDirection
    from zatlas.sweeps import Sweep, sweep
    from zatlas.training.callbacks import Callback
    from zatlas.transformer import LatentTransformer
    from zatlas.workspace import Workspace

__version__ = version("zatlas")
_MODULES = {  # where each public name is; torch is imported when one is first used
    "Atlas": "zatlas.atlas",
    "Callback": "zatlas.training.callbacks",
    "Chart": "zatlas.latent.chart",
    "DirectionReport": "zatlas.directions.direction_report",
    "Evaluation": "zatlas.results",
    "FieldDirection": "zatlas.directions.types",
    "Figure": "zatlas.render.figure",
    "Generator": "zatlas.models.generator",
    "LatentPath": "zatlas.figures.paths",
    "LatentTransformer": "zatlas.transformer",
    "LinearDirection": "zatlas.directions.types",
    "Plots": "zatlas.plots",
    "RunDirection": "zatlas.results",
    "Space": "zatlas.core.space",
    "Sweep": "zatlas.sweeps",
    "Workspace": "zatlas.workspace",
    "ZatlasError": "zatlas.core.errors",
    "export": "zatlas.api",
    "import_model": "zatlas.api",
    "load": "zatlas.api",
    "push": "zatlas.api",
    "register": "zatlas.core.registry",
    "resume": "zatlas.api",
    "sweep": "zatlas.sweeps",
    "testing": "zatlas.testing",
    "train": "zatlas.api",
}
__all__ = [
    "Atlas",
    "Callback",
    "Chart",
    "DirectionReport",
    "Evaluation",
    "FieldDirection",
    "Figure",
    "Generator",
    "LatentPath",
    "LatentTransformer",
    "LinearDirection",
    "Plots",
    "RunDirection",
    "Space",
    "Sweep",
    "Workspace",
    "ZatlasError",
    "export",
    "import_model",
    "load",
    "push",
    "register",
    "resume",
    "sweep",
    "testing",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'zatlas' has no attribute {name!r}")
    module = import_module(_MODULES[name])
    return getattr(module, name, module)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
