"""Auto-encoders of diffusers, whose points are small images: scaled as diffusion models scale them.

A point here is what a diffusion model works on: of the scale where its coordinates vary by about 1.
Rombach et al. 2022, https://arxiv.org/abs/2112.10752
"""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadData, BadRun, NotHere, NotSupported, ZatlasError, first_line
from zatlas.models.bring.brought import Asked, Halves, Taken, file_of, no_gradient
from zatlas.models.bring.programs import quiet
from zatlas.models.bring.weights import read
from zatlas.models.installed import imported, python_path

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
NAMES = ("AutoencoderKL", "AutoencoderTiny")
GROWTH = 2  # times the weights of the file that the net may have
USUAL = 64  # pixels of an image, where neither the folder nor the person says


def here(folder: Path) -> bool:
    """Whether diffusers saved it, or it is a pipeline of diffusers with an auto-encoder in it."""
    return (_inner(folder) / CONFIG).is_file()


def take(folder: Path, side: Path, asked: Asked) -> Taken:
    """Its configuration and weights."""
    folder = _inner(folder)
    config = _config(folder)
    found = sorted(folder.glob("diffusion_pytorch_model*.safetensors"))
    if not found:
        raise NotSupported(
            f"{folder} has no {WEIGHTS}. Weights of diffusers are read as safetensors alone: save the "
            "model again with safe_serialization=True."
        )
    plain = [path for path in found if path.name == WEIGHTS]
    shutil.copyfile((plain or found)[0], side / WEIGHTS)
    shutil.copyfile(folder / CONFIG, side / CONFIG)
    channels, factor = int(config["latent_channels"]), _factor(config)
    usual = int(config.get("sample_size") or USUAL)
    shape = asked.shape or (channels, max(usual // factor, 1), max(usual // factor, 1))
    scale = float(config.get("scaling_factor") or 1.0)
    told = (
        f"A diffusers {config['_class_name']}: each point is {channels} channels of {shape[-2]}x{shape[-1]}, "
        f"1/{factor} of the image's side; other sizes work too, as --shape {channels},32,32.",
        f"Points are in the scale of diffusion models ({scale:g} times the net's own). Its prior is only "
        "a stand-in: a diffusion model is meant to say which points are images.",
    )
    return Taken(
        "diffusers",
        {"config": CONFIG, "weights": WEIGHTS},
        {"class": config["_class_name"]},
        (tuple(shape),),
        pixels="signed",
        layout="nchw",
        told=told,
    )


def load(files: Mapping[str, Path], settings: Mapping[str, Any]) -> Halves:
    """The auto-encoder, by diffusers itself."""
    name = settings["class"]
    if name not in NAMES:
        raise NotSupported(f"Of diffusers, {' and '.join(NAMES)} are known, not {name!r}.")
    try:
        library = imported("diffusers", python_path(file_of(files, "weights").parent))
    except ImportError as error:
        raise NotHere(
            f"This model needs diffusers to run ({first_line(error)}): pip install diffusers"
        ) from error
    folder = file_of(files, "weights").parent
    config = json.loads(file_of(files, "config").read_bytes())
    family = getattr(library, name)
    _check(family, config, folder, files)
    try:
        with quiet("diffusers"):
            model: nn.Module = family.from_pretrained(
                folder,
                use_safetensors=True,
                local_files_only=True,
                low_cpu_mem_usage=False,
                torch_dtype=torch.float32,
            )
    except ZatlasError:
        raise
    except Exception as error:  # diffusers has many
        raise BadData(f"diffusers cannot read {folder}: {first_line(error)}.") from error
    both = AutoEncoder(no_gradient(model), config)
    return Halves(both.decode, both.encode, both, batch=16)


def _check(family: Any, config: Any, folder: Path, files: Mapping[str, Path]) -> None:
    """Refuse an index, which names other files, and a net that is far larger than its weights."""
    if index := next(iter(folder.glob("*.index*.json")), None):
        raise BadRun(f"{index} names other files to read weights from: it is refused.")
    many = sum(one.numel() for one in read(file_of(files, "weights")).values())
    try:
        with quiet("diffusers"), torch.device("meta"):  # no memory is taken
            wanted = sum(one.numel() for one in family.from_config(config).state_dict().values())
    except Exception as error:  # a configuration can be wrong in every way that a net can fail
        raise BadRun(f"{folder / CONFIG} describes no net: {first_line(error)}.") from error
    if wanted > GROWTH * many:
        raise BadRun(f"{folder / CONFIG} describes a net of {wanted:,} weights, and {many:,} are there.")


class AutoEncoder(nn.Module):
    """The net of diffusers with the scale of its points."""

    def __init__(self, net: nn.Module, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.net = net
        self.scale = float(config.get("scaling_factor") or 1.0)
        self.shift = float(config.get("shift_factor") or 0.0)
        self.into = cast(Callable[..., Any], net.encode)
        self.out = cast(Callable[..., Any], net.decode)

    def decode(self, z: Tensor) -> Tensor:
        images: Tensor = self.out(z / self.scale + self.shift, return_dict=False)[0]
        return images

    def encode(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        found = self.into(x, return_dict=False)[0]
        if isinstance(found, Tensor):
            return (found - self.shift) * self.scale
        return (found.mean - self.shift) * self.scale, found.std * self.scale


def _inner(folder: Path) -> Path:
    return folder / "vae" if (folder / "vae" / CONFIG).is_file() else folder


def _factor(config: Mapping[str, Any]) -> int:
    """How many pixels of a side one number of a point stands for."""
    return 2 ** (len(config.get("block_out_channels") or [0]) - 1)


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CONFIG).read_bytes())
        if found["_class_name"] in NAMES and int(found["latent_channels"]) > 0:
            return found
        raise NotSupported(
            f"{folder} holds a {found['_class_name']} of diffusers; {' and '.join(NAMES)} can be brought."
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadData(f"{folder / CONFIG} is no configuration of diffusers: {error}.") from error
