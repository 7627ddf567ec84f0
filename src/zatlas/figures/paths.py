"""Whatever moves: interpolations, traversals, attributes and spirals, each as a strip and as a film."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Plane, Points
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.estimate import ESTIMATORS
from zatlas.directions.evaluate import target_of
from zatlas.directions.find import find_direction, known_of, property_of
from zatlas.directions.report import same
from zatlas.directions.types import Direction, in_std
from zatlas.figures.sheets import dimension_values, plot_dimensions
from zatlas.latent.attributes import pretty, title_of
from zatlas.latent.axes import rank
from zatlas.latent.curves import Curve, in_axes, lerp, steady, traverse
from zatlas.latent.names import find
from zatlas.latent.neighbours import nearest
from zatlas.locate import Anchor, interpolate, locate, locate_all
from zatlas.render import film as films
from zatlas.render.canvas import Canvas
from zatlas.render.film import Panel, cloud_panel, density_panel
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

ATTRIBUTE_METHODS = (*ESTIMATORS, "centres", "chart")
PANELS = ("none", "prior", "chart")
FRAMES, FPS = 90, 30
MAX_FILLED_CENTER = 3  # axes up to which the middle of a prior is full of samples
MAX_STD = 3.0  # spreads that an attribute is moved by to either side


@dataclass(frozen=True)
class LatentPath:
    """Curves that are walked at the same time, each the row of a strip and a part of the film."""

    workspace: Workspace
    curves: tuple[Curve, ...]
    names: tuple[str, ...]  # of the rows
    title: str
    marks: tuple[tuple[float, str], ...] = ()  # words at moments, the same for every row
    label: int | None = None
    note: str = ""

    def latents(self, n: int = FRAMES) -> Points:
        """`n` latents along the first curve."""
        return self.curves[0].sample(n)

    def images(self, n: int = FRAMES) -> Images:
        """`n` decoded images along the first curve."""
        return self.workspace.decode(self.latents(n), self.label)

    def strip(self, frames: int = 10, *, theme: Theme = LIGHT) -> Canvas:
        """The frames side by side, with a band that tells where they leave the data."""
        z = np.concatenate([curve.sample(frames) for curve in self.curves])
        heads = [""] * frames
        for moment, word in self.marks:
            heads[round(moment * (frames - 1))] = word
        return strip(
            self.workspace.decode(z, self.label),
            columns=frames,
            rows=self.names,
            theme=theme,
            heads=heads if self.marks else (),
            title=self.title,
            note=self.note,
            far=self.workspace.density.far(z),
        )

    def film(
        self, path: Path, frames: int = FRAMES, *, fps: int = FPS, panel: str = "none", theme: Theme = LIGHT
    ) -> Path:
        """The first curve as a film, the place on the prior or on a chart beside it if that is wanted."""
        z = self.curves[0].sample(frames)
        return films.film(
            self.workspace.generator.stream(z, self.workspace.told(frames, self.label)),
            path,
            fps=fps,
            panel=self._panel(panel, z, theme),
            far=self.workspace.density.far(z),
            theme=theme,
        )

    def _panel(self, panel: str, z: Points, theme: Theme) -> Panel | None:
        if panel not in PANELS:
            raise UnknownName("panel", panel, PANELS)
        if panel == "prior":
            axes = plot_dimensions(self.workspace)
            return density_panel(z[:, list(axes)], theme=theme)
        if panel == "chart":
            chart = self.workspace.chart()
            labels = None if chart.rows is None else self.workspace.labels(chart.rows)
            return cloud_panel(chart.places, labels, chart.forward(z), theme=theme)
        return None


def interpolation(
    workspace: Workspace,
    stops: Sequence[Anchor],
    *,
    method: str | None = None,
    closed: bool = False,
    even: bool = False,
) -> LatentPath:
    """From stop to stop (C4, C5, D4, E4), and back to the first if it is closed."""
    label = stops[0].label
    curve = interpolate(workspace, stops, method, closed=closed, even=even, label=label)
    names = [stop.title for stop in stops] + [stops[0].title] * closed
    title = f"{' to '.join(names)} in {workspace.name}" if len(names) < 5 else f"A way in {workspace.name}"
    marks = tuple(zip(curve.named, names, strict=True))
    told = "" if not workspace.generator.classes else f"the class told is {_class(workspace, label)}"
    return LatentPath(workspace, (curve,), (), title, marks, label, told)


def traversal(
    workspace: Workspace,
    stop: Anchor | None = None,
    *,
    axes: Sequence[int] = (),
    count: int = 10,
    by: str | None = None,
    extent: float | None = None,
) -> LatentPath:
    """One axis a row, the others held; without axes, those that change the image most."""
    by = by or ("range" if workspace.generator.space.prior == "none" else "quantile")
    points = workspace.cloud
    changes: dict[int, float] = {}
    if not axes:
        order, change = rank(workspace.generator, points, workspace.told(len(points)))
        axes = [int(axis) for axis in order[:count]]
        changes = dict(zip(axes, map(float, change), strict=False))
    middle = points.mean(axis=0, keepdims=True)
    through = "the middle of the codes" if stop is None else stop.title
    if stop is None and workspace.coded:
        middle = points[nearest(middle, points, 1)[0][0]]
    elif stop is None and workspace.dim > MAX_FILLED_CENTER:
        # The middle of many normal axes is where no sample ever lies: the net has not learnt it.
        middle, through = points[:1], "sample 0"
    z = middle if stop is None else stop.point
    curves, names = [], []
    for axis in axes:
        ends = dimension_values(workspace, axis, 2, by, extent)
        curves.append(traverse(z, axis, float(ends[0]), float(ends[1])))
        told = f"\nchange {changes[axis]:.3f}" if axis in changes else ""
        names.append(f"axis {axis}{told}")
    scale = {"quantile": "5 % to 95 % of the prior", "range": "1 % to 99 % of the codes"}
    told = scale.get(by, f"{extent or 2:g} standard deviations to either side")
    title = f"The axes of {workspace.name}, one at a time, through {through}"
    label = None if stop is None else stop.label
    note = f"each from {told}" + ("; change: how much of a pixel one deviation moves" if changes else "")
    return LatentPath(workspace, tuple(curves), tuple(names), title, (), label, note)


def attribute(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    stops: Sequence[Anchor] = (),
    without: Sequence[str] = (),
    reach: float = MAX_STD,
    seed: int = 0,
) -> LatentPath:
    """From "not A" to "A" (A6), in one of several ways.

    mean_difference, median_difference and linear fit a direction and move images along it by spreads;
    centres goes from the median code of those without to that of those with, and chart does so on
    the chart, each jittered by the median absolute deviation.
    """
    if method not in ATTRIBUTE_METHODS:
        raise UnknownName("way to move an attribute", method, ATTRIBUTE_METHODS)
    if name == "Random" and find(name, known_of(workspace), anchor=False) is None:
        ends = locate_all(workspace, ["random", "random"])
        return LatentPath(workspace, (interpolate(workspace, ends),), (), f"Random in {workspace.name}")
    if method in ("centres", "chart"):
        curve = _on_chart(workspace, name, seed) if method == "chart" else _centres(workspace, name, seed)
        words = title_of(property_of(workspace, name))
        title = f"From not {words} to {words} in {workspace.name}"
        return LatentPath(workspace, (curve,), (), title, note=_way_told(method))
    direction = in_std(find_direction(workspace, name, method=method, without=without, seed=seed))
    starts = list(stops) or [locate(workspace, str(i)) for i in range(min(4, len(workspace.mapped("test"))))]
    curves = tuple(direction.walk(stop.point, -reach, reach) for stop in starts)
    ends_named = ((0.0, f"-{reach:g} spreads"), (0.5, "as it is"), (1.0, f"+{reach:g} spreads"))
    names = tuple(stop.title for stop in starts)
    title = f"{pretty(direction.name)} in {workspace.name}"
    return LatentPath(workspace, curves, names, title, ends_named, starts[0].label, quality(direction))


def quality(direction: Direction) -> str:
    """What is known of a direction, or of a way that bends, in a line."""
    told = []
    if direction.score is not None:
        s = direction.score
        told.append(f"AUC on held-out codes {s.area:.3f} ({s.low:.3f} to {s.high:.3f})")
        told.append(f"random labels reach {s.chance:.3f}")
    if "error" in direction.facts:
        told.append(f"what is asked is met within {direction.facts['error']:.3f} on the mean")
    if moved := side_effects(direction):
        told.append(f"one spread also moves {moved}")
    return "; ".join(told)


def side_effects(direction: Direction, count: int = 3) -> str:
    """The other attributes that a direction moves most."""
    target, _ = target_of(direction, list(direction.side_effects))
    others = {k: v for k, v in direction.side_effects.items() if not same(k, target)}
    worst = sorted(others, key=lambda key: -abs(others[key]))[:count]
    return ", ".join(f"{pretty(key)} {others[key]:+.0%}" for key in worst)


def plane_walk(workspace: Workspace, plane: Curve, title: str, *, even: bool = False) -> LatentPath:
    """A curve of the plane walked in the first two axes (B3)."""
    axes = plot_dimensions(workspace)
    space = workspace.generator.space
    if space.dim < 2:
        raise NotSupported("A curve of the plane needs two axes, and this space has one: traverse it.")
    curve = in_axes(plane, space, axes)
    return LatentPath(workspace, (steady(curve, workspace.decode) if even else curve,), (), title)


def _centres(workspace: Workspace, name: str, seed: int) -> Curve:
    codes = workspace.codes("train")
    flags = workspace.flags(name, codes.rows)
    ends = [_jittered(codes.points[flags == side], seed + side, name) for side in (False, True)]
    return Curve(np.concatenate(ends), lerp)


def _on_chart(workspace: Workspace, name: str, seed: int) -> Curve:
    chart = workspace.chart(by=name)
    assert chart.rows is not None  # a run's charts know theirs
    flags = workspace.flags(name, chart.rows)
    ends = [_jittered(chart.places[flags == side], seed + side, name) for side in (False, True)]
    places: Plane = Curve(np.concatenate(ends), lerp).sample(49)
    return Curve(chart.inverse(places), lerp, marks=(0.0, 1.0))


def _jittered(points: Points, seed: int, name: str) -> Points:
    """The median of these points, moved at random by their median absolute deviation."""
    if not len(points):
        raise NotSupported(f"All images or none have {name!r}: there is no way between them.")
    middle = np.median(points, axis=0, keepdims=True)
    spread = np.median(np.abs(points - middle), axis=0, keepdims=True)
    noise = stream(seed, "jitter").standard_normal(middle.shape)
    return (middle + spread * noise).astype(np.float32)


def _way_told(way: str) -> str:
    where = "on a chart supervised by it" if way == "chart" else "of the codes"
    return f"from median to median {where}, jittered by the median absolute deviation"


def _class(workspace: Workspace, label: int | None) -> str:
    return workspace.generator.classes[label or 0]
