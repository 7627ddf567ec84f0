"""`Trainable`: what the training loop needs of a model, and `Family`: what a recipe needs of its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from zatlas.core.space import Space
from zatlas.models.nets import Net, Shape

Encoder = Callable[[Tensor, Tensor | None], "Tensor | tuple[Tensor, Tensor]"]
Terms = dict[str, Tensor]  # "loss" is minimized, the others are logged; all are means over the batch


class Trainable(Protocol):
    """A module with one loss for each player. A VAE has one player; a GAN has two that take turns."""

    space: Space
    classes: int  # number of labels that condition it; 0 for an unconditional model
    bound: bool  # whether its terms contain "elbo", in nats per image

    @property
    def encode(self) -> Encoder | None:
        """The function from images to latents, or to their means and stds; None if there is no encoder."""

    def decode(self, z: Tensor, y: Tensor | None) -> Tensor:
        """Return images (n, c, h, w) in [0, 1] for latents (n, *space.shape)."""

    def initialize(self, mean: Tensor) -> None:
        """Initialize before training; `mean` is the mean of the training images (c, h, w)."""

    def networks(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each player, in the order in which they are optimized."""

    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Return the loss of this player and the terms it consists of.

        `epoch` is the progress of training, for schedules. Take random numbers from
        `zatlas.models.noise`: they do not depend on how many processes share the batch.
        """


@dataclass(frozen=True)
class Choice:
    """The default of a setting for given images, and the reason for it."""

    value: object
    reason: str


class Family(Protocol):
    """The settings of a model family: a frozen dataclass that builds a model for images of a given shape.

    It or its net may have `STEPS`, the least number of optimizer steps of a default training. It may also
    have `image_defaults(shape, count, given)`, which returns a `Choice` for each model setting whose default
    depends on the images, on the number of training images, and on the model settings that are given.
    """

    NET: ClassVar[str]  # the default net; empty to choose by the size of the images
    TRAINING: ClassVar[dict[str, object]]  # its defaults for training, where they differ

    def build(self, net: Net, shape: Shape, classes: int) -> nn.Module:
        """Return a new model; `classes` is the number of different labels of the images."""
