"""Paths in latent space as strips and films: interpolations, traversals and formulas."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.figures.sheets import dimension_values, plot_dimensions
from zatlas.latent.curves import Curve, at_constant_speed, in_dimensions, traverse
from zatlas.latent.dimension_ranking import rank_dimensions
from zatlas.latent.neighbors import nearest
from zatlas.locate import Anchor, interpolate
from zatlas.render import film as films
from zatlas.render.canvas import Canvas
from zatlas.render.film import Panel, cloud_panel, density_panel
from zatlas.render.strip import strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

PANELS = ("none", "prior", "chart")
FRAMES, FPS = 90, 30
MAX_FILLED_CENTER = 3  # dimensions up to which the center of a prior contains samples


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


def _class(workspace: Workspace, label: int | None) -> str:
    return workspace.generator.classes[label or 0]
