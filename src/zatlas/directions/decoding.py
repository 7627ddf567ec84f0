"""What the methods ask of a decoder: images that torch can differentiate, its layers, its Jacobian."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Latents
from zatlas.core.errors import Diverged, NotSupported
from zatlas.core.progress import Advance, bar
from zatlas.models.generator import ClassConditioned, Generator

FINITE_STEP = 0.02  # spreads of the points by which a coordinate is moved to see what it does


def decode_tensor(generator: Generator, z: Tensor) -> Tensor:
    """The images of flat points, with the way back for gradients where the decoder has one."""
    return generator.decoder(z.reshape(-1, *generator.space.shape), None).float()


def is_differentiable(generator: Generator, z: Latents) -> bool:
    """Whether torch finds a gradient from the images back to the points."""
    point = torch.tensor(z[:1], device=generator.device, requires_grad=True)
    return decode_tensor(generator, point).requires_grad


def decoder_module(generator: Generator) -> nn.Module | None:
    """The net that decodes, if it is one that torch can look into."""
    decoder: object = generator.decoder
    if isinstance(decoder, ClassConditioned):
        decoder = decoder.function
    owner = decoder if isinstance(decoder, nn.Module) else getattr(decoder, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def finite_differences(generator: Generator, z: Latents, vectors: Latents) -> Iterator[np.ndarray]:
    """For each point, how its image changes along each vector: rows of pixels, by differences.

    One decoded image a vector, so that it works for any decoder.
    """
    size = np.float32(FINITE_STEP * (float(z.std(axis=0).mean()) or 1.0))
    for point in z:
        images = generator.decode(np.concatenate([point[None], point + size * vectors]))
        rows = images.reshape(len(vectors) + 1, -1)
        yield (rows[1:] - rows[0]) / size


def minimize(
    parts: Sequence[Tensor],
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    label: str,
    show: bool,
) -> None:
    """Adam on these tensors alone: the decoder's own weights stay out of it."""
    optimizer = torch.optim.Adam(parts, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with progress_bar(show, label, steps, "steps") as advance:
        for step in range(steps):
            loss = loss_of(step)
            if not torch.isfinite(loss):
                raise Diverged(f"{label}: the loss is no longer a number at step {step + 1}.")
            for part, gradient in zip(parts, torch.autograd.grad(loss, parts), strict=True):
                part.grad = gradient
            optimizer.step()
            schedule.step()
            advance(1)


def require_gradient(generator: Generator, z: Latents, method: str, instead: str) -> None:
    """Refuse a decoder that torch cannot differentiate."""
    if not is_differentiable(generator, z):
        raise NotSupported(
            f"{method} needs a decoder that torch can differentiate, and this one is not: {instead}"
        )


def progress_bar(show: bool, label: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    """A bar of progress, if it is wanted."""
    return bar(label, total, unit) if show else nullcontext(_silent)


def _silent(count: int) -> None:
    """Progress that nobody is told of."""
