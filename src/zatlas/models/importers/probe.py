"""Infer the input and output formats of a model from its last layer and a few decoded latents."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadData, NotSupported, ZatlasError, first_line
from zatlas.core.seeds import stream
from zatlas.core.space import Space
from zatlas.models.importers.imported import (
    RGBA,
    Halves,
    ImportedModel,
    ImportOptions,
    Layout,
    PixelRange,
    SourceInfo,
    StdSource,
    from_planes,
    from_unit,
    latents_of,
    opaque,
    shape_text,
    tensor_of,
    to_planes,
    to_unit,
)

PROBES = 8  # latents to decode
MAX_CLASSES = 1000  # labels to try
MAX_SHAPES = 4  # of a latent, in an error message
EQUAL_IMAGES = 3  # consecutive labels with equal images, which means that the classes have ended
RANGE_OF_LAST: dict[str, PixelRange] = {"sigmoid": "unit", "tanh": "signed", "hardtanh": "signed"}
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
    "rgba": "channels first, with opacity over white",
    "rgba_last": "channels last, with opacity over white",
}
COLORS = ((1, "grey"), (3, "colour"))
TOLERANCE = 0.02  # for pixels outside their range, relative to its width
MAX_OVERSHOOT = 2.5  # largest pixel that still counts as -1 to 1


@dataclass(frozen=True)
class Probe:
    """A shape that the decoder takes, and its raw output for a few latents of that shape."""

    shape: tuple[int, ...]
    raw: Tensor


def infer(
    taken: SourceInfo, halves: Halves, options: ImportOptions, cloud: Latents | None = None
) -> tuple[ImportedModel, tuple[str, ...]]:
    """Return the description of a model and lines about it for the user.

    The model decodes some latents of `cloud` (n, dim), or standard normal latents. What the user states
    comes first, then what the files say, then what the model does.
    """
    prior = options.prior or taken.prior
    classes = _names(taken, options) or _classes(taken, halves, options)
    result = _probe(taken, halves, options, cloud)
    layout, image = _layout(result.raw, options.layout or taken.layout)
    planes = to_planes(result.raw, layout, image)
    pixels, why = _pixels(planes, halves.last, options.pixels or taken.pixels, bool(options.pixels))
    if cloud is not None:
        why = why.replace("standard normal", "of the given")
    encoder_line, std = _second_output(
        halves, opaque(to_unit(planes, pixels).clamp(0, 1)), pixels, layout, result.shape
    )
    info = ImportedModel(
        taken.kind,
        taken.files,
        taken.settings,
        result.shape,
        image,
        prior,
        pixels,
        layout,
        std,
        tuple(classes),
    )
    channels, height, width = image
    color = dict(COLORS)[channels]
    lines = [
        *taken.lines,
        f"Latents: {shape_text(result.shape)}; prior: {_prior_name(prior, bool(options.prior))}.",
        f"Images: {color}, {width}x{height}, {LAYOUTS[layout]}; pixels {RANGES[pixels]} ({why}).",
        encoder_line,
    ]
    if prior == "none" and cloud is None and halves.encode is None:
        lines.append(
            "Without a prior, latents and an encoder, only decoding works. Add latents that the decoder "
            "takes: --latents w.npy (in Python: latents=)"
        )
    if classes:
        lines.append(
            f"It is conditional, with {len(classes)} classes: {classes[0]} to {classes[-1]}. Name one with "
            f"--label (in Python: label=), or in a path as class:{classes[0]}."
        )
    return info, tuple(lines)


def example_latents(shape: tuple[int, ...], count: int = PROBES) -> Tensor:
    """Return `count` standard normal latents of this shape."""
    z = stream(0, "probe").standard_normal((count, *shape), dtype="float32")
    return torch.from_numpy(z)


def _probe(taken: SourceInfo, halves: Halves, options: ImportOptions, cloud: Latents | None) -> Probe:
    shapes = (options.shape,) if options.shape else taken.shapes
    if not shapes:
        raise NotSupported(
            f"The shape of a latent is unknown: {taken.why}. Give it, as --shape 100, --shape 100,1,1 or "
            "--shape 4,64,64 (in Python: shape=(4, 64, 64))."
        )
    reason, count = "", PROBES if cloud is None else min(PROBES, len(cloud))
    for shape in shapes:
        try:
            raw = _decoded(halves, shape, cloud)
        except ZatlasError:
            raise
        except Exception as error:  # third-party code, called with a shape that may be wrong
            reason = reason or first_line(error)
            continue
        if raw.ndim >= 2 and len(raw) == count and raw[0].numel() > 1:
            return Probe(tuple(shape), raw)
        reason = reason or f"its output of shape {tuple(raw.shape)} is not images"
    shapes_text = " or ".join(",".join(map(str, shape)) for shape in shapes[:MAX_SHAPES])
    shapes_text += " or others" if len(shapes) > MAX_SHAPES else ""
    raise BadData(
        f"The decoder does not take latents of shape {shapes_text}: {reason}. Give the shape, as "
        "--shape 100,1,1 (in Python: shape=)."
    )


def _decoded(halves: Halves, shape: tuple[int, ...], cloud: Latents | None) -> Tensor:
    """Return the raw output of the decoder for a few latents."""
    z = example_latents(shape) if cloud is None else torch.tensor(cloud[:PROBES]).reshape(-1, *shape)
    inputs = (z, torch.zeros(len(z), dtype=torch.int64)) if halves.labelled else (z,)
    with torch.no_grad():
        rows = [
            tensor_of(
                halves.decode(*(array[i : i + halves.batch] for array in inputs)), "reconstruction", "sample"
            )
            for i in range(0, len(z), halves.batch)
        ]
    return torch.cat(rows).float().cpu()


def _layout(raw: Tensor, given: Layout | None) -> tuple[Layout, tuple[int, ...]]:
    """Return the layout of the raw output, and the shape of an image (channels, height, width)."""
    sizes = tuple(int(size) for size in raw.shape[1:])
    if not torch.isfinite(raw).all():
        raise BadData(
            "The decoder returns NaN or infinity for standard normal latents. Its weights are damaged, or it "
            "needs latents of another shape (--shape; in Python: shape=)."
        )
    guess: Layout | None = given
    if guess is None and len(sizes) == 3:
        colors, last = (1, 3), sizes[2]
        guess = "nchw" if sizes[0] in colors else "nhwc" if last in colors else None
        guess = guess or ("rgba" if sizes[0] == RGBA else "rgba_last" if last == RGBA else None)
    elif guess is None:
        guess = {2: "nhw", 1: "flat"}.get(len(sizes))  # type: ignore[assignment]
    if guess == "nchw" and len(sizes) == 3:
        image: tuple[int, ...] = sizes
    elif guess == "nhwc" and len(sizes) == 3:
        image = (sizes[2], sizes[0], sizes[1])
    elif guess == "rgba" and len(sizes) == 3:
        image = (3, *sizes[1:])
    elif guess == "rgba_last" and len(sizes) == 3:
        image = (3, *sizes[:2])
    elif guess == "nhw" and len(sizes) == 2:
        image = (1, *sizes)
    elif guess == "flat":
        image = _square(int(raw[0].numel()))
    else:
        image = ()
    if len(image) != 3 or image[0] not in (1, 3):
        raise NotSupported(
            f"The decoder returns an array of shape {sizes}, which is not an image of 1, 3 or 4 channels"
            + (f" with the layout {given}" if given else "")
            + ". Wrap it in a module that returns (n, channels, height, width)."
        )
    return guess or "nchw", image


def _square(count: int) -> tuple[int, ...]:
    """Return the shape of a square image of `count` values; () if there is none."""
    for channels, _ in COLORS:
        side = round((count / channels) ** 0.5)
        if side * side * channels == count:
            return channels, side, side
    return ()


def _pixels(planes: Tensor, last: str, given: PixelRange | None, by_user: bool) -> tuple[PixelRange, str]:
    """Return the range of the pixels, and how it was inferred."""
    low, high = float(planes.min()), float(planes.max())
    observed = f"{PROBES} standard normal latents gave {low:.3g} to {high:.3g}"
    if given is not None:
        return given, f"{'as you stated' if by_user else 'as usual for such models'}; {observed}"
    if last in RANGE_OF_LAST:
        return RANGE_OF_LAST[last], f"its last layer is {last}; {observed}"
    if low >= -TOLERANCE and high <= 1 + TOLERANCE:
        return "unit", observed
    if low >= -MAX_OVERSHOOT and high <= MAX_OVERSHOOT:
        return "signed", observed
    if low >= -TOLERANCE * 255 and 16 < high <= 255 * (1 + TOLERANCE):
        return "bytes", observed
    return "logits", f"{observed}, outside every pixel range"


def _second_output(
    halves: Halves, x: Tensor, pixels: PixelRange, layout: Layout, shape: tuple[int, ...]
) -> tuple[str, StdSource]:
    """Return a line about the encoder, and the meaning of its second output."""
    if halves.encode is None:
        return "No encoder: zatlas finds the latents of images by inversion.", "none"
    rows = from_planes(from_unit(x, pixels), layout)
    inputs = (rows, torch.zeros(len(rows), dtype=torch.int64)) if halves.labelled else (rows,)
    try:
        with torch.no_grad():
            mean, second = latents_of(halves.encode(*inputs))
    except ZatlasError:
        raise
    except Exception as error:  # third-party code
        raise BadData(
            f"The encoder does not take the decoder's images {tuple(rows.shape[1:])}: {first_line(error)}. "
            "Give another encoder, or the layout of its images (--layout; in Python: layout=)."
        ) from error
    size = Space(shape).dim
    if mean.numel() != len(x) * size:
        raise BadData(
            f"The encoder returns {mean[0].numel()} numbers per image, but the decoder takes {size}. Give "
            "the encoder of the same model."
        )
    if second is None:
        return "Encoder: one latent per image.", "none"
    if float(second.min()) < 0:
        return "Encoder: mean and log-variance for each image.", "log_variance"
    return "Encoder: mean and standard deviation for each image.", "std"


def _names(taken: SourceInfo, options: ImportOptions) -> Sequence[str]:
    """Return the class names of the user, else those of the source."""
    if taken.classes and options.classes and len(options.classes) != len(taken.classes):
        raise BadData(
            f"The model has {len(taken.classes)} classes, and {len(options.classes)} names are given. Give a "
            "name for each."
        )
    return options.classes or taken.classes


def _classes(taken: SourceInfo, halves: Halves, options: ImportOptions) -> Sequence[str]:
    """Return the labels that a decoder accepts, as text; files do not contain class names."""
    if not halves.labelled:
        return ()
    shapes = (options.shape,) if options.shape else taken.shapes
    if not shapes:
        return ()
    z, images = example_latents(shapes[0], 1), []
    for label in range(MAX_CLASSES):
        try:
            with torch.no_grad():
                images.append(tensor_of(halves.decode(z, torch.tensor([label]))).cpu())
        except ZatlasError:
            raise
        except Exception as error:  # the first label that is not a class
            if label == 0:
                raise BadData(
                    f"The decoder does not accept the label 0: {first_line(error)}. Export it again."
                ) from error
            return tuple(map(str, range(label)))
        # Beyond the last class, one-hot rows are all zeros, so all images are equal.
        if label >= EQUAL_IMAGES and all(torch.equal(image, images[-1]) for image in images[-EQUAL_IMAGES:]):
            return tuple(map(str, range(label + 1 - EQUAL_IMAGES)))
    raise NotSupported(
        "The decoder accepts any label, so the number of classes is unknown. Import it from Python and "
        "name them: zatlas.import_model(..., classes=('cat', 'dog'))."
    )


def _prior_name(prior: str, given: bool) -> str:
    name = {"normal": "standard normal", "sphere": "uniform on the unit sphere", "none": "none"}[prior]
    return name if given else f"{name} (default)"
