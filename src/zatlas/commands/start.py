"""Commands to start with: the demo, and lists of datasets, models and presets."""

from functools import partial
from pathlib import Path

from zatlas.commands.output import print_result
from zatlas.commands.printing import print_rows
from zatlas.commands.registration import command
from zatlas.commands.thread_count import use_threads


@command("Start")
def demo(out: Path = Path("zatlas-demo"), no_open: bool = False) -> None:
    """Train a small VAE, draw its latent space, explore it.

    The second run of the demo is a face model that zatlas ships with.

    Args:
        out: Output folder.
        no_open: Do not open the result in the browser.
    """
    from zatlas.demo import demo, run_tour

    use_threads(None)
    print_result(demo(out))
    if not no_open:
        run_tour(out, write=partial(print_result, kind="address"))


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
    from zatlas.models.table import rows

    print_rows(rows())


@command("Start")
def presets() -> None:
    """List the recipes that zatlas ships with."""
    from zatlas.training.presets import description_of, presets

    rows = [
        {"name": name, "description": description_of(path), "file": str(path)}
        for name, path in presets().items()
    ]
    print_rows(rows, [{key: row[key] for key in ("name", "description")} for row in rows])
