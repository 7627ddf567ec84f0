"""Commands to start with: the demo, and lists of datasets, models and presets."""

from functools import partial
from pathlib import Path

from zatlas.commands.printing import print_rows
from zatlas.commands.registration import command


@command("Start")
def demo(out: Path = Path("zatlas-demo"), no_open: bool = False) -> None:
    """Train a small VAE, draw its latent space, explore it.

    The second run of the demo is a face model that zatlas ships with.

    Args:
        out: Output folder.
        no_open: Do not open the result in the browser.
    """
    from zatlas.demo import demo, run_tour

    print(demo(out), flush=True)
    if not no_open:
        run_tour(out, write=partial(print, flush=True))


@command("Start")
def datasets() -> None:
    """List the datasets by name, with size and license."""
    from zatlas.core.registry import DATASETS

    rows = []
    for name, source in DATASETS.working():
        try:
            available = source.is_available()
        except Exception as error:  # of a plugin
            DATASETS.warn_failed(name, error)
            continue
        about = {"images": source.images, "size": source.size, "available": available}
        rows.append({"name": name, **about, "license": source.licence, "description": source.summary})
    print_rows(rows)


@command("Start")
def models() -> None:
    """List the model families and nets, with their settings."""
    from zatlas.core.registry import MODELS, NETS
    from zatlas.core.settings import setting_types

    rows = []
    for kind, registry in (("model", MODELS), ("net", NETS)):
        for name, config in registry.working():
            defaults = config()
            settings = ", ".join(f"{key}={getattr(defaults, key)}" for key in setting_types(config))
            description = (config.__doc__ or "").partition("\n")[0]
            rows.append({"kind": kind, "name": name, "settings": settings, "description": description})
    print_rows(rows)


@command("Start")
def presets() -> None:
    """List the recipes that zatlas ships with."""
    from zatlas.training.recipe import presets

    rows = []
    for name, path in presets().items():
        description = path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
        rows.append({"name": name, "description": description, "file": str(path)})
    print_rows(rows, [{key: row[key] for key in ("name", "description")} for row in rows])
