"""Recipes: all settings of a training, as a TOML file."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import date, time
from pathlib import Path
from typing import Annotated, Any, Literal

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.core.registry import MODELS, NETS
from zatlas.core.settings import Count, Weight, Within, checked_value, fill, setting_types, shortened
from zatlas.models.description import Description
from zatlas.models.nets import USUAL_NETS, Shape, usual_net
from zatlas.store import digests, retry
from zatlas.store.run import Run
from zatlas.training.image_defaults import TRAINING, TrainingLength, choices_for, explain_choices, least_steps
from zatlas.training.presets import presets

Share = Annotated[float, Within(0.0, 1.0, below=True)]
Rate = Annotated[float, Within(0.0, above=True)]
Steps = Annotated[int, Within(0, 10**9)]  # 0 for never
Size = Annotated[int, Within(1, 65_536)]
Seed = Annotated[int, Within(0, 2**63 - 1)]
BARE_KEY = re.compile("[A-Za-z0-9_-]+")
TABLES = ("data", "model", "net", "training")
RUN_DATA = "./data.npz"  # source of a run that holds its own images


@dataclass(frozen=True)
class Training:
    """The settings of the optimization."""

    epochs: Count = 30  # passes over the training images
    batch: Count = 256  # images per step, over all processes
    rate: Rate = 1e-3  # learning rate; the highest one of the one-cycle schedule
    schedule: Literal["onecycle", "exponential", "constant"] = "onecycle"  # of the learning rate
    decay: Rate = 1.0  # factor on the learning rate after each epoch of the exponential schedule
    optimizer: Literal["adam", "adamw"] = "adam"
    beta1: Share = 0.9  # decay of the optimizer's mean of the gradients
    beta2: Share = 0.99  # decay of the optimizer's mean of the squared gradients
    weight_decay: Weight = 0.01  # of adamw
    clip: Weight = 0.0  # largest norm of the gradient; 0 for no limit
    average: Share = 0.0  # decay of the moving average of the weights; 0 for no average
    flip: bool = False  # mirror a random half of the images in each epoch
    best: Literal["loss", "ssim", "last"] = "loss"  # metric that selects the epoch whose weights are saved
    preview: Steps = 5  # epochs between two previews; 0 for none
    save_steps: Steps = 0  # steps between two checkpoints inside an epoch; 0 for one at its end only
    precision: Literal["auto", "32-true", "bf16-mixed"] = (
        "auto"  # of the arithmetic; auto is bfloat16 where the device and the model suit it
    )
    compile: Literal["auto", "on", "off"] = (
        "auto"  # the loss, by torch; auto for long trainings that gain from it
    )
    strategy: Literal["ddp", "fsdp"] = "ddp"  # whether each process holds all weights or a shard of each


@dataclass(frozen=True)
class Recipe:
    """The images, the model, its net, the training, and the random seed."""

    source: str
    size: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)  # of the source
    family: str = "vae"
    model: Mapping[str, Any] = field(default_factory=dict)
    net: str = ""
    layers: Mapping[str, Any] = field(default_factory=dict)
    training: Training = Training()
    seed: int = 0

    def __repr__(self) -> str:
        return f"<Recipe {self.family} of {self.source}, net {self.net}, {self.training.epochs} epochs>"

    def source_in(self, run: Run) -> str:
        """Return the name or path of the images of this run."""
        return str(run.path(RUN_DATA[2:])) if self.source == RUN_DATA else self.source

    def describe(self, shape: Shape, classes: tuple[str, ...]) -> Description:
        """Return the description of the model for images of this shape."""
        return Description(self.family, self.model, self.net, self.layers, shape, classes)

    def to_toml(self) -> str:
        """Return the recipe as TOML, with all settings."""
        tables = {
            "data": {"source": self.source, "size": self.size, **self.options},
            "model": {"family": self.family, **self.model},
            "net": {"name": self.net, **self.layers},
            "training": asdict(self.training),
        }
        lines = [f"seed = {self.seed}"]
        for name, table in tables.items():
            lines += ["", f"[{name}]"]
            lines += [f"{_key(key)} = {_toml(value)}" for key, value in table.items() if value is not None]
        return "\n".join(lines) + "\n"

    def differences(self, other: "Recipe") -> list[str]:
        """Return the settings that differ in another recipe, as "model.beta: 1.0, not 4.0"."""
        mine, theirs = (flat_tables(tomllib.loads(r.to_toml())) for r in (self, other))
        keys = [key for key in {**mine, **theirs} if mine.get(key) != theirs.get(key)]
        return [f"{key}: {mine.get(key, 'unset')}, not {theirs.get(key, 'unset')}" for key in keys]


def make_recipe(tables: Mapping[str, Any], shape: Shape | None = None, count: int = 0) -> Recipe:
    """Return a complete recipe from tables of settings, with defaults for the others.

    The default net depends on the family and on the shape of the images. With the number of training
    images, `count`, the default number of epochs and some defaults of the model depend on them too.
    """
    for name in tables:
        if name not in (*TABLES, "seed"):
            raise UnknownName("table of a recipe", name, (*TABLES, "seed"))
    data, model, net, given = (_table(tables, name) for name in TABLES)
    if "source" not in data:
        raise BadRecipe('A recipe needs images: give DATA, or source = "digits" under [data].')
    family = checked_value(model.pop("family", "vae"), str, "model.family")
    kind = MODELS.get(family)
    net_name = checked_value(net.pop("name", ""), str, "net.name") or kind.NET or _default_net(shape, net)
    style = NETS.get(net_name)
    chosen = choices_for(kind, shape, count, model, given) if shape and count else {}
    choices = {key: choice.value for key, choice in chosen.items()}
    optimization = {
        key.removeprefix(TRAINING): choices.pop(key) for key in chosen if key.startswith(TRAINING)
    }
    model |= choices
    config, layers = fill(kind, model, "model"), fill(style, net, "net")
    levels: tuple[Mapping[str, Any], ...] = (style.TRAINING, kind.TRAINING, optimization)
    usual = {key: value for level in levels for key, value in level.items()}
    if rates := [level["rate"] for level in levels if "rate" in level]:
        usual["rate"] = min(rates)  # what is stable for the net, the family and the images
    training = fill(Training, {**usual, **given}, "training")
    if count and "epochs" not in given:
        length = _length(kind, style, training, count)
        training = replace(training, epochs=length.enough_epochs)
    return Recipe(
        source=_source(data.pop("source")),
        size=checked_value(data.pop("size", None), Size | None, "data.size"),
        options=data,
        family=family,
        model=_values(config),
        net=net_name,
        layers=_values(layers),
        training=training,
        seed=checked_value(tables.get("seed", 0), Seed, "seed"),
    )


def explain_defaults(tables: Mapping[str, Any], recipe: Recipe, shape: Shape, count: int) -> list[str]:
    """Return sentences on what `make_recipe` chose for these images and why, and on a short training."""
    kind, given = MODELS.get(recipe.family), _table(tables, "training")
    usual = _length(kind, NETS.get(recipe.net), recipe.training, count)
    length = replace(usual, epochs=recipe.training.epochs)
    lines = explain_choices(choices_for(kind, shape, count, _table(tables, "model"), given))
    return [*lines, *filter(None, [length.sentence(chosen="epochs" not in given)])]


def _length(kind: Any, style: Any, training: Training, count: int) -> TrainingLength:
    usual = int({"epochs": Training.epochs, **kind.TRAINING}["epochs"])
    return TrainingLength(count, training.batch, training.epochs, usual, least_steps(kind, style))


def _default_net(shape: Shape | None, given: Mapping[str, Any]) -> str:
    """Return the default net for images of this shape; without a shape, one that has these settings."""
    if shape is not None:
        return usual_net(shape)
    return next((name for name in USUAL_NETS if given.keys() <= setting_types(NETS.get(name)).keys()), "mlp")


def _table(tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of one table of a recipe; empty if it is missing."""
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        raise BadRecipe(f"[{name}] must be a table of settings, not {shortened(table)}.")
    return dict(table)


def _source(value: Any) -> str:
    """Return the name or path of the images. TOML cannot store a path that is not UTF-8."""
    text: str = checked_value(value, str, "data.source")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise BadRecipe(
            f"The path {os.fsencode(text)!r} is not UTF-8, so a recipe cannot store it. Rename that "
            "folder or file, or train on a link with another name."
        ) from error
    return text


def read_recipe(path: Path) -> dict[str, Any]:
    """Read a recipe file, and return its tables."""
    try:
        digests.verify(path)
        text = retry.read_bytes(path).decode()
    except FileNotFoundError:
        raise BadRecipe(f"The recipe {path} does not exist. To list the presets: zatlas presets") from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} is not a recipe in TOML: {error}.") from error
    return parse_recipe(text, str(path))


def parse_recipe(text: str, where: str = "The text") -> dict[str, Any]:
    """Parse the text of a recipe; `where` names it in errors."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadRecipe(f"{where} is not a recipe in TOML: {error}.") from error


def preset(name: str) -> dict[str, Any]:
    """Return the tables of a recipe of the package."""
    paths = presets()
    if name not in paths:
        raise UnknownName("preset", name, paths)
    return read_recipe(paths[name])


def change(tables: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Return the tables with one setting changed, as `change(tables, "model.beta", 4.0)`."""
    table, dot, name = key.partition(".")
    if not dot:
        if key != "seed":
            raise BadRecipe(
                f"{key!r} is not the name of a setting. Write table.name, as model.beta or data.size."
            )
        return {**tables, key: value}
    return {**tables, table: {**_table(tables, table), name: value}}


def _values(config: Any) -> dict[str, Any]:
    return {name: getattr(config, name) for name in setting_types(type(config))}


def _toml(value: Any) -> str:
    """The value as TOML writes it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, float):
        return repr(value)  # also nan and inf
    if isinstance(value, (date, time)):
        return value.isoformat()
    # TOML writes text, integers and booleans as JSON does, except for the character DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _toml(name)


def flat_tables(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of all tables, as {"model.dim": 2}."""
    flat: dict[str, Any] = {}
    for name, value in tables.items():
        flat |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    return flat
