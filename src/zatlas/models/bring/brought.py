"""What is known of a brought model, and how its own numbers become points and images of ours."""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from zatlas.core.errors import BadRun, ProgramFailed, UnknownName, ZatlasError, first_line
from zatlas.core.space import Prior, Space
from zatlas.models.generator import Generator
from zatlas.models.nets import Shape

PixelRange = Literal["unit", "signed", "bytes", "logits"]  # 0..1, -1..1, 0..255, before a sigmoid
Layout = Literal["nchw", "nhwc", "nhw", "flat"]
Spread = Literal["none", "deviation", "log_variance"]  # what an encoder says besides its points

Half = Callable[..., Any]  # one half of a model in its own terms


@dataclass(frozen=True)
class Asked:
    """What the person said of the model; the rest is found out."""

    net: str | None = None
    key: str | None = None
    module: str | None = None
    encoder: Any = None
    shape: tuple[int, ...] | None = None
    prior: Prior | None = None
    pixels: PixelRange | None = None
    layout: Layout | None = None
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, kind in (("prior", Prior), ("pixels", PixelRange), ("layout", Layout)):
            value = getattr(self, name)
            if value is not None and value not in get_args(kind):
                raise UnknownName(f"value of --{name}", str(value), get_args(kind))
        if self.shape is not None and (not self.shape or min(self.shape) < 1):
            raise UnknownName("shape of a point", str(self.shape), ("100", "100,1,1", "4,64,64"))


@dataclass(frozen=True)
class Taken:
    """What a source turned out to be; its files are in the run by now."""

    kind: str
    files: Mapping[str, str]  # by what each is: decoder, encoder, weights, config, codes
    settings: Mapping[str, Any] = field(default_factory=dict)  # of its kind
    shapes: tuple[tuple[int, ...], ...] = ()  # of a point: the only one, or those worth a try
    why: str = "a program does not say what it takes"  # why the shape cannot be known
    prior: Prior = "normal"
    pixels: PixelRange | None = None
    layout: Layout | None = None
    told: tuple[str, ...] = ()  # in plain words


@dataclass(frozen=True)
class Halves:
    """A model in its own terms: it takes points of its shape and gives whatever it gives."""

    decode: Half
    encode: Half | None = None
    owner: nn.Module | None = None  # of the weights, where torch knows them
    last: str = ""  # its last operation, where that is known
    labelled: bool = False  # it wants a label with each point
    batch: int = 256  # rows that it takes at once


@dataclass(frozen=True)
class Brought:
    """The table `brought` of a run's made.json: enough, with the files, to use the model again."""

    kind: str
    files: Mapping[str, str]
    settings: Mapping[str, Any]
    shape: tuple[int, ...]
    image: tuple[int, ...]  # channels, height, width
    prior: Prior
    pixels: PixelRange
    layout: Layout
    spread: Spread
    classes: tuple[str, ...]
    digest: str = ""  # SHA-256 of the files


class Adapted(nn.Module):
    """A brought model as the rest of the library wants it: images in [0, 1], channels first."""

    def __init__(self, brought: Brought, halves: Halves) -> None:
        super().__init__()
        self.brought = brought
        self.halves = halves
        self.owner = halves.owner

    def decode(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Images of points in the model's own shape."""
        told = (z, y) if self.halves.labelled else (z,)
        about = self.brought
        with explained("decoder", about, z):
            raw = tensor_of(self.halves.decode(*told), "reconstruction", "sample").float()
            planes = to_planes(raw, about.layout, about.image)
        if tuple(planes.shape[1:]) != tuple(about.image):
            raise ProgramFailed(
                f"The decoder gives images of {tuple(planes.shape[1:])}, and the run says "
                f"{tuple(about.image)}. Bring the model again: zatlas bring SOURCE --out RUN"
            )
        return to_unit(planes, about.pixels).clamp(0, 1)

    def encode(self, x: Tensor, y: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        """Points of images, or their means and standard deviations."""
        assert self.halves.encode is not None
        about = self.brought
        with explained("encoder", about, x):
            raw = from_planes(from_unit(x, about.pixels), about.layout)
            told = (raw, y) if self.halves.labelled else (raw,)
            mean, spread = points_of(self.halves.encode(*told))
        if spread is None or about.spread == "none":
            return mean.float()
        wide = (spread / 2).exp() if about.spread == "log_variance" else spread
        return mean.float(), wide.float()


@contextmanager
def explained(half: str, brought: Brought, given: Tensor) -> Iterator[None]:
    """Turn whatever a model's own code raises into one sentence; memory that runs out stays itself."""
    try:
        yield
    except (ZatlasError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # somebody else's code
        raise ProgramFailed(
            f"The {half} of this run failed on an array {tuple(given.shape)}: {first_line(error)}. If it "
            "worked before, bring the model again: zatlas bring SOURCE --out RUN"
        ) from error


def generator(brought: Brought, halves: Halves, device: str = "cpu") -> Generator:
    """The model as the rest of the library sees it."""
    model = Adapted(brought, halves).to(device).eval()
    encode = None if halves.encode is None else model.encode
    space = Space(tuple(brought.shape), brought.prior)
    return Generator(space, model.decode, encode, brought.classes, device, halves.batch)


def tensor_of(found: Any, *names: str) -> Tensor:
    """The one tensor that matters of what a model gave: a tensor, a tuple, a table or an object."""
    if isinstance(found, Tensor):
        return found
    if isinstance(found, Mapping):
        known = [*(found[name] for name in names if name in found), *found.values()]
        return tensor_of(known[0], *names)
    if isinstance(found, (tuple, list)) and found:
        return tensor_of(found[0], *names)
    for name in names:
        if isinstance(inner := getattr(found, name, None), Tensor):
            return inner
    raise BadRun(f"The model gave a {type(found).__name__}, and images were expected of it.")


def points_of(found: Any) -> tuple[Tensor, Tensor | None]:
    """Points and what an encoder says of their spread, if it does."""
    if isinstance(found, (tuple, list)) and len(found) > 1:
        second = found[1]
        alike = isinstance(second, Tensor) and second.shape == tensor_of(found[0]).shape
        return tensor_of(found[0]), second if alike else None
    if isinstance(found, Mapping) and "log_covariance" in found:
        return tensor_of(found, "embedding"), found["log_covariance"]
    return tensor_of(found, "embedding", "latents"), None


def in_turns(call: Half, rows: tuple[Tensor, ...], size: int) -> Any:
    """What a half that takes exactly so many rows at once makes of any number; the last are padded."""
    parts = []
    for i in range(0, len(rows[0]), size):
        some = [one[i : i + size] for one in rows]
        count = len(some[0])
        full = [torch.cat([one, one[:1].expand(size - count, *one.shape[1:])]) for one in some]
        found = call(*full)
        parts.append([part[:count] for part in (found if isinstance(found, tuple) else (found,))])
    joined = tuple(torch.cat(same) for same in zip(*parts, strict=True))
    return joined[0] if len(joined) == 1 else joined


def to_unit(raw: Tensor, pixels: PixelRange) -> Tensor:
    """Pixels of the model's range as pixels from 0 to 1."""
    if pixels == "logits":
        return raw.sigmoid()
    return {"unit": raw, "signed": (raw + 1) / 2, "bytes": raw / 255}[pixels]


def from_unit(x: Tensor, pixels: PixelRange) -> Tensor:
    """The way back; a model whose answers are logits is shown pixels from 0 to 1."""
    return {"unit": x, "signed": 2 * x - 1, "bytes": 255 * x, "logits": x}[pixels]


def to_planes(raw: Tensor, layout: Layout, image: tuple[int, ...]) -> Tensor:
    """Channels first."""
    if layout == "nhwc":
        return raw.permute(0, 3, 1, 2)
    return raw.reshape(-1, *image) if layout in ("nhw", "flat") else raw


def from_planes(x: Tensor, layout: Layout) -> Tensor:
    """The way back."""
    if layout == "nhwc":
        return x.permute(0, 2, 3, 1)
    return {"nhw": x[:, 0], "flat": x.flatten(1), "nchw": x}[layout]


def shape_of(image: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """The shape of an image as a model of this layout has it."""
    channels, height, width = image
    return {
        "nchw": (channels, height, width),
        "nhwc": (height, width, channels),
        "nhw": (height, width),
        "flat": (channels * height * width,),
    }[layout]


def as_shape(image: tuple[int, ...]) -> Shape:
    """Channels, height and width."""
    channels, height, width = image
    return channels, height, width


def words_of(shape: tuple[int, ...]) -> str:
    """A shape as one writes it on the command line, with its coordinates if that is not the same."""
    text = ",".join(map(str, shape))
    return text if len(shape) == 1 else f"{text} ({math.prod(shape):,} coordinates)"


def no_gradient(module: nn.Module) -> nn.Module:
    """The module ready to be used, not to be trained."""
    return module.eval().requires_grad_(False)


def as_float(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in 32 bits, whatever they were kept in."""
    return {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def file_of(files: Mapping[str, Path], role: str) -> Path:
    """The file of this role."""
    if role not in files:
        raise BadRun(f"The run says nothing of its {role}: bring the model again.")
    return files[role]
