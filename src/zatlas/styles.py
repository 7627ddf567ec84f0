"""`atlas.styles`: the layers of a StyleGAN, mixed, truncated, edited and with other noise."""

from collections.abc import Sequence
from dataclasses import dataclass

from zatlas.core.arrays import ArrayLike, Images, Latents, as_latents
from zatlas.directions.layers import LayerRange, mix_layers, named_ranges
from zatlas.figures.style_sheets import (
    decode_with_noise,
    layered,
    mixing_sheet,
    noise_sheet,
    truncation_sheet,
)
from zatlas.locate import AnchorLike, locate, locate_all
from zatlas.render.figure import Figure
from zatlas.workspace import Workspace


@dataclass(frozen=True)
class Styles:
    """The layers of a StyleGAN. Latents are those of w+, (n, layers * width)."""

    workspace: Workspace  # in a space of latents with layers

    def __repr__(self) -> str:
        parts = ", ".join(f"{name} {first}-{last}" for name, (first, last) in self.ranges.items())
        return f"<Styles of {self.workspace.name}: {parts}>"

    @property
    def ranges(self) -> dict[str, tuple[int, int]]:
        """The first and the last of the coarse, medium and fine layers."""
        return named_ranges(self.workspace.generator.space.shape[0])

    def mix(
        self,
        destination: AnchorLike,
        source: AnchorLike,
        layers: LayerRange = "coarse",
        *,
        amount: float = 1.0,
    ) -> Latents:
        """Return the latent (1, dim) of the destination with some layers of the source.

        Parameters
        ----------
        destination, source : str, int, Path or array (dim,)
            Names of latents, as for `Atlas.locate`: 7, "random:5", "face.png".
        layers : str, int or pair of int
            "coarse", "medium", "fine", "0-3", 3 or (0, 3).
        amount : float
            How far these layers move towards the source, from 0 to 1 (default: completely).
        """
        into, taken = (locate(self.workspace, name).latent for name in (destination, source))
        return mix_layers(into, taken, self.workspace.generator.space, layers, amount)

    def decode(self, z: ArrayLike, *, noise: str = "fixed", seed: int = 0) -> Images:
        """Decode latents of w+ with a choice of the noise in the layers.

        Parameters
        ----------
        z : array-like (n, dim) or (n, layers, width)
        noise : {"fixed", "zero", "random"}
            The noise that the model stores, none, or random noise.
        seed : int
            Random seed of the random noise (default 0).

        Returns
        -------
        array (n, channels, height, width)
        """
        generator = self.workspace.generator
        return decode_with_noise(generator, as_latents(z, *generator.space.shape), noise, seed)

    def mixing(
        self,
        sources: Sequence[AnchorLike] = (),
        destinations: Sequence[AnchorLike] = (),
        *,
        layers: Sequence[LayerRange] = (),
    ) -> Figure:
        """Draw a grid of destinations (rows) that take layers from sources (columns).

        By default both are samples, with a block of rows for coarse, medium and fine layers.
        """
        located = (locate_all(self.workspace, names) for names in (sources, destinations))
        return mixing_sheet(self.workspace, *located, layers=layers)

    def truncation(self, count: int = 4) -> Figure:
        """Draw samples at several distances from the center of w: psi from -1 to 1."""
        return truncation_sheet(self.workspace, count=count)

    def noise(self, count: int = 4) -> Figure:
        """Draw samples with fixed, zero and random noise, and where the noise changes them."""
        return noise_sheet(self.workspace, count=count)


def styles_of(workspace: Workspace) -> Styles:
    """Return the layers of a run's StyleGAN."""
    return Styles(layered(workspace))
