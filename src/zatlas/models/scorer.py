"""Numbers read from images: any function, in batches, on its device, numpy in and numpy out.

Ours is a convolutional net that `training.scoring` teaches the attributes of a set. One file is such
a reader: its weights, with what they read as their metadata.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
from zatlas.core.fields import fill
from zatlas.core.registry import NETS
from zatlas.models import weights
from zatlas.models.built import built, image_shape
from zatlas.models.nets import Shape

FORMAT = 1
KEY = "zatlas-scorer"  # of the metadata

Kind = Literal["flag", "number", "class"]
Scores = Float32[np.ndarray, "n k"]


@dataclass(frozen=True)
class Scorer:
    """A function from images to named numbers: probabilities of flags and classes, or values.

    A text attribute gives a column for each of its classes, as "hair_colour=gray".
    """

    names: tuple[str, ...]
    function: Callable[[Tensor], Tensor]  # images in [0, 1] -> a row of numbers each
    kinds: tuple[Kind, ...]
    shape: Shape | None = None  # of the images it reads; None for any
    device: str = "cpu"
    batch: int = 256
    about: str = ""  # what was found out of one from elsewhere

    def score(self, images: Images) -> Scores:
        """What is read of each image, a column for each name."""
        if images.ndim != 4 or (self.shape and images.shape[1:] != self.shape):
            wanted = "x".join(map(str, self.shape)) if self.shape else "channels x height x width"
            given = "x".join(map(str, images.shape[1:])) or "no"
            raise ShapeError(f"This scorer reads images of {wanted}; it was given {given}.")
        starts = range(0, max(len(images), 1), self.batch)
        rows = np.concatenate([self._read(images[i : i + self.batch]) for i in starts])
        if rows.shape != (len(images), len(self.names)):
            raise ShapeError(
                f"A scorer of {len(self.names)} names answered {len(images)} images with numbers "
                f"of shape {rows.shape}; it has to give a row an image and a column a name."
            )
        return rows

    def column(self, name: str) -> int:
        """Where the numbers of this name stand."""
        if name not in self.names:
            raise UnknownName("attribute of this scorer", name, self.names)
        return self.names.index(name)

    def only(self, names: Sequence[str]) -> "Scorer":
        """The same scorer, of these names alone and in this order."""
        columns, function = [self.column(name) for name in names], self.function
        kinds = tuple(self.kinds[i] for i in columns)
        pick = lambda x: function(x)[:, columns]  # noqa: E731
        return Scorer(tuple(names), pick, kinds, self.shape, self.device, self.batch)

    @torch.inference_mode()
    def _read(self, images: Images) -> Scores:
        found = self.function(torch.as_tensor(images, device=self.device))
        return found.float().cpu().numpy()


@dataclass(frozen=True)
class Target:
    """One attribute that a net reads, and how its outputs become the attribute's numbers."""

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    mean: float = 0.0  # of a number, in the set that was learnt from
    spread: float = 1.0

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of its columns."""
        return tuple(f"{self.name}={word}" for word in self.classes) or (self.name,)


class Reader(nn.Module):
    """A net's encoder with an output for each column."""

    def __init__(self, targets: Sequence[Target], shape: Shape, net: str, layers: dict[str, Any]) -> None:
        super().__init__()
        self.targets, self.shape = tuple(targets), shape
        self.net, self.layers = net, layers
        self.widths = [len(target.columns) for target in self.targets]
        self.body = fill(NETS.get(net), layers, "net").encoder(shape, sum(self.widths))

    def parts(self, x: Tensor) -> tuple[Tensor, ...]:
        """For each target its raw outputs: logits, or a value in spreads from the mean."""
        raw: Tensor = self.body(2 * x - 1)
        return raw.split(self.widths, dim=1)  # type: ignore[no-untyped-call]

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities and values, a column for each name."""
        pairs = zip(self.targets, self.parts(x), strict=True)
        return torch.cat([_finish(target, raw) for target, raw in pairs], dim=1)


def _finish(target: Target, raw: Tensor) -> Tensor:
    if target.kind == "flag":
        return raw.sigmoid()
    return raw.softmax(1) if target.kind == "class" else raw * target.spread + target.mean


def scorer(reader: Reader, device: str = "cpu") -> Scorer:
    """The net as the rest of the library sees it."""
    names = tuple(name for target in reader.targets for name in target.columns)
    kinds = tuple(target.kind for target in reader.targets for _ in target.columns)
    return Scorer(names, reader.to(device).eval(), kinds, reader.shape, device)


def save_scorer(path: Path, scorer: Scorer, *, half: bool = False) -> Path:
    """One file that is the scorer; with `half`, of half the size and three digits a weight."""
    reader = scorer.function
    if not isinstance(reader, Reader):
        raise NotSupported(
            "Only a scorer that zatlas has trained can be saved: a function of your own has no file. "
            "Keep the code that makes it."
        )
    about = {
        "format": FORMAT,
        "targets": [asdict(target) for target in reader.targets],
        "shape": reader.shape,
        "net": reader.net,
        "layers": reader.layers,
    }
    state = reader.state_dict()
    kept = {name: tensor.half() for name, tensor in state.items()} if half else state
    return weights.write(path, KEY, about, kept)


@dataclass(frozen=True)
class _Written:
    """What a file says of its scorer."""

    targets: tuple[dict, ...]
    shape: tuple[int, ...]
    net: str
    layers: dict


def read_scorer(path: Path, device: str = "cpu") -> Scorer:
    """The scorer of such a file."""
    about, state = weights.read(path, KEY, "scorer", FORMAT)
    found = weights.fields_of(_Written, about, path)
    targets = [weights.fields_of(Target, one, path) for one in found.targets]
    if not targets or not all(isfinite(one.mean) and isfinite(one.spread) for one in targets):
        raise BadRun(f"{path} describes a scorer that reads nothing, or no finite numbers.")
    shape = image_shape(found.shape, path)
    reader = built(lambda: Reader(targets, shape, found.net, found.layers), state, path)
    assert isinstance(reader, Reader)
    return scorer(reader, device)


def suited(scorer: Scorer, images: Images) -> Images:
    """The images in the size and the colours that the scorer reads."""
    if scorer.shape is None or images.shape[1:] == scorer.shape:
        return images
    channels, height, width = scorer.shape
    x = torch.as_tensor(images)
    if x.shape[1] != channels:
        grey = x.mean(1, keepdim=True)
        x = grey.expand(-1, channels, -1, -1)
    if x.shape[2:] != (height, width):
        x = F.interpolate(x, (height, width), mode="bilinear", antialias=True)
    return x.clamp(0, 1).contiguous().numpy()
