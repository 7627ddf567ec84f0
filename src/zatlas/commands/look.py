"""Commands that draw the latent space of a run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from zatlas.commands.options import (
    OPENS_RUN,
    ColorBy,
    Dark,
    Dimensions,
    Label,
    Layout,
    LayoutSettings,
    OutputFile,
    OutputFolder,
    Run,
    Seed,
    Split,
    Supervise,
    UsedLayout,
)
from zatlas.commands.output import print_result
from zatlas.commands.printing import class_of, message, open_workspace, print_figure, print_rows, theme_of
from zatlas.commands.registration import command
from zatlas.core.errors import BadRecipe

if TYPE_CHECKING:
    from zatlas.latent.chart import Chart
    from zatlas.workspace import Workspace


@command("Look")
def gallery(
    run: Run,
    *,
    only: Annotated[str | None, arg(metavar="NAME")] = None,
    dark: Dark = False,
    no_open: bool = False,
    out: OutputFolder = None,
) -> None:
    """Draw every figure of a run, on a page that explains it.

    Args:
        only: Draw only the figure of this name, such as that of a plugin. It is the name of
            its file, without .png.
        no_open: Do not open the page in the browser.
    """
    from zatlas.core.system import SYSTEM
    from zatlas.gallery import draw_gallery, draw_one

    if only is not None:
        print_result(draw_one(open_workspace(run), only, out, theme=theme_of(dark)))
        return
    page = draw_gallery(open_workspace(run), out, theme=theme_of(dark))
    if not no_open:
        SYSTEM.open_page(page.resolve().as_uri())
    print_result(page)


@command("Look")
def sample(
    run: Run,
    *,
    count: int = 64,
    prior: str = "model",
    temperature: float = 1.0,
    truncation: float | None = None,
    label: Label = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Draw images decoded from random latents.

    The number below an image names it in an equation of `zatlas arithmetic`.

    Args:
        count: Number of images.
        prior: Distribution of the latents: model, mixture or flow (fitted to the latents), or posterior
            (around encoded images).
        temperature: Factor of the standard deviation. Below 1, images are more typical and less varied.
        truncation: Largest absolute value of a latent's numbers, in standard deviations.
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
    print_figure(figure, workspace, "samples" if prior == "model" else f"samples-{prior}", out)


@command("Look")
def reconstruct(
    run: Run,
    *,
    against: Annotated[UseAppendAction[tuple[Path, ...]], arg(metavar="RUN"), OPENS_RUN] = (),
    count: int = 12,
    split: Split = "test",
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Draw real images and their reconstructions.

    Args:
        against: Another run of the same data, for one more row. Repeatable.
        count: Number of images, spread over the classes.
    """
    from zatlas.figures.sheets import reconstruction_sheet

    workspaces = [open_workspace(folder) for folder in (run, *against)]
    figure = reconstruction_sheet(workspaces, count, split=split, theme=theme_of(dark))
    print_figure(figure, workspaces[0], "reconstructions", out)


@command("Look")
def grid(
    run: Run,
    anchors: Annotated[Positional[tuple[str, ...]], arg(metavar="[ANCHOR ...]")] = (),
    *,
    n: int = 15,
    by: str | None = None,
    extent: float | None = None,
    dimensions: Dimensions = None,
    layout: UsedLayout = None,
    supervise: Supervise = None,
    set: LayoutSettings = (),
    label: Label = None,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Draw a plane or a chart as a grid of decoded images.

    For a conditional model, zatlas draws a grid of the plane for each class.

    Args:
        anchors: With --by class: the latents to decode, named as for interpolate. (default: typical images)
        n: Number of images along each side.
        by: Scale of the grid: quantile (of the prior), range (of the latents), std, chart, or class (each
            anchor decoded in every class of a conditional model). (default: quantile, or range without a
            prior; chart with --layout, --supervise or --set)
        extent: With --by std: standard deviations to either side. (default: 2)
    """
    from zatlas.figures.anchor_sheets import class_sheet
    from zatlas.figures.sheets import chart_sheet, manifold
    from zatlas.locate import locate_all

    if layout or supervise or set:
        by = by or "chart"
        if by != "chart":
            raise BadRecipe(
                f"The options --layout, --supervise and --set go with `--by chart`, not with `--by {by}`."
            )
    workspace, theme = open_workspace(run), theme_of(dark)
    number = class_of(workspace, label)
    if by == "class":
        located = locate_all(workspace, anchors, label=number) if anchors else None
        figure = class_sheet(workspace, located, label=number, theme=theme)
        print_figure(figure, workspace, "classes", out)
        return
    if anchors:
        raise BadRecipe(
            "A grid of the latent space takes no anchors. Add --by class to decode each in every class."
        )
    if by == "chart":
        chart = _chart_of(workspace, layout, supervise, set)
        figure = chart_sheet(workspace, chart, n, label=number, theme=theme)
    else:
        figure = manifold(
            workspace, n, by=by, dimensions=dimensions, label=number, extent=extent, theme=theme
        )
    print_figure(figure, workspace, "chart-sheet" if by == "chart" else "manifold", out)


@command("Look")
def scatter(
    run: Run,
    *,
    split: Split = "test",
    per_class: int | None = None,
    samples: bool = False,
    color_by: ColorBy = None,
    dimensions: Dimensions = None,
    seed: Seed = 0,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Draw the latents of real images as a scatter plot.

    Args:
        per_class: Number of images of each class. (default: all)
        samples: Draw a sample of each posterior instead of its mean.
    """
    from zatlas.figures import maps

    workspace = open_workspace(run)
    figure = maps.latent_scatter(
        workspace,
        split=split,
        per_class=per_class,
        samples=samples,
        color_by=color_by,
        dimensions=dimensions,
        seed=seed,
        theme=theme_of(dark),
    )
    print_figure(figure, workspace, "scatter", out)


@command("Look")
def chart(
    run: Run,
    *,
    layout: Layout = None,
    supervise: Supervise = None,
    color_by: ColorBy = None,
    split: Split = "test",
    samples: bool = False,
    set: LayoutSettings = (),
    seed: Seed = 0,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Lay the latents out in two dimensions, and draw the chart.

    The run stores the chart. `decode`, `grid --by chart` and the explorer use the chart that was made last.

    Args:
        samples: Lay out a sample of each posterior instead of its mean.
    """
    from zatlas.figures.maps import chart_scatter
    from zatlas.latent.saved_charts import ChartRequest

    workspace = open_workspace(run)
    charts = workspace.charts
    request = ChartRequest(
        layout or charts.default_layout, supervise, split, samples, seed, _settings_of(set)
    )
    result = charts.make_current(request, workspace.chart_of)
    message(f"chart: {result.about}; trustworthiness {result.trustworthiness:.4f}")
    if workspace.source.kind != "sample" and len(result.positions) < len(workspace.chart_table(split)):
        message(f"positions of all latents: {workspace.chart_positions(result, split)}")
    figure = chart_scatter(workspace, result, color_by=color_by, theme=theme_of(dark))
    print_figure(figure, workspace, f"chart-{result.layout}", out)


@command("Look")
def decode(
    run: Run,
    positions: Annotated[Positional[tuple[float, ...]], arg(metavar="[X Y ...]")] = (
        -0.857,
        0.0,
        0.0,
        0.0,
        0.857,
        0.0,
    ),
    *,
    layout: UsedLayout = None,
    supervise: Supervise = None,
    set: LayoutSettings = (),
    label: Label = None,
    dark: Dark = False,
    out: OutputFile = None,
) -> None:
    """Decode positions of a chart to images.

    Below each image is the real image whose latent is nearest. `grid --by chart` shows all positions.

    Args:
        positions: Positions on the chart, from -1 (left, bottom) to 1 (right, top).
    """
    import numpy as np

    from zatlas.figures.sheets import chart_positions, outside_texts
    from zatlas.latent.neighbors import nearest
    from zatlas.latent_source import Given

    if not positions or len(positions) % 2:
        raise BadRecipe(
            f"Positions are pairs of numbers, such as -0.857 0. You gave {len(positions)} numbers."
        )
    workspace = open_workspace(run)
    number = class_of(workspace, label)
    pairs = np.array(positions, np.float32).reshape(-1, 2)
    result = _chart_of(workspace, layout, supervise, set)
    if isinstance(source := workspace.source, Given) and not source.indexed:  # there are no images to draw
        rows, _ = nearest(result.inverse_transform(result.denormalised(pairs)), source.latents, 5)
        print_rows(
            [{"position": p.tolist(), "latents": r.tolist()} for p, r in zip(pairs, rows, strict=True)]
        )
        return
    for text in outside_texts(result, pairs):
        message(text)
    figure = chart_positions(workspace, result, pairs, label=number, theme=theme_of(dark))
    print_figure(figure, workspace, "decoded", out)


def _chart_of(
    workspace: "Workspace", layout: str | None, supervise: str | None, set: Sequence[str]
) -> "Chart":
    """The chart that was made last, or the one that the options name; a message says which."""
    charts = workspace.charts
    request = charts.request(layout, supervise, _settings_of(set))
    chart = workspace.chart_of(request)
    last = " (the last that zatlas chart made)" if request == charts.current else ""
    message(f"chart: {chart.about}{last}")
    return chart


def _settings_of(texts: Sequence[str]) -> dict[str, Any]:
    from zatlas.data.sources import parse_settings

    return parse_settings(texts, "NAME=VALUE", "n_neighbors=25")
