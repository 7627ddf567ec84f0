"""Write MP4, GIF, APNG and WebP films one frame at a time.

Pillow encodes single frames, but its writers of animations hold all frames in memory. So this module writes
the containers.
"""

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageChops

from zatlas.core.errors import NotSupported
from zatlas.core.extras import is_installed, require
from zatlas.render.pixels import Frame, encoded, repeat

Frames = Iterator[Frame]  # of one size; both sides are even after enlargement
# File, frames, fps, enlargement factor, and whether the pixels must be exact.
Writer = Callable[[Path, Frames, float, int, bool], None]
Box = tuple[int, int, int, int]

# The most frames that one call converts, and their bytes; each call waits for Python's lock.
TOGETHER, TOGETHER_BYTES = 8, 8 << 20
AHEAD = 2  # largest number of such groups that wait for compression
BT709 = 1  # number of the BT.709 colour space in H.264
# The same frames give the same file: with more threads, or with mbtree, x264 does not always do that.
# cabac made a film of decoded images a sixth smaller.
X264: Mapping[str, str] = {"preset": "ultrafast", "crf": "21", "x264-params": "cabac=1:mbtree=0:threads=1"}


def writer(path: Path) -> Writer:
    """Return the function that writes the format of this file name."""
    write = WRITERS.get(path.suffix.lower())
    if write is None:
        raise NotSupported(
            f"{path.name!r} does not have the ending of a film format. Choose one of {', '.join(WRITERS)}."
        )
    if write is write_mp4:
        require("video", "An MP4 film (a .webp or .gif does not)")
    return write


def default_ending() -> str:
    """Return the ending of films of the gallery: .mp4, or .webp if MP4 cannot be written."""
    return ".mp4" if is_installed("video") else ".webp"


def write_mp4(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """Write H.264 that all browsers and players can show."""
    import av
    from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

    if times % 2:  # H.264 stores colours at half resolution, which is exact only for squares with even sides
        frames, times = _enlarged(frames, times), 1
    first = next(frames)
    with av.open(str(side), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = (times * side for side in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.options = dict(X264)
        # Players guess missing colour settings, and differently for small and large films.
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = ColorRange.MPEG
        reformat = partial(
            VideoReformatter().reformat,
            width=stream.width,
            height=stream.height,
            format="yuv420p",
            interpolation=Interpolation.BILINEAR if times == 1 else Interpolation.POINT,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
        )

        def convert(images: Sequence[Frame]) -> list[av.VideoFrame]:
            return [reformat(av.VideoFrame.from_ndarray(image, format="rgb24")) for image in images]

        def add(converted: Future[list[av.VideoFrame]]) -> None:
            for frame in converted.result():
                film.mux(stream.encode(frame))

        # While the caller decodes the next frames, one thread converts colours and one compresses.
        with ThreadPoolExecutor(1) as compressing, ThreadPoolExecutor(1) as converting:
            waiting: deque[Future[None]] = deque()
            frames = chain([first], frames)
            together = max(min(TOGETHER, TOGETHER_BYTES // first.nbytes), 1)
            while images := list(islice(frames, together)):
                waiting.append(compressing.submit(add, converting.submit(convert, images)))
                if len(waiting) > AHEAD:
                    waiting.popleft().result()
            for job in waiting:
                job.result()
        film.mux(stream.encode(None))


def write_gif(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """Write GIF with a palette of 256 colours for each frame, and only the rectangle that changes."""
    with side.open("wb") as file:
        for index, (image, box) in enumerate(_changes(frames, times)):
            if index == 0:
                file.write(b"GIF89a" + struct.pack("<HHBBB", *image.size, 0, 0, 0))
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # repeat forever
            # Hundredths of a second: rounded so that the errors do not add up.
            delay = max(round((index + 1) * 100 / fps) - round(index * 100 / fps), 2)
            file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", 1 << 2, delay, 0, 0))
            file.write(_gif_frame(image.crop(box), box[:2]))
        file.write(b"\x3b")


def write_apng(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """Write animated PNG, which is lossless."""
    rate = Fraction(fps).limit_denominator(1000)
    with side.open("wb") as file:
        count = sequence = 0
        header = 0
        for count, (image, box) in enumerate(_changes(frames, times), 1):
            if count == 1:
                file.write(b"\x89PNG\r\n\x1a\n")
                _png_chunk(file, b"IHDR", struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 0))
                header = file.tell()
                _png_chunk(file, b"acTL", struct.pack(">II", 0, 0))
            part = image.crop(box)
            control = (sequence, *part.size, *box[:2], rate.denominator, rate.numerator, 0, 0)
            _png_chunk(file, b"fcTL", struct.pack(">IIIIIHHBB", *control))
            data = _png_data(part)
            if count == 1:
                _png_chunk(file, b"IDAT", data)
            else:
                _png_chunk(file, b"fdAT", struct.pack(">I", sequence + 1) + data)
            sequence += 1 if count == 1 else 2
        _png_chunk(file, b"IEND", b"")
        file.seek(header)
        _png_chunk(file, b"acTL", struct.pack(">II", count, 0))


def write_webp(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """Write animated WebP: lossless for enlarged pixels, else with quality 92."""
    options = {"lossless": True, "method": 0} if exact else {"quality": 92, "method": 3}
    with side.open("wb") as file:
        file.write(b"RIFF\0\0\0\0WEBP")
        for index, (image, box) in enumerate(_changes(frames, times, step=2)):
            if index == 0:
                sizes = _three(image.width - 1) + _three(image.height - 1)
                _riff_chunk(file, b"VP8X", struct.pack("<I", 2) + sizes)
                _riff_chunk(file, b"ANIM", struct.pack("<IH", 0, 0))
            part = image.crop(box)
            buffer = io.BytesIO()
            part.save(buffer, format="WEBP", **options)
            delay = round((index + 1) * 1000 / fps) - round(index * 1000 / fps)
            numbers = (box[0] // 2, box[1] // 2, part.width - 1, part.height - 1, delay)
            head = b"".join(map(_three, numbers)) + b"\x02"  # no blending with the frame before
            _riff_chunk(file, b"ANMF", head + _webp_data(buffer.getvalue()))
        length = file.tell()
        file.seek(4)
        file.write(struct.pack("<I", length - 8))


WRITERS: dict[str, Writer] = {
    ".mp4": write_mp4,
    ".gif": write_gif,
    ".webp": write_webp,
    ".png": write_apng,
    ".apng": write_apng,
}


def _enlarged(frames: Frames, times: int) -> Frames:
    for frame in frames:
        yield repeat(frame[None], times)[0]


def _changes(frames: Frames, times: int, step: int = 1) -> Iterator[tuple[Image.Image, Box]]:
    """Yield each frame with the rectangle that differs from the frame before."""
    before: Image.Image | None = None
    for frame in _enlarged(frames, times):
        image = Image.fromarray(frame)
        box = (0, 0, *image.size)
        if before is not None:
            changed = ImageChops.difference(before, image).getbbox() or (0, 0, 1, 1)
            left, top, right, bottom = changed
            box = (left - left % step, top - top % step, right, bottom)
        yield image, box
        before = image


def _gif_frame(image: Image.Image, corner: tuple[int, int]) -> bytes:
    """Return the descriptor, palette and data of a frame, from a GIF that Pillow writes for it."""
    buffer = io.BytesIO()
    image.quantize(256).save(buffer, format="GIF", optimize=False, interlace=0)
    file_bytes = buffer.getvalue()
    bits = file_bytes[10] & 7
    at = 13 + 3 * 2 ** (bits + 1)
    palette = file_bytes[13:at]
    while file_bytes[at] == 0x21:  # extensions
        at += 2
        while file_bytes[at]:
            at += file_bytes[at] + 1
        at += 1
    descriptor = b"\x2c" + struct.pack("<HHHHB", *corner, *image.size, 0x80 | bits)
    return descriptor + palette + file_bytes[at + 10 : -1]


def _png_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(name + data)))


def _png_data(image: Image.Image) -> bytes:
    file_bytes, at, data = encoded(image, "png"), 8, b""
    while at < len(file_bytes):
        (length,) = struct.unpack_from(">I", file_bytes, at)
        if file_bytes[at + 4 : at + 8] == b"IDAT":
            data += file_bytes[at + 8 : at + 8 + length]
        at += 12 + length
    return data


def _riff_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))


def _webp_data(file_bytes: bytes) -> bytes:
    """Return the chunk with the image data."""
    at = 12
    while file_bytes[at : at + 4] not in (b"VP8 ", b"VP8L"):
        (length,) = struct.unpack_from("<I", file_bytes, at + 4)
        at += 8 + length + length % 2
    return file_bytes[at:]


def _three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]
