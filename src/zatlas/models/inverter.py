"""An encoder for a generator that came without one: a net that `training.inverting` has taught to answer
with the point that an image was made from. One file is such a net.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.fields import fill
from zatlas.core.registry import NETS
from zatlas.core.space import Space
from zatlas.models import weights
from zatlas.models.nets import Shape, one_hot

FORMAT = 1
KEY = "zatlas-inverter"  # of the metadata


class Inverter(nn.Module):
    """A net's encoder, with points for answers in the spread of those that it has learnt from."""

    middle: Tensor
    spread: Tensor

    def __init__(
        self, space: Space, shape: Shape, classes: int, net: str, layers: dict[str, Any]
    ) -> None:
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


def load_inverter(path: Path, model: str, device: str = "cpu") -> Inverter | None:
    """The encoder of such a file; None for one that was taught for other weights."""
    about, state = weights.read(path, KEY, "encoder", FORMAT)
    if about["model"] != model:
        return None
    channels, height, width = about["shape"]
    space = Space(tuple(about["space"]["shape"]), about["space"]["prior"])
    with torch.random.fork_rng():
        inverter = Inverter(
            space, (channels, height, width), about["classes"], about["net"], about["layers"]
        )
    weights.fill(path, inverter, state)
    return inverter.to(device).eval()
