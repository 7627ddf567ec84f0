"""Defaults of a recipe that depend on the images: the number of epochs, and settings of the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from zatlas.models.nets import Shape
from zatlas.models.trainable import Choice

TRAINING = "training."  # before the name of a setting that is not one of the model
MIN_STEPS = 2000  # least number of optimizer steps of a default training; a family or net may have its own
MAX_EPOCHS = 500  # most epochs of a default training, for sets of very few images
FEW_STEPS = 0.5  # part of the least number of steps, below which the user gets a warning


@dataclass(frozen=True)
class TrainingLength:
    """The length of a training on `count` images, and what its family needs."""

    count: int
    batch: int
    epochs: int
    least_epochs: int
    least_steps: int

    @property
    def epoch_steps(self) -> int:
        """The number of optimizer steps of an epoch."""
        return -(-self.count // self.batch)

    @property
    def enough_epochs(self) -> int:
        """The least number of epochs that also gives the least number of steps."""
        return max(self.least_epochs, min(-(-self.least_steps // self.epoch_steps), MAX_EPOCHS))

    def sentence(self, *, chosen: bool) -> str:
        """Say how long the training is, if it is not the usual one; `chosen` by zatlas or by the user."""
        steps = f"{self.epochs * self.epoch_steps:,} step{'s' if self.epochs * self.epoch_steps > 1 else ''}"
        if chosen and self.epochs > self.least_epochs:
            return (
                f"{self.count:,} images, {self.epoch_steps} step{'s' if self.epoch_steps > 1 else ''} an "
                f"epoch: training {self.epochs:,} epochs ({steps}). To train fewer or more: --epochs "
                "(in Python: epochs=)"
            )
        needed = min(self.least_steps, self.enough_epochs * self.epoch_steps)
        if not chosen and self.epochs * self.epoch_steps < FEW_STEPS * needed:
            return (
                f"Training {self.epochs} epoch{'s' if self.epochs > 1 else ''} of {self.count:,} images is "
                f"only {steps}, and such a model usually needs about {needed:,}. Without --epochs (in "
                f"Python: epochs=), zatlas trains {self.enough_epochs:,} epochs."
            )
        return ""


def choices_for(
    family: type, shape: Shape, count: int, model: Mapping[str, Any], training: Mapping[str, Any]
) -> dict[str, Choice]:
    """Return the settings whose defaults depend on the images and are not given, with the reasons.

    They are settings of the model, or of the training with "training." before the name.
    """
    choose = getattr(family, "image_defaults", None)
    choices = {} if choose is None else choose(shape, count, model)
    given = {*model, *(TRAINING + name for name in training)}
    return {name: choice for name, choice in choices.items() if name not in given}


def least_steps(family: type, net: type) -> int:
    """Return the least number of optimizer steps of a default training: that of the family, or of the net."""
    return int(getattr(family, "STEPS", 0) or getattr(net, "STEPS", MIN_STEPS))


def explain_choices(choices: Mapping[str, Choice]) -> list[str]:
    """Return a sentence for each setting that was chosen."""
    return [
        f"Chosen for these images: {name if '.' in name else f'model.{name}'}={str(choice.value).lower()}, "
        f"because {choice.reason}."
        for name, choice in choices.items()
    ]
