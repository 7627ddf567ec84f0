"""Names, gains and sizes of StyleGAN3, from the tensors and arguments of a network pickle."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from zatlas.core.errors import BadData
from zatlas.core.settings import fill
from zatlas.models.importers.network_pickle import Network
from zatlas.models.nets_stylegan3 import StyleGAN3

FIRST = "synthesis.input.freqs"  # a tensor that only a StyleGAN3 has

# Names in the files, and zatlas's names.
NAMES = (
    (r"mapping\.fc(\d+)\.(weight|bias)", r"mapping.linear.\1.\2"),
    (r"mapping\.embed\.(weight|bias)", r"mapping.embedding.\1"),
    (r"mapping\.w_avg", "mapping.mean"),
    (r"synthesis\.input\.affine\.(weight|bias)", r"synthesis.input.style.\1"),
    (r"synthesis\.input\.freqs", "synthesis.input.frequencies"),
    (r"synthesis\.input\.(weight|transform|phases)", r"synthesis.input.\1"),
    (r"synthesis\.L(\d+)_\d+_\d+\.affine\.(weight|bias)", r"synthesis.blocks.\1.style.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.(weight|bias|up_filter|down_filter)", r"synthesis.blocks.\1.\2"),
    (r"synthesis\.L(\d+)_\d+_\d+\.magnitude_ema", r"synthesis.blocks.\1.gain"),
)
ARGUMENTS = {
    "img_resolution": "side",
    "img_channels": "channels",
    "z_dim": "z_dim",
    "c_dim": "classes",
    "w_dim": "w_dim",
    "channel_base": "base",
    "channel_max": "widest",
    "num_layers": "blocks",
    "num_critical": "critical",
    "first_cutoff": "first_cutoff",
    "first_stopband": "first_stopband",
    "last_stopband_rel": "last_stopband",
    "margin_size": "margin",
    "output_scale": "scale",
    "conv_kernel": "kernel",
    "filter_size": "taps",
    "lrelu_upsampling": "oversampling",
    "use_radial_filters": "radial",
}


def converted(
    state: Mapping[str, Tensor], network: Network, source: Path
) -> tuple[StyleGAN3, dict[str, Tensor]]:
    """Return the sizes of the generator, and its tensors under zatlas's names with their gains."""
    config = _config(network)
    result = {}
    for name, value in state.items():
        new = next((match.expand(to) for at, to in NAMES if (match := re.fullmatch(at, name))), None)
        if new is None:
            raise BadData(f"{source} has the tensor {name!r}, which a StyleGAN3 does not have.")
        result[new] = value * _gain(new, value, network)
        if new.endswith(".gain"):
            result[new] = value.rsqrt()
        elif re.fullmatch(r"synthesis\.blocks\.\d+\.weight", new) and f".{config.blocks}." not in new:
            # Demodulation cancels the magnitude of these weights.
            result[new] = value * value.square().mean((1, 2, 3), keepdim=True).rsqrt()
    return config, result


def _gain(name: str, value: Tensor, network: Network) -> float:
    """Return the gain of the equalized learning rate of a tensor."""
    gain = 1.0
    if name.startswith("mapping.linear."):
        gain = float(network.attributes.get("mapping.fc0", {}).get("bias_gain", 0.01))
    return gain / math.sqrt(value[0].numel()) if name.endswith(".weight") else gain


def _config(network: Network) -> StyleGAN3:
    values: dict[str, Any] = {
        new: network.arguments[name] for name, new in ARGUMENTS.items() if name in network.arguments
    }
    table = network.arguments.get("mapping_kwargs")
    if isinstance(table, dict) and "num_layers" in table:
        values["depth"] = table["num_layers"]
    first = next((table for path, table in network.attributes.items() if ".L0_" in path), {})
    values["clamp"] = first.get("conv_clamp", 0.0)
    config: StyleGAN3 = fill(StyleGAN3, values, "the arguments of the network")
    return config
