"""Photos with an ICC profile are converted to sRGB."""

import io
import json
import struct
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageCms

from zatlas.data.image_reader import BadImage, convert_image, read_image
from zatlas.data.sources import load

# Primaries in XYZ under D50, one in each column: of Display P3, which phones use, and of sRGB.
P3 = np.array([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
GAMMA = 2.2
WHITE = (0.9642, 1.0, 0.8249)
COLORS = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)


def profile_of(primaries, gamma=GAMMA, space=b"RGB "):
    """An ICC profile of version 2, by its specification: three primaries, or grey, and a gamma."""
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    tags = {b"wtpt": xyz(WHITE), b"desc": b"desc" + struct.pack(">II5s", 0, 5, b"test\0") + bytes(78)}
    tags |= {b"cprt": b"text" + bytes(4) + b"none\0"}
    if space == b"GRAY":
        tags[b"kTRC"] = curve
    else:
        for letter, column in zip(b"rgb", primaries.T, strict=True):
            tags[bytes([letter]) + b"XYZ"] = xyz(column)
            tags[bytes([letter]) + b"TRC"] = curve
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I4sI4s4s4s", start + len(body), bytes(4), 0x02400000, b"mntr", space, b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + xyz(WHITE)[8:]
    return header.ljust(128, b"\0") + table + body


def xyz(values):
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * float(value)) for value in values))


@cache
def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def in_srgb(colors, primaries, gamma=GAMMA):
    """The colors in sRGB, by its formula."""
    linear = np.clip((colors / 255) ** gamma @ np.linalg.solve(SRGB, primaries).T, 0, 1)
    curve = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.rint(255 * curve)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def difference(pixels, expected):
    return np.abs(pixels.astype(int).transpose(1, 2, 0) - expected).max()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_a_photo_in_display_p3_is_converted_to_srgb(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    result = read_image(encoded(Image.fromarray(COLORS), kind, icc_profile=profile_of(P3), **options))
    expected = in_srgb(COLORS, P3)
    assert difference(COLORS.transpose(2, 0, 1), expected) > 20
    assert difference(result.pixels, expected) <= 3
    assert result.notes == ("profile-converted",)


def test_a_rotated_jpeg_is_converted_too():
    exif = Image.Exif()
    exif[0x0112] = 6
    flat = Image.new("RGB", (64, 32), (230, 40, 60))
    data = encoded(flat, "JPEG", quality=95, icc_profile=profile_of(P3), exif=exif)
    result = read_image(data, size=16)
    expected = in_srgb(np.array([230, 40, 60]), P3)
    assert np.abs(result.pixels.astype(int) - expected[:, None, None]).max() <= 4
    assert set(result.notes) == {"profile-converted", "exif-rotated"}


def test_transparent_and_palette_images_are_converted():
    solid = Image.fromarray(COLORS).convert("RGBA")
    palette = Image.fromarray(COLORS).quantize(256)
    for image in (solid, palette):
        result = read_image(encoded(image, icc_profile=profile_of(P3)))
        plain = np.asarray(image.convert("RGB"))
        assert difference(result.pixels, in_srgb(plain, P3)) <= 3


@pytest.mark.parametrize("profile", [srgb_profile(), profile_of(SRGB), None])
def test_an_image_in_srgb_keeps_every_value(profile):
    curve_of_srgb = profile is None or profile == srgb_profile()
    options = {} if profile is None else {"icc_profile": profile}
    result = read_image(encoded(Image.fromarray(COLORS), **options))
    expected = COLORS if curve_of_srgb else in_srgb(COLORS, SRGB)
    assert difference(result.pixels, expected) <= (0 if curve_of_srgb else 3)
    assert result.notes == (() if curve_of_srgb else ("profile-converted",))


@pytest.mark.parametrize("depth", [8, 16])
def test_grey_values_with_another_gamma_are_converted(depth):
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = Image.fromarray(ramp if depth == 8 else ramp.astype(np.uint16) * 257)
    profile = profile_of(None, gamma=1.8, space=b"GRAY")
    result = read_image(encoded(image, "TIFF" if depth == 16 else "PNG", icc_profile=profile))
    expected = in_srgb(np.repeat(ramp[..., None], 3, axis=2), SRGB, 1.8)[..., :1]
    assert result.pixels.shape == (1, 16, 16)
    assert difference(result.pixels, expected) <= 3


@pytest.mark.parametrize(
    "profile",
    [b"no profile", profile_of(P3)[:200], profile_of(None, space=b"GRAY"), bytes(5 << 20)],
    ids=["text", "truncated", "grey", "large"],
)
def test_an_image_with_an_unusable_profile_is_used_as_it_is(profile):
    result = read_image(encoded(Image.fromarray(COLORS), "TIFF", icc_profile=profile))
    assert difference(result.pixels, COLORS) == 0
    assert result.notes == ("profile-ignored",)


def test_damaged_profiles_give_an_image_or_an_error_with_a_reason():
    random, profile = np.random.default_rng(0), bytearray(profile_of(P3))
    for _ in range(300):
        damaged = bytearray(profile)
        for place in random.integers(0, len(damaged), 4):
            damaged[place] = random.integers(256)
        try:
            result = read_image(encoded(Image.fromarray(COLORS), icc_profile=bytes(damaged)))
            assert result.pixels.shape == (3, 12, 16)
        except BadImage as error:
            assert error.reason


def test_the_image_of_a_caller_does_not_change():
    with Image.open(io.BytesIO(encoded(Image.fromarray(COLORS), icc_profile=profile_of(P3)))) as image:
        assert difference(convert_image(image).pixels, in_srgb(COLORS, P3)) <= 3
        assert (np.asarray(image) == COLORS).all()


def test_the_report_of_a_folder_counts_converted_photos(tmp_path):
    for number in range(3):
        options = {"icc_profile": profile_of(P3)} if number else {}
        Image.fromarray(COLORS).resize((16, 16)).save(tmp_path / f"{number}.png", **options)
    report = load(str(tmp_path)).report
    assert report["converted"] == {"profile-converted": 2}, json.dumps(report)
