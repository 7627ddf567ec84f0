"""Import the weights of ProGAN generators with the names of genforce."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from zatlas.core.errors import BadData
from zatlas.core.settings import fill
from zatlas.models.importers.imported import (
    Halves,
    ImportOptions,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.importers.state_dict import FILE
from zatlas.models.nets_progan import ProGAN, ProGANGenerator
from zatlas.models.safe_build import build_checked

BATCH = 8  # images of up to 1024 pixels


def recognize(
    state: Mapping[str, Tensor], target: Path, options: ImportOptions, lines: tuple[str, ...]
) -> SourceInfo | None:
    """Write the weights of a ProGAN under our names; return None for other weights."""
    if "layer0.weight" not in state or "output0.weight" not in state:
        return None
    config = config_of(state, options)
    state = renamed(as_float(state))
    build_checked(lambda: ProGANGenerator(config), state, target)
    save_file(state, target)
    widths = "-".join(map(str, config.widths))
    net = f"Net: ProGAN of {config.side} pixels, {widths} channels, inferred from the weights."
    more = []
    if config.classes:
        more.append(f"Its first layer takes {config.dim} dimensions and {config.classes} classes.")
    if config.lod:
        more.append(f"It was still growing: its last {config.lod:g} sizes are not trained.")
    return SourceInfo(
        "progan",
        {"weights": FILE},
        {"config": asdict(config)},
        ((config.dim,),),
        pixels="signed",
        layout="nchw",
        lines=(*lines, net, *more),
        classes=tuple(map(str, range(config.classes))),
    )


def load(files: Mapping[str, Path], settings: Mapping[str, Any]) -> Halves:
    """Return the generator with its weights."""
    config: ProGAN = fill(ProGAN, settings["config"], "imported.settings.config")
    path = file_of(files, "weights")
    net = no_gradient(build_checked(lambda: ProGANGenerator(config), as_float(read(path)), path))
    return Halves(net, None, net, labelled=bool(config.classes), batch=BATCH)


def config_of(state: Mapping[str, Tensor], options: ImportOptions) -> ProGAN:
    """Infer the sizes from the shapes. With --shape, further inputs of the first layer are classes."""
    count = len([name for name in state if re.fullmatch(r"output\d+\.weight", name)])
    try:
        widths = tuple(len(state[f"layer{2 * number}.bias"]) for number in range(count))
        first = [tuple(state[f"layer{2 * number}.weight"].shape[:2]) for number in range(count)]
        inputs, channels = first[0][1], len(state["output0.bias"])
    except (KeyError, IndexError) as error:
        raise BadData(f"These weights are not those of a whole ProGAN: they lack {error}.") from None
    dim = options.shape[0] if options.shape else inputs
    # A transposed convolution has its inputs first. Only sizes that change the channels show which it is.
    pairs = list(zip(widths, widths[1:], first[1:], strict=False))
    fused = any(before != after and shape == (before, after) for before, after, shape in pairs)
    lod = float(state["lod"]) if "lod" in state else 0.0
    values = {
        "dim": dim,
        "widths": widths,
        "channels": channels,
        "classes": max(inputs - dim, 0),
        "fused": fused,
        "lod": lod,
    }
    config: ProGAN = fill(ProGAN, values, "weights")
    return config


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights of the reference with our names."""
    result = {}
    for name, tensor in state.items():
        layer = re.fullmatch(r"layer(\d+)\.(weight|bias)", name)
        image = re.fullmatch(r"output(\d+)\.(weight|bias)", name)
        if layer:
            result[f"blocks.{int(layer[1]) // 2}.{int(layer[1]) % 2}.{layer[2]}"] = tensor
        elif image:
            result[f"images.{image[1]}.{image[2]}"] = tensor
        elif name != "lod":
            raise BadData(f"These weights have {name!r}, which a ProGAN does not have.")
    return {name: tensor.contiguous().clone() for name, tensor in result.items()}
