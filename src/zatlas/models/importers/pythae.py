"""Import folders that pythae saved: configuration and weights, without unpickling code.

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
from zatlas.models.importers.imported import (
    Find,
    Halves,
    ImportOptions,
    Layout,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.importers.importer import Importer
from zatlas.models.importers.pickle_file import state_of
from zatlas.models.importers.state_dict import FILE, last_of, load_exactly, module_of, part_of
from zatlas.models.installed import imported
from zatlas.models.safe_build import build_checked

CONFIG, MODEL = "model_config.json", "model.pt"
WITHOUT_PRIOR = ("AE", "RAE_GP", "RAE_L2")  # their latents have no fixed distribution
UNSUPPORTED = ("VQVAE", "HRQVAE", "PoincareVAE", "HVAE")  # their latents are not in a Euclidean space
HIDDEN = 512  # units of pythae's own nets


class Pythae(Importer):
    """Reads folders that pythae saved."""

    summary = "a folder saved by pythae"
    data_only = True  # a class that the user names needs consent of its own

    def matches(self, source: Path) -> bool:
        """Return whether pythae saved this folder."""
        return (source / CONFIG).is_file()

    def write(self, source: Path, folder: Path, options: ImportOptions) -> SourceInfo:
        """Write the configuration and the weights into the run."""
        config = _config(source)
        family = str(config["name"]).removesuffix("Config").removesuffix("_")
        if family in UNSUPPORTED:
            raise NotSupported(
                f"The latents of a {family} of pythae are not in a Euclidean space, which zatlas needs. "
                "Import another model of pythae."
            )
        path = folder / FILE
        state_of(source / MODEL, path, "model_state_dict")
        state = read(path)
        save_file({k: v for k, v in state.items() if k.startswith(("encoder.", "decoder."))}, path)
        encoder = options.encoder if isinstance(options.encoder, str) else None
        for half, module in (("encoder", encoder), ("decoder", options.module)):
            if not config.get(f"uses_default_{half}", True) and module is None:
                option = "module" if half == "decoder" else "encoder"
                raise NotSupported(
                    f"The {half} of {source} is a custom net, saved as a pickle ({half}.pkl), which is never "
                    f"read. Name its class: --{option} package.module:Class. Without arguments, it is called "
                    "with pythae's configuration."
                )
        shape = tuple(int(size) for size in config["input_dim"])
        prior: Prior = "none" if family in WITHOUT_PRIOR else "sphere" if family == "SVAE" else "normal"
        settings = {"module": options.module or "", "encoder": encoder or "", "config": config}
        lines = (
            f"A {family} saved by pythae for images of {shape}, with "
            f"{'its own nets' if not options.module else options.module}; nothing was unpickled.",
        )
        layouts: dict[int, Layout] = {3: "nchw", 2: "nhw", 1: "flat"}
        return SourceInfo(
            "pythae",
            {"weights": FILE},
            settings,
            ((int(config["latent_dim"]),),),
            prior=prior,
            layout=layouts.get(len(shape)),
            lines=lines,
        )

    def load(
        self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str, find: Find = imported
    ) -> Halves:
        """Return encoder and decoder with their weights."""
        config = _keywords(settings["config"])
        path = file_of(files, "weights")
        state = as_float(read(path))
        halves: dict[str, nn.Module] = {}
        for half, name in (("decoder", settings["module"]), ("encoder", settings["encoder"])):
            weights = part_of(state, half, path)
            if name:
                halves[half] = module_of(name, config, find)
                load_exactly(halves[half], weights, f"the {half} of this pythae model")
            else:
                halves[half] = build_checked(partial(_default_net, half, config, weights), weights, path)
        owner = no_gradient(nn.ModuleDict(halves))
        last = "sigmoid" if not settings["module"] else last_of(halves["decoder"])
        return Halves(halves["decoder"], halves["encoder"], owner, last=last)


class Encoder(nn.Module):
    """One hidden layer, then the latent and, if `second` names it, the log-variance."""

    def __init__(self, size: int, dim: int, second: str) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Sequential(nn.Linear(size, HIDDEN), nn.ReLU())])
        self.embedding = nn.Linear(HIDDEN, dim)
        self.second = second
        if second:
            self.add_module(second, nn.Linear(HIDDEN, 1 if second == "log_concentration" else dim))

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        hidden = self.layers[0](x.flatten(1))
        z: Tensor = self.embedding(hidden)
        if self.second == "log_concentration":  # latents on the sphere
            return z / z.norm(dim=1, keepdim=True)
        return (z, self.get_submodule("log_var")(hidden)) if self.second else z


class Decoder(nn.Module):
    """One hidden layer, then the pixels through a sigmoid."""

    def __init__(self, dim: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        first = nn.Sequential(nn.Linear(dim, HIDDEN), nn.ReLU())
        last = nn.Sequential(nn.Linear(HIDDEN, math.prod(shape)), nn.Sigmoid())
        self.layers = nn.ModuleList([first, last])
        self.shape = shape

    def forward(self, z: Tensor) -> Tensor:
        return self.layers[1](self.layers[0](z)).reshape(-1, *self.shape)


def _default_net(half: str, config: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """Return pythae's default encoder or decoder."""
    shape, dim = tuple(map(int, config["input_dim"])), int(config["latent_dim"])
    if half == "decoder":
        return Decoder(dim, shape)
    names = {name.partition(".")[0] for name in state}
    second = next((name for name in ("log_var", "log_concentration") if name in names), "")
    return Encoder(math.prod(shape), dim, second)


def _config(folder: Path) -> dict[str, Any]:
    if not (folder / MODEL).is_file():
        raise BadData(f"{folder} has {CONFIG} of pythae, but no weights ({MODEL}). Add that file.")
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        assert config["name"] and int(config["latent_dim"]) > 0
        assert config["input_dim"] and all(int(size) > 0 for size in config["input_dim"])
        return config
    except (OSError, ValueError, TypeError, KeyError, AssertionError) as error:
        raise BadData(
            f"{folder / CONFIG} is not a configuration of pythae with name, input_dim and latent_dim "
            f"({type(error).__name__}: {error}). Save the model again."
        ) from error


def _keywords(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as attributes for a custom class; lists become tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in config.items() if k.isidentifier()}
