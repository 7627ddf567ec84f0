"""Edits of images whose amount is known: to be imitated in latent space, and to measure by."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.errors import NotSupported, UnknownName

TRIED_AMOUNTS = 41  # amounts that an image is compared with
LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # of red, green and blue, to the eye

Apply = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]  # images, amounts -> edited, where known


@dataclass(frozen=True)
class Edit:
    """A change of images by an amount of `unit`; `full` is as much as is asked while learning."""

    name: str
    unit: str
    max_amount: float
    apply: Apply


def warp(x: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Each image seen through a 2x3 matrix, between pixels, and where there was something to see."""
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    seen = F.grid_sample(x, grid, align_corners=False, padding_mode="border")
    inside = (grid.abs() <= 1).all(dim=3)[:, None].float()
    return seen, inside


def _matrix(a: Tensor, **parts: Tensor) -> Tensor:
    one, zero = torch.ones_like(a), torch.zeros_like(a)
    rows = [[parts.get(f"m{i}{j}", one if i == j else zero) for j in range(3)] for i in range(2)]
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def zoom(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Nearer by doublings."""
    near = torch.exp2(-a)
    return warp(x, _matrix(a, m00=near, m11=near))


def shift_x(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """To the right by parts of the width."""
    return warp(x, _matrix(a, m02=-2 * a))


def shift_y(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Downwards by parts of the height."""
    return warp(x, _matrix(a, m12=-2 * a))


def rotation(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Clockwise by degrees."""
    turn, shape = torch.deg2rad(a), x.shape[2] / x.shape[3]
    sine, cosine = turn.sin(), turn.cos()
    return warp(x, _matrix(a, m00=cosine, m01=sine * shape, m10=-sine / shape, m11=cosine))


def brightness(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Lighter by parts of the whole range."""
    return (x + _wide(a)).clamp(0, 1), torch.ones_like(x[:, :1])


def contrast(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """Farther from the image's own mean, by doublings."""
    middle = x.mean(dim=(1, 2, 3), keepdim=True)
    return (middle + torch.exp2(_wide(a)) * (x - middle)).clamp(0, 1), torch.ones_like(x[:, :1])


def colour(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """More colourful by doublings: farther from the grey that is as light."""
    if x.shape[1] != 3:
        raise NotSupported("Images of one channel have no colour to change: choose another edit.")
    grey = (x * x.new_tensor(LUMA_WEIGHTS)[:, None, None]).sum(dim=1, keepdim=True)
    return (grey + torch.exp2(_wide(a)) * (x - grey)).clamp(0, 1), torch.ones_like(x[:, :1])


def warmth(x: Tensor, a: Tensor) -> tuple[Tensor, Tensor]:
    """More red and less blue, by parts of the whole range."""
    if x.shape[1] != 3:
        raise NotSupported("Images of one channel have no colour to change: choose another edit.")
    tint = x.new_tensor([1.0, 0.0, -1.0])[:, None, None]
    return (x + _wide(a) * tint).clamp(0, 1), torch.ones_like(x[:, :1])


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


def unexplained_change(edited: Tensor, known: Tensor, images: Tensor) -> Tensor:
    """Mean squared difference of each pair of images, where the edit knows what there should be."""
    wrong = (edited - images).square().mean(dim=1, keepdim=True) * known
    return wrong.sum(dim=(1, 2, 3)) / known.sum(dim=(1, 2, 3)).clamp(min=1)


def measure_edit(edit: Edit, before: Tensor, after: Tensor, *, most: float = 2.0) -> tuple[Tensor, Tensor]:
    """By how much each image was edited, and how much of its change that explains (1 is all of it).

    The amount is the one whose edit of the image before comes nearest to the image after: the best of
    many tried, and the foot of the parabola through it and its neighbours.
    """
    tried = torch.linspace(-most * edit.max_amount, most * edit.max_amount, TRIED_AMOUNTS)
    wrong = torch.stack(
        [unexplained_change(*edit.apply(before, a.expand(len(before))), after) for a in tried], dim=1
    )
    best = wrong.argmin(dim=1).clamp(1, TRIED_AMOUNTS - 2)
    low, middle, high = (wrong.gather(1, (best + k)[:, None])[:, 0] for k in (-1, 0, 1))
    bend = (low - 2 * middle + high).clamp(min=1e-12)
    foot = (0.5 * (low - high) / bend).clamp(-1, 1)
    result = tried[best] + foot * (tried[1] - tried[0])
    left = unexplained_change(*edit.apply(before, result), after)
    whole = (after - before).square().mean(dim=(1, 2, 3)).clamp(min=1e-9)
    return result, 1 - left / whole
