"""Settings of an ONNX classifier: names of its outputs, and how it takes the pixels of an image.

They come from the command line (FILE.onnx:names=angry,happy,channels=bgr), from a file FILE.onnx.json
beside the classifier, or from a run that has predictions of the same file. The first that has a setting
is used.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.core.settings import fill, setting_types
from zatlas.models.importers.imported import PixelRange, from_planes, from_unit

ImageLayout = Literal["nchw", "nhwc"]
ChannelOrder = Literal["rgb", "bgr"]

LISTS = ("names", "mean", "std")  # settings with several values
NUMBERS = ("mean", "std")
EXAMPLE = '{"names": ["angry", "happy"], "mean": [0.485, 0.456, 0.406], "channels": "bgr"}'


@dataclass(frozen=True)
class OnnxSettings:
    """What the user states about an ONNX classifier; zatlas infers what is empty or None."""

    names: tuple[str, ...] = ()  # of the outputs
    pixels: PixelRange | None = None  # range of the pixels, before `mean` and `std`
    mean: tuple[float, ...] = ()  # subtracted from the pixels; one, or one for each channel
    std: tuple[float, ...] = ()  # divides the pixels; one, or one for each channel
    channels: ChannelOrder = "rgb"
    layout: ImageLayout | None = None

    def __post_init__(self) -> None:
        if repeated := [name for name in self.names if self.names.count(name) > 1]:
            raise BadRecipe(f"Two outputs of the classifier have the name {repeated[0]!r}. Name each once.")
        if min(self.std, default=1) <= 0:
            raise BadRecipe("Each std of a classifier must be above 0.")


def input_of(images: Tensor, settings: OnnxSettings, pixels: PixelRange, layout: ImageLayout) -> Tensor:
    """Return the array that the classifier takes for images (n, c, h, w) in [0, 1]."""
    x = images.flip(1) if settings.channels == "bgr" else images
    x = from_unit(x, pixels)
    x = (x - _per_channel(settings.mean, 0.0, x, "mean")) / _per_channel(settings.std, 1.0, x, "std")
    return from_planes(x, layout)


def _per_channel(values: Sequence[float], default: float, x: Tensor, name: str) -> Tensor:
    """Return a value for each channel, with shape (c, 1, 1) or (1, 1, 1)."""
    if len(values) > 1 and len(values) != x.shape[1]:
        raise BadRecipe(
            f"{name} has {len(values)} values, and the classifier takes {x.shape[1]} channels. Give one "
            "value, or one for each channel."
        )
    return torch.tensor(values or (default,), dtype=x.dtype, device=x.device).reshape(-1, 1, 1)


def read_settings(path: Path, options: str, stored: Mapping[str, Any]) -> OnnxSettings:
    """Return the settings of the classifier at `path`: of the command line, its JSON file, or a run."""
    file = path.with_name(f"{path.name}.json")
    values = {**stored, **_from_file(file), **_from_text(options)}
    return fill(OnnxSettings, values, str(file) if file.is_file() else path.name)


def _from_file(path: Path) -> dict[str, Any]:
    """The settings in a JSON file, which are checked later; none if there is no file."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadRecipe(f"{path} is not JSON: {error}. Write settings such as {EXAMPLE}.") from error
    if not isinstance(values, dict):
        raise BadRecipe(f"{path} must hold a table of settings, such as {EXAMPLE}.")
    return values


def _from_text(options: str) -> dict[str, Any]:
    """The settings in "names=angry,happy,channels=bgr"; a part without a setting continues the last list."""
    hints = setting_types(OnnxSettings)
    result: dict[str, Any] = {}
    last = ""
    for part in filter(None, options.split(",")):
        key, equals, value = part.partition("=")
        if equals and key in hints:
            last, result[key] = key, [value] if key in LISTS else value
        elif last in LISTS:
            result[last].append(part)
        else:
            raise UnknownName("setting of an ONNX classifier", key, hints)
    return {
        key: [_number(v, key) for v in value] if key in NUMBERS else value for key, value in result.items()
    }


def _number(text: str, key: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadRecipe(f"{key}={text} is not a number. Give {key}=0.5 or {key}=0.485,0.456,0.406.") from None
