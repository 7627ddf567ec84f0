"""Array types. Latents are rows (n, d), images are floats in [0, 1], and pixels are bytes."""

from math import prod
from typing import Any

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from zatlas.core.errors import BadData, ShapeError

Latents = Float32[np.ndarray, "n d"]
Images = Float32[np.ndarray, "n c h w"]
Pixels = UInt8[np.ndarray, "n c h w"]
Labels = Int64[np.ndarray, "n"]
ClassWeights = Float32[np.ndarray, "n k"]  # the share of each class; a one-hot row is one class
Rows = Int64[np.ndarray, "n"]
Plane = Float32[np.ndarray, "n 2"]
Column = Float32[np.ndarray, "n 1"]
Values = Float32[np.ndarray, "n"]
Flags = Bool[np.ndarray, "n"]
ArrayLike = Any  # an array, a list of numbers, or a torch tensor on any device


def as_array(values: ArrayLike) -> np.ndarray:
    """Return an array of an array-like, of a torch tensor on any device, or of a list of tensors.

    Raises
    ------
    ShapeError
        The rows of a list differ in length.
    """
    if _is_tensor(values):
        tensor = values.detach().cpu()
        values = tensor.float() if tensor.is_floating_point() else tensor
    elif isinstance(values, list | tuple) and any(_is_tensor(value) for value in values):
        values = [as_array(value) for value in values]
    try:
        return np.asarray(values)
    except ValueError as error:  # a list of lists that differ in length
        raise ShapeError("The rows of this list differ in length. Pass rows of equal length.") from error


def as_latents(z: ArrayLike, *shape: int) -> Latents:
    """Return latents as float32 rows (n, dim). One latent (dim,) becomes one row.

    `shape` is the shape of one latent; latents (n, *shape) are flattened. Without it, any dim is accepted.

    Raises
    ------
    ShapeError
        The latents have another number of dimensions, or they are no numbers.
    BadData
        They contain NaN or infinity.
    """
    array, dim = as_array(z), prod(shape) if shape else "dim"
    if array.dtype.kind not in "biuf":
        raise ShapeError(f"Latents are numbers (n, {dim}); these are {_type_text(z, array)}.")
    if shape and array.ndim in (len(shape), len(shape) + 1) and array.shape[-len(shape) :] == shape:
        array = array.reshape(-1, prod(shape))
    rows = array[None] if array.ndim == 1 else array
    if rows.ndim != 2:
        raise ShapeError(
            f"Latents are rows (n, {dim}), or one latent ({dim},); these have shape {array.shape}."
        )
    if shape and rows.shape[1] != dim:
        raise ShapeError(
            f"These latents have {rows.shape[1]} dimensions; the latent space of this model has {dim}. Use "
            "latents that this model encoded or sampled."
        )
    with np.errstate(over="ignore"):  # numbers beyond float32 become infinity
        rows = rows.astype(np.float32, copy=False)
    check_finite(rows, "Remove these rows.")
    return rows


def check_finite(rows: np.ndarray, advice: str, kind: str = "latents") -> None:
    """Raise `BadData` with this advice if any of these rows (n, ...) contains NaN or infinity."""
    if not np.isfinite(rows).all():
        bad = int((~np.isfinite(rows)).reshape(len(rows), -1).any(axis=1).sum())
        raise BadData(f"{bad:,} of {len(rows):,} {kind} contain NaN or infinity. {advice}")


def as_plane(xy: ArrayLike) -> Plane:
    """Return positions on a plane as float32 (n, 2). One position (2,) becomes one row.

    Raises
    ------
    ShapeError
        The positions are not (n, 2), or not finite.
    """
    array = as_array(xy)
    rows = array[None] if array.ndim == 1 else array
    if rows.ndim != 2 or rows.shape[1] != 2 or rows.dtype.kind not in "biuf" or not np.isfinite(rows).all():
        raise ShapeError(f"Positions are a table (n, 2) of finite numbers; these have shape {array.shape}.")
    return rows.astype(np.float32, copy=False)


def _type_text(values: ArrayLike, array: np.ndarray) -> str:
    return f"an array of {array.dtype}" if isinstance(values, np.ndarray) else type(values).__name__


def _is_tensor(values: Any) -> bool:
    """Return whether these are a tensor, without an import of torch."""
    return callable(getattr(values, "detach", None))
