"""`Description`: the settings that rebuild a model, stored as metadata in the file of its weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from zatlas.core.registry import MODELS, NETS
from zatlas.core.runtime import check_numbers
from zatlas.core.settings import fill
from zatlas.models import weights
from zatlas.models.device import channels_last
from zatlas.models.generator import Generator
from zatlas.models.nets import Shape
from zatlas.models.safe_build import build_checked, image_shape
from zatlas.models.trainable import Trainable, check_trainable
from zatlas.store import atomic

FORMAT = 1
KEY = "zatlas"  # name of the description in the file's metadata


@dataclass(frozen=True)
class Description:
    """A model family and a net, by name, with their settings and the shape and classes of the images."""

    family: str
    model: Mapping[str, Any]
    net: str
    layers: Mapping[str, Any]
    shape: Shape
    classes: tuple[str, ...] = ()

    def build(self) -> nn.Module:
        """Return a new model, initialized from torch's global random generator."""
        check_numbers()
        family = fill(MODELS.get(self.family), self.model, "model")
        net = fill(NETS.get(self.net), self.layers, "net")
        return check_trainable(self.family, family.build(net, self.shape, len(self.classes)))


def save_weights(path: Path, description: Description, state: Mapping[str, Tensor]) -> Path:
    """Write the model to one safetensors file: its weights, and its description as metadata."""
    return atomic.write_file(path, weights_bytes(description, state))


def weights_bytes(description: Description, state: Mapping[str, Tensor]) -> bytes:
    """Return the bytes that `save_weights` writes."""
    return weights.to_bytes(KEY, {"format": FORMAT, **asdict(description)}, state)


@dataclass(frozen=True)
class _Metadata:
    """A description as a file holds it."""

    family: str
    model: dict
    net: str
    layers: dict
    shape: tuple[int, ...]
    classes: tuple[str, ...]


def load_weights(path: Path) -> tuple[Description, nn.Module]:
    """Return the description and the model of a file of `save_weights`, in evaluation mode."""
    check_numbers()
    about, state = weights.read(path, KEY, "model", FORMAT)
    metadata = weights.fields_of(_Metadata, about, path)
    description = Description(**{**vars(metadata), "shape": image_shape(metadata.shape, path)})
    return description, build_checked(description.build, state, path).eval()


def generator(description: Description, model: nn.Module, device: str = "cpu") -> Generator:
    """Return the `Generator` that calls this model on this device."""
    trainable = cast(Trainable, channels_last(model.to(device)))
    classes = description.classes if trainable.classes else ()
    result = Generator(trainable.space, trainable.decode, trainable.encode, classes, device)
    return replace(result, critic=getattr(trainable, "realism", None))
