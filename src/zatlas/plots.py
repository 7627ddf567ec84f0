"""`atlas.plot`: every figure of a run as a method. Notebooks show what a method returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zatlas.figures import geometry, maps, paths, sheets
from zatlas.locate import default_anchors, locate, locate_all
from zatlas.render.canvas import Canvas
from zatlas.render.theme import LIGHT, Theme
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Plots:
    """The figures of one run."""

    workspace: Workspace
    theme: Theme = LIGHT

    def samples(self, count: int = 64, *, prior: str = "own", seed: int = 0) -> Canvas:
        """A sheet of decoded samples."""
        return sheets.sample_sheet(self.workspace, count, prior=prior, seed=seed, theme=self.theme)

    def reconstructions(self, count: int = 12, *, split: str = "test") -> Canvas:
        """Images above their reconstructions."""
        return sheets.reconstruction_sheet([self.workspace], count, split=split, theme=self.theme)

    def grid(self, n: int = 15, *, by: str | None = None) -> Canvas:
        """Two dimensions of the latent space, decoded at n x n positions."""
        return sheets.manifold(self.workspace, n, by=by, theme=self.theme)

    def scatter(self, *, split: str = "test", color_by: str | None = None) -> "Figure":
        """The latents of a split in two dimensions, coloured by label or by an attribute."""
        return maps.latent_scatter(self.workspace, split=split, by=color_by, theme=self.theme)

    def chart(self, method: str | None = None, *, color_by: str | None = None) -> "Figure":
        """The latents on a chart."""
        chart = self.workspace.chart(method)
        return maps.chart_scatter(self.workspace, chart, by=color_by, theme=self.theme)

    def interpolation(self, *anchors: str, method: str | None = None, frames: int = 10) -> Canvas:
        """Decoded images along a path through named latents; through typical ones if none is named."""
        stops = locate_all(self.workspace, anchors) if anchors else default_anchors(self.workspace, 2)
        return paths.interpolation(self.workspace, stops, method=method).strip(frames, theme=self.theme)

    def traversal(
        self, anchor: str | None = None, *, dimensions: Sequence[int] = (), frames: int = 9
    ) -> Canvas:
        """One latent, changed in one dimension at a time."""
        start = None if anchor is None else locate(self.workspace, anchor)
        return paths.traversal(self.workspace, start, dimensions=dimensions).strip(frames, theme=self.theme)

    def arithmetic(self, equation: str) -> Canvas:
        """An equation of latents, such as "Eyeglasses - not Eyeglasses + Smiling"."""
        return geometry.arithmetic(self.workspace, equation, theme=self.theme)[0]
