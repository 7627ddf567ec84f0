"""`Inverter`: an encoder for a generator that has none, trained by `training.inverting`.

It predicts the latent from which the generator decoded an image. One safetensors file holds such a net.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.registry import NETS
from zatlas.core.settings import fill
from zatlas.core.space import Prior, Space
from zatlas.models import weights
from zatlas.models.nets import Shape, apply_encoder, one_hot
from zatlas.models.safe_build import build_checked, image_shape, shape_of

FORMAT = 1
KEY = "zatlas-inverter"  # name of the description in the file's metadata


class Inverter(nn.Module):
    """The encoder of a net, whose outputs are scaled to the mean and std of the latents it was trained on."""

    mean: Tensor
    std: Tensor

    def __init__(self, space: Space, shape: Shape, classes: int, net: str, layers: dict[str, Any]) -> None:
        super().__init__()
        self.space, self.shape, self.classes = space, shape, classes
        self.net, self.layers = net, layers
        self.body = fill(NETS.get(net), layers, "net").encoder(shape, space.dim, classes)
        self.register_buffer("mean", torch.zeros(space.dim))
        self.register_buffer("std", torch.ones(()))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the latents (n, dim) of images (n, c, h, w)."""
        raw: Tensor = apply_encoder(self.body, 2 * x - 1, one_hot(y, self.classes, x))
        z = self.mean + self.std * raw
        return F.normalize(z, dim=1) if self.space.prior == "sphere" else z


def save_inverter(path: Path, inverter: Inverter, model: str) -> Path:
    """Write the encoder to one file; `model` is the digest of the weights that it was trained for."""
    prior = inverter.space.prior
    about = {
        "format": FORMAT,
        "model": model,
        "space": {"shape": inverter.space.shape, "prior": prior if prior in get_args(Prior) else "none"},
        "shape": inverter.shape,
        "classes": inverter.classes,
        "net": inverter.net,
        "layers": inverter.layers,
    }
    return weights.write(path, KEY, about, inverter.state_dict())


@dataclass(frozen=True)
class _Metadata:
    """The description of an encoder in its file."""

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
    """Return the encoder of a file of `save_inverter`; None if it was trained for other weights."""
    about, state = weights.read(path, KEY, "encoder", FORMAT)
    metadata = weights.fields_of(_Metadata, about, path)
    if metadata.model != model:
        return None
    fields = weights.fields_of(_Space, metadata.space, path)
    space, shape = Space(shape_of(fields.shape, path), fields.prior), image_shape(metadata.shape, path)
    net = build_checked(
        lambda: Inverter(space, shape, metadata.classes, metadata.net, metadata.layers), state, path
    )
    assert isinstance(net, Inverter)
    return net.to(device).eval()
