"""Sheets of a run: samples, reconstructions, the decoded plane, places of a chart, corners and pairs."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images, Plane, Points, Values
from zatlas.core.errors import NotSupported, ShapeError, UnknownName
from zatlas.latent.axes import rank
from zatlas.latent.chart import Chart
from zatlas.latent.curves import usual_blend
from zatlas.latent.grids import corners as between_corners
from zatlas.latent.grids import even_marks, in_space, lattice, quantile_marks
from zatlas.latent.neighbours import nearest
from zatlas.locate import Anchor, interpolate
from zatlas.render.canvas import Canvas
from zatlas.render.sheet import Axis, blocks, sheet
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import find_prior, own_words, sample_latents
from zatlas.workspace import Workspace

SPANS = ("quantile", "range", "deviations")
MAX_SHEET, MAX_ROW = 10_000, 100  # images of a sheet and of a row; more cannot be told apart
PRIOR_TEXT = {
    "own": "the prior",
    "mixture": "a mixture fitted to the codes",
    "flow": "a flow fitted to the codes",
}
TAIL = 0.05  # of the prior's mass that a grid leaves out at either end


def sample_sheet(
    workspace: Workspace,
    count: int = 64,
    *,
    prior: str = "own",
    temperature: float = 1.0,
    truncation: float | None = None,
    label: int | None = None,
    seed: int = 0,
    theme: Theme = LIGHT,
) -> Canvas:
    """Images of new points (A2, D3); of a conditional model, some of each class unless one is named."""
    check_range("images of a sheet", count, MAX_SHEET)
    columns = max(round(count**0.5), 1)
    source = PRIOR_TEXT.get(prior, "around the codes of test images")
    if prior == "own" and workspace.generator.space.prior == "none":
        source = "the normal distribution of the codes: an auto-encoder has no prior"
    title = f"Samples of {workspace.name}, from {source}"
    note = ", ".join(_said(temperature=temperature, truncation=truncation, seed=seed))
    z = sample_latents(
        workspace, count, seed=seed, prior=prior, temperature=temperature, truncation=truncation
    )
    classes = workspace.generator.classes
    if classes and label is not None:
        title = f"Samples of class {classes[label]} of {workspace.name}, from {source}"
    if not classes or label is not None:
        return sheet(workspace.decode(z, label), columns, title=title, note=note, theme=theme)
    each = z[:columns]
    images = [workspace.decode(each, kind) for kind in range(len(classes))]
    return sheet(
        np.concatenate(images),
        len(each),
        title=title,
        note=f"{note}; one row a class, the same points",
        rows=classes,
        theme=theme,
    )


def prior_sheet(
    workspace: Workspace, count: int = 36, *, flow: bool = False, seed: int = 0, theme: Theme = LIGHT
) -> Canvas:
    """Images of points of the run's own prior beside those of the priors fitted to its codes.

    A flow is shown if it is kept already, or wanted: fitting one takes a while.
    """
    check_range("images of a block", count, MAX_SHEET)
    kinds = ["own", "mixture", *(["flow"] if flow or find_prior(workspace, "flow") else [])]
    turns = np.arange(count) % max(len(workspace.generator.classes), 1)
    groups = {}
    for kind in kinds:
        name = own_words(workspace) if kind == "own" else PRIOR_TEXT[kind]
        groups[name] = workspace.decode(sample_latents(workspace, count, seed=seed, prior=kind), None, turns)
    return blocks(
        groups,
        max(round(count**0.5), 1),
        title=f"Samples of {workspace.name}, by what they are drawn from",
        note=f"seed {seed}",
        theme=theme,
    )


def reconstruction_sheet(
    workspaces: Sequence[Workspace], count: int = 12, *, split: str = "test", theme: Theme = LIGHT
) -> Canvas:
    """Real images, and under them what each model makes of their points (E2)."""
    check_range("images of a row", count, MAX_ROW)
    first = workspaces[0]
    rows = _of_every_class(first, count, split)
    real = first.images.images(rows)
    shown, names = [real], ["real"]
    for workspace in workspaces:
        labels = workspace.labels(rows)
        points = workspace.generator.encode(real, labels)
        rebuilt = workspace.generator.decode(points, labels)
        error = float(np.sqrt(((rebuilt - real) ** 2).mean()))
        shown.append(rebuilt)
        names.append(f"{workspace.name if len(workspaces) > 1 else 'rebuilt'}\nerror {error:.3f}")
    what = {"test": "Test images", "train": "Training images"}.get(split, "Images held out")
    what = what if first.holds_out else "Training images"
    return sheet(
        np.concatenate(shown),
        len(rows),
        rows=names,
        theme=theme,
        title=f"{what}, and what is left of them",
        note="error: root mean square of the pixels' difference, black to white being 1",
    )


def manifold(
    workspace: Workspace,
    n: int = 15,
    *,
    by: str | None = None,
    axes: tuple[int, int] | None = None,
    label: int | None = None,
    extent: float | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """A plane of the latent space, decoded at n x n places (B2, C2, E3); for each class it is told (C6).

    `by` quantile steps evenly through the prior's mass, range through the codes' own range, deviations
    through `extent` standard deviations of the prior.
    """
    check_range("places along an axis", n, MAX_ROW)
    by = by or ("range" if workspace.generator.space.prior == "none" else "quantile")
    if workspace.dim == 1:
        return _line(workspace, n, by, label, extent, theme)
    axes = axes or plot_dimensions(workspace)
    right, up = (dimension_values(workspace, axis, n, by, extent) for axis in axes)
    z = in_space(lattice(right, up), workspace.dim, axes)
    held = "" if workspace.dim == 2 else "; the other axes at 0"
    if workspace.dim > 2 and not workspace.coded:
        # Nothing lies amid many normal axes: the plane goes through a sample instead.
        held = "; the other axes as in sample 0"
        rest = np.setdiff1d(np.arange(workspace.dim), axes)
        z[:, rest] = workspace.cloud[0, rest]
    scale = {"quantile": "5 % to 95 % of the prior", "range": "1 % to 99 % of the codes"}
    told = scale.get(by, "in standard deviations of the prior")
    words = [Axis(f"axis {axis}: {told}", marks) for axis, marks in zip(axes, (right, up), strict=True)]
    title = f"The latent plane of {workspace.name}, decoded at {n} x {n} places{held}"
    classes = workspace.generator.classes
    if not classes or label is not None:
        images = workspace.decode(z, label)
        return sheet(images, n, title=title, axes=(words[0], words[1]), theme=theme)
    groups = {name: workspace.decode(z, kind) for kind, name in enumerate(classes)}
    return blocks(groups, n, title=f"{title}, for each class", theme=theme)


def chart_sheet(
    workspace: Workspace, chart: Chart, n: int = 15, *, label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """The chart as a picture: decoded at a regular grid of its places (A4)."""
    check_range("places along an axis", n, MAX_ROW)
    places, codes = chart.grid(n)
    right, up = np.unique(places[:, 0]), np.unique(places[:, 1])
    title = f"The {chart.layout} chart of {workspace.name}, decoded at {n} x {n} places"
    return sheet(
        workspace.decode(codes, label),
        n,
        title=title,
        theme=theme,
        dim=~chart.covers(places),
        axes=(Axis("chart, to the right", right), Axis("chart, upwards", up)),
        note=f"faded: no data there.  trustworthiness of the chart {chart.trust:.3f}",
    )


def chart_positions(
    workspace: Workspace, chart: Chart, places: Plane, *, label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """The images at places of a chart, given from -1 to 1 in both directions (A5)."""
    there = chart.at(places)
    z = chart.inverse(there)
    near, kind = _nearest_shown(workspace, z, label)
    shown = [near] if workspace.given is not None else [workspace.decode(z, label), near]
    images, names = np.concatenate(shown), ("imagined", kind)[-len(shown) :]
    heads = [f"({x:g}, {y:g})" for x, y in places]
    return sheet(
        images,
        len(places),
        rows=names,
        heads=heads,
        theme=theme,
        title=f"Places of the {chart.layout} chart of {workspace.name}",
        note="from -1 to 1 across and up the chart; faded: no data there",
        dim=np.tile(~chart.covers(there), len(shown)) & (np.arange(len(images)) < len(places)),
    )


def _nearest_shown(workspace: Workspace, z: Points, label: int | None) -> tuple[Images, str]:
    """The image nearest to each point: a real one or, where those have no points, a sample."""
    if workspace.coded:
        rows, _ = workspace.nearest(z, 1)
        return workspace.images.images(rows[:, 0]), "nearest real"
    return workspace.decode(workspace.cloud[nearest(z, workspace.cloud, 1)[0][:, 0]], label), "nearest sample"


def four_corners(
    workspace: Workspace, stops: Sequence[Anchor], n: int = 9, *, theme: Theme = LIGHT
) -> Canvas:
    """Between four images at the corners of a grid (E4)."""
    ends = np.concatenate([stop.point for stop in stops])
    z = between_corners(ends, n, usual_blend(workspace.generator.space))
    names = ", ".join(stop.title for stop in stops)
    return sheet(
        workspace.decode(z, stops[0].label),
        n,
        theme=theme,
        title=f"Between four corners of {workspace.name}",
        note=f"top left, top right, bottom left, bottom right: {names}",
    )


def pair_rows(
    workspace: Workspace, stops: Sequence[Anchor], frames: int = 10, *, theme: Theme = LIGHT
) -> Canvas:
    """From the first stop to the second, from the third to the fourth: a pair a row (E4)."""
    rows, names, far = [], [], []
    for a, b in zip(stops[0::2], stops[1::2], strict=True):
        z = interpolate(workspace, [a, b]).sample(frames)
        far.append(workspace.density.far(z))
        rows.append(workspace.decode(z, a.label))
        names.append(f"{a.title} to {b.title}")
    return strip(
        np.concatenate(rows),
        columns=frames,
        rows=names,
        far=np.concatenate(far),
        theme=theme,
        title=f"From image to image in {workspace.name}",
        note="lines: how far from the data, from near (thin, blue) to outside them (thick, red)",
    )


def plot_dimensions(workspace: Workspace) -> tuple[int, int]:
    """The two axes that a grid is drawn in: of more than two, those that change the image most."""
    if workspace.dim <= 2:
        return 0, 1
    if workspace.given is not None:  # no decoder tells which: those in which the codes vary most
        wide = np.argsort(-workspace.given.std(axis=0), kind="stable")
        return int(wide[0]), int(wide[1])
    order, _ = rank(workspace.generator, workspace.cloud, workspace.told(len(workspace.cloud)))
    return int(order[0]), int(order[1])


def dimension_values(workspace: Workspace, axis: int, n: int, by: str, extent: float | None = None) -> Values:
    """n values of an axis: at equal steps of the prior's mass, of the codes' range, or of deviations."""
    if by == "quantile":
        if workspace.generator.space.prior == "none":
            raise NotSupported("An auto-encoder has no prior to take quantiles of: take --by range.")
        return quantile_marks(n, TAIL)
    if by == "range":
        if not 0 <= axis < workspace.dim:
            raise NotSupported(f"There is no axis {axis}: this space has {workspace.dim}, from 0 on.")
        low, high = np.quantile(workspace.cloud[:, axis], [0.01, 0.99])
        return even_marks(n, float(low), float(high))
    if by == "deviations":
        return even_marks(n, -(extent or 2.0), extent or 2.0)
    raise UnknownName("span of a grid", by, SPANS)


def check_range(what: str, number: int, most: int) -> None:
    """Refuse a picture of nothing, and one that nobody could look at."""
    if not 1 <= number <= most:
        raise ShapeError(f"The {what} are from 1 to {most:,}; {number:,} were asked for.")


def _line(
    workspace: Workspace, n: int, by: str, label: int | None, extent: float | None, theme: Theme
) -> Canvas:
    marks = dimension_values(workspace, 0, n, by, extent)
    images: Images = workspace.decode(marks[:, None], label)
    heads = [f"{mark:.2f}" for mark in marks]
    return strip(images, heads=heads, title=f"The only axis of {workspace.name}", theme=theme)


def _of_every_class(workspace: Workspace, count: int, split: str) -> np.ndarray:
    """Rows of a split, class after class where there are any."""
    rows = workspace.rows(split)
    labels = workspace.labels(rows)
    if labels is None:
        return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    # The first of each class, then the second of each, and in the end by class.
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    turn = np.arange(len(rows)) - starts
    chosen = order[np.lexsort((labels[order], turn))][:count]
    return rows[chosen[np.argsort(labels[chosen], kind="stable")]]


def _said(**settings: float | None) -> list[str]:
    return [f"{name} {value:g}" for name, value in settings.items() if value is not None]
