"""Random changes of the images that a discriminator sees, so that it cannot memorize a small dataset.

Zhao et al. 2020, https://arxiv.org/abs/2006.10738  (real and generated images are changed alike, and
gradients pass through to the generator)
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.models.noise import uniform

SHIFT = 0.125  # largest shift, as a share of the side
HOLE = 0.5  # side of the square that is cut out, as a share of the side


def augment(x: Tensor, rng: torch.Generator | None) -> Tensor:
    """Shift each image (n, c, h, w) at random, and set a random square of it to zero."""
    numbers = uniform((len(x), 4), x, rng)
    height, width = x.shape[2:]
    rows, columns = _shifts(numbers[:, 0], height), _shifts(numbers[:, 1], width)
    shifted = _shift_matrix(rows, height, x) @ x @ _shift_matrix(columns, width, x).mT
    inside = _inside(numbers[:, 2], height)[:, :, None] & _inside(numbers[:, 3], width)[:, None]
    return shifted * ~inside[:, None]


def _shifts(numbers: Tensor, side: int) -> Tensor:
    """Return whole numbers of pixels (n,), for uniform numbers in [0, 1)."""
    limit = int(SHIFT * side + 0.5)
    return (numbers * (2 * limit + 1)).long() - limit


def _shift_matrix(shifts: Tensor, side: int, like: Tensor) -> Tensor:
    """Return matrices (n, 1, side, side) that shift columns of pixels; the border is repeated."""
    source = (torch.arange(side, device=shifts.device) + shifts[:, None]).clamp(0, side - 1)
    return F.one_hot(source, side).to(like.dtype)[:, None]


def _inside(numbers: Tensor, side: int) -> Tensor:
    """Return which of the side's pixels a square covers (n, side); its centre is anywhere in the image."""
    centres = (numbers * side).floor()[:, None]
    return (torch.arange(side, device=numbers.device) - centres).abs() * 2 < HOLE * side
