"""`Trainable`: what the training loop needs of a model, and `Family`: what a recipe needs of its settings.

Both are base classes: a model overrides what differs from the defaults.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadPlugin
from zatlas.core.requirements import missing_part
from zatlas.core.space import Space
from zatlas.models.nets import Net, Shape

Encoder = Callable[[Tensor, Tensor | None], "Tensor | tuple[Tensor, Tensor]"]
Terms = dict[str, Tensor]  # "loss" is minimized, the others are logged; all are means over the batch
REQUIRED = (
    *("space", "classes", "bound", "encode", "decode(z, y)", "initialize(mean)", "networks()"),
    "loss(x, y, player, rng, epoch)",
)


class Trainable(nn.Module, ABC):
    """A module with one loss for each player. A VAE has one player; a GAN has two that take turns.

    A model sets `space`, and defines `decode` and `loss`. A model with an encoder also defines
    `encode(x, y)`, which returns the latents of images, or their means and standard deviations.
    """

    space: Space
    classes: int = 0  # number of labels that condition it; 0 for an unconditional model
    bound: bool = False  # whether its terms contain "elbo", in nats per image
    encode: Any = None  # a method of type `Encoder`; None if there is no encoder

    @abstractmethod
    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images (n, c, h, w) in [0, 1] for latents (n, *space.shape)."""

    @abstractmethod
    def loss(self, x: Tensor, y: Tensor | None, player: str, rng: torch.Generator, epoch: float) -> Terms:
        """Return the loss of this player and the terms it consists of.

        `epoch` is the progress of training, for schedules. Take random numbers from
        `zatlas.models.noise`: they do not depend on how many processes share the batch.
        """

    def initialize(self, mean: Tensor) -> None:
        """Initialize before training; `mean` is the mean of the training images (c, h, w)."""

    def networks(self) -> dict[str, list[nn.Parameter]]:
        """Return the parameters of each player, in the order in which they are optimized."""
        return {"model": list(self.parameters())}


@dataclass(frozen=True)
class Choice:
    """The default of a setting for given images, and the reason for it."""

    value: object
    reason: str


class Family(ABC):
    """The settings of a model family: a frozen dataclass that builds a model for images of a given shape.

    It or its net may also have `STEPS`, the least number of optimizer steps of a default training.
    """

    BFLOAT16: ClassVar[bool] = False  # whether layers may multiply in bfloat16; losses must be float32
    NET: ClassVar[str] = ""  # the default net; empty to choose by the size of the images
    TRAINING: ClassVar[Mapping[str, object]] = {}  # its defaults for training, where they differ

    @staticmethod
    def image_defaults(shape: Shape, count: int, given: Mapping[str, Any]) -> dict[str, Choice]:
        """Return a `Choice` for each model setting whose default depends on the images.

        `count` is the number of training images, and `given` holds the model settings that are given.
        """
        return {}

    @abstractmethod
    def build(self, net: Net, shape: Shape, classes: int) -> nn.Module:
        """Return a new model; `classes` is the number of different labels of the images."""


def check_trainable(family: str, model: nn.Module) -> nn.Module:
    """Return a model that a family has built; `BadPlugin` if the training loop cannot use it."""
    if missing := missing_part(model, REQUIRED):
        raise BadPlugin(
            f"The model that {family!r} builds {missing}. Derive it from zatlas.models.trainable.Trainable."
        )
    return model
