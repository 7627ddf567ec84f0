"""What a model is, in words that fit in a file's metadata: enough, with its weights, to make it again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from zatlas.core.fields import fill
from zatlas.core.registry import MODELS, NETS
from zatlas.core.surroundings import check_numbers
from zatlas.models import weights
from zatlas.models.built import built, image_shape
from zatlas.models.generator import Generator
from zatlas.models.nets import Shape
from zatlas.models.trainable import Trainable
from zatlas.store import atomic

FORMAT = 1
KEY = "zatlas"  # of the metadata


@dataclass(frozen=True)
class Description:
    """A family and a net by name with their settings, and the images they are for."""

    family: str
    model: Mapping[str, Any]
    net: str
    layers: Mapping[str, Any]
    shape: Shape
    classes: tuple[str, ...] = ()

    def build(self) -> nn.Module:
        """A new model with weights as torch's generator gives them."""
        check_numbers()
        family = fill(MODELS.get(self.family), self.model, "model")
        net = fill(NETS.get(self.net), self.layers, "net")
        model: nn.Module = family.build(net, self.shape, len(self.classes))
        return model


def save_weights(path: Path, description: Description, state: Mapping[str, Tensor]) -> Path:
    """One file that is the model: its weights, with its description as their metadata."""
    return atomic.write_file(path, weights_bytes(description, state))


def weights_bytes(description: Description, state: Mapping[str, Tensor]) -> bytes:
    """The bytes of that file."""
    return weights.to_bytes(KEY, {"format": FORMAT, **asdict(description)}, state)


@dataclass(frozen=True)
class _Written:
    """A description as it is in a file."""

    family: str
    model: dict
    net: str
    layers: dict
    shape: tuple[int, ...]
    classes: tuple[str, ...]


def load_weights(path: Path) -> tuple[Description, nn.Module]:
    """The model of such a file, ready to be used."""
    check_numbers()
    about, state = weights.read(path, KEY, "model", FORMAT)
    found = weights.fields_of(_Written, about, path)
    description = Description(**{**vars(found), "shape": image_shape(found.shape, path)})
    return description, built(description.build, state, path).eval()


def generator(description: Description, model: nn.Module, device: str = "cpu") -> Generator:
    """The model as the rest of the library sees it."""
    known = cast(Trainable, model.to(device))
    classes = description.classes if known.classes else ()
    return Generator(known.space, known.decode, known.encode, classes, device)
