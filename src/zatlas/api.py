"""The functions of `import zatlas`: train, load, import and export runs."""

from collections.abc import Callable, Sequence
from functools import wraps
from inspect import signature
from os import PathLike
from pathlib import Path
from typing import ParamSpec

from zatlas import create
from zatlas.atlas import Atlas
from zatlas.data.hub_run import fetch_run, is_hub_run
from zatlas.publish import push_run
from zatlas.site import export as site
from zatlas.workspace import Workspace

P = ParamSpec("P")
Run = str | PathLike[str] | Atlas | Workspace


def _as_atlas(make: Callable[P, Workspace]) -> Callable[P, Atlas]:
    """Return the same function with an `Atlas` as its result."""

    @wraps(make)
    def call(*args: P.args, **kwargs: P.kwargs) -> Atlas:
        return Atlas(make(*args, **kwargs))

    call.__dict__["__signature__"] = signature(make).replace(return_annotation=Atlas)
    return call


train = _as_atlas(create.train)
resume = _as_atlas(create.resume)
import_model = _as_atlas(create.import_model)


def load(
    run: str | PathLike[str], *, device: str = "auto", trust: bool = False, data_changed: bool = False
) -> Atlas:
    """Open the run in a folder.

    Parameters
    ----------
    run : str or Path
        Folder of the run, or "hf:owner/name" for one on the Hugging Face hub.
    device : {"auto", "cpu", "cuda", "mps"}
        Device of the model; "auto" takes a GPU if there is one.
    trust : bool
        Allow a model that is a program, and that you did not import yourself, to run with your rights.
    data_changed : bool
        Accept images that differ from those the run was made with.

    Returns
    -------
    Atlas

    Raises
    ------
    BadRun
        The folder holds no run, or one of a newer format.
    NeedsTrust
        The model is a program, and `trust` is false.

    Examples
    --------
    >>> zatlas.load("runs/shapes")
    Atlas shapes: vae, 2 dimensions
    data: shapes: 150 grey images 8x8 in 3 classes (114 train, 6 valid, 30 test)
    run: runs/shapes; next: atlas.plot.grid(), atlas.evaluate() or atlas.explore()
    """
    run = fetch_run(run) if is_hub_run(run) else run
    return Atlas(Workspace.open(run, trust=trust, data_changed=data_changed, device=device))


def export(
    run: Run | Sequence[Run],
    out: str | PathLike[str],
    *,
    points: int | None = None,
    prior: str | None = None,
    story: str | PathLike[str] | None = None,
    other_spaces: Sequence[str] = (),
    figure: str | None = None,
    anchors: Sequence[str] = (),
    trust: bool = False,
    data_changed: bool = False,
) -> Path:
    """Write the explorer of one run, or of two to compare, as a page that works without a server.

    Parameters
    ----------
    run : str, Path, Atlas or Workspace, or a sequence of two
        The run or its folder.
    out : str or Path
        A folder for a static host, or a name that ends in .html for one file.
    points : int
        Number of images that the page shows at most.
    prior : {"mixture", "flow"}
        Sample from this fitted prior.
    story : str or Path
        Markdown file of a story that the page opens with.
    other_spaces : sequence of str
        Other latent spaces that the page can switch to, such as ["w", "w+"] of a StyleGAN.
    figure : {"map", "walk", "sliders", "compare", "grid"}
        Write a live figure with this view instead.
    anchors : sequence of str
        Names of latents that the figure starts from.
    trust, data_changed : bool
        As in `load`.

    Returns
    -------
    Path
        The page or its folder.

    Examples
    --------
    >>> zatlas.export("runs/shapes", "shapes.html").name
    'shapes.html'
    """
    runs = [run] if isinstance(run, (str, PathLike, Atlas, Workspace)) else run
    workspaces = [_workspace_of(each, trust=trust, data_changed=data_changed) for each in runs]
    return site.export(
        workspaces,
        Path(out),
        points=points,
        prior=prior,
        story=story,
        other_spaces=other_spaces,
        figure=figure,
        anchors=anchors,
    )


def push(run: Run, repository: str, *, private: bool = False, trust: bool = False) -> str:
    """Push a run to the Hugging Face hub with a model card, and return its address.

    The model, its recipe and its directions are pushed, not the images of the dataset.

    Parameters
    ----------
    run : str, Path, Atlas or Workspace
        The run or its folder.
    repository : str
        The name, "owner/name". `zatlas.load("hf:owner/name")` opens it.
    private : bool
        Create a private repository.
    trust : bool
        As in `load`.

    Raises
    ------
    NotFound
        The hub cannot be reached, or gives no access.

    Examples
    --------
    >>> try:
    ...     zatlas.push("runs/shapes", "shapes")
    ... except zatlas.ZatlasError as error:
    ...     print(error)
    A repository of the hub is named owner/name, not 'shapes'.
    """
    return push_run(_workspace_of(run, trust=trust), repository, private=private)


def _workspace_of(run: Run, *, trust: bool = False, data_changed: bool = False) -> Workspace:
    """Open a run that is named by its folder."""
    if isinstance(run, (str, PathLike)):
        run = load(run, trust=trust, data_changed=data_changed)
    return run.workspace if isinstance(run, Atlas) else run
