"""Sheets of decoded images: samples, reconstructions, grids and chart positions."""

from collections.abc import Sequence

import numpy as np

from zatlas.core.arrays import Images, Latents, Plane, Values
from zatlas.core.errors import NotSupported, ShapeError, UnknownName
from zatlas.figures import captions
from zatlas.latent.chart import Chart
from zatlas.latent.dimension_ranking import rank_dimensions
from zatlas.latent.grids import embed_plane, even_steps, lattice, normal_quantiles
from zatlas.latent.neighbors import nearest
from zatlas.latent_source import Given, Sampled
from zatlas.render.canvas import Canvas
from zatlas.render.sheet import Axis, blocks, sheet
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import NUMBERED, find_prior, own_prior_text, sample_latents
from zatlas.workspace import Workspace

SPANS = ("quantile", "range", "std")
MAX_SHEET, MAX_ROW = 10_000, 100  # images of a sheet and of a row
PRIOR_TEXT = {
    "model": "the prior",
    "mixture": "a mixture fitted to the latents",
    "flow": "a flow fitted to the latents",
}
MAX_TEXTS = 6  # positions outside the data that a caption names
NAMES = {"model": "random", "mixture": "mixture", "flow": "flow"}  # of samples, before their numbers
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
    """Decoded samples (A2, D3); for a conditional model a row per class, unless `label` is given.

    Below each sample is its number, by which an equation can name it.
    """
    check_range("images of a sheet", count, MAX_SHEET)
    columns = max(round(count**0.5), 1)
    source = PRIOR_TEXT.get(prior, "around the latents of test images")
    if prior == "model" and workspace.generator.space.prior == "none":
        source = "a normal distribution fitted to the latents (an auto-encoder has no prior)"
    elif prior == "model" and workspace.generator.space.prior == "mapped":
        source = "mapped samples of the prior"
    title = f"Samples of {workspace.name}, from {source}"
    settings = _settings_text(temperature=temperature, truncation=truncation, seed=seed)
    numbers: list[str] = []
    naming = ""
    if (seed, temperature, truncation) == (0, 1, None) and count <= NUMBERED and prior in NAMES:
        numbers = [str(number) for number in range(count)]
        naming = f"in `zatlas arithmetic`, sample 7 is written {_sample_name(workspace, prior, 7)}"
    limits = captions.prior_caption(workspace) if prior == "model" else ""
    note = captions.join(", ".join(settings), naming, limits)
    z = sample_latents(
        workspace, count, seed=seed, prior=prior, temperature=temperature, truncation=truncation, label=label
    )
    classes = workspace.generator.class_names
    if classes and label is not None:
        title = f"Samples of class {classes[label]} of {workspace.name}, from {source}"
    if not workspace.generator.classes or label is not None:
        images = workspace.decode(z, label if workspace.generator.classes else None)
        return sheet(images, columns, title=title, note=note, names=numbers, theme=theme)
    each = z[:columns]
    by_class = [workspace.decode(each, kind) for kind in range(len(classes))]
    return sheet(
        np.concatenate(by_class),
        len(each),
        heads=numbers[: len(each)],
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
    classes = len(workspace.generator.classes)
    turns = np.arange(count) % classes if classes else None
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
        labels = workspace.conditions(rows)
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
    by = by or ("quantile" if workspace.generator.space.prior == "normal" else "range")
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
    steps = np.linspace(-1, 1, n)
    title = f"The {chart.layout} chart of {workspace.name}, decoded at {n} x {n} positions"
    return sheet(
        workspace.decode(latents, label),
        n,
        title=title,
        theme=theme,
        dim=~chart.covers(positions),
        axes=(Axis("x of zatlas decode", steps), Axis("y of zatlas decode", steps)),
        note=f"chart: {chart.about}; trustworthiness {chart.trustworthiness:.3f}. Paler: outside the data",
    )


def chart_positions(
    workspace: Workspace, chart: Chart, positions: Plane, *, label: int | None = None, theme: Theme = LIGHT
) -> Canvas:
    """The decoded images at positions of a chart, from -1 to 1 in both directions (A5).

    A caption says which positions are outside the data, and which are nearest to them inside.
    """
    there = chart.denormalised(positions)
    z = chart.inverse_transform(there)
    near, kind = _nearest_shown(workspace, chart, z, label)
    groups = [near] if not workspace.source.decodes else [workspace.decode(z, label), near]
    images, names = np.concatenate(groups), ("decoded", kind)[-len(groups) :]
    inside = chart.covers(there)
    heads = [_pair(xy) + ("" if ok else " outside") for xy, ok in zip(positions, inside, strict=True)]
    note = [f"chart: {chart.about}, from -1 to 1 across and up", *outside_texts(chart, positions)]
    return sheet(
        images,
        len(positions),
        rows=names,
        heads=heads,
        theme=theme,
        title=f"Positions of the {chart.layout} chart of {workspace.name}",
        note="; ".join(note),
    )


def outside_texts(chart: Chart, positions: Plane) -> list[str]:
    """A sentence for each position, from -1 to 1, that is outside the data: the nearest one inside."""
    there = chart.denormalised(positions)
    outside = np.flatnonzero(~chart.covers(there))
    if len(outside) > MAX_TEXTS:
        return [f"{len(outside)} of {len(positions)} positions are outside the data"]
    inside = chart.normalised(chart.nearest_covered(there))
    return [
        f"{_pair(positions[i])} is outside the data, the nearest position inside is {_pair(inside[i])}"
        for i in outside
    ]


def _pair(xy: Values) -> str:
    return f"({xy[0]:.3g}, {xy[1]:.3g})"


def _nearest_shown(workspace: Workspace, chart: Chart, z: Latents, label: int | None) -> tuple[Images, str]:
    """The image nearest to each latent: a real one, or a sample if there are no encoded images."""
    if chart.features is not None:
        return workspace.decode(
            chart.latents[chart.nearest_latents(z, 1)[0][:, 0]], label
        ), "most similar sample"
    if workspace.source.indexed:
        rows, _ = workspace.nearest(z, 1)
        return workspace.dataset.images(rows[:, 0]), "nearest real"
    return workspace.decode(workspace.cloud[nearest(z, workspace.cloud, 1)[0][:, 0]], label), "nearest sample"


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
        if workspace.generator.space.prior != "normal":
            raise NotSupported(
                "This space has no normal prior, so there are no quantiles: use --by range (in "
                "Python: by='range')."
            )
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


def _sample_name(workspace: Workspace, prior: str, number: int) -> str:
    """The name of a sample by its number; where no image has a latent, the number itself."""
    if prior == "model" and isinstance(workspace.source, Sampled) and not workspace.source.indexed:
        return str(number)
    return f"{NAMES[prior]}:{number}"


def _settings_text(**settings: float | None) -> list[str]:
    return [f"{name} {value:g}" for name, value in settings.items() if value is not None]
