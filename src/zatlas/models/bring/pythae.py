"""Folders saved by pythae: its configuration and weights, without unpickling its code.

Chadebec et al. 2022, https://arxiv.org/abs/2206.08309
"""

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from zatlas.core.errors import BadData, NotSupported
from zatlas.core.space import Prior
from zatlas.models.bring.brought import Asked, Halves, Layout, Taken, as_float, file_of, no_gradient
from zatlas.models.bring.pickled import state_of
from zatlas.models.bring.weights import FILE, Find, fitted, last_of, module_of, part_of, read
from zatlas.models.built import built
from zatlas.models.installed import imported

CONFIG, MODEL = "model_config.json", "model.pt"
WITHOUT_PRIOR = ("AE", "RAE_GP", "RAE_L2")  # their points follow the data
ELSEWHERE = ("VQVAE", "HRQVAE", "PoincareVAE", "HVAE")  # their codes are no points of a flat space
HIDDEN = 512  # units of pythae's own nets


def here(folder: Path) -> bool:
    """Whether pythae saved it."""
    return (folder / CONFIG).is_file()


def take(folder: Path, side: Path, asked: Asked) -> Taken:
    """Its configuration, and the weights of its two halves as safetensors."""
    config = _config(folder)
    family = str(config["name"]).removesuffix("Config").removesuffix("_")
    if family in ELSEWHERE:
        raise NotSupported(
            f"A {family} of pythae has codes that are no points of a flat space: zatlas cannot walk "
            "there. Bring one of its other models."
        )
    path = side / FILE
    state_of(folder / MODEL, path, "model_state_dict")
    state = read(path)
    save_file({k: v for k, v in state.items() if k.startswith(("encoder.", "decoder."))}, path)
    encoder = asked.encoder if isinstance(asked.encoder, str) else None
    for half, module in (("encoder", encoder), ("decoder", asked.module)):
        if not config.get(f"uses_default_{half}", True) and module is None:
            option = "module" if half == "decoder" else "encoder"
            raise NotSupported(
                f"The {half} of {folder} is the person's own net, kept as a pickle ({half}.pkl), which "
                f"is never read. Name its class: --{option} package.module:Class; it is given pythae's "
                "configuration if no values are."
            )
    shape = tuple(int(size) for size in config["input_dim"])
    prior: Prior = "none" if family in WITHOUT_PRIOR else "sphere" if family == "SVAE" else "normal"
    settings = {"module": asked.module or "", "encoder": encoder or "", "config": config}
    told = (
        f"A {family} saved by pythae for images of {shape}, with "
        f"{'its own nets' if not asked.module else asked.module}; none of its code was unpickled.",
    )
    layouts: dict[int, Layout] = {3: "nchw", 2: "nhw", 1: "flat"}
    return Taken(
        "pythae",
        {"weights": FILE},
        settings,
        ((int(config["latent_dim"]),),),
        prior=prior,
        layout=layouts.get(len(shape)),
        told=told,
    )


def load(files: Mapping[str, Path], settings: Mapping[str, Any], find: Find = imported) -> Halves:
    """Both halves with their weights; `find` imports the modules of a person's own classes."""
    config = _plain(settings["config"])
    path = file_of(files, "weights")
    state = as_float(read(path))
    halves: dict[str, nn.Module] = {}
    for half, name in (("decoder", settings["module"]), ("encoder", settings["encoder"])):
        own = part_of(state, half, path)
        if name:
            halves[half] = module_of(name, config, find)
            fitted(halves[half], own, f"the {half} of this pythae model")
        else:
            halves[half] = built(partial(_usual, half, config, own), own, path)
    owner = no_gradient(nn.ModuleDict(halves))
    last = "sigmoid" if not settings["module"] else last_of(halves["decoder"])
    return Halves(halves["decoder"], halves["encoder"], owner, last=last)


class Encoder(nn.Module):
    """One hidden layer, then the point and, where there are weights for it, its log-variance."""

    def __init__(self, size: int, dim: int, further: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(size, HIDDEN), nn.ReLU())])
        self.embedding = nn.Linear(HIDDEN, dim)
        self.further = further
        if further:
            self.add_module(further, nn.Linear(HIDDEN, 1 if further == "log_concentration" else dim))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        hidden = self.layers[0](x.flatten(1))
        point: Tensor = self.embedding(hidden)
        if self.further == "log_concentration":  # points of a sphere
            return point / point.norm(dim=1, keepdim=True)
        return (point, self.get_submodule("log_var")(hidden)) if self.further else point


class Decoder(nn.Module):
    """One hidden layer, then the pixels, squashed."""

    def __init__(self, dim: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU())
        last = nn.Sequential(nn.Linear(HIDDEN, math.prod(shape)), nn.Sigmoid())
        self.layers = nn.ModuleList([first, last])
        self.shape = shape

    def forward(self, z: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](z)).reshape(-1, *self.shape)


def _usual(half: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """pythae's own net of this half."""
    shape, dim = tuple(map(int, config["input_dim"])), int(config["latent_dim"])
    if half == "decoder":
        return Decoder(dim, shape)
    names = {name.partition(".")[0] for name in state}
    further = next((name for name in ("log_var", "log_concentration") if name in names), "")
    return Encoder(math.prod(shape), dim, further)


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / MODEL).is_file():
        raise BadData(f"{folder} has pythae's {CONFIG}, but no weights beside it ({MODEL}).")
    try:
        found = json.loads((folder / CONFIG).read_bytes())
        assert found["name"] and int(found["latent_dim"]) > 0
        assert found["input_dim"] and all(int(size) > 0 for size in found["input_dim"])
        return found
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise BadData(
            f"{folder / CONFIG} is no configuration of pythae's with name, input_dim and latent_dim "
            f"({type(error).__name__}: {error})."
        ) from error


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """The values that a net's class may ask for."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k.isidentifier()}
