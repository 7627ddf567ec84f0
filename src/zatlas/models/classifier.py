"""Classifiers: functions from images to named attributes, called in batches on a device.

`training.classifier_training` trains a convolutional net on the attributes of a dataset. One safetensors
file holds such a classifier: its weights, and its attributes as metadata.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.arrays import Images
from zatlas.core.errors import BadRun, NotSupported, ShapeError, UnknownName
from zatlas.core.registry import NETS
from zatlas.core.settings import fill
from zatlas.data.image_input import ImagesLike, as_images
from zatlas.models import weights
from zatlas.models.device import images_per_batch
from zatlas.models.nets import Shape
from zatlas.models.safe_build import build_checked, image_shape

FORMAT = 1
KEY = "zatlas-classifier"  # name of the description in the file's metadata

Kind = Literal["flag", "number", "class"]
Logits = Float32[np.ndarray, "n k"]


@dataclass(frozen=True)
class Classifier:
    """A function from images to named columns: probabilities of flags and classes, or values.

    A text attribute has one column for each of its classes, such as "hair_colour=gray". Images of another
    size or number of channels are converted to `shape` first.
    """

    names: tuple[str, ...]
    function: Callable[[Tensor], Tensor]  # images (n, c, h, w) in [0, 1] -> values (n, k)
    kinds: tuple[Kind, ...]
    shape: Shape | None = None  # of the images that `function` takes; None for any shape
    device: str = "cpu"
    batch: int = 256
    about: str = ""  # how an imported classifier reads images, in one sentence
    digest: str = ""  # SHA-256 of the file of an imported classifier
    settings: Mapping[str, Any] = field(default_factory=dict)  # of an imported classifier

    def __call__(self, x: Tensor) -> Tensor:
        """Return the predictions (n, k) for images (n, c, h, w) of any size, with gradients."""
        return self.function(resized(x, self.shape))

    def predict(self, images: ImagesLike) -> Logits:
        """Return the predictions (n, k) for n images of any size, one column for each name."""
        images = as_images(images)
        size = images_per_batch(int(np.prod(self.shape or images.shape[1:])), self.device, self.batch)
        starts = range(0, max(len(images), 1), size)
        rows = np.concatenate([self._predict(images[i : i + size]) for i in starts])
        if rows.shape != (len(images), len(self.names)):
            raise ShapeError(
                f"The classifier returned an array of shape {rows.shape} for {len(images)} images and "
                f"{len(self.names)} names. It must return one row per image and one column per name."
            )
        return rows

    def column(self, name: str) -> int:
        """Return the index of the column with this name."""
        if name not in self.names:
            raise UnknownName("attribute of this classifier", name, self.names)
        return self.names.index(name)

    def select(self, names: Sequence[str]) -> "Classifier":
        """Return a classifier that predicts only these names, in this order."""
        columns, function = [self.column(name) for name in names], self.function
        kinds = tuple(self.kinds[i] for i in columns)
        return replace(self, names=tuple(names), function=lambda x: function(x)[:, columns], kinds=kinds)

    @torch.inference_mode()
    def _predict(self, images: Images) -> Logits:
        rows = self(torch.as_tensor(images, device=self.device))
        return rows.float().cpu().numpy()


@dataclass(frozen=True)
class Target:
    """One attribute that the net predicts, and how to scale its outputs."""

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    mean: float = 0.0  # of a numeric attribute in the training set
    std: float = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of this attribute."""
        return tuple(f"{self.name}={label}" for label in self.classes) or (self.name,)


class ClassifierNet(nn.Module):
    """The encoder of a net, with one output for each column."""

    def __init__(self, targets: Sequence[Target], shape: Shape, net: str, layers: dict[str, Any]) -> None:
        super().__init__()
        self.targets, self.shape = tuple(targets), shape
        self.net, self.layers = net, layers
        self.widths = [len(target.columns) for target in self.targets]
        self.body = fill(NETS.get(net), layers, "net").encoder(shape, sum(self.widths))

    def outputs(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the raw outputs of each target: logits, or a standardized value."""
        raw: Tensor = self.body(2 * x - 1)
        return raw.split(self.widths, dim=1)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """Return probabilities and values (n, k), one column for each name."""
        pairs = zip(self.targets, self.outputs(x), strict=True)
        return torch.cat([_finish(target, raw) for target, raw in pairs], dim=1)


def _finish(target: Target, raw: Tensor) -> Tensor:
    if target.kind == "flag":
        return raw.sigmoid()
    return raw.softmax(1) if target.kind == "class" else raw * target.std + target.mean


def from_network(network: ClassifierNet, device: str = "cpu") -> Classifier:
    """Return the `Classifier` that calls this net on this device."""
    names = tuple(name for target in network.targets for name in target.columns)
    kinds = tuple(target.kind for target in network.targets for _ in target.columns)
    return Classifier(names, network.to(device).eval(), kinds, network.shape, device)


def save_classifier(path: Path, classifier: Classifier, *, half: bool = False) -> Path:
    """Write the classifier to one file; `half` stores its weights in 16 bits."""
    network = classifier.function
    if not isinstance(network, ClassifierNet):
        raise NotSupported(
            "Only a classifier that zatlas trained can be saved. Import your own function again where "
            "you need it."
        )
    about = {
        "format": FORMAT,
        "targets": [asdict(target) for target in network.targets],
        "shape": network.shape,
        "net": network.net,
        "layers": network.layers,
    }
    state = network.state_dict()
    if half:
        state = {name: tensor.half() for name, tensor in state.items()}
    return weights.write(path, KEY, about, state)


@dataclass(frozen=True)
class _Metadata:
    """The description of a classifier in its file."""

    targets: tuple[dict, ...]
    shape: tuple[int, ...]
    net: str
    layers: dict


def load_classifier(path: Path, device: str = "cpu") -> Classifier:
    """Return the classifier that `save_classifier` wrote to this file."""
    about, state = weights.read(path, KEY, "classifier", FORMAT)
    metadata = weights.fields_of(_Metadata, about, path)
    targets = [weights.fields_of(Target, fields, path) for fields in metadata.targets]
    if not targets or not all(isfinite(target.mean) and isfinite(target.std) for target in targets):
        raise BadRun(
            f"{path} describes a classifier without attributes, or with a mean or std that is not finite. "
            "Train it again: zatlas classifier train."
        )
    shape = image_shape(metadata.shape, path)
    network = build_checked(lambda: ClassifierNet(targets, shape, metadata.net, metadata.layers), state, path)
    assert isinstance(network, ClassifierNet)
    return from_network(network, device)


def resized(x: Tensor, shape: Shape | None) -> Tensor:
    """Return images (n, c, h, w) with this number of channels and size, with gradients; None changes nothing.

    Colour is converted to grey by the mean of the channels.
    """
    if shape is None or tuple(x.shape[1:]) == tuple(shape):
        return x
    channels, height, width = shape
    if x.shape[1] != channels:
        x = x.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if x.shape[2:] != (height, width):
        x = F.interpolate(x, (height, width), mode="bilinear", antialias=True).clamp(0, 1)
    return x.contiguous()
