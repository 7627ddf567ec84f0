"""Import folders of pytorch-pretrained-biggan: the generator of BigGAN-deep, without that package."""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from zatlas.core.errors import BadData, BadRecipe, NotFound
from zatlas.core.settings import fill
from zatlas.models.device import channels_last
from zatlas.models.importers.imported import (
    Halves,
    ImportOptions,
    InnerSpace,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.importers.importer import Importer
from zatlas.models.importers.pickle_file import state_of
from zatlas.models.importers.state_dict import FILE
from zatlas.models.nets_biggan import CHANNELS, BigGANDeep, BigGANGenerator
from zatlas.models.nets_biggan_plain import BigGANPlain
from zatlas.models.safe_build import build_checked

CONFIG, WEIGHTS = "config.json", ("pytorch_model.bin", "model.safetensors")
KEYS = ("n_stats", "attention_layer_position", "layers")  # of its config.json, in no other one
BATCH = 8  # images of up to 512 pixels
NAMES = (  # of the reference, and ours
    ("embeddings", "embedding"),
    ("generator.gen_z", "start"),
    ("generator.bn", "norm"),
    ("generator.conv_to_rgb", "image"),
)
ATTENTION = {
    "snconv1x1_theta.weight": "query.weight",
    "snconv1x1_phi.weight": "key.weight",
    "snconv1x1_g.weight": "value.weight",
    "snconv1x1_o_conv.weight": "out.weight",
    "gamma": "strength",
}


def biggan_info(
    kind: str, config: BigGANDeep | BigGANPlain, classes: int, truncation: float, lines: tuple[str, ...]
) -> SourceInfo:
    """Return what is known about a BigGAN of either kind."""
    return SourceInfo(
        kind,
        {"weights": FILE},
        {"config": asdict(config), "truncation": truncation},
        ((config.z_dim,),),
        pixels="signed",
        layout="nchw",
        lines=lines,
        classes=tuple(map(str, range(classes))),
    )


class BigGAN(Importer):
    """Reads folders of pytorch-pretrained-biggan."""

    summary = "a folder of pytorch-pretrained-biggan"
    data_only = True

    def matches(self, source: Path) -> bool:
        """Return whether a folder has the configuration of a BigGAN-deep."""
        try:
            return set(KEYS) <= set(json.loads((source / CONFIG).read_bytes()))
        except (OSError, ValueError, TypeError):
            return False

    def write(self, source: Path, folder: Path, options: ImportOptions) -> SourceInfo:
        """Convert the weights, and write them into the run."""
        config = _config(json.loads((source / CONFIG).read_bytes()), source / CONFIG)
        weights = next((source / name for name in WEIGHTS if (source / name).is_file()), None)
        if weights is None:
            raise NotFound(f"{source} has a {CONFIG} and no {WEIGHTS[0]}. Add the weights.")
        target = folder / FILE
        if weights.suffix == ".bin":
            state_of(weights, target, options.key)
        state = read(target if weights.suffix == ".bin" else weights)
        state = renamed(as_float(state), config, weights)
        build_checked(lambda: BigGANGenerator(config), state, weights)
        save_file(state, target)
        truncation = 1.0 if options.truncation is None else options.truncation
        lines = (
            f"A BigGAN-deep of {config.side} pixels with {config.num_classes} classes.",
            f"Truncation: {truncation:g}, the factor on the latents, with its own statistics in the norms. "
            "--truncation 0.4 (in Python: truncation=) makes images more typical and less varied.",
        )
        return biggan_info("biggan", config, config.num_classes, truncation, lines)

    def load(self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str) -> Halves:
        """Return the generator with its weights."""
        config, truncation = _config(settings["config"], "imported.settings.config"), settings["truncation"]
        if not 0 <= truncation <= 1:
            raise BadRecipe(f"truncation must be a number from 0 to 1, not {truncation:g}.")
        path = file_of(files, "weights")
        net = build_checked(lambda: BigGANGenerator(config), as_float(read(path)), path)
        assert isinstance(net, BigGANGenerator)
        net.set_truncation(float(truncation))
        channels_last(no_gradient(net))
        rows = InnerSpace((2, config.z_dim), net.rows, net.from_rows)
        spaces = {"embedding": rows}
        return Halves(net, None, net, last="tanh", labelled=True, batch=BATCH, spaces=spaces)


def renamed(state: Mapping[str, Tensor], config: BigGANDeep, source: Path) -> dict[str, Tensor]:
    """Return weights of the reference with our names, and with spectral norms applied."""
    result = {}
    for name, tensor in _normalized(state).items():
        new = _name(name, config)
        if new is None:
            raise BadData(f"{source} has weights {name!r}, which a BigGAN-deep does not have.")
        if new == "embedding.weight":
            tensor = tensor.T  # there a linear layer from one-hot labels
        elif new in ("image.weight", "image.bias"):
            tensor = tensor[:CHANNELS]  # the others are computed there and dropped
        result[new] = tensor.contiguous().clone()
    return result


def _normalized(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Divide each weight with a spectral norm by its largest singular value, as the file estimates it.

    Miyato et al. 2018, https://arxiv.org/abs/1802.05957
    """
    result = {}
    for name, tensor in state.items():
        base = name.removesuffix("_orig")
        u, v = state.get(f"{base}_u"), state.get(f"{base}_v")
        if name.endswith("_orig") and base not in state and u is not None:
            matrix = tensor.flatten(1)
            v = torch.nn.functional.normalize(matrix.T @ u, dim=0) if v is None else v
            result[base] = tensor / (u @ matrix @ v)
        elif not name.endswith(("_orig", "_u", "_v")):
            result[name] = tensor
    return result


def _name(name: str, config: BigGANDeep) -> str | None:
    """Return our name of a weight of the reference; None if it has none."""
    for theirs, ours in NAMES:
        if name.startswith(f"{theirs}."):
            return f"{ours}.{_norm_part(name.removeprefix(f'{theirs}.'), ours == 'norm')}"
    match = re.fullmatch(r"generator\.layers\.(\d+)\.(.+)", name)
    if match is None:
        return None
    # The attention is a layer of that list too.
    number, position = int(match[1]), config.attention_layer_position
    if number == position:
        return f"attention.{ATTENTION[match[2]]}" if match[2] in ATTENTION else None
    number -= number > position
    part = re.fullmatch(r"(bn|conv)_(\d)\.(.+)", match[2])
    if part is None:
        return None
    kind = {"bn": "norms", "conv": "convs"}[part[1]]
    return f"blocks.{number}.{kind}.{part[2]}.{_norm_part(part[3], part[1] == 'bn')}"


def _norm_part(name: str, in_norm: bool) -> str:
    if not in_norm:
        return name
    name = {"weight": "gain", "running_means": "means", "running_vars": "variances"}.get(name, name)
    return name.replace("scale.", "gain.").replace("offset.", "bias.")


def _config(table: Mapping[str, Any], origin: object) -> BigGANDeep:
    """Return the sizes in a config.json of the reference, or in the description of a run."""
    names = {field.name for field in fields(BigGANDeep)}
    values = {name: value for name, value in table.items() if name in names}
    try:
        layers = values["layers"]
        values["layers"] = [[int(size) for size in layer] for layer in layers]
        config: BigGANDeep = fill(BigGANDeep, values, "config")
        return config
    except (KeyError, TypeError, ValueError, BadRecipe) as error:
        raise BadData(f"{origin} is not a configuration of a BigGAN-deep: {error}") from error
