"""Inversion: find the latents of images for any generator, by optimisation from several starts.

Zhu et al. 2016, https://arxiv.org/abs/1609.03552 ; Lipton and Tripathi 2017,
https://arxiv.org/abs/1702.04782
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Images, Labels, Latents, Rows, Values
from zatlas.core.errors import BadRecipe, NotSupported, ShapeError
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive, stream
from zatlas.core.space import Space
from zatlas.latent.descent import descend, numeric_descent
from zatlas.latent.dimensions import shell
from zatlas.latent.neighbors import nearest
from zatlas.models.generator import Generator, differentiable
from zatlas.render.html import card
from zatlas.render.sheet import sheet

STEPS, STARTS = 80, 4
POOL = 512  # latents that are decoded; the search starts at those with the most similar images
THUMBNAIL = 16  # side, in pixels, of the thumbnails that similarity is measured on
TRIAL_SHARE = 0.15  # of the steps, for every start; only the best start continues
LEVELS = 4  # of the image pyramid: pixels, then means over 2x2, 4x4 and 8x8 pixels
SHELL_TOLERANCE = 3.0  # std of the norm of prior samples within which there is no penalty
SHELL_PENALTY = 1e-4  # for one more std, squared, against the mean squared error of a pixel
GROUP, GROUP_BYTES = 64, 8 << 20  # images inverted at once, and their bytes
STEPS_PER_NUMERIC_STEP = 10  # steps with gradients that replace one step without
PERCEPTUAL_WEIGHT = 0.05  # of the perceptual distance, against the mean squared error of a pixel
PREVIEWS = 12  # reconstructions in a notebook
MAX_NUMERIC_DIM = 512  # dimensions up to which finite differences are affordable


Distance = Callable[[Tensor, Tensor], Tensor]  # of two batches of images in [0, 1] -> (n,)


@dataclass(frozen=True)
class InversionResult:
    """The latents of some images, and the reconstruction error."""

    latents: Latents
    images: Images  # the reconstructions
    rms: Values  # root mean squared error of each image, for pixels in [0, 1]
    seconds: float  # for all images

    def __repr__(self) -> str:
        mean = f", mean PSNR {self.psnr.mean():.1f} dB" if len(self.rms) else ""
        return f"<InversionResult {len(self.rms):,} images{mean}, {self.seconds:.1f} s>"

    def _repr_html_(self) -> str:
        facts = {"images": len(self.rms), "mean PSNR in dB": float(self.psnr.mean()), "seconds": self.seconds}
        figure = sheet(self.images[:PREVIEWS], min(len(self.images), PREVIEWS), title="Reconstructions")
        return card("Inversion", facts, figure if len(self.images) else None, ("result.latents",))

    @property
    def psnr(self) -> Values:
        """Peak signal-to-noise ratio of each image in dB: at 20 the error is 10 % of the grey range."""
        return -20 * np.log10(np.maximum(self.rms, 1e-6))


def invert(
    generator: Generator,
    images: Images,
    labels: Labels | None = None,
    *,
    guess: Latents | None = None,
    pool: Latents | None = None,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = True,
    distance: Distance | None = None,
) -> InversionResult:
    """Return the latents whose decoded images are closest to these images.

    The search starts at `guess`, one latent for each image, or else at those latents of `pool` (default:
    samples of the prior) whose images are most similar. If torch cannot differentiate the decoder,
    finite differences are used, which decode once for each dimension and step. `distance` is added to the
    error of the pixels; it is differentiable.
    """
    if starts < 1 or steps < 0:
        raise BadRecipe(f"starts must be at least 1, and steps at least 0; they are {starts} and {steps}.")
    _check(generator, images, labels)
    begin = perf_counter()
    guesses = None if guess is None else guess[:, None]
    if guesses is None:
        guesses = _nearest_guesses(generator, images, labels, pool, starts, seed)
    has_gradient = differentiable(generator)
    if not has_gradient:
        _check_dim(generator.space)
        if distance is not None:
            raise NotSupported("A perceptual distance needs a decoder that can be differentiated.")
    rounds = steps if has_gradient else -(-steps // STEPS_PER_NUMERIC_STEP)
    minimize = partial(_descent, distance) if has_gradient else _numeric
    result, size = [], int(np.clip(GROUP_BYTES // max(images[:1].nbytes, 1), 1, GROUP))
    groups = range(0, len(images), size)
    progress = bar("inverting", len(groups) * rounds, "steps") if show else nullcontext(_no_progress)
    with progress as advance:
        for start in groups:
            part = slice(start, start + size)
            y = None if labels is None else labels[part]
            minimizer = partial(minimize, generator, images[part], y, advance)
            result.append(_best(minimizer, guesses[part], rounds))
    latents = _project(generator.space, np.concatenate([guesses[:0, 0], *result]))
    rebuilt = generator.decode(latents, labels)
    rms = np.sqrt(((rebuilt - images) ** 2).mean(axis=(1, 2, 3)))
    return InversionResult(latents, rebuilt, rms, perf_counter() - begin)


# (latents, rows of their images, steps) -> (better latents, losses)
Minimizer = Callable[[Latents, Rows, int], tuple[Latents, Values]]


def _best(minimize: Minimizer, guesses: np.ndarray, steps: int) -> Latents:
    """Minimise from all starts of each image for some steps, and from the best of them for the rest."""
    count, starts, dim = guesses.shape
    rows, z = np.arange(count), guesses[:, 0]
    if starts > 1:
        trial = round(TRIAL_SHARE * steps)
        trials, loss = minimize(guesses.reshape(-1, dim), np.repeat(rows, starts), trial)
        z = trials.reshape(count, starts, dim)[rows, loss.reshape(count, starts).argmin(1)]
        steps -= trial
    return minimize(z, rows, steps)[0]


def _descent(
    distance: Distance | None,
    generator: Generator,
    images: Images,
    labels: Labels | None,
    advance: Advance,
    start: Latents,
    rows: Rows,
    steps: int,
) -> tuple[Latents, Values]:
    """Minimise the squared error of the pixels and of their means, with the decoder's gradient."""
    target = torch.as_tensor(images[rows], device=generator.device)
    y = None if labels is None else torch.as_tensor(labels[rows], device=generator.device)

    def gradient_of(z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            decoded = generator.decoder(_shaped(generator.space, z), y)
            loss = _pyramid(decoded - target)
            loss = loss + SHELL_PENALTY * _shell_excess(generator.space, z).square()
            if distance is not None:
                loss = loss + PERCEPTUAL_WEIGHT * distance(decoded, target)
            (gradient,) = torch.autograd.grad(loss.sum(), z)
        return loss.detach(), gradient

    z, loss = descend(gradient_of, torch.as_tensor(start, device=generator.device), steps, advance)
    return z.cpu().numpy(), loss.cpu().numpy()


def _numeric(
    generator: Generator,
    images: Images,
    labels: Labels | None,
    advance: Advance,
    start: Latents,
    rows: Rows,
    steps: int,
) -> tuple[Latents, Values]:
    """Minimise the squared error of the pixels, with finite differences."""
    space = generator.space
    flat = images.reshape(len(images), -1)

    def residual(z: Latents, selected: Rows) -> np.ndarray:
        y = None if labels is None else labels[rows[selected]]
        decoded = generator.decode(_project(space, z), y).reshape(len(z), -1)
        error = (decoded - flat[rows[selected]]) / np.float32(flat.shape[1] ** 0.5)
        penalty = SHELL_PENALTY**0.5 * _shell_excess(space, torch.as_tensor(z)).numpy()
        return np.concatenate([error, penalty[:, None]], axis=1)

    return numeric_descent(residual, start, steps, advance)


def _nearest_guesses(
    generator: Generator, images: Images, labels: Labels | None, pool: Latents | None, starts: int, seed: int
) -> np.ndarray:
    """Return the latents of the pool with the most similar images: (images, starts, dim)."""
    if pool is None:
        pool = generator.space.sample(POOL, seed=derive(seed, "inversion"))
    elif len(pool) > POOL:
        pool = pool[stream(seed, "inversion").choice(len(pool), POOL, replace=False)]
    if not generator.classes or labels is None:
        index, _ = nearest(_thumbnail(images), _thumbnails(generator, pool, None), starts)
        return pool[index]
    result = np.zeros((len(images), min(starts, len(pool)), pool.shape[1]), np.float32)
    for label in np.unique(labels):  # a conditional model decodes a latent differently for each class
        members = labels == label
        thumbnails = _thumbnails(generator, pool, np.full(len(pool), label))
        result[members] = pool[nearest(_thumbnail(images[members]), thumbnails, starts)[0]]
    return result


def _thumbnails(generator: Generator, pool: Latents, labels: Labels | None) -> Latents:
    return np.concatenate([_thumbnail(part) for part in generator.decode_batches(pool, labels)])


def _thumbnail(images: Images) -> Latents:
    """Each image at low resolution, as a row."""
    side = min(*images.shape[2:], THUMBNAIL)
    return F.adaptive_avg_pool2d(torch.as_tensor(images), side).flatten(1).numpy()


def _pyramid(error: Tensor) -> Tensor:
    """The mean squared error of each image, summed over the levels of an image pyramid."""
    total = error.square().flatten(1).mean(1)
    for _ in range(LEVELS - 1):
        if min(error.shape[2:]) < 2:
            break
        error = F.avg_pool2d(error, 2)
        total = total + error.square().flatten(1).mean(1)
    return total


def _shell_excess(space: Space, z: Tensor) -> Tensor:
    """How many std the norm of each latent lies outside the range of prior samples."""
    if space.prior != "normal":
        return z.new_zeros(len(z))
    mean, std = shell(space.dim)
    return ((z.norm(dim=1) - mean).abs() / std - SHELL_TOLERANCE).clamp(min=0)


def _shaped(space: Space, z: Tensor) -> Tensor:
    """The latents in the shape that the decoder takes."""
    z = F.normalize(z, dim=1) if space.prior == "sphere" else z
    return z.reshape(-1, *space.shape)


def _project(space: Space, z: Latents) -> Latents:
    """Project latents to the sphere, if the prior is one."""
    if space.prior != "sphere":
        return z
    return (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _check_dim(space: Space) -> None:
    if space.dim > MAX_NUMERIC_DIM:
        raise NotSupported(
            f"This decoder cannot be differentiated, and its {space.dim:,} dimensions are too many for "
            f"finite differences (at most {MAX_NUMERIC_DIM}). Train an encoder "
            "(in Python: atlas.train_encoder()): zatlas invert RUN --train-encoder"
        )


def _check(generator: Generator, images: Images, labels: Labels | None) -> None:
    if images.ndim != 4 or (labels is not None and len(labels) != len(images)):
        raise ShapeError(
            f"Images have shape (n, channels, height, width), with one label each or none; these have shape "
            f"{images.shape}."
        )
    if generator.classes and labels is None:
        raise NotSupported("A conditional model needs the class of each image.")
    decoded = generator.decode(
        np.zeros((1, generator.space.dim), np.float32), None if labels is None else labels[:1]
    )
    if len(images) and decoded.shape[1:] != images.shape[1:]:
        expected, given = ("x".join(map(str, shape[1:])) for shape in (decoded.shape, images.shape))
        raise ShapeError(f"This generator decodes to images of {expected}; these are {given}.")


def _no_progress(count: int) -> None:
    """Progress that is not shown."""
