"""What a model is to the training loop: who is optimized in turn, and what each wants to be small."""

from collections.abc import Callable
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from zatlas.core.space import Space
from zatlas.models.nets import Net, Shape

Encoder = Callable[[Tensor, Tensor | None], "Tensor | tuple[Tensor, Tensor]"]
Terms = dict[str, Tensor]  # "loss" is made small; the others are shown; means over the batch


class Trainable(Protocol):
    """A module whose `loss` can be minimized for each of its players."""

    space: Space
    classes: int  # how many labels it wants to be told; 0 for none
    bound: bool  # whether its terms hold an "elbo" in nats an image

    @property
    def encode(self) -> Encoder | None:
        """Points of images, or their means and standard deviations; None where there is no way."""

    def decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Images in [0, 1] of points in the space's own shape."""

    def start(self, mean: Tensor) -> None:
        """Once, before training: told the mean of the images."""

    def players(self) -> dict[str, list[nn.Parameter]]:
        """Who is optimized in turn, and what each of them moves."""

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """What this player wants to be small, and the terms it is made of.

        `epoch` is how far training has come, for what changes with it. Numbers drawn by
        `zatlas.models.noise` are the same for an image however many processes share the batch.
        """


class Family(Protocol):
    """The settings of a family of models: a frozen dataclass that builds one for images of a shape."""

    NET: ClassVar[str]  # the net it takes by itself; none for what suits the images
    TRAINING: ClassVar[dict[str, object]]  # where its training differs from the usual

    def build(self, net: Net, shape: Shape, classes: int) -> nn.Module:
        """A new model; `classes` is how many labels the images have."""
