"""Images in every common form: arrays, tensors, PIL images, files, and lists of these."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from zatlas.core.arrays import Images, Pixels, as_array, check_finite
from zatlas.core.errors import BadData, NotFound, ShapeError
from zatlas.data.image_reader import BadImage, convert_image, read_image

ImagesLike = Any  # an array, a tensor, a PIL image, a path, or a list of these
Shape = tuple[int, int, int]  # channels, height, width
RANGE = (-0.5, 1.5)  # of float pixels: those outside of it have another scale than [0, 1]
FILES = (str, os.PathLike, Image.Image)


def as_images(images: ImagesLike, shape: Shape | None = None) -> Images:
    """Return images as float32 (n, c, h, w) in [0, 1]. One image becomes one row.

    Parameters
    ----------
    images : array-like, PIL image, str or Path, or a list of these
        Integers are divided by 255. Files and PIL images are cropped to a square and resized to `shape`.
    shape : tuple of three int
        Channels, height and width of the model's images. Arrays of this shape may be (n, h, w),
        (n, h, w, c) or (n, c, h, w), or one image of them. Without it, arrays are (n, c, h, w).

    Raises
    ------
    ShapeError
        The images have another shape.
    BadData, NotFound
        A file cannot be read, or the pixels have another range or are NaN.
    """
    if is_files(images):
        pixels = read_files([images] if isinstance(images, FILES) else images, shape)
        return np.divide(pixels, np.float32(255), dtype=np.float32)
    array = as_array(images)
    if array.dtype.kind not in "biuf":
        raise BadData(
            f"Images of type {type(images).__name__} cannot be used. Pass an array, a tensor, PIL images or "
            "paths."
        )
    array = _as_nchw(array, shape)
    integers = array.dtype.kind in "iu"
    if integers:
        result = np.divide(array, np.float32(255), dtype=np.float32)
    else:
        result = array.astype(np.float32, copy=False)
        check_finite(result, "Remove these images.", "images")
    if shape is not None and result.size and not RANGE[0] <= result.min() <= result.max() <= RANGE[1]:
        raise BadData(
            f"These images have values from {array.min():.4g} to {array.max():.4g}. Scale floats to [0, 1], "
            "and integers to [0, 255]."
        )
    return result


def is_files(images: ImagesLike) -> bool:
    """Return whether these are a path, a PIL image, or a list that begins with one."""
    first = images[0] if isinstance(images, list | tuple) and images else images
    return isinstance(first, FILES)


def read_files(files: Sequence[Any], shape: Shape | None = None, size: int | None = None) -> Pixels:
    """Return files and PIL images as uint8 (n, c, h, w), cropped and resized to a shape or a size.

    Without a shape, images have three channels if any of them has colour.
    """
    if shape is not None and shape[1] != shape[2]:
        raise ShapeError(
            f"This model takes images of {shape[2]}x{shape[1]}, and a file is cropped to a square. Name an "
            "image of its own data by number, or pass an array in Python."
        )
    channels, size = (None, size) if shape is None else (shape[0], shape[1])
    images = [_read(file, channels, size) for file in files]
    if 3 in {len(image) for image in images}:
        images = [image if len(image) == 3 else np.repeat(image, 3, axis=0) for image in images]
    if len(shapes := {image.shape[1:] for image in images}) > 1:
        sides = " and ".join(f"{width}x{height}" for height, width in sorted(shapes)[:2])
        raise BadData(f"The images have different sizes, such as {sides}. Resize them, or pass size=64.")
    return np.stack(images)


def _read(file: Any, channels: int | None, size: int | None) -> np.ndarray:
    """Return one file or PIL image as uint8 (c, h, w)."""
    if not isinstance(file, FILES):
        raise BadData(f"A list of images has paths or PIL images only, not {type(file).__name__}.")
    if isinstance(file, Image.Image):
        try:
            return convert_image(file, channels=channels, size=size).pixels
        except BadImage as error:
            raise BadData(f"An image cannot be used: {error}.") from error
    path = Path(file).expanduser()
    if not path.is_file():
        raise NotFound(f"There is no image file {path}.")
    try:
        return read_image(path, channels=channels, size=size).pixels
    except BadImage as error:
        raise BadData(f"{path} cannot be used: {error}.") from error


def _as_nchw(array: np.ndarray, shape: Shape | None) -> np.ndarray:
    """Return an array of images as (n, c, h, w)."""
    if shape is None:
        if array.ndim == 4:
            return array
        raise ShapeError(f"Images are arrays (n, channels, height, width); these have shape {array.shape}.")
    channels, height, width = shape
    rows = array[None] if array.shape in {shape, (height, width, channels), (height, width)} else array
    if channels == 1 and rows.ndim == 3:
        rows = rows[:, None]
    if rows.ndim == 4 and rows.shape[1:] == (height, width, channels) != shape:
        rows = rows.transpose(0, 3, 1, 2)
    if rows.ndim != 4 or rows.shape[1:] != shape:
        raise ShapeError(
            f"These images have shape {array.shape}; this model takes (n, {channels}, {height}, {width}). "
            "Resize them, or pass PIL images or paths, which zatlas resizes."
        )
    return rows
