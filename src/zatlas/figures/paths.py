"""Paths in latent space as strips and films: interpolations, traversals, attributes and formulas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Latents, Plane
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import same_attribute
from zatlas.directions.estimate import ESTIMATORS
from zatlas.directions.evaluate import target_of
from zatlas.directions.find import find_direction, known_names, parse_property
from zatlas.directions.types import Direction, in_std
from zatlas.figures import captions
from zatlas.figures.sheets import dimension_values, plot_dimensions
from zatlas.latent.attributes import pretty, title_of
from zatlas.latent.curves import Curve, at_constant_speed, in_dimensions, lerp, traverse
from zatlas.latent.dimension_ranking import rank_dimensions
from zatlas.latent.names import find
from zatlas.latent.neighbors import nearest
from zatlas.locate import Anchor, interpolate, locate, locate_all
from zatlas.render import film as films
from zatlas.render.canvas import Canvas
from zatlas.render.film import Panel, cloud_panel, density_panel
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

ATTRIBUTE_METHODS = (*ESTIMATORS, "medians", "chart")
PANELS = ("none", "prior", "chart")
FRAMES, FPS = 90, 30
MAX_FILLED_CENTER = 3  # dimensions up to which the center of a prior contains samples
MAX_STD = 3.0  # standard deviations to either side


@dataclass(frozen=True)
class LatentPath:
    """One curve or more in latent space. A notebook shows its decoded images.

    Each curve is a row of the strip; latents, images and the film are those of the first.

    Examples
    --------
    >>> path = atlas.interpolate("left", "below", "right", closed=True)
    >>> path.latents(25).shape
    (25, 2)
    """

    workspace: Workspace
    curves: tuple[Curve, ...]
    names: tuple[str, ...]  # of the rows
    title: str
    marks: tuple[tuple[float, str], ...] = ()  # (position from 0 to 1, text) above the columns
    label: int | None = None
    note: str = ""

    def __repr__(self) -> str:
        return f"<LatentPath {self.title}>"

    def _repr_png_(self) -> bytes:
        return self.strip().rendered("png")

    def latents(self, n: int = FRAMES) -> Latents:
        """Return n latents at equal steps along the first curve, (n, dim).

        Examples
        --------
        >>> atlas.interpolate("left", "below").latents(5).shape
        (5, 2)
        """
        return self.curves[0].sample(n)

    def images(self, n: int = FRAMES) -> Images:
        """Return n decoded images along the first curve, (n, channels, height, width) in [0, 1].

        Examples
        --------
        >>> atlas.interpolate("left", "below").images(5).shape
        (5, 1, 8, 8)
        """
        return self.workspace.decode(self.latents(n), self.label)

    def strip(self, frames: int = 10, *, theme: Theme = LIGHT) -> Canvas:
        """Draw the images side by side, with a line that shows the distance from the data.

        Parameters
        ----------
        frames : int
            Images of each curve.
        theme : Theme
            `zatlas.render.theme.LIGHT` or `DARK`.

        Examples
        --------
        >>> atlas.interpolate("left", "below").strip(7).save("path.svg").name
        'path.svg'
        """
        z = np.concatenate([curve.sample(frames) for curve in self.curves])
        heads = [""] * frames
        for position, text in self.marks:
            heads[round(position * (frames - 1))] = text
        return strip(
            self.workspace.decode(z, self.label),
            columns=frames,
            rows=self.names,
            theme=theme,
            heads=heads if self.marks else (),
            title=self.title,
            note=self.note,
            far=self.workspace.density.relative_distance(z),
        )

    def film(
        self,
        path: Path | str,
        frames: int = FRAMES,
        *,
        fps: int = FPS,
        panel: str = "none",
        theme: Theme = LIGHT,
    ) -> Path:
        """Write the first curve as a film.

        Parameters
        ----------
        path : str or Path
            A name that ends in .mp4, .gif, .webp or .apng.
        frames : int
            Number of images.
        fps : int
            Images per second.
        panel : {"none", "prior", "chart"}
            Show the position on the prior or on the chart beside the image.
        theme : Theme
            `zatlas.render.theme.LIGHT` or `DARK`.

        Returns
        -------
        Path
            The file.

        Raises
        ------
        NotSupported
            The name has another ending.

        Examples
        --------
        >>> atlas.interpolate("left", "below").film("path.gif", frames=10).name
        'path.gif'
        """
        z = self.curves[0].sample(frames)
        return films.film(
            self.workspace.generator.decode_batches(
                z, self.workspace.generator.class_numbers(frames, self.label)
            ),
            path,
            fps=fps,
            panel=self._panel(panel, z, theme),
            far=self.workspace.density.relative_distance(z),
            theme=theme,
        )

    def _panel(self, panel: str, z: Latents, theme: Theme) -> Panel | None:
        if panel not in PANELS:
            raise UnknownName("panel", panel, PANELS)
        if panel == "prior":
            axes = plot_dimensions(self.workspace)
            return density_panel(z[:, list(axes)], theme=theme)
        if panel == "chart":
            chart = self.workspace.chart()
            labels = None if chart.rows is None else self.workspace.labels(chart.rows)
            return cloud_panel(chart.positions, labels, chart.transform(z), theme=theme)
        return None


def interpolation(
    workspace: Workspace,
    anchors: Sequence[Anchor],
    *,
    method: str | None = None,
    closed: bool = False,
    constant_speed: bool = False,
) -> LatentPath:
    """A path through the anchors (C4, C5, D4, E4), and back to the first if `closed`."""
    label = anchors[0].label
    curve = interpolate(workspace, anchors, method, closed=closed, constant_speed=constant_speed, label=label)
    names = [anchor.title for anchor in anchors] + [anchors[0].title] * closed
    title = f"{' to '.join(names)} in {workspace.name}" if len(names) < 5 else f"A path in {workspace.name}"
    marks = tuple(zip(curve.named_times, names, strict=True))
    note = "" if not workspace.generator.classes else f"class: {_class(workspace, label)}"
    note = captions.join(note, captions.path_caption(workspace))
    return LatentPath(workspace, (curve,), (), title, marks, label, note)


def traversal(
    workspace: Workspace,
    anchor: Anchor | None = None,
    *,
    dimensions: Sequence[int] = (),
    count: int = 10,
    by: str | None = None,
    extent: float | None = None,
) -> LatentPath:
    """One dimension per row, the others constant; by default those that change the image most."""
    by = by or ("range" if workspace.generator.space.prior == "none" else "quantile")
    latents = workspace.cloud
    changes: dict[int, float] = {}
    if not dimensions:
        order, change = rank_dimensions(
            workspace.generator, latents, workspace.generator.class_numbers(len(latents))
        )
        dimensions = [int(axis) for axis in order[:count]]
        changes = dict(zip(dimensions, map(float, change), strict=False))
    center = latents.mean(axis=0, keepdims=True)
    through = "the center of the latents" if anchor is None else anchor.title
    if anchor is None and workspace.source.indexed:
        center = latents[nearest(center, latents, 1)[0][0]]
    elif anchor is None and workspace.dim > MAX_FILLED_CENTER:
        # In many dimensions no sample is near the center of the prior, so the model is not trained there.
        center, through = latents[:1], "sample 0"
    z = center if anchor is None else anchor.latent
    curves, names = [], []
    for axis in dimensions:
        ends = dimension_values(workspace, axis, 2, by, extent)
        curves.append(traverse(z, axis, float(ends[0]), float(ends[1])))
        change_text = f"\nchange {changes[axis]:.3f}" if axis in changes else ""
        names.append(f"dimension {axis}{change_text}")
    scale = {"quantile": "5 % to 95 % of the prior", "range": "1 % to 99 % of the latents"}
    extent_text = scale.get(by, f"{extent or 2:g} standard deviations to either side")
    title = f"The dimensions of {workspace.name}, one at a time, through {through}"
    label = None if anchor is None else anchor.label
    note = f"each from {extent_text}" + (
        "; change: mean pixel change for one standard deviation" if changes else ""
    )
    return LatentPath(workspace, tuple(curves), tuple(names), title, (), label, note)


def attribute(
    workspace: Workspace,
    name: str,
    *,
    method: str = "mean_difference",
    anchors: Sequence[Anchor] = (),
    orthogonal_to: Sequence[str] = (),
    reach: float = MAX_STD,
    seed: int = 0,
) -> LatentPath:
    """A path from "not A" to "A" (A6).

    mean_difference, median_difference and linear find a direction and move images along it. medians goes from
    the median latent of images without the attribute to that of images with it; chart does the same on the
    chart. Both ends are jittered by the median absolute deviation.
    """
    if method not in ATTRIBUTE_METHODS:
        raise UnknownName("method for an attribute", method, ATTRIBUTE_METHODS)
    if name == "Random" and find(name, known_names(workspace), anchor=False) is None:
        ends = locate_all(workspace, ["random", "random"])
        return LatentPath(workspace, (interpolate(workspace, ends),), (), f"Random in {workspace.name}")
    if method in ("medians", "chart"):
        curve = _on_chart(workspace, name, seed) if method == "chart" else _medians(workspace, name, seed)
        words = title_of(parse_property(workspace, name))
        title = f"From not {words} to {words} in {workspace.name}"
        return LatentPath(workspace, (curve,), (), title, note=_method_note(method))
    direction = in_std(find_direction(workspace, name, method=method, orthogonal_to=orthogonal_to, seed=seed))
    starts = list(anchors) or [
        locate(workspace, str(i)) for i in range(min(4, len(workspace.chart_table("test"))))
    ]
    curves = tuple(direction.walk(anchor.latent, -reach, reach) for anchor in starts)
    ends_named = ((0.0, f"-{reach:g} std"), (0.5, "unchanged"), (1.0, f"+{reach:g} std"))
    names = tuple(anchor.title for anchor in starts)
    title = f"{pretty(direction.name)} in {workspace.name}"
    return LatentPath(workspace, curves, names, title, ends_named, starts[0].label, quality(direction))


def quality(direction: Direction) -> str:
    """The quality of a direction in one line: AUC, error and side effects."""
    parts = []
    if direction.score is not None:
        s = direction.score
        parts.append(f"AUC on held-out latents {s.auc:.3f} ({s.low:.3f} to {s.high:.3f})")
        parts.append(f"random labels reach {s.random_limit:.3f}")
    if "mean_error" in direction.facts:
        parts.append(f"mean error of the targets {direction.facts['mean_error']:.3f}")
    if moved := side_effects(direction):
        parts.append(f"one std also moves {moved}")
    return "; ".join(parts)


def side_effects(direction: Direction, count: int = 3) -> str:
    """The other attributes that a direction moves most."""
    target, _ = target_of(direction, list(direction.side_effects))
    others = {k: v for k, v in direction.side_effects.items() if not same_attribute(k, target)}
    worst = sorted(others, key=lambda key: -abs(others[key]))[:count]
    return ", ".join(f"{pretty(key)} {others[key]:+.0%}" for key in worst)


def plane_walk(workspace: Workspace, plane: Curve, title: str, *, constant_speed: bool = False) -> LatentPath:
    """A plane curve in the first two dimensions (B3); with `constant_speed` the image changes evenly."""
    axes = plot_dimensions(workspace)
    space = workspace.generator.space
    if space.dim < 2:
        raise NotSupported("A plane curve needs two dimensions, and this space has one: use a traversal.")
    curve = in_dimensions(plane, space, axes)
    return LatentPath(
        workspace, (at_constant_speed(curve, workspace.decode) if constant_speed else curve,), (), title
    )


def _medians(workspace: Workspace, name: str, seed: int) -> Curve:
    table = workspace.table("train")
    flags = workspace.flags(name, table.rows)
    ends = [_jittered(table.latents[flags == side], seed + side, name) for side in (False, True)]
    return Curve(np.concatenate(ends), lerp)


def _on_chart(workspace: Workspace, name: str, seed: int) -> Curve:
    chart = workspace.chart(supervise=name)
    assert chart.rows is not None  # charts of a run have rows
    flags = workspace.flags(name, chart.rows)
    ends = [_jittered(chart.positions[flags == side], seed + side, name) for side in (False, True)]
    positions: Plane = Curve(np.concatenate(ends), lerp).sample(49)
    return Curve(chart.inverse_transform(positions), lerp, anchor_times=(0.0, 1.0))


def _jittered(latents: Latents, seed: int, name: str) -> Latents:
    """The median of these latents plus normal noise scaled by their median absolute deviation."""
    if not len(latents):
        raise NotSupported(f"All images or none have {name!r}, so there is no path between them.")
    median = np.median(latents, axis=0, keepdims=True)
    scale = np.median(np.abs(latents - median), axis=0, keepdims=True)
    noise = stream(seed, "jitter").standard_normal(median.shape)
    return (median + scale * noise).astype(np.float32)


def _method_note(method: str) -> str:
    where = "on a chart supervised by it" if method == "chart" else "of the latents"
    return f"from median to median {where}, jittered by the median absolute deviation"


def _class(workspace: Workspace, label: int | None) -> str:
    return workspace.generator.classes[label or 0]
