"""Figures of the geometry and the arithmetic of a latent space."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.directions.find import known_names
from zatlas.latent.arithmetic import combine, mean_latent, plain_sum
from zatlas.latent.attributes import binary_names, flags_of
from zatlas.latent.curves import has_shell, lerp, slerp
from zatlas.latent.dimensions import ball_volume, norm_density, shell
from zatlas.latent.names import ParsedName, text_of
from zatlas.latent.neighbors import nearest
from zatlas.locate import class_text, classes_with_images, find_groups
from zatlas.render.canvas import Canvas
from zatlas.render.equation import Term, equation
from zatlas.render.figure import Figure, Plot
from zatlas.render.plot import lines
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import NUMBERED, sample_latents
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EQUATION_ATTRIBUTES = ("Eyeglasses", "Smiling")  # preferred for the default equation
NEAREST = 3  # images or samples that are shown with the result of an equation
NORM_DIMENSIONS = (1, 2, 5, 10, 50, 100, 500)  # dimensions whose norm distributions are drawn


def geometry(workspace: Workspace, *, theme: Theme = LIGHT) -> dict[str, Figure]:
    """Figures of geometry in many dimensions, in general and for this run (B4)."""
    figures: dict[str, Figure] = {"volumes": volumes(theme=theme), "norms": norms(theme=theme)}
    if workspace.source.kind != "sample":  # samples of the prior need no comparison with it
        figures["own-norms"] = own_norms(workspace, theme=theme)
    if workspace.source.decodes:  # imported latents have no decoder
        figures["midpoints"] = midpoints(workspace, theme=theme)
    return figures


def explanations(workspace: Workspace) -> dict[str, tuple[str, str]]:
    """The title of each figure, and what it says about this run."""
    space = workspace.generator.space
    shell = has_shell(space)
    texts = {
        "volumes": (
            "The volume of a ball",
            "In many dimensions almost all the volume of a box is in its corners, outside the ball.",
        ),
        "norms": (
            "The shell",
            "The norms of normal samples concentrate near the square root of the number of dimensions.",
        ),
        "midpoints": (
            "Midpoints",
            "A line between two points of a shell crosses its inside, where no data is. An arc does not."
            if shell
            else "In many dimensions a line crosses the empty inside of a shell. These latents lie on none.",
        ),
    }
    if space.prior != "normal":
        norms = "This model has no normal prior, so its latents need not have certain norms."
    elif shell:
        norms = (
            "Means lie inside the shell, and posterior samples lie on it, because the encoder is uncertain."
        )
    else:
        norms = "A normal prior of few dimensions has no shell: its norms begin near 0."
    if workspace.source.kind != "sample":  # samples of the prior need no comparison with it
        texts["own-norms"] = ("The norms of this run's latents", norms)
    return texts


def volumes(*, theme: Theme = LIGHT, ax: "Axes | None" = None) -> Plot:
    """The volume of the unit ball over the number of dimensions (B4)."""
    n = np.arange(0, 41)
    return lines(
        n,
        {"volume": ball_volume(n)},
        theme=theme,
        ax=ax,
        axes=("dimensions", "volume"),
        title="The volume of the unit ball is largest in 5 dimensions, and then goes to 0",
    )


def norms(*, theme: Theme = LIGHT, ax: "Axes | None" = None) -> Plot:
    """The distribution of the norms of normal samples, for several dimensions (B4)."""
    radius = np.linspace(0.01, 26, 1500)
    series = {
        f"{dim} {'dimension' if dim == 1 else 'dimensions'}": norm_density(radius, dim)
        for dim in NORM_DIMENSIONS
    }
    return lines(
        radius,
        series,
        theme=theme,
        ax=ax,
        axes=("distance from the center", "density"),
        title="Normal samples in many dimensions lie near a shell of radius √d",
    )


def own_norms(workspace: Workspace, *, theme: Theme = LIGHT, ax: "Axes | None" = None) -> Plot:
    """The norms of the run's latents and of prior samples (B4)."""
    latents = np.linalg.norm(workspace.cloud, axis=1)
    top = 1.15 * max(float(np.quantile(latents, 0.999)), shell(workspace.dim)[0] + 3)
    radius = np.linspace(top / 400, top, 400)
    series = {"latents of the data": _density_of(latents, radius)}
    marks: dict[str, float] = {}
    if workspace.source.indexed and workspace.table("train").std is not None:
        posterior = np.linalg.norm(workspace.posterior_samples("train"), axis=1)
        series["posterior samples"] = _density_of(posterior, radius)
    title = f"Norms of the latents of {workspace.name}"
    if workspace.generator.space.prior == "normal":
        title += " and of its prior"
        series["prior"] = norm_density(radius, workspace.dim)
        marks["√d"] = float(np.sqrt(workspace.dim))
    return lines(
        radius,
        series,
        theme=theme,
        ax=ax,
        axes=("distance from the center", "density"),
        marks=marks,
        title=f"{title}, in {workspace.dim} dimensions",
    )


def midpoints(workspace: Workspace, count: int = 8, *, theme: Theme = LIGHT, seed: int = 0) -> Canvas:
    """Midpoints of pairs of samples on the line and on the arc (B4); only the line leaves the shell."""
    z = sample_latents(workspace, 2 * count, seed=seed)
    label = (
        stream(seed, "label").integers(len(workspace.generator.classes))
        if workspace.generator.classes
        else None
    )
    kind = None if label is None else int(label)
    half = np.full((count, 1), 0.5, np.float32)
    latents_of = {
        "from": z[:count],
        "line": lerp(z[:count], z[count:], half),
        "arc": slerp(z[:count], z[count:], half),
        "to": z[count:],
    }
    normal = workspace.generator.space.prior == "normal"
    norms = f"; norms of prior samples are {_norm_range(workspace.dim)}" if normal else ""
    rows: list[str] = []
    far = []
    for name, latents in latents_of.items():
        far.append(workspace.density.relative_distance(latents))
        norm = np.linalg.norm(latents, axis=1).mean()
        rows.append(f"{name}: norm {norm:.2f}, distance {np.median(far[-1]):.2f}")
    return strip(
        workspace.decode(np.concatenate(list(latents_of.values())), kind),
        columns=count,
        theme=theme,
        far=np.concatenate(far),
        rows=rows,
        title=f"Midpoints between samples of {workspace.name}: on the line and on the arc",
        note=f"{workspace.dim} dimensions{norms}. "
        "Median distance from the data: 1 is typical, above 2 is outside.",
    )


def arithmetic(
    workspace: Workspace, text: str, *, label: int | None = None, theme: Theme = LIGHT
) -> tuple[Canvas, str]:
    """An equation of latents, such as "Eyeglasses - not Eyeglasses + Smiling" (D5): a figure and a text."""
    groups = find_groups(workspace, text)
    if len(groups) < 2:
        raise NotSupported(
            "An equation needs at least two terms, such as 'Eyeglasses - not Eyeglasses + Smiling'."
        )
    space = workspace.generator.space
    terms, words = [], ""
    for number, group in enumerate(groups):
        mean = group.latents if group.is_step else mean_latent(group.latents, space)
        sign = ("" if number == 0 else "+") if group.sign > 0 else "-"
        examples = (
            np.zeros((0, *workspace.description.shape), np.float32) if group.images is None else group.images
        )
        terms.append(Term(sign, examples, group.name, workspace.decode(mean, label)))
        words += f"{sign and f' {sign} '}{group.name}"
    total = combine(groups, space)
    far = float(workspace.density.relative_distance(total)[0])
    near, names, kind = _nearest(workspace, total, label)
    terms.append(Term("=", near, f"result, below the nearest {kind}", workspace.decode(total, label)))
    scale = "1 is typical of data, above 2 is far from it"
    closest = f"nearest {kind}: {', '.join(names)}"
    note = f"distance of the result from the data: {far:.2f} ({scale}); {closest}"
    if not np.allclose(total, plain_sum(groups), rtol=0.01):
        note += ". A mean of few latents, and the result, have the mean norm of the latents"
    figure = equation(terms, title=f"{words} in {workspace.name}", note=note, theme=theme)
    return figure, f"{words} = a latent at distance {far:.2f} ({scale}); {closest}"


def _nearest(workspace: Workspace, z: Latents, label: int | None) -> tuple[Images, list[str], str]:
    """The images nearest to a latent, their numbers, and what they are: test images, or samples."""
    if workspace.source.indexed:
        numbers = workspace.neighbors("test").search(z, NEAREST)[0][0]
        images = workspace.dataset.images(workspace.table("test").rows[numbers])
        kind = "samples" if workspace.source.generated else "test images"
    else:
        cloud = workspace.cloud[:NUMBERED]
        numbers = nearest(z, cloud, NEAREST)[0][0]
        images, kind = workspace.decode(cloud[numbers], label), "samples"
    return images, [str(number) for number in numbers], kind


def default_equation(workspace: Workspace) -> str:
    """Return an equation of an attribute, of three classes, or else of images by number."""
    named = workspace.source.indexed and workspace.has_dataset
    flags = binary_names(workspace.dataset) if named else []
    if flags:
        added = ParsedName(
            "attribute", next((name for name in EQUATION_ATTRIBUTES if name in flags), flags[0])
        )
        names = known_names(workspace)
        word, removed = text_of(added, names), text_of(replace(added, negated=True), names)
        without = np.flatnonzero(~flags_of(workspace.dataset, workspace.table("test").rows, added))
        return f"{without[0]} + {word} - {removed}" if len(without) else f"{word} - 0 + 1"
    classes = classes_with_images(workspace) if named else []
    if len(classes) < 3:
        few = workspace.source.indexed and len(workspace.table("test")) < 3
        return "random:0 - random:1 + random:2" if few else "0 - 1 + 2"
    first, second, third = (class_text(workspace, name) for name in classes[:3])
    return f"{first} - {second} + {third}"


def _density_of(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """A kernel density estimate with Silverman's bandwidth."""
    values = values[:: max(len(values) // 4000, 1)]
    width = max(1.06 * float(values.std()) * len(values) ** -0.2, float(positions[1] - positions[0]))
    bumps = np.exp(-((positions[:, None] - values) ** 2) / (2 * width**2))
    return bumps.mean(axis=1) / (width * np.sqrt(2 * np.pi))


def _norm_range(dim: int) -> str:
    mean, std = shell(dim)
    return f"{mean:.2f} ± {std:.2f}"
