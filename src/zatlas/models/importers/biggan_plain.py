"""Import the weights of BigGAN (not deep) with the names of the authors' PyTorch code."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import normalize

from zatlas.core.errors import BadData
from zatlas.core.settings import fill
from zatlas.models.importers.biggan import biggan_info
from zatlas.models.importers.imported import (
    Halves,
    ImportOptions,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.nets_biggan_plain import BigGANPlain
from zatlas.models.safe_build import build_checked

BATCH = 8  # images of up to 512 pixels
STATISTICS = r"(?:bn\.)?(?:stored_|running_)(mean|var)"
NAMES = (  # of the file, and ours
    (r"shared\.weight", "embedding.weight"),
    (r"linear\.(weight|bias)", r"start.\1"),
    (r"blocks\.(\d+)\.0\.bn(\d)\.(gain|bias)\.weight", r"blocks.\1.norm\2.\3.weight"),
    (
        r"blocks\.(\d+)\.0\.bn(\d)\.(?:bn\.)?(?:stored_|running_)(mean|var)",
        r"blocks.\1.norm\2.norm.running_\3",
    ),
    (r"blocks\.(\d+)\.0\.conv(\d)\.(weight|bias)", r"blocks.\1.conv\2.\3"),
    (r"blocks\.(\d+)\.0\.conv_sc\.(weight|bias)", r"blocks.\1.shortcut.\2"),
    (r"blocks\.\d+\.1\.theta\.weight", "attention.query.weight"),
    (r"blocks\.\d+\.1\.phi\.weight", "attention.key.weight"),
    (r"blocks\.\d+\.1\.g\.weight", "attention.value.weight"),
    (r"blocks\.\d+\.1\.o\.weight", "attention.out.weight"),
    (r"blocks\.\d+\.1\.gamma", "attention.strength"),
    (r"output_layer\.0\.gain", "norm.weight"),
    (r"output_layer\.0\.bias", "norm.bias"),
    (rf"output_layer\.0\.{STATISTICS}", r"norm.running_\1"),
    (r"output_layer\.2\.(weight|bias)", r"image.\1"),
)
IGNORED = r".*\.(u\d+|sv\d+|accumulation_counter|num_batches_tracked)"


def recognize(
    state: Mapping[str, Tensor], target: Path, options: ImportOptions, lines: tuple[str, ...]
) -> SourceInfo | None:
    """Write the weights of a BigGAN under our names; return None for other weights."""
    if not {"shared.weight", "blocks.0.0.bn1.gain.weight", "output_layer.2.weight"} <= state.keys():
        return None
    config, tensors = converted(as_float(state))
    build_checked(config.build, tensors, target)
    save_file(tensors, target)
    factor = 1.0 if options.truncation is None else options.truncation
    about = (
        f"Net: BigGAN of {config.side} pixels with {config.classes} classes, inferred from the weights.",
        f"Truncation: {factor:g}, the factor on the latents. The norms keep the statistics of the file; "
        "the authors compute them anew for each truncation.",
    )
    return biggan_info("biggan_plain", config, config.classes, factor, (*lines, *about))


def load(files: Mapping[str, Path], settings: Mapping[str, Any]) -> Halves:
    """Return the generator with its weights and its truncation."""
    config: BigGANPlain = fill(BigGANPlain, settings["config"], "imported.settings.config")
    path, factor = file_of(files, "weights"), float(settings["truncation"])
    net: nn.Module = no_gradient(build_checked(config.build, read(path), path))
    return Halves(lambda z, y: net(factor * z, y), None, net, labelled=True, batch=BATCH)


def converted(state: Mapping[str, Tensor]) -> tuple[BigGANPlain, dict[str, Tensor]]:
    """Return the sizes of the generator, and its tensors under our names with spectral norms applied."""
    result = {}
    for name, tensor in state.items():
        if re.fullmatch(IGNORED, name):
            continue
        new = next((match.expand(to) for at, to in NAMES if (match := re.fullmatch(at, name))), None)
        if new is None:
            raise BadData(f"These weights have {name!r}, which a BigGAN does not have.")
        u = state.get(name.removesuffix("weight") + "u0")
        result[new] = tensor if u is None else _normalized(tensor, u)
    for name in [name for name in result if name.endswith("running_mean")]:
        result[name.replace("running_mean", "num_batches_tracked")] = torch.zeros((), dtype=torch.int64)
    if "attention.strength" in result:
        result["attention.strength"] = result["attention.strength"].reshape(1)
    return _config(state, result), {name: tensor.contiguous().clone() for name, tensor in result.items()}


def _normalized(weight: Tensor, u: Tensor) -> Tensor:
    """Divide a weight by its largest singular value, as one step of the power iteration estimates it."""
    matrix = weight.flatten(1)
    v = normalize(u @ matrix)
    return weight / (v @ matrix.T @ normalize(v @ matrix.T).T).squeeze()


def _config(state: Mapping[str, Tensor], ours: Mapping[str, Tensor]) -> BigGANPlain:
    """Return the sizes of a generator from the shapes of its tensors."""
    count = len([name for name in ours if re.fullmatch(r"blocks\.\d+\.conv1\.weight", name)])
    positions = [int(match[1]) for name in state if (match := re.fullmatch(r"blocks\.(\d+)\.1\.gamma", name))]
    try:
        convs = [ours[f"blocks.{number}.conv1.weight"] for number in range(count)]
        shared = ours["embedding.weight"].shape[1]
        part = ours["blocks.0.norm1.gain.weight"].shape[1] - shared
        first = ours["start.weight"].shape[1]
    except KeyError as error:
        raise BadData(f"These weights are not those of a whole BigGAN: they lack {error}.") from None
    if len(positions) > 1:
        raise BadData("These weights have more than one attention; zatlas imports a BigGAN with one.")
    values = {
        "widths": [convs[0].shape[1], *(len(conv) for conv in convs)],
        "z_dim": first * (count + 1) if part else first,
        "shared": shared,
        "classes": len(ours["embedding.weight"]),
        "attention": next(iter(positions), -1),
        "hierarchical": part > 0,
    }
    config: BigGANPlain = fill(BigGANPlain, values, "weights")
    return config
