"""zatlas: train an image generative model, or bring one, and explore its latent space.

>>> import zatlas
>>> workspace = zatlas.train("digits", dim=2, epochs=5)    # doctest: +SKIP
>>> workspace = zatlas.open("runs/digits-vae")             # doctest: +SKIP
"""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zatlas.sweeps import Sweep
    from zatlas.workspace import Workspace

__version__ = version("zatlas")
__all__ = ["bring", "export", "open", "sweep", "train"]


def open(run: str | Path, *, trust: bool = False, data_changed: bool = False) -> "Workspace":
    """The run in this folder, with its model and its images.

    A model that is a program, and that you have not imported yourself, is only opened with `trust`:
    it runs with all your rights. Images that differ from those of its training are refused, unless
    `data_changed` accepts them.
    """
    from zatlas.workspace import Workspace  # brings torch, which `import zatlas` need not

    return Workspace.open(Path(run), trust=trust, data_changed=data_changed)


def train(data: str | Path, **settings: Any) -> "Workspace":
    """Train a model on images and open the run; `zatlas.start.train` lists the settings."""
    from zatlas.start import train

    return train(data, **settings)


def sweep(recipe: str | Path, settings: Mapping[str, Any], **how: Any) -> "Sweep":
    """Train each combination of settings, and compare them; `zatlas.sweeps.sweep` lists the rest.

    >>> zatlas.sweep("digits", {"model.beta": [1, 4], "model.dim": [2, 8]})    # doctest: +SKIP
    """
    from zatlas.sweeps import sweep

    return sweep(recipe, settings, **how)


def bring(source: Any, out: str | Path, **settings: Any) -> "Workspace":
    """Make a run of a model that was made elsewhere; `zatlas.start.bring` lists the settings."""
    from zatlas.start import bring

    return bring(source, out, **settings)


def export(
    run: "str | Path | Workspace | Sequence[str | Path | Workspace]",
    out: str | Path,
    points: int | None = None,
    prior: str | None = None,
    *,
    trust: bool = False,
    data_changed: bool = False,
) -> Path:
    """Write the explorer's page of a run, or of two to compare, that works without a server.

    `out` is a folder for any static host, or a name that ends in .html for a single file. With a prior,
    "mixture" or "flow", the page's samples are drawn from that. `trust` and `data_changed` as for `open`.
    """
    from zatlas.site.export import export
    from zatlas.workspace import Workspace

    runs = [run] if isinstance(run, (str, Path, Workspace)) else run
    workspaces = [
        one if isinstance(one, Workspace) else Workspace.open(one, trust=trust, data_changed=data_changed)
        for one in runs
    ]
    return export(workspaces, Path(out), points=points, prior=prior)


def show(
    run: str | Path, *others: str | Path, trust: bool = False, data_changed: bool = False, **settings: Any
) -> Any:
    """The explorer of a run in a frame of the notebook; see `Workspace.show` and, for the others, `open`."""
    from zatlas.widget import show

    runs = (open(each, trust=trust, data_changed=data_changed) for each in (run, *others))
    return show(*runs, **settings)
