"""Import checkpoints of the package stylegan2-pytorch (`model_*.pt`): the mean of the generator's weights."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.core.settings import fill
from zatlas.models.importers import stylegan
from zatlas.models.importers.imported import RGBA, ImportOptions, Layout, SourceInfo, as_float
from zatlas.models.nets_stylegan2_light import StyleGAN2Light

RATE = 0.1  # of the mapping network: the factor of its weights and biases

# Names in the files, and zatlas's names.
NAMES = (
    (r"SE\.net\.(\d+)\.(weight|bias)", r"mapping.linear.\1.\2"),
    (r"GE\.initial_block", "synthesis.constant"),
    (r"GE\.to_initial_block\.weight", "synthesis.start.weight"),
    (r"GE\.initial_conv\.(weight|bias)", r"synthesis.first.\1"),
    (r"GE\.blocks\.(\d+)\.to_style(\d)\.(weight|bias)", r"synthesis.blocks.\1.conv\2.style.\3"),
    (r"GE\.blocks\.(\d+)\.to_noise(\d)\.(weight|bias)", r"synthesis.blocks.\1.noise\2.\3"),
    (r"GE\.blocks\.(\d+)\.conv(\d)\.weight", r"synthesis.blocks.\1.conv\2.weight"),
    (r"GE\.blocks\.(\d+)\.to_rgb\.to_style\.(weight|bias)", r"synthesis.blocks.\1.pixels.style.\2"),
    (r"GE\.blocks\.(\d+)\.to_rgb\.conv\.weight", r"synthesis.blocks.\1.pixels.weight"),
    (r"GE\.attns\.(\d+)\.(\d)\.fn\.norm\.([gb])", r"synthesis.attention.\1.norm\2.\3"),
    (r"GE\.attns\.(\d+)\.0\.fn\.fn\.to_q\.weight", r"synthesis.attention.\1.query.weight"),
    (r"GE\.attns\.(\d+)\.0\.fn\.fn\.to_kv\.net\.0\.weight", r"synthesis.attention.\1.around.weight"),
    (r"GE\.attns\.(\d+)\.0\.fn\.fn\.to_kv\.net\.1\.weight", r"synthesis.attention.\1.key_value.weight"),
    (r"GE\.attns\.(\d+)\.0\.fn\.fn\.to_out\.(weight|bias)", r"synthesis.attention.\1.out.\2"),
    (r"GE\.attns\.(\d+)\.1\.fn\.fn\.0\.(weight|bias)", r"synthesis.attention.\1.wide.\2"),
    (r"GE\.attns\.(\d+)\.1\.fn\.fn\.2\.(weight|bias)", r"synthesis.attention.\1.narrow.\2"),
)
NORMS = {"norm0.g": "norm1.gain", "norm0.b": "norm1.bias", "norm1.g": "norm2.gain", "norm1.b": "norm2.bias"}


def recognize(
    state: Mapping[str, Tensor], target: Path, options: ImportOptions, lines: tuple[str, ...]
) -> SourceInfo | None:
    """Write the mean generator of a checkpoint under our names; return None for other weights."""
    if not {"SE.net.0.weight", "GE.initial_conv.weight"} <= state.keys():
        return None
    config, tensors = converted(as_float(state))
    layout: Layout = "rgba" if config.channels == RGBA else "nchw"
    about = "StyleGAN2, as the package stylegan2-pytorch saves it"
    info = stylegan.written(target, target, config, tensors, options, about)
    return replace(info, pixels="unit", layout=layout, lines=(*lines, *info.lines))


def converted(state: Mapping[str, Tensor]) -> tuple[StyleGAN2Light, dict[str, Tensor]]:
    """Return the sizes of the generator, and its tensors under zatlas's names with their factors."""
    result = {}
    for name, value in state.items():
        if name.startswith(("SE.", "GE.")) and not name.endswith(".upsample.1.f"):  # the filter 1, 2, 1
            new = _renamed(name)
            result[new] = _scaled(new, value)
    config = _config(result)
    noise = stream(0, "noise").random((config.side, config.side), dtype="float32")  # uniform, as in training
    result["synthesis.noise"] = torch.from_numpy(noise)
    return config, result


def _renamed(name: str) -> str:
    new = next((match.expand(to) for at, to in NAMES if (match := re.fullmatch(at, name))), None)
    if new is None:
        raise BadData(f"These weights have {name!r}, which a StyleGAN2 of stylegan2-pytorch does not have.")
    if match := re.fullmatch(r"(mapping\.linear)\.(\d+)\.(\w+)", new):
        return f"{match[1]}.{int(match[2]) // 2}.{match[3]}"  # every second layer there is an activation
    start, end = new[: -len("norm0.g")], new[-len("norm0.g") :]
    return start + NORMS.get(end, end)


def _scaled(name: str, value: Tensor) -> Tensor:
    """Return a tensor with the shape and the factor that zatlas's net expects."""
    if name.startswith("mapping.linear."):
        return value * RATE
    if name.endswith(".style.bias"):
        return value + 1  # there the convolution adds it
    if re.fullmatch(r".*norm\d\.(gain|bias)", name):
        return value.flatten()
    return value[0] if name == "synthesis.constant" else value


def _config(state: Mapping[str, Tensor]) -> StyleGAN2Light:
    """Return the sizes of a generator from the shapes of its tensors."""
    blocks = [name for name in state if re.fullmatch(r"synthesis\.blocks\.\d+\.conv2\.weight", name)]
    depth = [name for name in state if re.fullmatch(r"mapping\.linear\.\d+\.weight", name)]
    attention = {int(name.split(".")[2]) for name in state if name.startswith("synthesis.attention.")}
    try:
        values = {
            "widths": [len(state[f"synthesis.blocks.{k}.conv2.weight"]) for k in range(len(blocks))],
            "z_dim": len(state["mapping.linear.0.bias"]),
            "depth": len(depth),
            "channels": len(state["synthesis.blocks.0.pixels.weight"]),
            "attention": sorted(attention),
            "constant": "synthesis.constant" in state,
        }
    except KeyError as error:
        raise BadData(f"These weights are not those of a whole StyleGAN2: they lack {error}.") from None
    config: StyleGAN2Light = fill(StyleGAN2Light, values, "weights")
    return config
