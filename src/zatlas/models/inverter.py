"""An encoder for a generator that came without one: a net that `training.inverting` has taught to answer
with the point that an image was made from. One file is such a net.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.fields import fill
from zatlas.core.registry import NETS
from zatlas.core.space import Prior, Space
from zatlas.models import weights
from zatlas.models.built import built, image_shape, shape_of
from zatlas.models.nets import Shape, one_hot

FORMAT = 1
KEY = "zatlas-inverter"  # of the metadata


class Inverter(nn.Module):
    """A net's encoder, with points for answers in the spread of those that it has learnt from."""

    middle: Tensor
    spread: Tensor

    def __init__(self, space: Space, shape: Shape, classes: int, net: str, layers: dict[str, Any]) -> None:
        super().__init__()
        self.space, self.shape, self.classes = space, shape, classes
        self.net, self.layers = net, layers
        self.body = fill(NETS.get(net), layers, "net").encoder(shape, space.dim, classes)
        self.register_buffer("middle", torch.zeros(space.dim))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """The points of these images, flat."""
        raw: Tensor = self.body(2 * x - 1, one_hot(y, self.classes, x))
        z = self.middle + self.spread * raw
        return F.normalize(z, dim=1) if self.space.prior == "sphere" else z


def save_inverter(path: Path, inverter: Inverter, model: str) -> Path:
    """One file that is the encoder, and says by their digest for which weights it was taught."""
    about = {
        "format": FORMAT,
        "model": model,
        "space": {"shape": inverter.space.shape, "prior": inverter.space.prior},
        "shape": inverter.shape,
        "classes": inverter.classes,
        "net": inverter.net,
        "layers": inverter.layers,
    }
    return weights.write(path, KEY, about, inverter.state_dict())


@dataclass(frozen=True)
class _Written:
    """What a file says of its encoder."""

    model: str
    space: dict
    shape: tuple[int, ...]
    classes: int
    net: str
    layers: dict


@dataclass(frozen=True)
class _Space:
    shape: tuple[int, ...]
    prior: Prior


def load_inverter(path: Path, model: str, device: str = "cpu") -> Inverter | None:
    """The encoder of such a file; None for one that was taught for other weights."""
    about, state = weights.read(path, KEY, "encoder", FORMAT)
    found = weights.fields_of(_Written, about, path)
    if found.model != model:
        return None
    inner = weights.fields_of(_Space, found.space, path)
    space, shape = Space(shape_of(inner.shape, path), inner.prior), image_shape(found.shape, path)
    net = built(lambda: Inverter(space, shape, found.classes, found.net, found.layers), state, path)
    assert isinstance(net, Inverter)
    return net.to(device).eval()
