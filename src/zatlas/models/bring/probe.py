"""Finding out what a model takes and gives, by its last layer and by a few points; in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zatlas.core.errors import BadData, NotSupported, ZatlasError, first_line
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.models.bring.brought import (
    Asked,
    Brought,
    Halves,
    Layout,
    PixelRange,
    Spread,
    Taken,
    from_planes,
    from_unit,
    points_of,
    tensor_of,
    to_planes,
    to_unit,
    words_of,
)

TRIED = 8  # points
CLASSES = 1000  # most that a label is tried for
ALIKE = 3  # labels with the same image are none
SQUASHED: dict[str, PixelRange] = {"sigmoid": "unit", "tanh": "signed", "hardtanh": "signed"}
RANGES: dict[PixelRange, str] = {
    "unit": "0 to 1",
    "signed": "-1 to 1",
    "bytes": "0 to 255",
    "logits": "logits, before a sigmoid",
}
LAYOUTS: dict[Layout, str] = {
    "nchw": "channels first",
    "nhwc": "channels last",
    "nhw": "without a channel axis",
    "flat": "as rows of pixels",
}
SIDES = ((1, "grey"), (3, "colour"))
BARELY = 0.02  # that a squashed pixel may lie outside its range
STRAYED = 2.5  # pixels beyond it are no overshoot of -1..1


@dataclass(frozen=True)
class Found:
    """A shape that the decoder takes, and what it gave for a few points of it."""

    shape: tuple[int, ...]
    raw: Tensor


def concluded(taken: Taken, halves: Halves, asked: Asked) -> tuple[Brought, tuple[str, ...]]:
    """What a model is, of what was said, what its files say, and what it does; and that in words."""
    prior = asked.prior or taken.prior
    classes = asked.classes or _classes(taken, halves, asked)
    found = _tried(taken, halves, asked)
    layout, image = _layout(found.raw, asked.layout or taken.layout)
    planes = to_planes(found.raw, layout, image)
    pixels, why = _pixels(planes, halves.last, asked.pixels or taken.pixels, bool(asked.pixels))
    points, spread = _spread(halves, to_unit(planes, pixels).clamp(0, 1), pixels, layout, found.shape)
    brought = Brought(
        taken.kind,
        taken.files,
        taken.settings,
        found.shape,
        image,
        prior,
        pixels,
        layout,
        spread,
        tuple(classes),
    )
    channels, height, width = image
    kind = dict(SIDES)[channels]
    told = [
        *taken.told,
        f"Points: {words_of(found.shape)}; prior: {_prior_words(prior, bool(asked.prior))}.",
        f"Images: {kind}, {width}x{height}, {LAYOUTS[layout]}; pixels {RANGES[pixels]} ({why}).",
        points,
    ]
    if classes:
        told.append(f"It is told one of {len(classes)} classes.")
    return brought, tuple(told)


def few_points(shape: tuple[int, ...], count: int = TRIED) -> Tensor:
    """A few points of a normal distribution."""
    z = stream(0, "probe").standard_normal((count, *shape), dtype="float32")
    return torch.from_numpy(z)


def _tried(taken: Taken, halves: Halves, asked: Asked) -> Found:
    shapes = (asked.shape,) if asked.shape else taken.shapes
    if not shapes:
        raise NotSupported(
            f"How large a point is cannot be known: {taken.why}. Say it with --shape, as --shape 100, "
            "--shape 100,1,1 or --shape 4,64,64."
        )
    reason = ""
    for shape in shapes:
        try:
            raw = _decoded(halves, shape)
        except ZatlasError:
            raise
        except Exception as error:  # somebody else's code, in a shape that may be wrong
            reason = reason or first_line(error)
            continue
        if raw.ndim >= 2 and raw[0].numel() > 1:
            return Found(tuple(shape), raw)
        reason = reason or f"it gives {tuple(raw.shape)}, which are no images"
    tried = " or ".join(",".join(map(str, shape)) for shape in shapes)
    raise BadData(
        f"The decoder does not take points of {tried}: {reason}. Say with --shape what it takes, "
        "as --shape 100,1,1."
    )


def _decoded(halves: Halves, shape: tuple[int, ...]) -> Tensor:
    z = few_points(shape)
    told = (z, torch.zeros(len(z), dtype=torch.int64)) if halves.labelled else (z,)
    with torch.no_grad():
        rows = [
            tensor_of(halves.decode(*(one[i : i + halves.batch] for one in told)), "reconstruction", "sample")
            for i in range(0, len(z), halves.batch)
        ]
    return torch.cat(rows).float().cpu()


def _layout(raw: Tensor, said: Layout | None) -> tuple[Layout, tuple[int, ...]]:
    """Where the channels are, and the shape of an image."""
    sizes = tuple(int(size) for size in raw.shape[1:])
    if not torch.isfinite(raw).all():
        raise BadData(
            "The decoder gives pixels that are no numbers (NaN or infinite) for normal points: its "
            "weights are damaged, or it needs points of another --shape."
        )
    guess: Layout | None = said
    if guess is None and len(sizes) == 3:
        guess = "nchw" if sizes[0] in (1, 3) else "nhwc" if sizes[2] in (1, 3) else None
    elif guess is None:
        guess = {2: "nhw", 1: "flat"}.get(len(sizes))  # type: ignore[assignment]
    if guess == "nchw" and len(sizes) == 3:
        image: tuple[int, ...] = sizes
    elif guess == "nhwc" and len(sizes) == 3:
        image = (sizes[2], sizes[0], sizes[1])
    elif guess == "nhw" and len(sizes) == 2:
        image = (1, *sizes)
    elif guess == "flat":
        image = _square(int(raw[0].numel()))
    else:
        image = ()
    if len(image) != 3 or image[0] not in (1, 3):
        raise NotSupported(
            f"The decoder gives {sizes} for a point: no image of 1 or 3 channels is seen in that"
            + (f" as --layout {said}" if said else "")
            + ". Wrap it in a module that gives (n, channels, height, width)."
        )
    return guess or "nchw", image


def _square(count: int) -> tuple[int, ...]:
    for channels, _ in SIDES:
        side = round((count / channels) ** 0.5)
        if side * side * channels == count:
            return channels, side, side
    return ()


def _pixels(planes: Tensor, last: str, said: PixelRange | None, by_person: bool) -> tuple[PixelRange, str]:
    """The range of the pixels, and how it is known."""
    low, high = float(planes.min()), float(planes.max())
    seen = f"{TRIED} normal points gave {low:.3g} to {high:.3g}"
    if said is not None:
        return said, f"{'as you said' if by_person else 'as such models have'}; {seen}"
    if last in SQUASHED:
        return SQUASHED[last], f"its last layer is a {last}; {seen}"
    if low >= -BARELY and high <= 1 + BARELY:
        return "unit", seen
    if low >= -STRAYED and high <= STRAYED:
        return "signed", seen
    if low >= -BARELY * 255 and 16 < high <= 255 * (1 + BARELY):
        return "bytes", seen
    return "logits", f"{seen}, beyond any range of pixels"


def _spread(
    halves: Halves, x: Tensor, pixels: PixelRange, layout: Layout, shape: tuple[int, ...]
) -> tuple[str, Spread]:
    """What the encoder says of its points, and whether it gives such points at all."""
    if halves.encode is None:
        return "No encoder: images have no points until they are searched for.", "none"
    rows = from_planes(from_unit(x, pixels), layout)
    told = (rows, torch.zeros(len(rows), dtype=torch.int64)) if halves.labelled else (rows,)
    try:
        with torch.no_grad():
            mean, second = points_of(halves.encode(*told))
    except ZatlasError:
        raise
    except Exception as error:  # somebody else's code
        raise BadData(
            f"The encoder does not take the decoder's images {tuple(rows.shape[1:])}: {first_line(error)}."
        ) from error
    size = Space(shape).dim
    if mean.numel() != len(x) * size:
        raise BadData(
            f"The encoder gives {mean[0].numel()} numbers an image, and the decoder takes {size}: they "
            "are not of one model."
        )
    if second is None:
        return "Encoder: a point for each image.", "none"
    if float(second.min()) < 0:
        return "Encoder: a point for each image, and the logarithm of its variance.", "log_variance"
    return "Encoder: a point for each image, and its standard deviation.", "deviation"


def _classes(taken: Taken, halves: Halves, asked: Asked) -> Sequence[str]:
    """The labels that a decoder takes, found by trying: names are not in the file."""
    if not halves.labelled:
        return ()
    shapes = (asked.shape,) if asked.shape else taken.shapes
    if not shapes:
        return ()
    z, seen = few_points(shapes[0], 1), []
    for label in range(CLASSES):
        try:
            with torch.no_grad():
                seen.append(tensor_of(halves.decode(z, torch.tensor([label]))).cpu())
        except ZatlasError:
            raise
        except Exception as error:  # the first that is no class
            if label == 0:
                raise BadData(f"The decoder does not take a label: {first_line(error)}.") from error
            return tuple(map(str, range(label)))
        # Beyond the last class, a row of zeros and a one is all zeros, whatever the label.
        if label >= ALIKE and all(torch.equal(one, seen[-1]) for one in seen[-ALIKE:]):
            return tuple(map(str, range(label + 1 - ALIKE)))
    raise NotSupported(
        "The decoder takes a label, and any: how many classes there are cannot be known. Bring it from "
        "Python and name them: zatlas.import_model(..., classes=('cat', 'dog'))."
    )


def _prior_words(prior: str, said: bool) -> str:
    words = {"normal": "standard normal", "sphere": "even on the unit sphere", "none": "none"}[prior]
    return words if said else f"{words}, as usual"
