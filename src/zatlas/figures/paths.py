"""Paths in latent space as strips and films: interpolations, traversals and formulas."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, overload

import numpy as np

from zatlas.core.arrays import Images, Latents, Values
from zatlas.core.errors import NotSupported
from zatlas.figures import captions, class_inputs
from zatlas.figures.class_inputs import RowLabels, class_caption, cloud_classes
from zatlas.figures.film_panel import film_panel
from zatlas.figures.sheets import dimension_values, plot_dimensions
from zatlas.latent.curves import Curve, at_constant_speed, in_dimensions, times_through, traverse
from zatlas.latent.dimension_ranking import rank_dimensions
from zatlas.latent.neighbors import nearest
from zatlas.locate import Anchor, anchor_label
from zatlas.models.generator import ClassInputs, ClassLabel
from zatlas.render import film as films
from zatlas.render.canvas import Canvas
from zatlas.render.html import card
from zatlas.render.strip import Ends, strip
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

COLUMNS = 11  # images of a strip: an odd number has a middle
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
    label: RowLabels = None  # the class of a conditional model, for all rows or for each
    note: str = ""
    classes: tuple[Curve, ...] = ()  # the class weights along each curve, where the class changes
    ends: tuple[Ends, ...] = ()  # the real images at the ends of each row

    def __repr__(self) -> str:
        return f"<LatentPath {self.title}>"

    def _repr_html_(self) -> str:
        calls = ("path.latents(n)", "path.images(n)", "path.film()")
        return card(self.title, {"anchors": len(self.marks)} if self.marks else {}, self.strip(), calls)

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
        return self.workspace.generator.decode(*self._first.inputs(times_through((), n)))

    def inputs(self, times: Values) -> tuple[Latents, ClassInputs]:
        """Return the latents of all rows at these times, and their classes for a conditional decoder.

        Parameters
        ----------
        times : array (n,)
            From 0 to 1.

        Examples
        --------
        >>> path = atlas.interpolate("left", "below")
        >>> path.inputs(path.strip_times(3))[0].shape
        (3, 2)
        """
        z = np.concatenate([curve(times) for curve in self.curves])
        label: ClassLabel = class_inputs.repeated(self.label, len(times))
        if self.classes:
            label = np.concatenate([weights(times) for weights in self.classes])
        return z, self.workspace.generator.class_inputs(len(z), label)

    def strip_times(self, frames: int = COLUMNS) -> Values:
        """Return the times of the columns of a strip. Those of the anchors are among them.

        Parameters
        ----------
        frames : int
            Images of each curve; at least one for each anchor.

        Examples
        --------
        >>> atlas.interpolate("left", "below", "right").strip_times(4).tolist()
        [0.0, 0.25, 0.5, 1.0]
        """
        return times_through([position for position, _ in self.marks], frames)

    def strip(self, frames: int = COLUMNS, *, theme: Theme = LIGHT) -> Canvas:
        """Draw the images side by side, with a line that shows the distance from the data.

        Parameters
        ----------
        frames : int
            Images of each curve; at least one for each anchor, which stands exactly where it is labelled.
        theme : Theme
            `zatlas.render.theme.LIGHT` or `DARK`.

        Examples
        --------
        >>> atlas.interpolate("left", "below").strip(7).save("path.svg").name
        'path.svg'
        """
        times = self.strip_times(frames)
        z, classes = self.inputs(times)
        heads = [""] * len(times)
        for position, text in self.marks:
            heads[int(np.searchsorted(times, np.float32(position)))] = text
        return strip(
            self.workspace.generator.decode(z, classes),
            columns=len(times),
            rows=self.names,
            theme=theme,
            heads=heads if self.marks else (),
            title=self.title,
            note=self.note,
            far=self.workspace.density.relative_distance(z),
            ends=self.ends,
        )

    @overload
    def film(
        self,
        path: None = None,
        frames: int = ...,
        *,
        fps: int = ...,
        panel: str = ...,
        theme: Theme = ...,
        size: int | None = ...,
    ) -> films.Film: ...
    @overload
    def film(
        self,
        path: str | PathLike[str],
        frames: int = ...,
        *,
        fps: int = ...,
        panel: str = ...,
        theme: Theme = ...,
        size: int | None = ...,
    ) -> Path: ...
    def film(
        self,
        path: str | PathLike[str] | None = None,
        frames: int = FRAMES,
        *,
        fps: int = FPS,
        panel: str = "none",
        theme: Theme = LIGHT,
        size: int | None = None,
    ) -> Path | films.Film:
        """Write the first curve as a film, or return the film for the notebook.

        Parameters
        ----------
        path : str or Path
            A name that ends in .mp4, .gif, .webp or .apng. Without a path, no file is written.
        frames : int
            Number of images.
        fps : int
            Images per second.
        panel : {"none", "prior", "chart"}
            Show the position on the prior or on the chart beside the image.
        theme : Theme
            `zatlas.render.theme.LIGHT` or `DARK`.
        size : int
            Pixels of the longer side of the image. By default, small images are enlarged by a whole number.

        Returns
        -------
        Path or Film
            The file, or a film that a notebook plays.

        Raises
        ------
        NotSupported
            The name has another ending.

        Examples
        --------
        >>> atlas.interpolate("left", "below").film("path.gif", frames=10).name
        'path.gif'
        """
        z, classes = self._first.inputs(times_through((), frames))
        images = self.workspace.generator.decode_batches(z, classes)
        options: dict[str, Any] = {
            "fps": fps,
            "panel": film_panel(self.workspace, self.curves[0], panel, frames, theme=theme),
            "far": self.workspace.density.relative_distance(z),
            "marks": self.marks,
            "theme": theme,
            "size": size,
        }
        return films.unsaved_film(images, **options) if path is None else films.film(images, path, **options)

    @property
    def _first(self) -> "LatentPath":
        """The path of the first row."""
        label = self.label if self.label is None or isinstance(self.label, int) else self.label[0]
        return replace(self, curves=self.curves[:1], classes=self.classes[:1], label=label)


def interpolation(
    workspace: Workspace,
    anchors: Sequence[Anchor],
    label: int | None = None,
    *,
    method: str | None = None,
    closed: bool = False,
    constant_speed: bool = False,
) -> LatentPath:
    """A path through the anchors (C4, C5, D4, E4), and back to the first if `closed`.

    A conditional model decodes each anchor in its own class, and a mix of both classes between two anchors
    (C6); `label` is one class for the whole path.
    """
    curve, weights = class_inputs.interpolate_anchors(
        workspace, anchors, method, closed=closed, constant_speed=constant_speed, label=label
    )
    names = [anchor.title for anchor in anchors] + [anchors[0].title] * closed
    title = f"{' to '.join(names)} in {workspace.name}" if len(names) < 5 else f"A path in {workspace.name}"
    marks = tuple(zip(curve.named_times, names, strict=True))
    classes = class_inputs.path_classes(workspace, [*anchors, *anchors[: int(closed)]], label)
    first = None if classes is None else classes[0]
    changing = () if weights is None else (weights,)
    note = captions.join(class_caption(workspace, classes), captions.path_caption(workspace))
    return LatentPath(workspace, (curve,), (), title, marks, first, note, changing)


def traversal(
    workspace: Workspace,
    anchor: Anchor | None = None,
    *,
    dimensions: Sequence[int] = (),
    count: int = 10,
    by: str | None = None,
    extent: float | None = None,
    label: int | None = None,
) -> LatentPath:
    """One dimension per row, the others constant; by default those that change the image most.

    A conditional model decodes in the class `label`, by default the class of the anchor.
    """
    by = by or ("quantile" if workspace.generator.space.prior == "normal" else "range")
    latents = workspace.cloud
    changes: dict[int, float] = {}
    if not dimensions:
        classes = workspace.generator.class_numbers(len(latents), cloud_classes(workspace))
        order, change = rank_dimensions(workspace.generator, latents, classes)
        dimensions = [int(axis) for axis in order[:count]]
        changes = dict(zip(dimensions, map(float, change), strict=False))
    center = latents.mean(axis=0, keepdims=True)
    through = "the center of the latents" if anchor is None else anchor.title
    label = anchor_label(workspace, anchor) if label is None and anchor is not None else label
    if anchor is None and workspace.source.indexed:
        row = nearest(center, latents, 1)[0][0]
        center, own = latents[row], cloud_classes(workspace)
        label = int(own[row[0]]) if label is None and own is not None else label
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
    note = f"each from {extent_text}" + (
        "; change: mean pixel change for one standard deviation" if changes else ""
    )
    if workspace.generator.classes:
        note += f"; {class_caption(workspace, [label or 0])}"
    return LatentPath(workspace, tuple(curves), tuple(names), title, (), label, note)


def plane_walk(
    workspace: Workspace, plane: Curve, title: str, *, constant_speed: bool = False, label: int | None = None
) -> LatentPath:
    """A plane curve in two dimensions (B3): the first two, or those that change the image most."""
    if workspace.dim < 2:
        raise NotSupported("A plane curve needs two dimensions, and this space has one: use a traversal.")
    curve = in_dimensions(plane, workspace.generator.space, plot_dimensions(workspace))
    return curve_walk(workspace, curve, title, constant_speed=constant_speed, label=label)


def curve_walk(
    workspace: Workspace, curve: Curve, title: str, *, constant_speed: bool = False, label: int | None = None
) -> LatentPath:
    """A curve in all dimensions; with `constant_speed` the image changes evenly."""
    generator = workspace.generator.for_class(label)
    note = class_caption(workspace, [label or 0]) if workspace.generator.classes else ""
    curve = at_constant_speed(curve, generator.decode) if constant_speed else curve
    return LatentPath(workspace, (curve,), (), title, label=label, note=note)
