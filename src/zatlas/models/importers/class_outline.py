"""Python lines of a class that fits weights without their net, for the user to complete."""

import re
from collections.abc import Mapping

from torch import Tensor

MAX_LAYERS = 12  # of an outline


def outline(state: Mapping[str, Tensor]) -> str:
    """Return a class with the layers that the shapes show; the user adds the order and the activations."""
    layers = [line for name, tensor in state.items() if (line := _layer(name, tensor))]
    lines = [
        "from torch import nn",
        "class Net(nn.Module):",
        "    def __init__(self):",
        "        super().__init__()",
        *(f"        # {line}" for line in layers[:MAX_LAYERS]),
        *(["        # ..."] if len(layers) > MAX_LAYERS else []),
        "    def decode(self, z):",
        "        return ...  # images (n, channels, height, width)",
    ]
    return "\n".join(lines)


def _layer(name: str, tensor: Tensor) -> str:
    """Return a layer by the shape of its weights; "" for others, and for odd names."""
    if not re.fullmatch(r"[\w.]{1,100}", name):
        return ""  # such a name could put code into what the user copies
    base, _, kind = name.rpartition(".")
    sizes = [int(size) for size in tensor.shape]
    if kind == "weight" and len(sizes) == 2:
        return f"{base}: nn.Linear({sizes[1]}, {sizes[0]})"
    if kind == "weight" and len(sizes) == 4:
        kernel = f"{sizes[2]}" if sizes[2] == sizes[3] else f"({sizes[2]}, {sizes[3]})"
        return (
            f"{base}: nn.Conv2d({sizes[1]}, {sizes[0]}, {kernel}) or "
            f"nn.ConvTranspose2d({sizes[0]}, {sizes[1]}, {kernel})"
        )
    return f"{base}: nn.BatchNorm2d({sizes[0]})" if kind == "running_mean" else ""
