"""The points of images, for any generator: searched for by going downhill from several starts.

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

STEPS, STARTS = 80, 4
POOL = 512  # points that are decoded, to begin at those whose images are the nearest
THUMBNAIL = 16  # pixels of the side that near images are told by
TRIAL_SHARE = 0.15  # of the steps, that every start is given; the best of them goes on
LEVELS = 4  # of the pyramid: pixels, then means of 2x2, 4x4 and 8x8 of them
LOOSE = 3.0  # deviations from the prior's shell that cost nothing
PRIOR = 1e-4  # what a deviation more costs, against the mean squared error of a pixel
GROUP, GROUP_BYTES = 64, 8 << 20  # images searched for at once, and bytes of them
STEPS_PER_NUMERIC_STEP = 10  # steps with slopes that count for one without
MAX_NUMERIC_DIM = 512  # axes up to which slopes can be felt for


@dataclass(frozen=True)
class InversionResult:
    """The points found for some images, and how near the generator comes to them."""

    latents: Latents
    images: Images  # what the generator makes of the points
    rms: Values  # of each image's difference, black to white being 1
    seconds: float  # that it took, for all of them

    @property
    def psnr(self) -> Values:
        """Peak signal to noise of each image, in dB: 20 is a likeness, 30 hard to tell apart."""
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
) -> InversionResult:
    """The points whose images come nearest to these.

    The search begins at `guess`, a point for each image, or else at those of `pool` (points of the
    prior, if none are given) whose images look most alike. A decoder that torch cannot differentiate
    is felt for instead, which takes a decode for each axis and step.
    """
    if starts < 1 or steps < 0:
        raise BadRecipe(f"Give 1 start or more and 0 steps or more, not {starts} and {steps}.")
    _check(generator, images, labels)
    begun = perf_counter()
    guesses = None if guess is None else guess[:, None]
    if guesses is None:
        guesses = _nearest_guesses(generator, images, labels, pool, starts, seed)
    smooth = differentiable(generator)
    if not smooth:
        _check_dim(generator.space)
    rounds = steps if smooth else -(-steps // STEPS_PER_NUMERIC_STEP)
    lower = _descent if smooth else _numeric
    result, size = [], int(np.clip(GROUP_BYTES // max(images[:1].nbytes, 1), 1, GROUP))
    groups = range(0, len(images), size)
    told = bar("inverting", len(groups) * rounds, "steps") if show else nullcontext(_no_progress)
    with told as advance:
        for start in groups:
            part = slice(start, start + size)
            y = None if labels is None else labels[part]
            lowered = partial(lower, generator, images[part], y, advance)
            result.append(_best(lowered, guesses[part], rounds))
    latents = _project(generator.space, np.concatenate([guesses[:0, 0], *result]))
    rebuilt = generator.decode(latents, labels)
    rms = np.sqrt(((rebuilt - images) ** 2).mean(axis=(1, 2, 3)))
    return InversionResult(latents, rebuilt, rms, perf_counter() - begun)


Minimizer = Callable[[Latents, Rows, int], tuple[Latents, Values]]  # points of these images, lower by steps


def _best(lower: Minimizer, guesses: np.ndarray, steps: int) -> Latents:
    """All starts of each image for some steps, and the best of them for the rest."""
    count, starts, dim = guesses.shape
    rows, z = np.arange(count), guesses[:, 0]
    if starts > 1:
        trial = round(TRIAL_SHARE * steps)
        every, loss = lower(guesses.reshape(-1, dim), np.repeat(rows, starts), trial)
        z = every.reshape(count, starts, dim)[rows, loss.reshape(count, starts).argmin(1)]
        steps -= trial
    return lower(z, rows, steps)[0]


def _descent(
    generator: Generator,
    images: Images,
    labels: Labels | None,
    advance: Advance,
    start: Latents,
    rows: Rows,
    steps: int,
) -> tuple[Latents, Values]:
    """Downhill along the decoder's slopes, by what is left of the pixels and of their means."""
    wanted = torch.as_tensor(images[rows], device=generator.device)
    y = None if labels is None else torch.as_tensor(labels[rows], device=generator.device)

    def slope(z: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            rest = generator.decoder(_shaped(generator.space, z), y) - wanted
            loss = _pyramid(rest) + PRIOR * _shell_excess(generator.space, z).square()
            (gradient,) = torch.autograd.grad(loss.sum(), z)
        return loss.detach(), gradient

    begin = torch.as_tensor(start, device=generator.device)
    z, loss = descend(slope, begin, steps, advance)
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
    """Downhill by decoding near points alone, by what is left of the pixels."""
    space = generator.space
    flat = images.reshape(len(images), -1)

    def rest(z: Latents, which: Rows) -> np.ndarray:
        told = None if labels is None else labels[rows[which]]
        made = generator.decode(_project(space, z), told).reshape(len(z), -1)
        left = (made - flat[rows[which]]) / np.float32(flat.shape[1] ** 0.5)
        beyond = PRIOR**0.5 * _shell_excess(space, torch.as_tensor(z)).numpy()
        return np.concatenate([left, beyond[:, None]], axis=1)

    return numeric_descent(rest, start, steps, advance)


def _nearest_guesses(
    generator: Generator, images: Images, labels: Labels | None, pool: Latents | None, starts: int, seed: int
) -> np.ndarray:
    """For each image the points of the pool whose images are the nearest: (images, starts, axes)."""
    if pool is None:
        pool = generator.space.sample(POOL, seed=derive(seed, "inversion"))
    elif len(pool) > POOL:
        pool = pool[stream(seed, "inversion").choice(len(pool), POOL, replace=False)]
    if not generator.classes or labels is None:
        index, _ = nearest(_thumbnail(images), _thumbnails(generator, pool, None), starts)
        return pool[index]
    result = np.zeros((len(images), min(starts, len(pool)), pool.shape[1]), np.float32)
    for kind in np.unique(labels):  # a conditional model draws each class another way
        of_kind = labels == kind
        sketches = _thumbnails(generator, pool, np.full(len(pool), kind))
        result[of_kind] = pool[nearest(_thumbnail(images[of_kind]), sketches, starts)[0]]
    return result


def _thumbnails(generator: Generator, pool: Latents, labels: Labels | None) -> Latents:
    return np.concatenate([_thumbnail(part) for part in generator.decode_batches(pool, labels)])


def _thumbnail(images: Images) -> Latents:
    """What is left of an image from far away, as a row of numbers."""
    side = min(*images.shape[2:], THUMBNAIL)
    return F.adaptive_avg_pool2d(torch.as_tensor(images), side).flatten(1).numpy()


def _pyramid(rest: Tensor) -> Tensor:
    """Mean squares of each image's difference, and of its means over ever larger squares."""
    whole = rest.square().flatten(1).mean(1)
    for _ in range(LEVELS - 1):
        if min(rest.shape[2:]) < 2:
            break
        rest = F.avg_pool2d(rest, 2)
        whole = whole + rest.square().flatten(1).mean(1)
    return whole


def _shell_excess(space: Space, z: Tensor) -> Tensor:
    """How many deviations further from the prior's shell each point lies than samples do."""
    if space.prior != "normal":
        return z.new_zeros(len(z))
    mean, std = shell(space.dim)
    return ((z.norm(dim=1) - mean).abs() / std - LOOSE).clamp(min=0)


def _shaped(space: Space, z: Tensor) -> Tensor:
    """The points as the decoder takes them."""
    on = F.normalize(z, dim=1) if space.prior == "sphere" else z
    return on.reshape(-1, *space.shape)


def _project(space: Space, z: Latents) -> Latents:
    """The points where the space has them: of a sphere, on it."""
    if space.prior != "sphere":
        return z
    return (z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)).astype(np.float32)


def _check_dim(space: Space) -> None:
    if space.dim > MAX_NUMERIC_DIM:
        raise NotSupported(
            f"This decoder cannot be differentiated, and its {space.dim:,} axes are too many to feel "
            f"for ({MAX_NUMERIC_DIM} at most). Teach the run an encoder: zatlas invert RUN --learn"
        )


def _check(generator: Generator, images: Images, labels: Labels | None) -> None:
    if images.ndim != 4 or (labels is not None and len(labels) != len(images)):
        raise ShapeError(
            "Images come as (n, channels, height, width) with a label each or none; these have shape "
            f"{images.shape}."
        )
    if generator.classes and labels is None:
        raise NotSupported("A conditional model must be told the class of each image.")
    made = generator.decode(
        np.zeros((1, generator.space.dim), np.float32), None if labels is None else labels[:1]
    )
    if len(images) and made.shape[1:] != images.shape[1:]:
        want, have = ("x".join(map(str, shape[1:])) for shape in (made.shape, images.shape))
        raise ShapeError(f"This generator makes images of {want}; these are of {have}.")


def _no_progress(count: int) -> None:
    """Progress that nobody is told of."""
