"""What every drawing function returns: a figure for a notebook, a file, an array or matplotlib axes."""

import io
from abc import ABC, abstractmethod
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from zatlas.render.pixels import Frame, drawing, plotted, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Figure(ABC):
    """A drawn figure. A notebook shows it.

    Examples
    --------
    >>> figure = atlas.plot.samples(9)
    >>> figure.save("samples.svg").name
    'samples.svg'
    >>> figure.array.dtype
    dtype('uint8')
    """

    def __repr__(self) -> str:
        width, height = self.size
        return f"<Figure of {width}x{height} pixels>"

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""

    @abstractmethod
    def rendered(self, kind: str) -> bytes:
        """Return the bytes of a png, svg, pdf, webp or jpg file."""

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the figure as .png, .svg, .pdf, .webp or .jpg, and return the path.

        Raises
        ------
        NotSupported
            The file name has another ending.

        Examples
        --------
        >>> atlas.plot.grid(5).save("grid.pdf").name
        'grid.pdf'
        """
        return save(self, path)

    @property
    def array(self) -> Frame:
        """The pixels as an array (height, width, 3) of uint8."""
        return np.asarray(Image.open(io.BytesIO(self.rendered("png"))).convert("RGB"))

    def draw_on(self, ax: "Axes") -> None:
        """Draw the pixels into matplotlib axes, without ticks.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> left, right = Figure().subplots(1, 2)
        >>> atlas.plot.samples(9).draw_on(left)
        """
        with drawing():
            ax.imshow(self.array)
            ax.set_axis_off()

    def _repr_png_(self) -> bytes:
        return self.rendered("png")


@dataclass(frozen=True, repr=False)
class Plot(Figure):
    """A figure that matplotlib draws."""

    figure: Any  # matplotlib.figure.Figure

    def rendered(self, kind: str) -> bytes:
        """Return the bytes of a png, svg, pdf, webp or jpg file."""
        return plotted(self.figure, kind)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        width, height = self.figure.get_size_inches() * self.figure.dpi
        return round(width), round(height)
