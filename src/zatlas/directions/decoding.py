"""What the fitting methods need of a decoder: differentiable images, its layers, its Jacobian."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Latents
from zatlas.core.errors import Diverged, NotSupported
from zatlas.core.progress import Advance, bar
from zatlas.models.generator import ClassConditioned, Generator

FINITE_STEP = 0.02  # standard deviations, the step of a finite difference


def decode_tensor(generator: Generator, z: Tensor) -> Tensor:
    """Decode flat latents to images, with gradients where the decoder has them."""
    return generator.decoder(z.reshape(-1, *generator.space.shape), None).float()


def is_differentiable(generator: Generator, z: Latents) -> bool:
    """Whether torch has a gradient of the decoded images with respect to the latents."""
    latent = torch.tensor(z[:1], device=generator.device, requires_grad=True)
    return decode_tensor(generator, latent).requires_grad


def require_gradient(generator: Generator, z: Latents, method: str, advice: str) -> None:
    """Raise NotSupported for a decoder that torch cannot differentiate."""
    if not is_differentiable(generator, z):
        raise NotSupported(
            f"{method} needs a decoder that torch can differentiate, and this one is not: {advice}"
        )


def decoder_module(generator: Generator) -> nn.Module | None:
    """The torch module that decodes; None if the decoder is another kind of function."""
    decoder: object = generator.decoder
    if isinstance(decoder, ClassConditioned):
        decoder = decoder.function
    owner = decoder if isinstance(decoder, nn.Module) else getattr(decoder, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def finite_differences(generator: Generator, z: Latents, vectors: Latents) -> Iterator[np.ndarray]:
    """For each latent, the change of its image along each vector: (len(vectors), pixels), per unit length.

    It decodes one image per vector, so it works for any decoder.
    """
    size = np.float32(FINITE_STEP * (float(z.std(axis=0).mean()) or 1.0))
    for latent in z:
        images = generator.decode(np.concatenate([latent[None], latent + size * vectors]))
        rows = images.reshape(len(vectors) + 1, -1)
        yield (rows[1:] - rows[0]) / size


def minimize(
    variables: Sequence[Tensor],
    loss_of: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    label: str,
    show: bool,
) -> None:
    """Minimize `loss_of(step)` with Adam over these tensors only; the decoder's weights do not change."""
    optimizer = torch.optim.Adam(variables, lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    with progress_bar(show, label, steps, "steps") as advance:
        for step in range(steps):
            loss = loss_of(step)
            if not torch.isfinite(loss):
                raise Diverged(f"{label}: the loss is NaN or infinite at step {step + 1}.")
            gradients = torch.autograd.grad(loss, variables)
            for variable, gradient in zip(variables, gradients, strict=True):
                variable.grad = gradient
            optimizer.step()
            schedule.step()
            advance(1)


def progress_bar(show: bool, label: str, total: int, unit: str) -> AbstractContextManager[Advance]:
    """A progress bar, or a context without output if `show` is false."""
    return bar(label, total, unit) if show else nullcontext(lambda count: None)
