"""Straight lines as the pictures see them: curves of least length in the decoder's own metric.

Arvanitidis, Hansen and Hauberg 2018, https://arxiv.org/abs/1710.11379
Shao, Kumar and Fletcher 2018, https://arxiv.org/abs/1711.08014
"""

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.latent.curves import Curve, at_constant_speed, lerp
from zatlas.models.generator import Generator

CURVE_NODES = 24  # points that the curve is bent at
SAMPLES_PER_NODE = 4  # pieces of a node's step by which lengths are measured


def geodesic(generator: Generator, a: Latents, b: Latents, *, steps: int = 60) -> Curve:
    """Return the curve between two latents along which the images of an unconditional generator change least.

    The energy of a curve is the sum of the squared changes of its decoded images; its gradient at a
    point is that change taken back through the decoder (a product with the Jacobian). Beginning with
    the straight line at steady speed, it can only become less; the straight line is the answer
    where nothing shorter is found.
    """
    straight = Curve(np.concatenate([a[:1], b[:1]]), lerp)
    even = at_constant_speed(straight, generator.decode)
    start = even.sample(CURVE_NODES + 1)
    result = _minimize(generator, start, steps)
    bent = Curve(result, lerp, anchor_times=(0.0, 1.0))
    if length(generator, bent) >= length(generator, straight):
        return straight
    return bent


def length(generator: Generator, curve: Curve) -> float:
    """Length of a curve in image space: the sum of the distances between near frames, in pixels of 0 to 1."""
    z = curve.sample(CURVE_NODES * SAMPLES_PER_NODE + 1)
    frames = generator.decode(z)
    return float(np.linalg.norm(np.diff(frames.reshape(len(frames), -1), axis=0), axis=1).sum())


def _minimize(generator: Generator, start: Latents, steps: int) -> Latents:
    z = torch.as_tensor(start, device=generator.device)
    first, last = z[:1], z[-1:]
    inner = z[1:-1].clone().requires_grad_()
    # Nodes are held apart in latent space too, lightly: where pixels are flat they would bunch.
    tie = 1e-3 * float(_image_energy(generator, z).detach()) / max(float(_spring_energy(z)), 1e-12)
    optimizer = torch.optim.LBFGS([inner], max_iter=steps, history_size=10, line_search_fn="strong_wolfe")

    def closure() -> float:
        optimizer.zero_grad()
        whole = torch.cat([first, inner, last])
        energy = _image_energy(generator, whole)
        ties = tie * _spring_energy(whole)
        inner.grad = _gradient(energy, inner) + _gradient(ties, inner)
        return float((energy + ties).detach())

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return torch.cat([first, inner.detach(), last]).cpu().numpy()


def _image_energy(generator: Generator, z: Tensor) -> Tensor:
    images = generator.decoder(z.reshape(-1, *generator.space.shape), None).flatten(1)
    return (images[1:] - images[:-1]).square().sum()


def _gradient(energy: Tensor, z: Tensor) -> Tensor:
    result = torch.autograd.grad(energy, z, allow_unused=True)[0] if energy.requires_grad else None
    if result is None:
        raise NotSupported(
            "A geodesic needs a decoder that torch can differentiate, and this one is not: "
            "take lerp, slerp or spline."
        )
    return result


def _spring_energy(z: Tensor) -> Tensor:
    return (z[1:] - z[:-1]).square().sum()
