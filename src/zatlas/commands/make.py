"""Commands that make a run, and those that list what there is to make one of."""

import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import command
from zatlas.core.errors import BadRecipe
from zatlas.core.process_group import process_group


@command
def demo(out: Path = Path("zatlas-demo"), no_open: bool = False) -> None:
    """Train a 2-D VAE on images that come along, and draw its latent space and that of a face model.

    Args:
        out: The folder to make.
        no_open: Do not show the result on the screen.
    """
    from zatlas.demo import demo, run_tour

    print(demo(out), flush=True)
    if not no_open:
        run_tour(out, write=partial(print, flush=True))


@command
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
    restart: bool = False,
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
        restart: With --resume: train the run again from the beginning. Its weights stay until the first
            epoch is over.
    """
    from zatlas import create
    from zatlas.data.sources import value_of

    settings: dict[str, Any] = {}
    for text in set:
        key, equals, value = text.partition("=")
        if not equals:
            raise BadRecipe(f"--set takes TABLE.NAME=VALUE, as model.beta=4, not {text!r}.")
        settings[key] = value_of(value)
    if preset and recipe:
        raise BadRecipe("Begin with --preset or with --recipe, not with both.")
    if restart and resume is None:
        raise BadRecipe("--restart is for a run that is there: zatlas train --resume RUN --restart")
    if resume is None:
        made = create.train(
            data,
            model=model,
            dim=dim,
            epochs=epochs,
            seed=seed,
            size=size,
            preset=preset,
            recipe=recipe,
            settings=settings,
            out=out,
        )
    else:
        said = {"data.size": size, "model.family": model, "model.dim": dim}
        said |= {"training.epochs": epochs, "seed": seed}
        if data or preset or recipe or out:
            raise BadRecipe("A run goes on with its own images and recipe, in its own folder.")
        settings |= {key: value for key, value in said.items() if value is not None}
        made = create.resume(resume, settings, restart=restart)
    if process_group().is_main:
        print(made.run.folder)


@command
def datasets() -> None:
    """List the images known by name: size, licence, and whether they are on this machine."""
    from zatlas.core.registry import DATASETS

    rows = []
    for name in DATASETS.names():
        source = DATASETS.get(name)
        about = {"images": source.images, "size": source.size, "here": source.is_available()}
        rows.append({"name": name, **about, "licence": source.licence, "what": source.summary})
    list_rows(rows)


@command
def models() -> None:
    """List the families of models and their settings, as --set takes them."""
    from zatlas.core.registry import MODELS, NETS
    from zatlas.core.settings import setting_types

    rows = []
    for kind, registry in (("model", MODELS), ("net", NETS)):
        for name in registry.names():
            config = registry.get(name)
            usual = config()
            taken = ", ".join(f"{key}={getattr(usual, key)}" for key in setting_types(config))
            what = (config.__doc__ or "").partition("\n")[0]
            rows.append({"kind": kind, "name": name, "settings": taken, "what": what})
    list_rows(rows)


@command
def presets() -> None:
    """List the recipes that come along, to begin with by --preset."""
    from zatlas.training.recipe import presets

    rows = []
    for name, path in presets().items():
        first = path.read_text().partition("\n")[0].lstrip("# ")
        rows.append({"name": name, "what": first, "file": str(path)})
    list_rows(rows)


def list_rows(rows: Sequence[Mapping[str, Any]], *, to_person: bool = False) -> None:
    """A table for a person at a terminal; JSON for a program, unless it is for people alone."""
    if not to_person and not sys.stdout.isatty():
        print(json.dumps(rows, indent=1))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from zatlas.core.progress import console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="fold")
    for row in rows:
        told = {True: "yes", False: "no"}
        table.add_row(*(told[v] if isinstance(v, bool) else str(v) for v in row.values()))
    (console() if to_person else Console()).print(table)
