"""Parametric edits of images, such as a zoom: to imitate in latent space, and to measure in images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.errors import NotSupported, UnknownName

CANDIDATES = 41  # amounts that a change is compared with
LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue

Apply = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # images, amounts -> edited images, valid pixels


@dataclass(frozen=True)
class Edit:
    """A change of images by an amount in `unit`; `max_amount` is the largest that a fit uses."""

    name: str
    unit: str
    max_amount: float
    apply: Apply


def warp(x: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Images (n, c, h, w) transformed by matrices (n, 2, 3), and a mask of the pixels inside the source."""
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    warped = F.grid_sample(x, grid, align_corners=False, padding_mode="border")
    inside = (grid.abs() <= 1).all(dim=3)[:, None].float()
    return warped, inside


def _matrix(a: Tensor, **entries: Tensor) -> Tensor:
    ones, zeros = torch.ones_like(a), torch.zeros_like(a)
    rows = [[entries.get(f"m{i}{j}", ones if i == j else zeros) for j in range(3)] for i in range(2)]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def zoom(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Enlarge by 2 to the power of `a`."""
    scale = torch.exp2(-a)
    return warp(x, _matrix(a, m00=scale, m11=scale))


def shift_x(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Shift right by a fraction of the width."""
    return warp(x, _matrix(a, m02=-2 * a))


def shift_y(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Shift down by a fraction of the height."""
    return warp(x, _matrix(a, m12=-2 * a))


def rotation(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Rotate clockwise by degrees."""
    angle, aspect = torch.deg2rad(a), x.shape[2] / x.shape[3]
    sine, cosine = angle.sin(), angle.cos()
    return warp(x, _matrix(a, m00=cosine, m01=sine * aspect, m10=-sine / aspect, m11=cosine))


def brightness(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Add `a` to every pixel."""
    return (x + _wide(a)).clamp(0, 1), torch.ones_like(x[:, :1])


def contrast(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Scale the distance to the image's mean by 2 to the power of `a`."""
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + torch.exp2(_wide(a)) * (x - mean)).clamp(0, 1), torch.ones_like(x[:, :1])


def colour(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Scale the distance to the grey of the same luma by 2 to the power of `a`."""
    _require_color(x)
    grey = (x * x.new_tensor(LUMA_WEIGHTS)[:, None, None]).sum(dim=1, keepdim=True)
    return (grey + torch.exp2(_wide(a)) * (x - grey)).clamp(0, 1), torch.ones_like(x[:, :1])


def warmth(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Add `a` to red and subtract it from blue."""
    _require_color(x)
    tint = x.new_tensor([1.0, 0.0, -1.0])[:, None, None]
    return (x + _wide(a) * tint).clamp(0, 1), torch.ones_like(x[:, :1])


def _require_color(x: Tensor) -> None:
    if x.shape[1] != 3:
        raise NotSupported("Images of one channel have no colour to change: choose another edit.")


def _wide(a: Tensor) -> Tensor:
    return a[:, None, None, None]


EDITS = {
    edit.name: edit
    for edit in (
        Edit("zoom", "doublings", 0.5, zoom),
        Edit("shift_x", "widths", 0.15, shift_x),
        Edit("shift_y", "heights", 0.15, shift_y),
        Edit("rotation", "degrees", 20.0, rotation),
        Edit("brightness", "of the range", 0.25, brightness),
        Edit("contrast", "doublings", 0.7, contrast),
        Edit("colour", "doublings", 0.7, colour),
        Edit("warmth", "of the range", 0.2, warmth),
    )
}


def get_edit(name: str) -> Edit:
    """The edit of that name."""
    if name not in EDITS:
        raise UnknownName("edit", name, EDITS)
    return EDITS[name]


def unexplained_change(edited: Tensor, valid: Tensor, images: Tensor) -> Tensor:
    """Mean squared difference of each pair of images (n,), over the valid pixels."""
    error = (edited - images).square().mean(dim=1, keepdim=True) * valid
    return error.sum(dim=(1, 2, 3)) / valid.sum(dim=(1, 2, 3)).clamp(min=1)


def measure_edit(
    edit: Edit, before: Tensor, after: Tensor, *, max_ratio: float = 2.0
) -> tuple[Tensor, Tensor]:
    """The amount of the edit from each image to the next (n,), and the share of the change it explains (n,).

    The amount minimizes the error between the edited image and the image after: the best of CANDIDATES,
    refined by the minimum of the parabola through it and its neighbors.
    """
    limit = max_ratio * edit.max_amount
    candidates = torch.linspace(-limit, limit, CANDIDATES)
    errors = torch.stack(
        [unexplained_change(*edit.apply(before, a.expand(len(before))), after) for a in candidates], dim=1
    )
    best = errors.argmin(dim=1).clamp(1, CANDIDATES - 2)
    low, center, high = (errors.gather(1, (best + k)[:, None])[:, 0] for k in (-1, 0, 1))
    curvature = (low - 2 * center + high).clamp(min=1e-12)
    offset = (0.5 * (low - high) / curvature).clamp(-1, 1)
    result = candidates[best] + offset * (candidates[1] - candidates[0])
    rest = unexplained_change(*edit.apply(before, result), after)
    total = (after - before).square().mean(dim=(1, 2, 3)).clamp(min=1e-9)
    return result, 1 - rest / total
