"""Files that move, written a frame at a time: MP4, GIF, APNG and WebP; memory holds a few frames.

Pillow encodes single frames; its own writers of animations hold all of them. So the containers,
which are simple, are written here.
"""

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from PIL import Image, ImageChops

from zatlas.core.errors import NotSupported
from zatlas.render.pixels import Frame, repeat

Frames = Iterator[Frame]  # all of one size; both sides, enlarged, are even
# File, frames, fps, how many times each pixel is still to be repeated, and whether it must be exact.
Writer = Callable[[Path, Frames, float, int, bool], None]
Box = tuple[int, int, int, int]

AHEAD = 8  # frames that wait to be compressed at most
BT709 = 1  # the colours of today's screens, as H.264 numbers them
# Made images move little and are clean: of all that slower presets do, only to spend bits on what
# stays, and to pack them well, makes these films smaller (benchmarks/film.py).
X264: Mapping[str, str] = {
    "preset": "ultrafast",
    "crf": "16",
    "x264-params": "cabac=1:mbtree=1:rc-lookahead=4",
}


def writer(path: Path) -> Writer:
    """What writes the kind of film that this name ends in."""
    found = WRITERS.get(path.suffix.lower())
    if found is None:
        raise NotSupported(
            f"{path.name!r} does not end in a kind of film that can be written. "
            f"Choose one of {', '.join(WRITERS)}."
        )
    return found


def write_mp4(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """H.264 as every browser and player shows it."""
    try:
        import av
        from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
    except ImportError as error:
        raise NotSupported(
            "MP4 is written with PyAV, which is not installed: `pip install av`, or choose .gif."
        ) from error
    if times % 2:  # of squares with even sides each has colours of its own, which are half as many
        frames, times = _enlarged(frames, times), 1
    first = next(frames)
    with av.open(str(side), "w", format="mp4", options={"movflags": "+faststart"}) as film:
        stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width = (times * side for side in first.shape[:2])
        stream.pix_fmt = "yuv420p"
        stream.options = dict(X264)
        # What is not said, players guess, and differently for small films and large ones.
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

        def add(picture: Frame) -> None:
            frame = reformat(av.VideoFrame.from_ndarray(picture, format="rgb24"))
            film.mux(stream.encode(frame))

        # While some frames are compressed, the next are decoded; a few at most are held.
        with ThreadPoolExecutor(1) as pool:
            waiting: deque[Future[None]] = deque()
            for picture in chain([first], frames):
                waiting.append(pool.submit(add, picture))
                if len(waiting) > AHEAD:
                    waiting.popleft().result()
            for job in waiting:
                job.result()
        film.mux(stream.encode(None))


def write_gif(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """GIF with the 256 colours that suit each frame best; what does not change is not repeated."""
    with side.open("wb") as file:
        for index, (picture, box) in enumerate(_changes(frames, times)):
            if index == 0:
                file.write(b"GIF89a" + struct.pack("<HHBBB", *picture.size, 0, 0, 0))
                file.write(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00")  # for ever
            # Hundredths of a second: rounded so that the errors do not add up.
            delay = max(round((index + 1) * 100 / fps) - round(index * 100 / fps), 2)
            file.write(b"\x21\xf9\x04" + struct.pack("<BHBB", 1 << 2, delay, 0, 0))
            file.write(_gif_frame(picture.crop(box), box[:2]))
        file.write(b"\x3b")


def write_apng(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """PNG that moves: every pixel as it is."""
    rate = Fraction(fps).limit_denominator(1000)
    with side.open("wb") as file:
        count = sequence = 0
        place = 0
        for count, (picture, box) in enumerate(_changes(frames, times), 1):
            if count == 1:
                file.write(b"\x89PNG\r\n\x1a\n")
                _png_chunk(file, b"IHDR", struct.pack(">IIBBBBB", *picture.size, 8, 2, 0, 0, 0))
                place = file.tell()
                _png_chunk(file, b"acTL", struct.pack(">II", 0, 0))
            part = picture.crop(box)
            shown = (sequence, *part.size, *box[:2], rate.denominator, rate.numerator, 0, 0)
            _png_chunk(file, b"fcTL", struct.pack(">IIIIIHHBB", *shown))
            data = _png_data(part)
            if count == 1:
                _png_chunk(file, b"IDAT", data)
            else:
                _png_chunk(file, b"fdAT", struct.pack(">I", sequence + 1) + data)
            sequence += 1 if count == 1 else 2
        _png_chunk(file, b"IEND", b"")
        file.seek(place)
        _png_chunk(file, b"acTL", struct.pack(">II", count, 0))


def write_webp(side: Path, frames: Frames, fps: float, times: int, exact: bool) -> None:
    """WebP that moves: lossless where pixels are enlarged, else as good as it needs."""
    options = {"lossless": True, "method": 0} if exact else {"quality": 92, "method": 3}
    with side.open("wb") as file:
        file.write(b"RIFF\0\0\0\0WEBP")
        for index, (picture, box) in enumerate(_changes(frames, times, step=2)):
            if index == 0:
                sizes = _three(picture.width - 1) + _three(picture.height - 1)
                _riff_chunk(file, b"VP8X", struct.pack("<I", 2) + sizes)
                _riff_chunk(file, b"ANIM", struct.pack("<IH", 0, 0))
            part = picture.crop(box)
            buffer = io.BytesIO()
            part.save(buffer, format="WEBP", **options)
            delay = round((index + 1) * 1000 / fps) - round(index * 1000 / fps)
            numbers = (box[0] // 2, box[1] // 2, part.width - 1, part.height - 1, delay)
            head = b"".join(map(_three, numbers)) + b"\x02"  # not blended with what was there
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
    """Each frame with the rectangle outside of which it is as the one before."""
    before: Image.Image | None = None
    for frame in _enlarged(frames, times):
        picture = Image.fromarray(frame)
        box = (0, 0, *picture.size)
        if before is not None:
            changed = ImageChops.difference(before, picture).getbbox() or (0, 0, 1, 1)
            left, top, right, bottom = changed
            box = (left - left % step, top - top % step, right, bottom)
        yield picture, box
        before = picture


def _gif_frame(picture: Image.Image, corner: tuple[int, int]) -> bytes:
    """Descriptor, palette and data of a frame, out of a GIF that Pillow makes of it alone."""
    buffer = io.BytesIO()
    picture.quantize(256).save(buffer, format="GIF", optimize=False, interlace=0)
    whole = buffer.getvalue()
    bits = whole[10] & 7
    at = 13 + 3 * 2 ** (bits + 1)
    palette = whole[13:at]
    while whole[at] == 0x21:  # extensions
        at += 2
        while whole[at]:
            at += whole[at] + 1
        at += 1
    descriptor = b"\x2c" + struct.pack("<HHHHB", *corner, *picture.size, 0x80 | bits)
    return descriptor + palette + whole[at + 10 : -1]


def _png_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(name + data)))


def _png_data(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    whole, at, found = buffer.getvalue(), 8, b""
    while at < len(whole):
        (length,) = struct.unpack_from(">I", whole, at)
        if whole[at + 4 : at + 8] == b"IDAT":
            found += whole[at + 8 : at + 8 + length]
        at += 12 + length
    return found


def _riff_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2))


def _webp_data(whole: bytes) -> bytes:
    """The chunk of the image itself."""
    at = 12
    while whole[at : at + 4] not in (b"VP8 ", b"VP8L"):
        (length,) = struct.unpack_from("<I", whole, at + 4)
        at += 8 + length + length % 2
    return whole[at:]


def _three(number: int) -> bytes:
    return struct.pack("<I", number)[:3]
