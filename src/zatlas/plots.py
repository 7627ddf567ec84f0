"""`atlas.plot`: every figure of a run as a method. A notebook shows what a method returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zatlas.core.errors import UnknownName
from zatlas.figures import anchor_sheets, geometry, maps, paths, sheets
from zatlas.figures.class_inputs import default_label
from zatlas.locate import AnchorLike, default_anchors, locate, locate_all
from zatlas.render.figure import Figure
from zatlas.render.loss_plots import loss_curves
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes

GEOMETRY = ("own-norms", "norms", "volumes", "midpoints")


@dataclass(frozen=True)
class Plots:
    """The figures of one run.

    Each method takes `ax`: matplotlib axes to draw into, such as one of several in a figure of your own.
    Figures of images have no ticks there. `theme` is `zatlas.render.theme.LIGHT` or `DARK`.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> left, right = Figure().subplots(1, 2)
    >>> figure = atlas.plot.samples(16, ax=left)
    >>> figure = atlas.plot.scatter(ax=right)
    """

    workspace: Workspace
    theme: Theme = LIGHT

    def __repr__(self) -> str:
        return f"<Plots of {self.workspace.name}: {', '.join(n for n in vars(Plots) if n[0] != '_')}>"

    def samples(
        self,
        count: int = 64,
        *,
        label: int | str | None = None,
        prior: str = "model",
        temperature: float = 1.0,
        seed: int = 0,
        ax: "Axes | None" = None,
    ) -> Figure:
        """Draw decoded samples, with the numbers that name them in `arithmetic`.

        Parameters
        ----------
        count : int
            Number of samples.
        label : int or str
            The class for a conditional model (default: a row for each class).
        prior : {"model", "mixture", "flow", "posterior"}
            Where the latents are sampled, as in `Atlas.sample_latents`.
        temperature : float
            Factor on the distance from the mean.
        seed : int
            Random seed (default 0).
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> conditional.plot.samples(9, label="left").save("samples.png").name
        'samples.png'
        """
        figure = sheets.sample_sheet(
            self.workspace,
            count,
            prior=prior,
            temperature=temperature,
            label=self._number(label),
            seed=seed,
            theme=self.theme,
        )
        return _on(ax, figure)

    def reconstructions(self, count: int = 12, *, split: str = "test", ax: "Axes | None" = None) -> Figure:
        """Draw images above their reconstructions.

        Parameters
        ----------
        count : int
            Number of images, from all classes.
        split : {"train", "valid", "test"}
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.reconstructions(6).array.ndim
        3
        """
        return _on(ax, sheets.reconstruction_sheet([self.workspace], count, split=split, theme=self.theme))

    def grid(
        self,
        n: int = 15,
        *,
        by: str | None = None,
        anchors: Sequence[AnchorLike] = (),
        dimensions: tuple[int, int] | None = None,
        label: int | str | None = None,
        ax: "Axes | None" = None,
    ) -> Figure:
        """Draw two dimensions of the latent space, decoded at n x n positions.

        Parameters
        ----------
        n : int
            Positions along each side.
        by : {"quantile", "range", "std", "class"}
            Equal steps of the prior's mass, of the range of the latents, or of standard deviations; "class"
            decodes each anchor in every class of a conditional model.
        anchors : sequence of str, int, Path or array (dim,)
            With "class": names as for `Atlas.locate`, a row for each (default: typical images).
        dimensions : tuple of two int
            The dimensions (default: those that change the image most).
        label : int or str
            The class for a conditional model (default: a grid for each class).
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.grid(5, by="range").save("grid.png").name
        'grid.png'
        >>> conditional.plot.grid(by="class", anchors=["left", "7"]).save("classes.png").name
        'classes.png'
        """
        number, theme = self._number(label), self.theme
        if by == "class":
            located = locate_all(self.workspace, anchors, label=number) if anchors else None
            return _on(ax, anchor_sheets.class_sheet(self.workspace, located, label=number, theme=theme))
        figure = sheets.manifold(self.workspace, n, by=by, dimensions=dimensions, label=number, theme=theme)
        return _on(ax, figure)

    def scatter(
        self,
        *,
        split: str = "test",
        color_by: str | None = None,
        samples: bool = False,
        dimensions: tuple[int, int] | None = None,
        ax: "Axes | None" = None,
    ) -> Figure:
        """Draw the latents of a split in two dimensions.

        Parameters
        ----------
        split : {"train", "valid", "test"}
        color_by : str
            A class or an attribute (default: the label).
        samples : bool
            Draw samples from the posteriors instead of their means.
        dimensions : tuple of two int
            The dimensions (default: those that change the image most).
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.scatter(color_by="left").save("scatter.svg").name
        'scatter.svg'
        """
        return maps.latent_scatter(
            self.workspace,
            split=split,
            samples=samples,
            color_by=color_by,
            dimensions=dimensions,
            theme=self.theme,
            ax=ax,
        )

    def chart(
        self,
        method: str | None = None,
        supervise: str | None = None,
        *,
        color_by: str | None = None,
        split: str | None = None,
        ax: "Axes | None" = None,
    ) -> Figure:
        """Draw the latents on a chart: the one that was made last, if it has the options that are given.

        Parameters
        ----------
        method, supervise, split
            As in `Atlas.chart`.
        color_by : str
            A class or an attribute (default: the label).
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.chart("pca").save("chart.png").name
        'chart.png'
        """
        chart = self.workspace.chart_of(self.workspace.charts.request(method, supervise, split=split))
        return maps.chart_scatter(self.workspace, chart, color_by=color_by, theme=self.theme, ax=ax)

    def interpolation(
        self,
        *anchors: AnchorLike,
        method: str | None = None,
        frames: int = 11,
        label: int | str | None = None,
        ax: "Axes | None" = None,
    ) -> Figure:
        """Draw decoded images along a path through named latents.

        Parameters
        ----------
        *anchors : str, int, Path or array (dim,)
            Names as for `Atlas.locate` (default: two typical images).
        method : {"lerp", "slerp", "spline", "geodesic"}
            The default suits the prior.
        frames : int
            Number of images; at least one for each anchor.
        label : int or str
            The class of a conditional model for the whole path (default: the class of each anchor).
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.interpolation("left", "below").save("path.png").name
        'path.png'
        """
        number, run = self._number(label), self.workspace
        located = locate_all(run, anchors, label=number) if anchors else default_anchors(run, 2, number)
        if number is None and not anchors:
            number = default_label(run, located)
        path = paths.interpolation(self.workspace, located, method=method, label=number)
        return _on(ax, path.strip(frames, theme=self.theme))

    def traversal(
        self,
        anchor: AnchorLike = None,
        *,
        dimensions: Sequence[int] = (),
        frames: int = 11,
        label: int | str | None = None,
        ax: "Axes | None" = None,
    ) -> Figure:
        """Draw one latent that changes in one dimension at a time.

        Parameters
        ----------
        anchor : str, int, Path or array (dim,)
            Name of the latent, as for `Atlas.locate` (default: the one nearest to the mean).
        dimensions : sequence of int
            The dimensions, a row for each (default: those that change the image most).
        frames : int
            Images in a row.
        label : int or str
            The class for a conditional model (default: the class of the anchor).
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.traversal("left", dimensions=[1]).save("dimension.png").name
        'dimension.png'
        """
        number = self._number(label)
        start = None if anchor is None else locate(self.workspace, anchor, number)
        path = paths.traversal(self.workspace, start, dimensions=dimensions, label=number)
        return _on(ax, path.strip(frames, theme=self.theme))

    def arithmetic(
        self, equation: str, *, label: int | str | None = None, ax: "Axes | None" = None
    ) -> Figure:
        """Draw an equation of latents, such as "Eyeglasses - not Eyeglasses + Smiling".

        Parameters
        ----------
        equation : str
            Classes, attributes, image numbers ("3,14"), samples ("random:3,random:14") or files, with + and -
            between spaces. Each term is the mean of its latents.
        label : int or str
            The class of the result for a conditional model.
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.arithmetic("left - right + below").save("equation.png").name
        'equation.png'
        """
        number = self._number(label)
        return _on(ax, geometry.arithmetic(self.workspace, equation, label=number, theme=self.theme)[0])

    def geometry(self, name: str = "own-norms", *, ax: "Axes | None" = None) -> Figure:
        """Draw the geometry of a latent space of many dimensions.

        Parameters
        ----------
        name : {"own-norms", "norms", "volumes", "midpoints"}
            Norms of the latents and of the prior; norms of normal samples by dimension; the volume of the
            unit ball by dimension; or midpoints of samples on the line and on the arc.
        ax : matplotlib axes
            Axes to draw into.

        Returns
        -------
        Figure

        Examples
        --------
        >>> atlas.plot.geometry().save("norms.png").name
        'norms.png'
        """
        if name == "own-norms":
            return geometry.own_norms(self.workspace, theme=self.theme, ax=ax)
        if name == "midpoints":
            return _on(ax, geometry.midpoints(self.workspace, theme=self.theme))
        if name not in GEOMETRY:
            raise UnknownName("figure of geometry", name, GEOMETRY)
        draw = geometry.norms if name == "norms" else geometry.volumes
        return draw(theme=self.theme, ax=ax)

    def training(self, term: str | None = None, *, ax: "Axes | None" = None) -> Figure:
        """Draw the terms of the loss over the epochs of the training.

        Parameters
        ----------
        term : str
            Draw only this term, such as "loss" or "rate".
        ax : matplotlib axes
            Axes to draw one term into (default: the loss).

        Returns
        -------
        Figure

        Raises
        ------
        UnknownName
            The training has no such term; an imported model has none.

        Examples
        --------
        >>> atlas.plot.training("rate").save("rate.png").name
        'rate.png'
        """
        rows, title = self.workspace.run.metrics(), self.workspace.name
        return loss_curves(rows, title=title, term=term, theme=self.theme, ax=ax)

    def _number(self, label: int | str | None) -> int | None:
        return self.workspace.generator.class_number(label)


def _on(ax: "Axes | None", figure: Figure) -> Figure:
    """Draw the figure into the axes if there are any, and return it."""
    if ax is not None:
        figure.draw_on(ax)
    return figure
