"""The command line. A command is a typed function: tyro reads its signature and docstring.

A command is a few lines of the Python API, and prints where the result is on stdout; what is
meant for people goes to stderr. Nothing heavy is imported before a command needs it.
"""

import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, UseAppendAction, arg

from zatlas.core.errors import BadRecipe, Interrupted, ZatlasError

app = tyro.extras.SubcommandApp()


@app.command
def demo(out: Path = Path("zatlas-demo"), no_open: bool = False) -> None:
    """Train a 2-D VAE on images that come along and draw its latent space, in about a minute.

    Args:
        out: The folder to make.
        no_open: Do not show the result on the screen.
    """
    from zatlas.demo import demo

    print(demo(out, show=not no_open))


@app.command
def train(
    data: Annotated[Positional[str | None], arg(metavar="DATA")] = None,
    *,
    model: str | None = None,
    dim: int | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    size: Annotated[int | None, arg(metavar="PX")] = None,
    preset: Annotated[str | None, arg(metavar="NAME")] = None,
    recipe: Annotated[Path | None, arg(metavar="FILE")] = None,
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="TABLE.NAME=VALUE")] = (),
    out: Annotated[Path | None, arg(metavar="RUN")] = None,
    resume: Annotated[Path | None, arg(metavar="RUN")] = None,
) -> None:
    """Train a model on images and leave a run; or go on with one that was stopped.

    Args:
        data: A name from `zatlas datasets`, a folder or archive of images, an .npz file or
            hf:owner/name. Options follow a colon, as faces:count=20000,correlated=true.
        model: A family from `zatlas models`; a VAE if nothing else is said.
        dim: Axes of the latent space.
        epochs: Times through the images.
        seed: Of all chance: weights, order, noise.
        size: Resize and centre-crop the images to PX x PX.
        preset: Begin with a recipe from `zatlas presets`.
        recipe: Begin with a recipe file, as recipe.toml of another run.
        set: Change any setting of the recipe, as model.beta=4; may be given again.
        out: The folder to make; runs/DATA-MODEL if nothing is said.
        resume: Go on with this run, exactly as if it had never stopped.
    """
    from zatlas import atlas
    from zatlas.data.sources import value_of

    settings: dict[str, Any] = {}
    for text in set:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadRecipe(f"--set takes TABLE.NAME=VALUE, as model.beta=4, not {text!r}.")
        settings[key] = value_of(value)
    if preset and recipe:
        raise BadRecipe("Begin with --preset or with --recipe, not with both.")
    if resume is None:
        made = atlas.train(
            data, model=model, dim=dim, epochs=epochs, seed=seed, size=size, preset=preset,
            recipe=recipe, settings=settings, out=out,
        )  # fmt: skip
    else:
        said = {"data.size": size, "model.family": model, "model.dim": dim}
        said |= {"training.epochs": epochs, "seed": seed}
        if data or preset or recipe or out:
            raise BadRecipe("A run goes on with its own images and recipe, in its own folder.")
        settings |= {key: value for key, value in said.items() if value is not None}
        made = atlas.resume(resume, settings)
    print(made.run.folder)


@app.command
def datasets() -> None:
    """List the images known by name: size, licence, and whether they are on this machine."""
    from zatlas.core.registry import DATASETS

    rows = []
    for name in DATASETS.names():
        source = DATASETS.get(name)
        about = {"images": source.images, "size": source.size, "here": source.here()}
        rows.append({"name": name, **about, "licence": source.licence, "what": source.summary})
    _list(rows)


@app.command
def models() -> None:
    """List the families of models and their settings, as --set takes them."""
    from zatlas.core.fields import settings
    from zatlas.core.registry import MODELS, NETS

    rows = []
    for kind, registry in (("model", MODELS), ("net", NETS)):
        for name in registry.names():
            config = registry.get(name)
            usual = config()
            taken = ", ".join(f"{key}={getattr(usual, key)}" for key in settings(config))
            what = (config.__doc__ or "").partition("\n")[0]
            rows.append({"kind": kind, "name": name, "settings": taken, "what": what})
    _list(rows)


@app.command
def presets() -> None:
    """List the recipes that come along, to begin with by --preset."""
    from zatlas.training.recipe import presets

    rows = []
    for name, path in presets().items():
        first = path.read_text().partition("\n")[0].lstrip("# ")
        rows.append({"name": name, "what": first, "file": str(path)})
    _list(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 0, 1 failed, 2 bad input, 130 or 143 for a signal."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app.cli(prog="zatlas", args=arguments, config=(FlagCreatePairsOff,))
    except Interrupted as stopped:
        print(f"zatlas: {stopped}", file=sys.stderr)
        return 128 + stopped.signal
    except ZatlasError as error:
        print(f"zatlas: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("zatlas: Stopped by SIGINT before there was anything to save.", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        sys.stderr.close()  # the reader has seen enough
        return 1
    return 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Interrupted("Stopped by SIGTERM before there was anything to save.", number)


def _list(rows: Sequence[Mapping[str, Any]]) -> None:
    """A table for a person at a terminal; JSON for a program."""
    if not sys.stdout.isatty():
        print(json.dumps(rows, indent=1))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        told = {True: "yes", False: "no"}
        table.add_row(*(told[v] if isinstance(v, bool) else str(v) for v in row.values()))
    Console().print(table)
