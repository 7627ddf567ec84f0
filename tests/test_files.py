import io
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from tests.test_image_reader import png_that_claims
from zatlas.core.errors import BadData, BadRecipe
from zatlas.data import sources


def picture(path, grey=100, size=(12, 10), kind=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), grey, np.uint8)).save(path, kind)
    return path


def jpeg(grey=100):
    buffer = io.BytesIO()
    noise = np.random.default_rng(grey).integers(0, 255, (20, 24, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def spoil(number):
    """One of twenty ways in which a file is no image."""
    good = jpeg(number % 200)
    directions = [
        lambda: b"",
        lambda: good[:10],
        lambda: good[: len(good) // 2],
        lambda: good[:-200],
        lambda: b"\0" * 500,
        lambda: b"hello world",
        lambda: b"<html><body>404</body></html>",
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        lambda: b"%PDF-1.7\n",
        lambda: good[200:],
        lambda: b"\xff\xd8" + b"\0" * 100,
        lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 30,
        lambda: png_that_claims(20_000, 20_000),
        lambda: png_that_claims(8001, 8001),
        lambda: png_that_claims(0, 5),
        lambda: b"GIF89a" + b"\xff" * 20,
        lambda: b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 20,
        lambda: b"BM" + b"\xff" * 60,
        lambda: b"II*\0" + b"\xff" * 40,
        lambda: b"\x93NUMPY\x01\0",
    ]
    return directions[number % len(directions)]()


def fill(folder, total, broken):
    """Files of which some, evenly among the others, are broken; the names of those."""
    folder.mkdir()
    names = set()
    for index in range(total):
        name = f"{index:05d}.jpg"
        bad = index * broken // total != (index + 1) * broken // total
        (folder / name).write_bytes(spoil(len(names)) if bad else jpeg(index % 50))
        if bad:
            names.add(name)
    return names


def check_quarantine(folder, total, broken):
    bad = fill(folder, total, broken)
    images = sources.load(str(folder), size=16, tolerate=0.06)
    aside = images.report["skipped"]
    assert {os.path.basename(entry["file"]) for entry in aside} == bad
    assert all(entry["reason"] and entry["detail"] for entry in aside)
    assert images.report["used"] == len(images) == total - broken
    json.dumps(images.report)


def test_exactly_the_broken_files_are_skipped(tmp_path):
    check_quarantine(tmp_path / "photos", 800, 40)


@pytest.mark.slow
def test_exactly_500_of_10000_files_are_skipped(tmp_path):
    check_quarantine(tmp_path / "photos", 10_000, 500)


def test_too_many_broken_files_raise_an_error_with_advice(tmp_path):
    fill(tmp_path / "photos", 40, 8)
    with pytest.raises(BadData, match=r"8 of 40 files of photos cannot be used .*data.tolerate=0\.2"):
        sources.load(str(tmp_path / "photos"), size=16)
    assert len(sources.load(str(tmp_path / "photos"), size=16, tolerate=0.21)) == 32


@pytest.mark.parametrize("broken", [7, 29, 57])
def test_the_tolerance_that_the_error_suggests_is_sufficient(tmp_path, broken):
    fill(tmp_path / "photos", 100, broken)
    with pytest.raises(BadData) as refused:
        sources.load(str(tmp_path / "photos"), size=16)
    share = float(re.search(r"data\.tolerate=([\d.]+)", str(refused.value))[1])
    assert len(sources.load(str(tmp_path / "photos"), size=16, tolerate=share)) == 100 - broken


@pytest.mark.parametrize(
    "options",
    [
        {"channels": 2},
        {"channels": "rgb"},
        {"background": 256},
        {"background": "white"},
        {"tolerate": -1},
        {"tolerate": "x"},
        {"count": 0},
        {"count": -1},
        {"count": "all"},
        {"size": 2.5},
        {"size": 10**6},
    ],
)
def test_an_invalid_option_is_refused_before_a_file_is_read(tmp_path, options):
    picture(tmp_path / "p" / "a.png")
    with pytest.raises(BadRecipe, match=f"not {next(iter(options.values()))!r}"):
        sources.load(str(tmp_path / "p"), **options)


@pytest.mark.posix
def test_a_pipe_or_a_bomb_among_the_images_neither_hangs_nor_warns(tmp_path):
    fill(tmp_path / "p", 40, 0)
    os.mkfifo(tmp_path / "p" / "00000a.jpg")
    (tmp_path / "p" / "00000b.png").write_bytes(png_that_claims(10_000, 10_000))
    images = sources.load(str(tmp_path / "p"), size=16)
    reasons = [entry["reason"] for entry in images.report["skipped"]]
    assert reasons == ["not-a-file", "too-large"]


def test_images_larger_than_a_block_keep_their_order(tmp_path):
    for index in range(20):
        picture(tmp_path / "p" / f"{index:02d}.png", grey=index, size=(900, 700))
    images = sources.load(str(tmp_path / "p"), channels=1)
    assert images.shape == (1, 700, 900)
    assert images.pixels[:, 0, 0, 0].tolist() == list(range(20))


def test_a_second_call_reads_no_image_file(tmp_path, monkeypatch):
    fill(tmp_path / "photos", 30, 0)
    first = sources.load(str(tmp_path / "photos"), size=16)
    for path in (tmp_path / "photos").iterdir():
        stats = path.stat()
        path.write_bytes(b"x" * stats.st_size)
        os.utime(path, ns=(stats.st_atime_ns, stats.st_mtime_ns))
    second = sources.load(str(tmp_path / "photos"), size=16)
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.pixels, np.memmap)


def test_a_changed_file_invalidates_the_cache(tmp_path):
    fill(tmp_path / "photos", 30, 0)
    first = sources.load(str(tmp_path / "photos"), size=16)
    (tmp_path / "photos" / "00003.jpg").write_bytes(jpeg(199))
    assert sources.load(str(tmp_path / "photos"), size=16).fingerprint != first.fingerprint


def test_an_interrupted_reading_leaves_nothing_behind(tmp_path, monkeypatch):
    fill(tmp_path / "photos", 200, 0)
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "cache"))
    from zatlas.data import files

    visible = []

    def interrupted(*arguments):
        visible.append(arguments)
        if len(visible) > 100:
            raise KeyboardInterrupt
        return real(*arguments)

    real = files._read_or_error
    monkeypatch.setattr(files, "_read_or_error", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sources.load(str(tmp_path / "photos"), size=16)
    assert list((tmp_path / "cache").iterdir()) == []
