"""Import auto-encoders of diffusers. Their latents are small images, scaled as in diffusion models.

The scaling factor gives latents a standard deviation of about 1 per dimension.
Rombach et al. 2022, https://arxiv.org/abs/2112.10752
"""

import json
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadData, BadRun, NotFound, NotSupported, ZatlasError, first_line
from zatlas.models.importers.imported import Halves, ImportOptions, SourceInfo, file_of, no_gradient, read
from zatlas.models.importers.importer import Importer
from zatlas.models.importers.programs import quiet
from zatlas.models.installed import imported, python_path

CONFIG, WEIGHTS = "config.json", "diffusion_pytorch_model.safetensors"
NAMES = ("AutoencoderKL", "AutoencoderTiny", "AutoencoderDC", "VQModel")
MAX_GROWTH = 2  # number of weights of the net over that of the file
DEFAULT_SIDE = 64  # pixels, if neither the configuration nor the user gives the size


class Diffusers(Importer):
    """Reads folders that diffusers saved."""

    summary = "a folder saved by diffusers"
    data_only = True

    def matches(self, source: Path) -> bool:
        """Return whether diffusers saved this folder."""
        return (_inner(source) / CONFIG).is_file()

    def write(self, source: Path, folder: Path, options: ImportOptions) -> SourceInfo:
        """Copy the configuration and the weights into the run."""
        source = _inner(source)
        config = _config(source)
        files = sorted(source.glob("diffusion_pytorch_model*.safetensors"))
        if not files:
            raise NotSupported(
                f"{source} has no {WEIGHTS}. zatlas reads weights of diffusers only as safetensors: save the "
                "model again with safe_serialization=True."
            )
        exact = [path for path in files if path.name == WEIGHTS]
        shutil.copyfile((exact or files)[0], folder / WEIGHTS)
        shutil.copyfile(source / CONFIG, folder / CONFIG)
        channels, factor = int(config.get("vq_embed_dim") or config["latent_channels"]), _factor(config)
        side_pixels = int(config.get("sample_size") or DEFAULT_SIDE)
        shape = options.shape or (channels, max(side_pixels // factor, 1), max(side_pixels // factor, 1))
        scale = float(config.get("scaling_factor") or 1.0)
        lines: tuple[str, ...] = (
            f"A diffusers {config['_class_name']}: each latent has {channels} channels of "
            f"{shape[-2]}x{shape[-1]}, 1/{factor} of the image's side. "
            f"Other sizes work too, as {channels},32,32 (--shape; in Python: shape=).",
            f"Latents have the scale of diffusion models ({scale:g} times the net's own). The normal prior "
            "is only a substitute for the diffusion model, which defines which latents are images.",
        )
        if config["_class_name"] == "VQModel":
            how = f"moves each to the nearest of {config.get('num_vq_embeddings')} codebook vectors first"
            how = how if _quantizes(config) else "takes them as they are, as its pipelines do"
            lines = (*lines, f"Latents are not quantized; the decoder {how}.")
        return SourceInfo(
            "diffusers",
            {"config": CONFIG, "weights": WEIGHTS},
            {"class": config["_class_name"]},
            (tuple(shape),),
            pixels="signed",
            layout="nchw",
            lines=lines,
        )

    def load(self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str) -> Halves:
        """Return encoder and decoder with their weights."""
        name = settings["class"]
        if name not in NAMES:
            raise NotSupported(f"zatlas imports {' and '.join(NAMES)} of diffusers, not {name!r}.")
        try:
            library = imported("diffusers", python_path(file_of(files, "weights").parent))
        except ImportError as error:
            raise NotFound(
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
        except Exception as error:  # diffusers has many kinds of errors
            raise BadData(f"diffusers cannot read {folder}: {first_line(error)}.") from error
        scaled = AutoEncoder(no_gradient(model), config)
        return Halves(scaled.decode, scaled.encode, scaled, batch=16)


def _check(family: Any, config: Any, folder: Path, files: Mapping[str, Path]) -> None:
    """Raise `BadRun` for an index of other files, or a net that is far larger than its weights."""
    if index := next(iter(folder.glob("*.index*.json")), None):
        raise BadRun(
            f"{index} refers to other files, which zatlas does not read. Save the model as one file."
        )
    count = sum(tensor.numel() for tensor in read(file_of(files, "weights")).values())
    try:
        with quiet("diffusers"), torch.device("meta"):  # allocates no memory
            state = family.from_config(config).state_dict()
    except Exception as error:  # a wrong configuration can make a net fail in any way
        raise BadRun(f"{folder / CONFIG} does not describe a net: {first_line(error)}.") from error
    size = sum(tensor.numel() for tensor in state.values())
    if size > MAX_GROWTH * count:
        raise BadRun(f"{folder / CONFIG} describes a net of {size:,} weights, but the file has {count:,}.")


class AutoEncoder(nn.Module):
    """A net of diffusers whose latents are shifted and scaled as in diffusion models."""

    def __init__(self, net: nn.Module, config: Mapping[str, Any]) -> None:
        super().__init__()
        self.net = net
        self.scale = float(config.get("scaling_factor") or 1.0)
        self.shift = float(config.get("shift_factor") or 0.0)
        self.net_encode = cast(Callable[..., Any], net.encode)
        decode = cast(Callable[..., Any], net.decode)
        quantizes = config.get("_class_name") != "VQModel" or _quantizes(config)
        self.net_decode = decode if quantizes else partial(decode, force_not_quantize=True)

    def decode(self, z: Tensor) -> Tensor:
        images: Tensor = self.net_decode(z / self.scale + self.shift, return_dict=False)[0]
        return images

    def encode(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        output = self.net_encode(x, return_dict=False)[0]
        if isinstance(output, Tensor):
            return (output - self.shift) * self.scale
        return (output.mean - self.shift) * self.scale, output.std * self.scale


def _inner(folder: Path) -> Path:
    """Return the folder of the auto-encoder in a pipeline, else the folder itself."""
    return folder / "vae" if (folder / "vae" / CONFIG).is_file() else folder


def _factor(config: Mapping[str, Any]) -> int:
    """Return the downsampling factor between image and latent."""
    blocks = config.get("block_out_channels") or config.get("encoder_block_out_channels") or [0]
    return 2 ** (len(blocks) - 1)


def _quantizes(config: Mapping[str, Any]) -> bool:
    """Return whether a VQModel decodes codebook vectors; those with spatial norms decode any latents."""
    return config.get("norm_type") != "spatial"


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_bytes())
        if config["_class_name"] in NAMES and int(config["latent_channels"]) > 0:
            return config
        raise NotSupported(
            f"{folder} holds a {config['_class_name']} of diffusers; {' and '.join(NAMES)} can be imported."
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise BadData(f"{folder / CONFIG} is not a configuration of diffusers: {error}.") from error
