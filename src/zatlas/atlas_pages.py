"""The part of an `Atlas` that shows: figures, the explorer, and pages that work without a server."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

from zatlas.notebook import ExplorerView, show
from zatlas.plots import Plots
from zatlas.site.export import export
from zatlas.workspace import Workspace


@dataclass(frozen=True)
class AtlasPages:
    """A run with its figures and its pages."""

    workspace: Workspace

    @property
    def plot(self) -> Plots:
        """Figures of the run: `samples`, `grid`, `scatter`, `reconstructions`, `traversal` ...

        >>> atlas.plot.grid(5).save("grid.svg").name
        'grid.svg'
        """
        return Plots(self.workspace)

    def explore(
        self,
        *others: "AtlasPages",
        inline: bool = False,
        height: int = 720,
        story: str | PathLike[str] | None = None,
    ) -> ExplorerView:
        """Show the explorer in the notebook: a widget if anywidget is installed, otherwise a frame.

        The widget has the pinned latents (n, dim) as `.pins` and the image numbers of the newest lasso as
        `.selection`, and `.go_to(z)` shows a latent.

        Parameters
        ----------
        *others : Atlas
            A second run, to compare.
        inline : bool
            Put the page into the notebook, where it works without a server.
        height : int
            Height in pixels.
        story : str or Path
            Markdown file of a story that the page opens with.

        Examples
        --------
        >>> frame = atlas.explore(height=600)
        >>> frame.close()
        """
        workspaces = [self.workspace, *(other.workspace for other in others)]
        return show(*workspaces, inline=inline, height=height, story=story)

    def export(
        self,
        out: str | PathLike[str],
        *,
        points: int | None = None,
        prior: str | None = None,
        story: str | PathLike[str] | None = None,
        other_spaces: Sequence[str] = (),
        figure: str | None = None,
        anchors: Sequence[str] = (),
    ) -> Path:
        """Write the explorer as a page that works without a server, or a live figure.

        Parameters
        ----------
        out : str or Path
            A name that ends in .html for one file, else a folder.
        points, prior, story, figure : int, str, str or Path, and str
            As in `zatlas.export`.
        other_spaces, anchors : sequence of str
            As in `zatlas.export`.

        Returns
        -------
        Path
            The page or its folder.

        Examples
        --------
        >>> atlas.export("page.html").name
        'page.html'
        >>> atlas.export("walk", figure="walk", anchors=["left", "right"]).name
        'walk'
        """
        settings: dict[str, Any] = {"points": points, "prior": prior, "story": story, "figure": figure}
        chosen: dict[str, Any] = {"other_spaces": other_spaces, "anchors": anchors}
        return export([self.workspace], Path(out), **settings, **chosen)
