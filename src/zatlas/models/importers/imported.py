"""The description of an imported model, and the adapter from its own arrays to latents and images."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from zatlas.core.errors import (
    BadData,
    BadRecipe,
    BadRun,
    Damaged,
    ProgramFailed,
    UnknownName,
    ZatlasError,
    first_line,
)
from zatlas.core.space import MappedSpace, Prior, Space
from zatlas.models.generator import Decoder, Generator
from zatlas.models.nets import Shape
from zatlas.store.headers import check_header

if TYPE_CHECKING:
    from zatlas.models.nets_discriminator import Discriminator

PixelRange = Literal["unit", "signed", "bytes", "logits"]  # [0, 1], [-1, 1], [0, 255], before a sigmoid
Layout = Literal["nchw", "nhwc", "nhw", "flat", "rgba", "rgba_last"]
Find = Callable[[str], ModuleType]  # imports a module by its name
NoiseInput = Literal["fixed", "zero", "random"]  # the stored noise, none, or another one
StdSource = Literal["none", "std", "log_variance"]  # the second output of an encoder

RGBA = 4  # channels of an image with opacity
MAX_TRUNCATION = 2  # values above 1 move w away from its mean

Half = Callable[..., Any]  # the encoder or the decoder, with its own input and output formats


@dataclass(frozen=True)
class ImportOptions:
    """What the user states about the model; the importer infers everything that is None."""

    key: str | None = None
    module: str | None = None
    encoder: Any = None
    shape: tuple[int, ...] | None = None
    prior: Prior | None = None
    pixels: PixelRange | None = None
    layout: Layout | None = None
    classes: tuple[str, ...] = ()
    truncation: float | None = None  # psi of a StyleGAN, factor of a BigGAN; None for 1
    truncation_layers: int | None = None  # first layers of w that it moves; None for all
    noise: NoiseInput | None = None  # in the layers of a StyleGAN2; None for "fixed"
    latents: Path | None = None  # a file of latents that the decoder takes, instead of a prior

    def __post_init__(self) -> None:
        for name, kind in (
            *(("prior", Prior), ("pixels", PixelRange)),
            *(("layout", Layout), ("noise", NoiseInput)),
        ):
            value = getattr(self, name)
            if value is not None and value not in get_args(kind):
                raise UnknownName(name, str(value), get_args(kind))
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            raise UnknownName("shape of a latent", str(self.shape), ("100", "100,1,1", "4,64,64"))
        if self.truncation is not None and not 0 <= self.truncation <= MAX_TRUNCATION:
            raise BadRecipe(f"The truncation goes from 0 to {MAX_TRUNCATION}, not {self.truncation:g}.")
        if self.truncation_layers is not None and self.truncation_layers < 1:
            raise BadRecipe(
                f"The number of truncated layers must be at least 1, not {self.truncation_layers}."
            )


@dataclass(frozen=True)
class SourceInfo:
    """What the importer read from a source, whose files are now in the run."""

    kind: str
    files: Mapping[str, str]  # by role: decoder, encoder, weights, config, latents, labels
    settings: Mapping[str, Any] = field(default_factory=dict)  # specific to the kind
    shapes: tuple[tuple[int, ...], ...] = ()  # of a latent: the known shape, or candidates to try
    why: str = "a program does not say what it takes"  # why the shape is unknown
    prior: Prior = "normal"
    pixels: PixelRange | None = None
    layout: Layout | None = None
    lines: tuple[str, ...] = ()  # lines about the model for the user
    classes: tuple[str, ...] = ()  # of a conditional model, if the source says how many there are


@dataclass(frozen=True)
class Halves:
    """A decoder and an optional encoder with their own input and output formats."""

    decode: Half
    encode: Half | None = None
    owner: nn.Module | None = None  # the module that holds the weights, if there is one
    last: str = ""  # name of its last operation, if known
    labelled: bool = False  # it takes a label with each latent
    batch: int = 256  # maximum number of rows per call
    spaces: "Mapping[str, InnerSpace]" = field(default_factory=dict)  # inside it, in this order
    realism: "Discriminator | None" = None  # the discriminator: images of the model's range to numbers (n,)
    coarse: "Coarse | None" = None


@dataclass(frozen=True)
class Coarse:
    """A quick decoder of small images from the same latents: the first layers of the model."""

    decode: Half
    side: int  # pixels of the images


@dataclass(frozen=True)
class InnerSpace:
    """A latent space inside a model: what maps the space before it there, and what decodes from there."""

    shape: tuple[int, ...]
    map: Half  # takes latents of the space before it; those of the input with their labels
    decode: Half
    mean: Tensor | None = None  # the center of its latents, if the model stores it
    coarse: Coarse | None = None


@dataclass(frozen=True)
class ImportedModel:
    """The table `imported` of a run's made.json, from which the model is opened again."""

    kind: str
    files: Mapping[str, str]
    settings: Mapping[str, Any]
    shape: tuple[int, ...]
    image: tuple[int, ...]  # channels, height, width
    prior: Prior
    pixels: PixelRange
    layout: Layout
    std: StdSource
    classes: tuple[str, ...]
    digest: str = ""  # SHA-256 of the files


class Adapter(nn.Module):
    """An imported model with zatlas's formats: images (n, c, h, w) in [0, 1]."""

    def __init__(self, info: ImportedModel, halves: Halves) -> None:
        super().__init__()
        self.info = info
        self.halves = halves
        self.owner = halves.owner
        self.discriminator = halves.realism

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return images for latents (n, *shape)."""
        inputs = (z, y) if self.halves.labelled else (z,)
        about = self.info
        with explained("decoder", z):
            raw = tensor_of(self.halves.decode(*inputs), "reconstruction", "sample").float()
            planes = to_planes(raw, about.layout, about.image)
        images = opaque(to_unit(planes, about.pixels).clamp(0, 1))
        if tuple(images.shape[1:]) != tuple(about.image):
            raise ProgramFailed(
                f"The decoder returns images of shape {tuple(planes.shape[1:])}, but the run records "
                f"{tuple(about.image)}. Import the model again: zatlas import SOURCE --out RUN"
            )
        return images

    def realism(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the discriminator's numbers (n,) for images."""
        assert self.discriminator is not None
        scores: Tensor = self.discriminator(from_planes(from_unit(x, self.info.pixels), self.info.layout), y)
        return scores

    def levels(self, x: Tensor) -> list[Tensor]:
        """Return the discriminator's features (n, width, side, side) of images at each side."""
        assert self.discriminator is not None
        return self.discriminator.levels(from_planes(from_unit(x, self.info.pixels), self.info.layout))

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Return latents of images, or their means and standard deviations."""
        assert self.halves.encode is not None
        about = self.info
        with explained("encoder", x):
            raw = from_planes(from_unit(x, about.pixels), about.layout)
            inputs = (raw, y) if self.halves.labelled else (raw,)
            mean, second = latents_of(self.halves.encode(*inputs))
        if second is None or about.std == "none":
            return mean.float()
        std = (second / 2).exp() if about.std == "log_variance" else second
        return mean.float(), std.float()


@contextmanager
def explained(half: str, array: Tensor) -> Iterator[None]:
    """Turn errors of the model's own code into `ProgramFailed`; running out of memory stays as it is."""
    try:
        yield
    except (ZatlasError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # third-party code
        raise ProgramFailed(
            f"The {half} of this run failed for an array of shape {tuple(array.shape)}: {first_line(error)}. "
            "If it worked before, import the model again: zatlas import SOURCE --out RUN"
        ) from error


def generator(info: ImportedModel, halves: Halves, device: str = "cpu") -> Generator:
    """Return the `Generator` that calls this model on this device."""
    model = Adapter(info, halves).to(device).eval()
    encode = None if halves.encode is None else model.encode
    space = Space(tuple(info.shape), info.prior)
    outer = Generator(space, model.decode, encode, info.classes, device, halves.batch)
    critic = None if halves.realism is None else model.realism
    outer = replace(outer, critic=critic, coarse=_coarse(info, halves, device))
    return replace(outer, spaces=_inner_generators(outer, info, halves))


def _coarse(info: ImportedModel, halves: Halves, device: str) -> Decoder | None:
    """Return the quick decoder of small images; None if the model has none."""
    if halves.coarse is None:
        return None
    small = replace(info, image=(info.image[0], halves.coarse.side, halves.coarse.side))
    return Adapter(small, replace(halves, decode=halves.coarse.decode)).to(device).eval().decode


def _inner_generators(outer: Generator, info: ImportedModel, halves: Halves) -> dict[str, Generator]:
    """Return the generators that decode from the spaces inside a model."""
    result, before = {}, outer
    for name, inner in halves.spaces.items():
        decoder = replace(
            halves,
            decode=inner.decode,
            encode=None,
            labelled=False,
            spaces={},
            realism=None,
            coarse=inner.coarse,
        )
        space = MappedSpace(
            inner.shape,
            source=before.space,
            map=partial(before.apply, inner.map),
            classes=info.classes,
            mean=None if inner.mean is None else inner.mean.reshape(1, -1).cpu().numpy(),
        )
        adapter = Adapter(info, decoder).to(outer.device).eval()
        before = Generator(space, adapter.decode, None, (), outer.device, halves.batch, critic=outer.critic)
        before = replace(before, coarse=_coarse(info, decoder, outer.device))
        result[name] = before
    return result


def tensor_of(output: Any, *names: str) -> Tensor:
    """Return the main tensor of a model's output, which may be a tensor, tuple, mapping or object."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, np.ndarray) and output.dtype.kind in "fiub":
        return torch.from_numpy(np.ascontiguousarray(output))
    if isinstance(output, Mapping):
        values = [*(output[name] for name in names if name in output), *output.values()]
        return tensor_of(values[0], *names)
    if isinstance(output, (tuple, list)) and output:
        return tensor_of(output[0], *names)
    for name in names:
        if isinstance(value := getattr(output, name, None), Tensor):
            return value
    raise BadRun(
        f"The model returned a {type(output).__name__} instead of a tensor. Wrap it in a module that "
        "returns one tensor."
    )


def latents_of(output: Any) -> tuple[Tensor, Tensor | None]:
    """Return the latents of an encoder's output, and its second output of the same shape, if any."""
    if isinstance(output, (tuple, list)) and len(output) > 1:
        second = output[1]
        same_shape = isinstance(second, Tensor) and second.shape == tensor_of(output[0]).shape
        return tensor_of(output[0]), second if same_shape else None
    if isinstance(output, Mapping) and "log_covariance" in output:
        return tensor_of(output, "embedding"), output["log_covariance"]
    return tensor_of(output, "embedding", "latents"), None


def in_batches(call: Half, rows: tuple[Tensor, ...], size: int) -> Any:
    """Call a function of exactly `size` rows for any number of rows; the last call is padded."""
    parts = []
    for i in range(0, len(rows[0]), size):
        batch = [array[i : i + size] for array in rows]
        count = len(batch[0])
        padded = [torch.cat([array, array[:1].expand(size - count, *array.shape[1:])]) for array in batch]
        output = call(*padded)
        parts.append([part[:count] for part in (output if isinstance(output, tuple) else (output,))])
    joined = tuple(torch.cat(arrays) for arrays in zip(*parts, strict=True))
    return joined[0] if len(joined) == 1 else joined


def to_unit(raw: Tensor, pixels: PixelRange) -> Tensor:
    """Return pixels of the model's range scaled to [0, 1]."""
    if pixels == "logits":
        return raw.sigmoid()
    return {"unit": raw, "signed": (raw + 1) / 2, "bytes": raw / 255}[pixels]


def from_unit(x: Tensor, pixels: PixelRange) -> Tensor:
    """Return pixels in [0, 1] scaled to the model's range; a model that outputs logits takes [0, 1]."""
    return {"unit": x, "signed": 2 * x - 1, "bytes": 255 * x, "logits": x}[pixels]


def opaque(x: Tensor) -> Tensor:
    """Return images (n, c, h, w) in [0, 1] without their opacity: those of 4 channels over white."""
    return x if x.shape[1] != RGBA else x[:, :3] * x[:, 3:] + 1 - x[:, 3:]


def to_planes(raw: Tensor, layout: Layout, image: tuple[int, ...]) -> Tensor:
    """Return images of this layout as (n, c, h, w)."""
    if layout in ("nhwc", "rgba_last"):
        return raw.permute(0, 3, 1, 2)
    return raw.reshape(-1, *image) if layout in ("nhw", "flat") else raw


def from_planes(x: Tensor, layout: Layout) -> Tensor:
    """Return images (n, c, h, w) in this layout."""
    if layout in ("rgba", "rgba_last"):
        x = torch.cat((x, torch.ones_like(x[:, :1])), dim=1)
        return x if layout == "rgba" else x.permute(0, 2, 3, 1)
    if layout == "nhwc":
        return x.permute(0, 2, 3, 1)
    return {"nhw": x[:, 0], "flat": x.flatten(1), "nchw": x}[layout]


def shape_of(image: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """Return the shape of an image in this layout."""
    channels, height, width = image
    return {
        "nchw": (channels, height, width),
        "nhwc": (height, width, channels),
        "rgba": (RGBA, height, width),
        "rgba_last": (height, width, RGBA),
        "nhw": (height, width),
        "flat": (channels * height * width,),
    }[layout]


def as_shape(image: tuple[int, ...]) -> Shape:
    """Return the shape as exactly three sizes: channels, height, width."""
    channels, height, width = image
    return channels, height, width


def shape_text(shape: tuple[int, ...]) -> str:
    """Return a shape as on the command line; with its number of dimensions if it has several axes."""
    text = ",".join(map(str, shape))
    return text if len(shape) == 1 else f"{text} ({math.prod(shape):,} dimensions)"


def no_gradient(module: nn.Module) -> nn.Module:
    """Put a module in evaluation mode without gradients, and return it."""
    return module.eval().requires_grad_(False)


def as_float(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with all floating-point tensors in 32 bits."""
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def file_of(files: Mapping[str, Path], role: str) -> Path:
    """Return the file of this role; `BadRun` if there is none."""
    if role not in files:
        raise BadRun(
            f"The run has no file for its {role}. Import the model again: zatlas import SOURCE --out RUN"
        )
    return files[role]


def read(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, after checking the sizes in its header."""
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, RuntimeError, Damaged) as error:
        raise BadData(f"{path} cannot be read as safetensors: {first_line(error)}.") from error
