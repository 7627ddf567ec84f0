"""Convert images with an embedded ICC profile, such as photos in Display P3, to sRGB."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image

MAX_PROFILE_BYTES = 4 << 20  # profiles of printers have up to 3 MB
SPACES = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}  # color spaces of profiles, by the mode of the image
SAME = 2  # a profile that changes no channel by more than this is sRGB, rounded
STEPS = 9  # values of each channel that are compared


def to_srgb(image: Image.Image, profile: Any, notes: list[str]) -> Image.Image:
    """Return an image of mode L, RGB or CMYK in sRGB; `profile` is what the file contains, or None.

    A profile that cannot be read, or that is for other channels, is ignored with a note.
    """
    if not profile:
        return image
    if not isinstance(profile, bytes) or len(profile) > MAX_PROFILE_BYTES:
        notes.append("profile-ignored")
        return image
    try:
        transform = _transform(profile, image.mode)
    except Exception:  # its library raises many types
        notes.append("profile-ignored")
        return image
    if transform is None:
        return image
    notes.append("profile-converted")
    if isinstance(transform, list):
        return image.point(transform)
    from PIL import ImageCms

    if image.mode == "RGB":  # in place, without the memory of another image
        ImageCms.applyTransform(image, transform, inPlace=True)
        return image
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None
    return converted


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> Any:
    """Return a transform to sRGB, a table of 256 grey levels, or None if nothing changes."""
    from PIL import ImageCms

    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if space != SPACES[mode]:
        raise ValueError(f"a profile of {space} in an image of mode {mode}")
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        flags=ImageCms.Flags.NOCACHE,  # threads share it
    )
    before = _sample(mode)
    after = ImageCms.applyTransform(before, transform)
    assert after is not None
    if mode == "CMYK":
        return transform
    difference = np.asarray(after, np.int16) - np.asarray(before.convert("RGB"), np.int16)
    if np.abs(difference).max() <= SAME:
        return None
    return transform if mode == "RGB" else np.asarray(after)[0, :, 1].tolist()


def _sample(mode: str) -> Image.Image:
    """Return an image of one row with values of the whole range."""
    if mode == "L":
        return Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    line = np.linspace(0, 255, STEPS).astype(np.uint8)
    colors = np.stack(np.meshgrid(line, line, line), axis=-1).reshape(1, -1, 3)
    return Image.fromarray(colors).convert(mode)
