import io
import os
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from zatlas.data.image_reader import BadImage, read_image, read_size

RAMP = np.linspace(0, 255, 16 * 12).reshape(12, 16).astype(np.uint8)
COLOUR = np.stack([RAMP, RAMP[::-1], 255 - RAMP], axis=2)


def encoded(image, kind="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def close(result, expected, by=1):
    assert result.shape == expected.shape
    assert np.abs(result.astype(int) - expected.astype(int)).max() <= by


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "BMP", "TIFF", "GIF"])
def test_a_grey_image_is_the_same_in_every_lossless_format(kind):
    options = {"lossless": True} if kind == "WEBP" else {}
    result = read_image(encoded(Image.fromarray(RAMP), kind, **options), channels=1)
    close(result.pixels, RAMP[None])


def test_a_colour_image_has_its_channels_first():
    close(read_image(encoded(Image.fromarray(COLOUR))).pixels, COLOUR.transpose(2, 0, 1), 0)


def test_channels_are_converted():
    three = read_image(encoded(Image.fromarray(RAMP)), channels=3).pixels
    close(three, np.repeat(RAMP[None], 3, axis=0), 0)
    one = read_image(encoded(Image.fromarray(COLOUR)), channels=1).pixels
    close(one[0], (COLOUR @ [0.299, 0.587, 0.114]).astype(np.uint8))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_values_are_scaled_and_not_clipped(kind):
    deep = np.linspace(0, 65535, 16 * 12).reshape(12, 16).astype(np.uint16)
    result = read_image(encoded(Image.fromarray(deep), kind))
    close(result.pixels[0], np.rint(deep / 257).astype(np.uint8))
    assert result.notes == ("16bit-scaled",)


def test_16_bit_colors_are_used_within_one_of_255_levels():
    deep = np.linspace(0, 65535, 12 * 16 * 3).reshape(12, 16, 3).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in deep)
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 16, 12, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    png = b"\x89PNG\r\n\x1a\n"
    for name, data in parts:
        png += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    close(read_image(png).pixels, np.rint(deep / 257).astype(np.uint8).transpose(2, 0, 1))


def test_float_grey_values_are_scaled_by_their_range():
    for top in (1.0, 255.0):
        values = (RAMP / 255 * top).astype(np.float32)
        result = read_image(encoded(Image.fromarray(values), "TIFF"))
        close(result.pixels[0], RAMP)
        assert result.notes == ("float-scaled",)


@pytest.mark.parametrize("bad", [np.nan, -1.0, 1e6])
def test_invalid_float_grey_values_are_refused(bad):
    values = RAMP.astype(np.float32)
    values[0, 0] = bad
    with pytest.raises(BadImage, match="unsupported"):
        read_image(encoded(Image.fromarray(values), "TIFF"))


def test_one_bit_is_black_and_white():
    result = read_image(encoded(Image.fromarray(RAMP > 127))).pixels
    close(result[0], np.where(RAMP > 127, 255, 0), 0)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation_is_applied_once_and_an_invalid_one_is_ignored(orientation, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(Image.fromarray(RAMP), kind, exif=exif, **options)
    result = read_image(data, channels=1)
    turned = {
        1: RAMP,
        2: RAMP[:, ::-1],
        3: RAMP[::-1, ::-1],
        4: RAMP[::-1],
        5: RAMP.T,
        6: np.rot90(RAMP, -1),
        7: np.rot90(RAMP, 2).T,
        8: np.rot90(RAMP),
    }
    close(result.pixels[0], turned.get(orientation, RAMP), 0)
    assert ("exif-rotated" in result.notes) == (2 <= orientation <= 8)


def test_an_image_with_broken_exif_data_is_used():
    result = read_image(encoded(Image.fromarray(COLOUR), exif=b"no such thing"))
    close(result.pixels, COLOUR.transpose(2, 0, 1), 0)
    assert result.notes == ("exif-unreadable",)


def test_an_mpo_photo_is_not_an_animation():
    image = Image.fromarray(COLOUR)
    assert read_image(encoded(image, "MPO", save_all=True, append_images=[image])).notes == ()


@pytest.mark.parametrize("background", [0, 255, 128])
def test_transparency_is_composited_over_the_background(background):
    alpha = np.full((12, 16), 255, np.uint8)
    alpha[:6] = 0
    for image in (
        Image.fromarray(np.dstack([COLOUR, alpha])),
        Image.merge("LA", [Image.fromarray(RAMP), Image.fromarray(alpha)]),
    ):
        result = read_image(encoded(image), background=background)
        assert (result.pixels[:, :6] == background).all()
        assert (result.pixels[:, 6:] != background).any()
        assert result.notes == ("alpha-flattened",)


def test_half_transparency_mixes_half_of_the_background():
    half = np.dstack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4), 128, np.uint8)])
    result = read_image(encoded(Image.fromarray(half)), background=200)
    assert abs(int(result.pixels[0, 0, 0]) - 100) <= 1


def test_palette_colours_and_transparency_are_converted():
    flat = Image.fromarray(np.repeat(np.uint8([[0, 1]]), 4, axis=0), "P")
    flat.putpalette([255, 0, 0, 0, 0, 255])
    close(read_image(encoded(flat)).pixels[:, 0, 1], np.uint8([0, 0, 255]), 0)
    see_through = read_image(encoded(flat, transparency=1), background=9)
    close(see_through.pixels[:, 0, 1], np.uint8([9, 9, 9]), 0)


def test_cmyk_is_not_inverted():
    image = Image.fromarray(np.full((16, 16, 3), (200, 30, 30), np.uint8)).convert("CMYK")
    result = read_image(encoded(image, "JPEG", quality=95))
    close(result.pixels[:, 8, 8], np.uint8([200, 30, 30]), 6)
    assert "cmyk-converted" in result.notes


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animation_gives_its_first_frame(kind):
    frames = [Image.fromarray(np.full((8, 8, 3), grey, np.uint8)) for grey in (10, 200)]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    result = read_image(data)
    close(result.pixels[:, 4, 4], np.uint8([10, 10, 10]), 2)
    assert "animated-first-frame" in result.notes


def test_a_size_gives_the_centre_square():
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 15:25] = 255
    result = read_image(encoded(Image.fromarray(wide)), size=10).pixels
    assert result.shape == (3, 10, 10) and result.min() == 255


def test_fast_jpeg_downscaling_is_close_to_the_exact_result():
    y, x = np.mgrid[:512, :512] / 512
    smooth = np.stack([x, y, x * y], axis=2)
    image = Image.fromarray((255 * smooth).astype(np.uint8))
    complete = np.asarray(image.resize((64, 64), Image.Resampling.LANCZOS)).transpose(2, 0, 1)
    close(read_image(encoded(image, "JPEG", quality=95), size=64).pixels, complete, 6)


def png_that_claims(width, height):
    """A few bytes that would unpack to as many pixels as they say."""
    import zlib

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(b"\0" * 1000)
    parts = [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    return b"".join(parts)


@pytest.mark.parametrize("side", [8001, 9_600, 14_000, 60_000])
def test_an_image_with_too_many_pixels_is_refused_by_its_header(side):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        begun = time.process_time()
        with pytest.raises(BadImage, match="too-large"):
            read_image(png_that_claims(side, side))
        assert time.process_time() - begun < 0.2


def test_every_truncation_of_a_jpeg_is_detected():
    data = encoded(Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 48, 3), np.uint8)), "JPEG")
    for size in (None, 16):
        for length in range(1, len(data) - 20, 37):
            with pytest.raises(BadImage):
                read_image(data[:length], size=size)


@pytest.mark.posix
def test_reading_a_pipe_or_folder_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "empty.png").touch()
    (tmp_path / "huge.png").touch()
    os.truncate(tmp_path / "huge.png", 200 << 30)  # it has holes, and takes no room
    for name, reason in {
        "pipe.png": "not-a-file",
        "folder.png": "not-a-file",
        "empty.png": "empty",
        "none.png": "not-read",
        "huge.png": "too-large",
        "a\0b.png": "unreadable",
    }.items():
        with pytest.raises(BadImage, match=reason):
            read_image(tmp_path / name)


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.4", b"<svg/>", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_file_that_is_not_an_image_is_reported_as_such(data):
    with pytest.raises(BadImage):
        read_image(data)


@pytest.mark.posix
def test_a_header_tells_channels_and_size(tmp_path):
    Image.fromarray(COLOUR).save(tmp_path / "a.png")
    assert read_size(tmp_path / "a.png") == (3, (16, 12))
    assert read_size(tmp_path / "none.png") is None
    os.mkfifo(tmp_path / "pipe.png")
    assert read_size(tmp_path / "pipe.png") is None


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_any_bytes_raise_only_bad_image(kind):
    rng = np.random.default_rng(1)
    seed = np.frombuffer(encoded(Image.fromarray(COLOUR), kind), np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(500):
            data = seed.copy()
            positions = rng.integers(0, len(data), rng.integers(1, 12))
            data[positions] = rng.integers(0, 256, len(positions))
            begun = time.process_time()
            try:
                result = read_image(data.tobytes(), channels=3, size=8)
            except BadImage as error:
                assert error.reason and error.detail
            else:
                assert result.pixels.shape == (3, 8, 8)
            assert time.process_time() - begun < 2
