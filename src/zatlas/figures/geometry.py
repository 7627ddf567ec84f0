"""What is true of a run's latent space: its geometry and its arithmetic."""

from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Images
from zatlas.core.errors import NotSupported
from zatlas.core.seeds import stream
from zatlas.latent.curves import lerp, slerp
from zatlas.latent.dimensions import ball_volume, norm_density, shell
from zatlas.locate import find_groups, kind_of
from zatlas.render.canvas import Canvas
from zatlas.render.equation import Term, equation
from zatlas.render.plot import lines
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NORM_DIMENSIONS = (1, 2, 5, 10, 50, 100, 500)  # dimensions of which the norms are drawn


def geometry(workspace: Workspace, *, theme: Theme = LIGHT) -> dict[str, "Canvas | Figure"]:
    """What many dimensions do, in general and to this run (B4)."""
    drawn: dict[str, Canvas | Figure] = {"volumes": volumes(theme=theme), "norms": norms(theme=theme)}
    if kind_of(workspace) != "sample":  # samples would be held against themselves
        drawn["own-norms"] = own_norms(workspace, theme=theme)
    if workspace.given is None:  # else there is no decoder
        drawn["midpoints"] = midpoints(workspace, theme=theme)
    return drawn


def volumes(*, theme: Theme = LIGHT) -> "Figure":
    """The volume of the unit ball against its dimensions (B4)."""
    n = np.arange(0, 41)
    return lines(
        n,
        {"volume": ball_volume(n)},
        theme=theme,
        axes=("dimensions", "volume"),
        title="A ball of radius 1 is largest in 5 dimensions, and soon has no volume",
    )


def norms(*, theme: Theme = LIGHT) -> "Figure":
    """How the norms of normal samples are distributed, for several dimensions (B4)."""
    radius = np.linspace(0.01, 26, 1500)
    series = {f"{dim} {'axis' if dim == 1 else 'axes'}": norm_density(radius, dim) for dim in NORM_DIMENSIONS}
    return lines(
        radius,
        series,
        theme=theme,
        axes=("distance from the centre", "density"),
        title="A normal cloud in many dimensions is a shell of radius √d",
    )


def own_norms(workspace: Workspace, *, theme: Theme = LIGHT) -> "Figure":
    """The norms of the run's own codes against the prior's shell (B4)."""
    codes = np.linalg.norm(workspace.cloud, axis=1)
    top = 1.15 * max(float(np.quantile(codes, 0.999)), shell(workspace.dim)[0] + 3)
    radius = np.linspace(top / 400, top, 400)
    series = {"codes of the data": _density_of(codes, radius)}
    marks: dict[str, float] = {}
    if workspace.coded and workspace.codes("train").deviations is not None:
        drawn = np.linalg.norm(workspace.drawn("train"), axis=1)
        series["draws around them"] = _density_of(drawn, radius)
    if workspace.generator.space.prior == "normal":
        series["prior"] = norm_density(radius, workspace.dim)
        marks["√d"] = float(np.sqrt(workspace.dim))
    return lines(
        radius,
        series,
        theme=theme,
        axes=("distance from the centre", "density"),
        marks=marks,
        title=f"Where the codes of {workspace.name} lie against its prior, in {workspace.dim} axes",
    )


def midpoints(workspace: Workspace, count: int = 8, *, theme: Theme = LIGHT, seed: int = 0) -> Canvas:
    """Half way between two points, by the line and by the arc (B4): why a way must not cut the centre."""
    z = sample_latents(workspace, 2 * count, seed=seed)
    label = (
        stream(seed, "label").integers(len(workspace.generator.classes))
        if workspace.generator.classes
        else None
    )
    kind = None if label is None else int(label)
    rows: dict[str, Images] = {}
    norm = {}
    half = np.full((count, 1), 0.5, np.float32)
    middles = {
        "from": z[:count],
        "line": lerp(z[:count], z[count:], half),
        "arc": slerp(z[:count], z[count:], half),
        "to": z[count:],
    }
    for name, points in middles.items():
        rows[name] = workspace.decode(points, kind)
        norm[name] = float(np.linalg.norm(points, axis=1).mean())
    far = np.concatenate([workspace.density.far(points) for points in middles.values()])
    return strip(
        np.concatenate(list(rows.values())),
        columns=count,
        theme=theme,
        far=far,
        rows=[f"{name}\nnorm {norm[name]:.2f}" for name in rows],
        title=f"Half way between two samples of {workspace.name}: the line and the arc",
        note=f"{workspace.dim} axes; norms of the prior's samples are {_told_shell(workspace.dim)}",
    )


def arithmetic(
    workspace: Workspace, text: str, *, label: int | None = None, theme: Theme = LIGHT
) -> tuple[Canvas, str]:
    """An equation of points, as "Eyeglasses - not Eyeglasses + Smiling" (D5): drawn, and in words."""
    groups = find_groups(workspace, text)
    if len(groups) < 2:
        raise NotSupported("An equation has two terms or more, as 'Eyeglasses - not Eyeglasses + Smiling'.")
    total = np.zeros((1, workspace.dim), np.float32)
    terms, words = [], ""
    for number, group in enumerate(groups):
        middle = group.points.mean(axis=0, keepdims=True)
        total += group.sign * middle
        sign = ("" if number == 0 else "+") if group.sign > 0 else "-"
        shown = (
            np.zeros((0, *workspace.description.shape), np.float32) if group.images is None else group.images
        )
        terms.append(Term(sign, shown, group.name, workspace.decode(middle, label)))
        words += f"{sign and f' {sign} '}{group.name}"
    far = float(workspace.density.far(total)[0])
    result = workspace.decode(total, label)
    empty = np.zeros((0, *result.shape[1:]), np.float32)
    terms.append(Term("=", empty, "result", result))
    drawn = equation(terms, title=f"{words} in {workspace.name}", theme=theme)
    told = "1 is usual for data, above 2 is far from it"
    return drawn, f"{words} = a point at distance {far:.2f} ({told})"


def _density_of(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """A smooth density of these values: normal bumps of Silverman's width."""
    values = values[:: max(len(values) // 4000, 1)]
    width = max(1.06 * float(values.std()) * len(values) ** -0.2, float(places[1] - places[0]))
    bumps = np.exp(-((places[:, None] - values) ** 2) / (2 * width**2))
    return bumps.mean(axis=1) / (width * np.sqrt(2 * np.pi))


def _told_shell(dim: int) -> str:
    mean, spread = shell(dim)
    return f"{mean:.2f} ± {spread:.2f}"
