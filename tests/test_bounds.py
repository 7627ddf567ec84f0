"""What broken and hostile files of images, arrays and tables may cost: bounds, and one sentence each."""

import gzip
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from zatlas.core.errors import BadData, TooLarge, ZatlasError
from zatlas.core.system import SYSTEM
from zatlas.create import import_model
from zatlas.data import image_reader, sources
from zatlas.data.attribute_table import read_table
from zatlas.data.idx import read_idx
from zatlas.data.image_reader import BadImage, read_image
from zatlas.data.partitions import open_partitions

SIDE = 7900  # of an image of 62 megapixels: allowed by their number
MEGABYTES = 1000  # of memory for one image

CHILD = """
import json, resource, sys, time
from pathlib import Path
from zatlas.data.image_reader import BadImage, read_size, read_image
read_image(Path(sys.argv[1]).with_name("small.webp"))
status = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
Path("/proc/self/clear_refs").write_text("5")
before, begun = status(), time.process_time()
read_size(Path(sys.argv[1]))
try:
    read_image(Path(sys.argv[1]), channels=3)
    reason = "read"
except BadImage as error:
    reason = error.reason
print(json.dumps([reason, time.process_time() - begun, (status() - before) / 1000]))
"""


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(bits, kind, channels, side=SIDE):
    """A black PNG, compressed as far as it goes."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(side * channels * bits // 8)
    data = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    head = struct.pack(">IIBBBBB", side, side, bits, kind, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def riff(chunks):
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def vp8l(side):
    """A WebP of 34 bytes that promises a large image."""
    body = b"\x2f" + struct.pack("<I", (side - 1) | (side - 1) << 14) + bytes(9)
    return b"VP8L" + struct.pack("<I", len(body)) + body


def vp8x(side, flags=0):
    sides = (side - 1).to_bytes(3, "little") * 2
    return b"VP8X" + struct.pack("<I", 10) + bytes([flags, 0, 0, 0]) + sides


def encoded(mode, kind, **options):
    buffer = io.BytesIO()
    Image.new(mode, (SIDE, SIDE)).save(buffer, kind, **options)
    return buffer.getvalue()


BOMBS = {
    "webp": lambda: riff(vp8l(SIDE)),
    "webp-largest": lambda: riff(vp8l(16383)),
    "webp-canvas": lambda: riff(vp8x(12000) + vp8l(16)),
    "webp-padded": lambda: encoded("RGBA", "WEBP", lossless=True) + bytes(3_000_000),
    "png-rgba-16": lambda: png(16, 6, 4),
    "png-rgb-16": lambda: png(16, 2, 3),
    "png-grey-16": lambda: png(16, 0, 1),
    "png-rgb": lambda: png(8, 2, 3),
    "tiff-float": lambda: encoded("F", "TIFF", compression="tiff_deflate"),
}
COSTLY = {  # not refused, as there may be such images
    "png-rgba-16-padded": lambda: png(16, 6, 4) + bytes(3_000_000),
    "jpeg": lambda: encoded("RGB", "JPEG"),
    "gif": lambda: encoded("P", "GIF"),
    "tiff-rgba": lambda: encoded("RGBA", "TIFF", compression="tiff_lzw"),
}


def cost(tmp_path, data):
    """What reading an image comes to in a process of its own: the reason, seconds, megabytes."""
    Image.new("RGB", (8, 8)).save(tmp_path / "small.webp")
    (tmp_path / "image").write_bytes(data)
    words = [sys.executable, "-c", CHILD, str(tmp_path / "image")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc")
@pytest.mark.parametrize("name", BOMBS)
def test_an_image_bomb_is_refused_by_its_header(tmp_path, name):
    reason, seconds, megabytes = cost(tmp_path, BOMBS[name]())
    assert reason == "too-large"
    assert megabytes < 20 and seconds < 0.05


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by /proc")
@pytest.mark.parametrize("name", COSTLY)
def test_decoding_the_largest_image_needs_at_most_one_gigabyte(tmp_path, name):
    reason, _, megabytes = cost(tmp_path, COSTLY[name]())
    assert reason == "read" and megabytes < MEGABYTES


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_a_uniform_image_of_ordinary_size_is_read(mode):
    buffer = io.BytesIO()
    Image.new(mode, (3000, 3000)).save(buffer, "PNG")
    assert read_image(buffer.getvalue(), size=8).pixels.shape[1:] == (8, 8)


def test_only_one_large_image_is_decoded_at_a_time(monkeypatch):
    monkeypatch.setattr(image_reader, "LARGE_BYTES", 0)
    inside = []

    def picture(*given):
        inside.append(image_reader._large_image_lock.locked())
        return complete(*given)

    complete = image_reader._decode
    monkeypatch.setattr(image_reader, "_decode", picture)
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    read_image(buffer.getvalue())
    assert inside == [True] and not image_reader._large_image_lock.locked()


# Arrays ---------------------------------------------------------------------------------------


def npy_bytes(header, values=b""):
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text + values


HEADERS = [
    "((((" * 20,
    "(" * 110,
    "{",
    "{'descr': '|u1'}",
    "[]",
    "\0",
    "lambda: 1",
    "{'a': 1e999}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 8, 8)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 8)L}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1" + "0" * 40 + ",)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (2, 8, 8)}",
    "{'descr': '<V99999999999', 'fortran_order': False, 'shape': (2, 8, 8)}",
    "{'descr': [(((",
    "{'descr': '|u1', 'fortran_order': 3, 'shape': (2, 8, 8)}",
    "{'descr': '|u1', 'fortran_order': False, 'shape': " + "[" * 30 + "]" * 30 + "}",
]


@pytest.mark.parametrize("header", HEADERS, ids=range(len(HEADERS)))
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_invalid_array_header_raises_a_clear_error(tmp_path, header, suffix):
    path = tmp_path / f"a{suffix}"
    data = npy_bytes(header, bytes(128))
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", data)
    else:
        path.write_bytes(data)
    with pytest.raises(BadData, match=r"a\.np[yz] cannot be read as arrays: "):
        sources.load(str(path))
    with pytest.raises(BadData, match=r"a\.np[yz] cannot be read as arrays: "):
        import_model(str(path), tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()


def packed(path, shape, zeros):
    """A compressed array of so many zeros, whose header promises this shape."""
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", file.getvalue() + bytes(zeros))
    return path


def test_arrays_larger_than_the_free_memory_are_refused_before_reading(tmp_path, monkeypatch):
    path = packed(tmp_path / "a.npz", (64, 1024, 1024), 64 << 20)
    assert path.stat().st_size < 100_000
    monkeypatch.setattr(SYSTEM, "free_memory", lambda: 100 << 20)
    for read_it in (sources.load, lambda name: import_model(name, tmp_path / "run", verbose=False)):
        with pytest.raises(TooLarge, match=r"has 67,108,864 bytes of values.* but 104,857,600 are"):
            read_it(str(path))
    assert not (tmp_path / "run").exists()


def test_a_header_that_states_more_bytes_than_its_file_has_is_refused(tmp_path):
    path = packed(tmp_path / "a.npz", (8 << 10, 1024, 1024), 1 << 10)
    for read_it in (sources.load, lambda name: import_model(name, tmp_path / "run", verbose=False)):
        with pytest.raises(BadData, match="states 8,589,934,592 bytes of values, but the file has 1,024"):
            read_it(str(path))


def test_an_npz_entry_with_an_implausible_size_is_refused(tmp_path):
    path = packed(tmp_path / "a.npz", (8, 8, 8), 512)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 0xFFFFFFF0)
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"cannot unpack to 4,294,967,280 of x\.npy"):
        sources.load(str(path))


def test_the_free_memory_is_measured():
    assert 1 << 20 < SYSTEM.free_memory() < 1 << 50


# Mutations ------------------------------------------------------------------------------------

CHANCE = np.random.default_rng(0)
PIXELS = CHANCE.integers(0, 256, (6, 5, 5)).astype(np.uint8)


def seeds(folder):
    """A good file for each reader, and the reader."""
    buffer = io.BytesIO()
    Image.fromarray(PIXELS[0]).save(buffer, "PNG")
    np.save(folder / "a.npy", PIXELS)
    np.savez(folder / "a.npz", images=PIXELS, labels=np.arange(6))
    np.savez_compressed(folder / "b.npz", x_train=PIXELS, y_train=np.array(list("abcabc")))
    idx = b"\0\0\x08\x03" + struct.pack(">III", *PIXELS.shape) + PIXELS.tobytes()
    (folder / "a-idx3-ubyte").write_bytes(idx)
    (folder / "b-idx3-ubyte.gz").write_bytes(gzip.compress(idx))
    (folder / "a.csv").write_text("file,age,label\n" + "".join(f"{n}.png,{n},a\n" for n in range(6)))
    table = {"image": [{"bytes": buffer.getvalue()}] * 6, "label": list("abcabc"), "age": range(6)}
    pq.write_table(pa.table({**table, "age": list(range(6))}), folder / "a.parquet")

    def shards(path):
        pieces = open_partitions(str(path.parent), (1, 5, 5))
        for number in range(len(pieces.counts)):
            pieces.read(number)

    def load(path):
        return sources.load(str(path))

    return {
        "a.npy": load,
        "a.npz": load,
        "b.npz": load,
        "a-idx3-ubyte": read_idx,
        "b-idx3-ubyte.gz": read_idx,
        "a.csv": read_table,
        "a.parquet": read_table,
        "shards": shards,
    }


def mutated(good, trial):
    random = np.random.default_rng(trial)
    bad = bytearray(good if trial % 5 else good[: random.integers(len(good))])
    for path in random.integers(len(bad), size=1 + trial % 4) if bad else ():
        bad[path] = random.integers(256)
    if trial % 7 == 0:
        path = int(random.integers(len(bad) + 1))
        bad[path:path] = [b"((((", b"\0" * 9, b"1e999", b"\xff" * 9, b'"'][trial % 5]
    return bytes(bad)


@pytest.mark.parametrize(
    "name", ["a.npy", "a.npz", "b.npz", "a-idx3-ubyte", "b-idx3-ubyte.gz", "a.csv", "a.parquet", "shards"]
)
def test_250_mutations_of_a_file_are_read_or_raise_a_zatlas_error(tmp_path, name):
    reader = seeds(tmp_path)[name]
    source = tmp_path / (name if name != "shards" else "a.parquet")
    path = tmp_path / "broken" / source.name
    path.parent.mkdir()
    refused = 0
    for trial in range(250):
        path.write_bytes(mutated(source.read_bytes(), trial))
        try:
            reader(path)
        except ZatlasError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 1000
    assert refused > 20


def test_a_mutated_image_is_read_or_raises_bad_image():
    good = png(8, 2, 3, side=16)
    for trial in range(500):
        try:
            read_image(mutated(good, trial))
        except BadImage as error:
            assert error.reason in ("not-an-image", "truncated", "unreadable", "too-large", "empty")
