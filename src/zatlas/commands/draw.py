"""Commands that draw a run's latent space as it lies there."""

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands import Axes, Dark, Label, Out, Run, command
from zatlas.commands.make import list_rows
from zatlas.commands.shared import class_of, open_workspace, settings_of, tell, theme_of


@command
def sample(
    run: Run,
    *,
    count: int = 64,
    prior: str = "own",
    temperature: float = 1.0,
    truncation: float | None = None,
    label: Label = None,
    seed: int = 0,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Draw images of new points.

    Args:
        count: How many.
        prior: own, mixture or flow (fitted to the codes, and kept in the run) or posterior (around the
            codes of real images).
        temperature: Spread of the points; below 1, safer and more alike.
        truncation: Draw again what lies beyond so many standard deviations.
        seed: Another one gives other images.
    """
    from zatlas.figures.sheets import sample_sheet

    workspace = open_workspace(run)
    figure = sample_sheet(
        workspace,
        count,
        prior=prior,
        temperature=temperature,
        truncation=truncation,
        label=class_of(workspace, label),
        seed=seed,
        theme=theme_of(dark),
    )
    tell(figure, workspace, "samples" if prior == "own" else f"samples-{prior}", out)


@command
def reconstruct(
    run: Run,
    *,
    against: Annotated[UseAppendAction[tuple[Path, ...]], arg(metavar="RUN")] = (),
    count: int = 12,
    split: str = "test",
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Draw real images over what the model makes of their codes.

    Args:
        against: Another run of the same images, as one more row; may be given again.
        count: How many images, some of every class.
        split: test, valid or train.
    """
    from zatlas.figures.sheets import reconstruction_sheet

    workspaces = [open_workspace(folder) for folder in (run, *against)]
    figure = reconstruction_sheet(workspaces, count, split=split, theme=theme_of(dark))
    tell(figure, workspaces[0], "reconstructions", out)


@command
def grid(
    run: Run,
    *,
    n: int = 15,
    by: str | None = None,
    extent: float | None = None,
    axes: Axes = None,
    layout: str | None = None,
    label: Label = None,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Draw a plane of the latent space, decoded at n x n places; of a conditional model, one a class.

    Args:
        n: Places along either axis.
        by: quantile (equal steps of the prior's mass), range (of the latents), std or chart.
        extent: With std: number of standard deviations to either side (default 2).
        layout: With chart, which: pca, umap, tsne or axes.
    """
    from zatlas.figures.sheets import chart_sheet, manifold

    workspace, theme = open_workspace(run), theme_of(dark)
    told = class_of(workspace, label)
    if by == "chart":
        chart = workspace.chart(layout)
        tell(chart_sheet(workspace, chart, n, label=told, theme=theme), workspace, "chart-sheet", out)
    else:
        figure = manifold(workspace, n, by=by, dimensions=axes, label=told, extent=extent, theme=theme)
        tell(figure, workspace, "manifold", out)


@command
def points(
    run: Run,
    *,
    split: str = "test",
    each: int | None = None,
    drawn: bool = False,
    by: Annotated[str | None, arg(metavar="ATTRIBUTE")] = None,
    axes: Axes = None,
    seed: int = 0,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Draw the codes of real images as a cloud of points.

    Args:
        split: test, valid or train.
        each: So many of every class, rather than all.
        drawn: A draw from each posterior, rather than its mean.
        by: What colours them, if not the label.
        seed: Of the draws.
    """
    from zatlas.figures import maps

    workspace = open_workspace(run)
    figure = maps.latent_scatter(
        workspace, split=split, each=each, samples=drawn, by=by, dimensions=axes, seed=seed, theme=theme_of(dark)
    )
    tell(figure, workspace, "points", out)


@command
def chart(
    run: Run,
    *,
    layout: str | None = None,
    supervise: Annotated[str | None, arg(metavar="ATTRIBUTE")] = None,
    by: Annotated[str | None, arg(metavar="ATTRIBUTE")] = None,
    split: str = "test",
    set: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="NAME=VALUE")] = (),
    seed: int = 0,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Lay the codes out flat, keep the chart in the run, and draw it.

    Args:
        layout: pca, umap, tsne, or axes for two of the codes' own; umap for more than two axes.
        supervise: Lay out by "label" or an attribute as well as by the codes.
        by: What colours the points, if not the label.
        split: test, valid or train.
        set: A setting of the layout, as neighbors=25 or min_dist=0.1; may be given again.
        seed: Of the layout.
    """
    from zatlas.core.progress import console
    from zatlas.figures.maps import chart_scatter

    workspace = open_workspace(run)
    made = workspace.chart(layout, supervise, split=split, seed=seed, **settings_of(set))
    console().print(f"trustworthiness {made.trustworthiness:.4f}", soft_wrap=True)
    if len(made.positions) < len(workspace.chart_table(split)):
        saved = workspace.chart_positions(made, split)
        console().print(f"places of all codes: {saved}", soft_wrap=True, markup=False)
    figure = chart_scatter(workspace, made, split=split, by=by or supervise, theme=theme_of(dark))
    tell(figure, workspace, f"chart-{made.layout}", out)


@command
def place(
    run: Run,
    places: Annotated[Positional[tuple[float, ...]], arg(metavar="X Y ...")] = (
        -0.857,
        0.0,
        0.0,
        0.0,
        0.857,
        0.0,
    ),
    *,
    layout: str | None = None,
    supervise: Annotated[str | None, arg(metavar="ATTRIBUTE")] = None,
    label: Label = None,
    dark: Dark = False,
    out: Out = None,
) -> None:
    """Draw the images at places of a chart, each over the nearest real image.

    Args:
        places: One place or several, from -1 to 1 in both directions: left is -1, up is 1.
        layout: pca, umap, tsne or axes.
        supervise: Of a chart that is supervised by "label" or an attribute.
    """
    import numpy as np

    from zatlas.core.errors import BadRecipe
    from zatlas.figures.sheets import chart_positions
    from zatlas.latent.neighbors import nearest
    from zatlas.latent_source import Given

    if not places or len(places) % 2:
        raise BadRecipe(f"Places are pairs of numbers, as -0.857 0; {len(places)} were given.")
    workspace = open_workspace(run)
    pairs = np.array(places, np.float32).reshape(-1, 2)
    result = workspace.chart(layout, supervise)
    if isinstance(source := workspace.source, Given) and not source.indexed:  # neighbours without images
        rows, _ = nearest(result.inverse_transform(result.at(pairs)), source.latents, 5)
        list_rows([{"place": p.tolist(), "codes": r.tolist()} for p, r in zip(pairs, rows, strict=True)])
        return
    figure = chart_positions(workspace, result, pairs, label=class_of(workspace, label), theme=theme_of(dark))
    tell(figure, workspace, "places", out)
