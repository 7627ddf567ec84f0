"""A recipe: all that decides how a model is trained, as a TOML file that a person can read and write."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.core.fields import fill, settings
from zatlas.core.registry import MODELS, NETS
from zatlas.models.description import Description
from zatlas.models.nets import Shape, usual_net
from zatlas.store import digests, reading

TABLES = ("data", "model", "net", "training")


@dataclass(frozen=True)
class Training:
    """How the weights are moved."""

    epochs: int = 30  # times through the images
    batch: int = 256  # images a step, over all processes
    rate: float = 1e-3  # learning rate: the highest of the one-cycle schedule
    schedule: Literal["onecycle", "exponential", "constant"] = "onecycle"  # of the learning rate
    decay: float = 1.0  # of the learning rate, each epoch of the exponential schedule
    optimizer: Literal["adam", "adamw"] = "adam"
    beta1: float = 0.9  # weight of the past in the optimizer's mean of the slopes
    beta2: float = 0.99  # and of their squares
    weight_decay: float = 0.01  # of adamw
    clip: float = 0.0  # longest gradient allowed; 0 for any
    average: float = (
        0.0  # weight of the past in the moving average of the weights; 0 for no average
    )
    flip: bool = False  # mirror half the images, others in each epoch
    best: Literal["loss", "ssim", "last"] = "loss"  # by which the epoch that is kept is chosen
    preview: int = 5  # epochs between two pictures of what the model can do; 0 for none
    save_steps: int = 0  # steps between two checkpoints within an epoch; 0 for its end alone
    precision: Literal["32-true", "bf16-mixed"] = "32-true"  # of the arithmetic
    strategy: Literal["ddp", "fsdp"] = "ddp"  # each process holds all weights, or a piece of each


@dataclass(frozen=True)
class Recipe:
    """The images, the model, its net, the training, and the seed of all chance."""

    source: str
    size: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # of the source
    family: str = "vae"
    model: Mapping[str, Any] = field(default_factory=dict)
    net: str = ""
    layers: Mapping[str, Any] = field(default_factory=dict)
    training: Training = Training()
    seed: int = 0

    def describe(self, shape: Shape, classes: tuple[str, ...]) -> Description:
        """The model of this recipe for images of this shape."""
        return Description(self.family, self.model, self.net, self.layers, shape, classes)

    def to_toml(self) -> str:
        """The recipe as text, every setting written out."""
        tables = {
            "data": {"source": self.source, "size": self.size, **self.options},
            "model": {"family": self.family, **self.model},
            "net": {"name": self.net, **self.layers},
            "training": asdict(self.training),
        }
        lines = [f"seed = {self.seed}"]
        for name, table in tables.items():
            lines += ["", f"[{name}]"]
            lines += [
                f"{key} = {_toml(value)}" for key, value in table.items() if value is not None
            ]
        return "\n".join(lines) + "\n"

    def differences(self, other: "Recipe") -> list[str]:
        """Settings in which another recipe is not the same, as "model.beta: 1.0, not 4.0"."""
        mine, theirs = (_flat(tomllib.loads(r.to_toml())) for r in (self, other))
        keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        return [f"{key}: {mine.get(key, 'unset')}, not {theirs.get(key, 'unset')}" for key in keys]


def make_recipe(tables: Mapping[str, Any], shape: Shape | None = None) -> Recipe:
    """A complete recipe from what was said of it; the rest is as it usually is.

    Which net is usual for a family may depend on the shape of the images.
    """
    for name in tables:
        if name not in (*TABLES, "seed"):
            raise UnknownName("table of a recipe", name, (*TABLES, "seed"))
    data, model, net = (dict(tables.get(name, {})) for name in TABLES[:3])
    if "source" not in data:
        raise BadRecipe('A recipe needs images: give DATA, or source = "digits" under [data].')
    family = model.pop("family", "vae")
    kind = MODELS.get(family)
    net_name = net.pop("name", "") or kind.NET or usual_net(shape or (1, 1, 1))
    style = NETS.get(net_name)
    config, layers = fill(kind, model, "model"), fill(style, net, "net")
    said = tables.get("training", {})
    training = fill(Training, {**style.TRAINING, **kind.TRAINING, **said}, "training")
    seed = tables.get("seed", 0)
    recipe = Recipe(
        source=data.pop("source"),
        size=data.pop("size", None),
        options=data,
        family=family,
        model=_values(config),
        net=net_name,
        layers=_values(layers),
        training=training,
        seed=seed,
    )
    _check(recipe)
    return recipe


def read_recipe(path: Path) -> dict[str, Any]:
    """The tables of a recipe file."""
    try:
        digests.verify(path)
        text = reading.read_bytes(path).decode()
    except FileNotFoundError:
        raise BadRecipe(
            f"There is no recipe {path}. `zatlas presets` lists those that come along."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} is not a recipe in TOML: {error}.") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str = "The text") -> dict[str, Any]:
    """The tables of a recipe's text; `where` names it in errors."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadRecipe(f"{where} is not a recipe in TOML: {error}.") from error


def presets() -> dict[str, Path]:
    """The recipes that come with the package, by name."""
    folder = Path(str(resources.files("zatlas") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def preset(name: str) -> dict[str, Any]:
    """The tables of a recipe that comes with the package."""
    known = presets()
    if name not in known:
        raise UnknownName("preset", name, known)
    return read_recipe(known[name])


def change(tables: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The tables with one setting changed, as ("model.beta", 4.0)."""
    table, dot, name = key.partition(".")
    if not dot:
        if key != "seed":
            raise BadRecipe(
                f"{key!r} names no setting; write table.name, as model.beta or data.size."
            )
        return {**tables, key: value}
    return {**tables, table: {**tables.get(table, {}), name: value}}


def _check(recipe: Recipe) -> None:
    training, dim = recipe.training, recipe.model.get("dim", 1)
    least = {
        "model.dim": (dim, 1),
        "training.epochs": (training.epochs, 1),
        "training.batch": (training.batch, 1),
        "training.preview": (training.preview, 0),
        "training.save_steps": (training.save_steps, 0),
        "model.samples": (recipe.model.get("samples", 1), 1),
        "seed": (recipe.seed, 0),
    }
    for name, (value, low) in least.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise BadRecipe(f"{name} must be a whole number of at least {low}, not {value!r}.")
    if not 0 < training.rate < float("inf"):
        raise BadRecipe(f"training.rate must be a number above 0, not {training.rate}.")
    if not 0 <= training.average < 1:
        raise BadRecipe(f"training.average must lie in [0, 1), not be {training.average}.")
    for name in ("beta", "warmup", "free_bits", "sigma", "r1"):
        if not 0 <= recipe.model.get(name, 0.0) < float("inf"):
            raise BadRecipe(f"model.{name} must not be negative, as {recipe.model[name]} is.")


def _values(config: Any) -> dict[str, Any]:
    return {name: getattr(config, name) for name in settings(type(config))}


def _toml(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(
        value, ensure_ascii=False
    )  # for text, numbers and truth, TOML writes as JSON does


def _flat(tables: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        flat |= (
            {f"{name}.{key}": v for key, v in value.items()}
            if isinstance(value, dict)
            else {name: value}
        )
    return flat
