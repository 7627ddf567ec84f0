"""Sheets of decoded images: samples, reconstructions, grids, chart positions, corners and pairs."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images, Latents, Plane, Values
from zatlas.core.errors import NotSupported, ShapeError, UnknownName
from zatlas.figures import captions
from zatlas.latent.chart import Chart
from zatlas.latent.curves import default_blend
from zatlas.latent.dimension_ranking import rank_dimensions
from zatlas.latent.grids import corners as between_corners
from zatlas.latent.grids import embed_plane, even_steps, lattice, normal_quantiles
from zatlas.latent.neighbors import nearest
from zatlas.latent_source import Given
from zatlas.locate import Anchor, interpolate
from zatlas.render.canvas import Canvas
from zatlas.render.sheet import Axis, blocks, sheet
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import find_prior, own_prior_text, sample_latents
from zatlas.workspace import Workspace

SPANS = ("quantile", "range", "std")
MAX_SHEET, MAX_ROW = 10_000, 100  # images of a sheet and of a row
PRIOR_TEXT = {
    "model": "the prior",
    "mixture": "a mixture fitted to the latents",
    "flow": "a flow fitted to the latents",
}
TAIL = 0.05  # share of the prior's mass outside the grid at either end


def sample_sheet(
    workspace: Workspace,
    count: int = 64,
    *,
    prior: str = "model",
    temperature: float = 1.0,
    truncation: float | None = None,
    label: int | None = None,
    seed: int = 0,
    theme: Theme = LIGHT,
) -> Canvas:
    """Decoded samples (A2, D3); for a conditional model a row per class, unless `label` is given."""
    check_range("images of a sheet", count, MAX_SHEET)
    columns = max(round(count**0.5), 1)
    source = PRIOR_TEXT.get(prior, "around the latents of test images")
    if prior == "model" and workspace.generator.space.prior == "none":
        source = "a normal distribution fitted to the latents (an auto-encoder has no prior)"
    title = f"Samples of {workspace.name}, from {source}"
    note = ", ".join(_settings_text(temperature=temperature, truncation=truncation, seed=seed))
    note = captions.join(note, captions.prior_caption(workspace) if prior == "model" else "")
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
        note=f"{note}; one row per class, the same latents",
        rows=classes,
        theme=theme,
    )


def prior_sheet(
    workspace: Workspace, count: int = 36, *, flow: bool = False, seed: int = 0, theme: Theme = LIGHT
) -> Canvas:
    """Samples of the model's own prior and of priors fitted to its latents.

    A flow is included if the run has one, or if `flow` is true: fitting one takes a while.
    """
    check_range("images of a block", count, MAX_SHEET)
    kinds = ["model", "mixture", *(["flow"] if flow or find_prior(workspace, "flow") else [])]
    turns = np.arange(count) % max(len(workspace.generator.classes), 1)
    groups = {}
    for kind in kinds:
        name = own_prior_text(workspace) if kind == "model" else PRIOR_TEXT[kind]
        groups[name] = workspace.decode(sample_latents(workspace, count, seed=seed, prior=kind), turns)
    return blocks(
        groups,
        max(round(count**0.5), 1),
        title=f"Samples of {workspace.name}, by prior",
        note=captions.join(f"seed {seed}", captions.prior_caption(workspace)),
        theme=theme,
    )


def reconstruction_sheet(
    workspaces: Sequence[Workspace], count: int = 12, *, split: str = "test", theme: Theme = LIGHT
) -> Canvas:
    """Real images, and below them the reconstructions of each model (E2)."""
    check_range("images of a row", count, MAX_ROW)
    first = workspaces[0]
    rows = _of_every_class(first, count, split)
    real = first.dataset.images(rows)
    groups, names = [real], ["real"]
    for workspace in workspaces:
        labels = workspace.labels(rows)
        latents = workspace.generator.encode(real, labels)
        rebuilt = workspace.generator.decode(latents, labels)
        error = float(np.sqrt(((rebuilt - real) ** 2).mean()))
        groups.append(rebuilt)
        names.append(f"{workspace.name if len(workspaces) > 1 else 'reconstruction'}\nerror {error:.3f}")
    subject = {"test": "Test images", "train": "Training images"}.get(split, "Held-out images")
    subject = subject if first.holds_out else "Training images"
    return sheet(
        np.concatenate(groups),
        len(rows),
        rows=names,
        theme=theme,
        title=f"{subject} and their reconstructions",
        note="error: root mean square pixel difference, for pixels in [0, 1]",
    )


def manifold(
    workspace: Workspace,
    n: int = 15,
    *,
    by: str | None = None,
    dimensions: tuple[int, int] | None = None,
    label: int | None = None,
    extent: float | None = None,
    theme: Theme = LIGHT,
) -> Canvas:
    """A plane of the latent space, decoded at n x n positions (B2, C2, E3); one for each class (C6).

    `by` sets the steps: "quantile" is even in the prior's mass, "range" in the range of the latents, and
    "std" in standard deviations of the prior, up to `extent`.
    """
    check_range("positions along a side", n, MAX_ROW)
    by = by or ("range" if workspace.generator.space.prior == "none" else "quantile")
    if workspace.dim == 1:
        return _line(workspace, n, by, label, extent, theme)
    dimensions = dimensions or plot_dimensions(workspace)
    right, up = (dimension_values(workspace, axis, n, by, extent) for axis in dimensions)
    z = embed_plane(lattice(right, up), workspace.dim, dimensions)
    fixed = "" if workspace.dim == 2 else "; the other dimensions at 0"
    if workspace.dim > 2 and not workspace.source.indexed:
        # In many dimensions no sample is near the center, so the plane goes through a sample.
        fixed = "; the other dimensions as in sample 0"
        others = np.setdiff1d(np.arange(workspace.dim), dimensions)
        z[:, others] = workspace.cloud[0, others]
    scale = {"quantile": "5 % to 95 % of the prior", "range": "1 % to 99 % of the latents"}
    steps = scale.get(by, "in standard deviations of the prior")
    words = [
        Axis(f"dimension {axis}: {steps}", marks) for axis, marks in zip(dimensions, (right, up), strict=True)
    ]
    title = f"The latent plane of {workspace.name}, decoded at {n} x {n} positions{fixed}"
    classes = workspace.generator.classes
    if not classes or label is not None:
        images = workspace.decode(z, label)
        return sheet(images, n, title=title, axes=(words[0], words[1]), theme=theme)
    groups = {name: workspace.decode(z, kind) for kind, name in enumerate(classes)}
    return blocks(groups, n, title=f"{title}, for each class", theme=theme)


def chart_sheet(
    workspace: Workspace, chart: Chart, n: int = 15, *, label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """A chart decoded at a regular grid of positions (A4)."""
    check_range("positions along a side", n, MAX_ROW)
    positions, latents = chart.grid(n)
    right, up = np.unique(positions[:, 0]), np.unique(positions[:, 1])
    title = f"The {chart.layout} chart of {workspace.name}, decoded at {n} x {n} positions"
    return sheet(
        workspace.decode(latents, label),
        n,
        title=title,
        theme=theme,
        dim=~chart.covers(positions),
        axes=(Axis("chart, to the right", right), Axis("chart, upwards", up)),
        note=f"faded: no data.  trustworthiness of the chart {chart.trustworthiness:.3f}",
    )


def chart_positions(
    workspace: Workspace, chart: Chart, positions: Plane, *, label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """The decoded images at positions of a chart, from -1 to 1 in both directions (A5)."""
    there = chart.denormalised(positions)
    z = chart.inverse_transform(there)
    near, kind = _nearest_shown(workspace, z, label)
    groups = [near] if not workspace.source.decodes else [workspace.decode(z, label), near]
    images, names = np.concatenate(groups), ("decoded", kind)[-len(groups) :]
    heads = [f"({x:g}, {y:g})" for x, y in positions]
    return sheet(
        images,
        len(positions),
        rows=names,
        heads=heads,
        theme=theme,
        title=f"Positions of the {chart.layout} chart of {workspace.name}",
        note="from -1 to 1 across and up the chart; faded: no data",
        dim=np.tile(~chart.covers(there), len(groups)) & (np.arange(len(images)) < len(positions)),
    )


def _nearest_shown(workspace: Workspace, z: Latents, label: int | None) -> tuple[Images, str]:
    """The image nearest to each latent: a real one, or a sample if there are no encoded images."""
    if workspace.source.indexed:
        rows, _ = workspace.nearest(z, 1)
        return workspace.dataset.images(rows[:, 0]), "nearest real"
    return workspace.decode(workspace.cloud[nearest(z, workspace.cloud, 1)[0][:, 0]], label), "nearest sample"


def four_corners(
    workspace: Workspace, anchors: Sequence[Anchor], n: int = 9, *, theme: Theme = LIGHT
) -> Canvas:
    """Interpolations between four images at the corners of a grid (E4)."""
    ends = np.concatenate([anchor.latent for anchor in anchors])
    z = between_corners(ends, n, default_blend(workspace.generator.space))
    names = ", ".join(anchor.title for anchor in anchors)
    return sheet(
        workspace.decode(z, anchors[0].label),
        n,
        theme=theme,
        title=f"Interpolations between four images of {workspace.name}",
        note=f"top left, top right, bottom left, bottom right: {names}",
    )


def pair_rows(
    workspace: Workspace, anchors: Sequence[Anchor], frames: int = 10, *, theme: Theme = LIGHT
) -> Canvas:
    """Interpolations between consecutive pairs of anchors, a pair per row (E4)."""
    rows, names, far = [], [], []
    for a, b in zip(anchors[0::2], anchors[1::2], strict=True):
        z = interpolate(workspace, [a, b]).sample(frames)
        far.append(workspace.density.relative_distance(z))
        rows.append(workspace.decode(z, a.label))
        names.append(f"{a.title} to {b.title}")
    return strip(
        np.concatenate(rows),
        columns=frames,
        rows=names,
        far=np.concatenate(far),
        theme=theme,
        title=f"Interpolations in {workspace.name}",
        note="lines: distance from the data, from near (thin, blue) to outside (thick, red)",
    )


def plot_dimensions(workspace: Workspace) -> tuple[int, int]:
    """The two dimensions of a grid: of more than two, those that change the image most."""
    if workspace.dim <= 2:
        return 0, 1
    if isinstance(source := workspace.source, Given):  # without a decoder: those with the largest variance
        wide = np.argsort(-source.latents.std(axis=0), kind="stable")
        return int(wide[0]), int(wide[1])
    order, _ = rank_dimensions(
        workspace.generator, workspace.cloud, workspace.generator.class_numbers(len(workspace.cloud))
    )
    return int(order[0]), int(order[1])


def dimension_values(workspace: Workspace, axis: int, n: int, by: str, extent: float | None = None) -> Values:
    """n values of a dimension at equal steps of the prior's mass, of the latents' range, or of std."""
    if by == "quantile":
        if workspace.generator.space.prior == "none":
            raise NotSupported("An auto-encoder has no prior, so there are no quantiles: use --by range.")
        return normal_quantiles(n, TAIL)
    if by == "range":
        if not 0 <= axis < workspace.dim:
            raise NotSupported(
                f"There is no dimension {axis}: this space has {workspace.dim}, counted from 0."
            )
        low, high = np.quantile(workspace.cloud[:, axis], [0.01, 0.99])
        return even_steps(n, float(low), float(high))
    if by == "std":
        return even_steps(n, -(extent or 2.0), extent or 2.0)
    raise UnknownName("span of a grid", by, SPANS)


def check_range(name: str, number: int, limit: int) -> None:
    """Raise ShapeError unless the number is between 1 and the limit."""
    if not 1 <= number <= limit:
        raise ShapeError(f"The number of {name} must be between 1 and {limit:,}, not {number:,}.")


def _line(
    workspace: Workspace, n: int, by: str, label: int | None, extent: float | None, theme: Theme
) -> Canvas:
    marks = dimension_values(workspace, 0, n, by, extent)
    images: Images = workspace.decode(marks[:, None], label)
    heads = [f"{mark:.2f}" for mark in marks]
    return strip(images, heads=heads, title=f"The only dimension of {workspace.name}", theme=theme)


def _of_every_class(workspace: Workspace, count: int, split: str) -> np.ndarray:
    """Rows of a split, sorted by class if there are classes."""
    rows = workspace.rows(split)
    labels = workspace.labels(rows)
    if labels is None:
        return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
    # Take the first image of each class, then the second of each; sort the result by class.
    order = np.argsort(labels, kind="stable")
    starts = np.searchsorted(labels[order], labels[order])
    turn = np.arange(len(rows)) - starts
    chosen = order[np.lexsort((labels[order], turn))][:count]
    return rows[chosen[np.argsort(labels[chosen], kind="stable")]]


def _settings_text(**settings: float | None) -> list[str]:
    return [f"{name} {value:g}" for name, value in settings.items() if value is not None]
