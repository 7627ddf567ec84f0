"""Read errors, damage and leftovers of the data cache, through `sources.load` and the command line."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.core.errors import BadData, BadRun, CannotRead, Damaged, TooLarge, ZatlasError
from zatlas.data import files, image_reader, pixel_cache, sources
from zatlas.data.partitions import open_partitions
from zatlas.store import retry


@pytest.fixture
def cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(retry, "PAUSE", 0.001)
    return tmp_path / "cache"


@pytest.fixture
def photos(tmp_path):
    """Sixty noise images of three classes, in folders with a space in their names."""
    for number in range(60):
        path = tmp_path / "my photos" / f"kind {number % 3}" / f"{number:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
        Image.fromarray(noise).save(path)
    return tmp_path / "my photos"


def fail(monkeypatch, error, names=("003.png", "017.png"), times=10**9):
    """Let reading these files fail so many times; a list that grows with each failure."""
    failures = []
    complete = Path.read_bytes

    def read_bytes(path):
        if path.name in names and failures.count(path.name) < times:
            failures.append(path.name)
            raise error() if error is MemoryError else OSError(error, os.strerror(error), str(path))
        return complete(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return failures


def aside(images):
    return [(Path(one["file"]).name, one["reason"]) for one in images.report["skipped"]]


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.EACCES, MemoryError])
def test_an_image_with_a_read_error_is_tried_again_by_the_next_call(photos, cache_folder, monkeypatch, error):
    with monkeypatch.context() as patch:
        fail(patch, error)
        images = sources.load(str(photos), size=12)
        assert len(images) == 58
        assert aside(images) == [("003.png", "not-read"), ("017.png", "not-read")]
        assert "could not be read this time" in images.report["skipped"][0]["detail"]
        assert len(sources.load(str(photos), size=12)) == 58
    well = sources.load(str(photos), size=12)
    assert len(well) == 60 and not aside(well)
    assert well.fingerprint != images.fingerprint


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE])
def test_a_transient_read_error_has_no_effect(photos, cache_folder, monkeypatch, error):
    failures = fail(monkeypatch, error, times=2)
    assert not aside(sources.load(str(photos), size=12))
    assert len(failures) == 4


def test_many_read_errors_stop_with_one_message(photos, cache_folder, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        fail(patch, errno.EIO, names={f"{number:03d}.png" for number in range(4)})
        with pytest.raises(CannotRead, match=r"4 of 60 files .* Input/output error .*Repeat the command"):
            sources.load(str(photos), size=12)
        assert main(["train", str(photos), "--size", "12", "--out", "run"]) == 1
    assert "Traceback" not in capsys.readouterr().err
    assert not list(cache_folder.glob("*"))
    assert len(sources.load(str(photos), size=12)) == 60


def test_too_little_memory_while_decoding_is_not_damage(photos, cache_folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(image_reader, "_decode", lambda *_: (_ for _ in ()).throw(MemoryError))
        with pytest.raises(CannotRead, match="not enough memory"):
            sources.load(str(photos), size=12)
    assert len(sources.load(str(photos), size=12)) == 60


def test_an_array_file_larger_than_memory_raises_one_message(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8), np.uint8))
    monkeypatch.setattr("zatlas.data.npz.concatenate_parts", lambda *_: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(TooLarge, match=r"a\.npy does not fit into memory"):
        sources.load(str(tmp_path / "a.npy"))


def test_a_training_is_not_resumed_with_fewer_images(photos, cache_folder, tmp_path, monkeypatch):
    run = small_run(tmp_path / "run", photos, dim=2, epochs=1, size=12).run
    shutil.rmtree(cache_folder)
    fail(monkeypatch, errno.EIO)
    from zatlas.create import resume

    with pytest.raises(BadRun, match=r"other images.* 2 of its files could not be read this time"):
        resume(run.folder, {"training.epochs": 2}, verbose=False)


def test_the_data_report_lists_unread_images(photos, cache_folder, tmp_path, monkeypatch):
    fail(monkeypatch, errno.EIO)
    run = small_run(tmp_path / "run", photos, dim=2, epochs=1, size=12).run
    report = json.loads((run.folder / "data_report.json").read_text())
    assert {one["reason"] for one in report["skipped"]} == {"not-read"}
    assert report["used"] == 58


def test_a_link_to_a_missing_file_is_skipped(photos, cache_folder, tmp_path):
    (photos / "kind 0" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert aside(sources.load(str(photos), size=12)) == [("gone.png", "link-outside")]
    (photos / "kind 0" / "gone.png").unlink()
    (photos / "kind 0" / "gone.png").symlink_to(photos / "nowhere.png")
    assert aside(sources.load(str(photos), size=12)) == [("gone.png", "missing")]
    shutil.copy(photos / "kind 0" / "000.png", photos / "nowhere.png")
    assert not aside(sources.load(str(photos), size=12))


def test_deleting_a_folder_while_it_is_read_raises_one_message(photos, cache_folder, monkeypatch):
    complete = Path.read_bytes

    def deleted(path):
        shutil.rmtree(photos, ignore_errors=True)
        return complete(path)

    monkeypatch.setattr(Path, "read_bytes", deleted)
    with pytest.raises(CannotRead, match="could not be read this time: it does not exist"):
        sources.load(str(photos), size=12)
    with pytest.raises(ZatlasError, match="There is no file or folder"):
        sources.load(str(photos), size=12)


@pytest.mark.parametrize("error", [errno.EIO, errno.ESTALE, errno.ENOENT])
def test_a_folder_that_cannot_be_listed_raises_one_message(photos, cache_folder, monkeypatch, error):
    listed = os.scandir

    def scandir(path="."):
        if str(path).endswith("kind 1"):
            raise OSError(error, os.strerror(error), str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(CannotRead, match="kind 1 cannot be listed"):
        sources.load(str(photos), size=12)


def test_encoding_stops_at_an_image_that_cannot_be_read(photos, monkeypatch):
    pieces = open_partitions(str(photos), (3, 12, 12))
    fail(monkeypatch, errno.EACCES)
    with pytest.raises(CannotRead, match=r"003\.png could not be read this time: Permission denied"):
        pieces.read(0)


# Damage ---------------------------------------------------------------------------------------


def flip(path, folder=-1, keep_time=False):
    state = path.stat()
    data = bytearray(path.read_bytes())
    data[folder] ^= 1
    path.write_bytes(data)
    if keep_time:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.slow
@pytest.mark.posix  # Windows cannot cut a mapped file short
def test_damage_to_any_file_of_the_cache_rebuilds_the_dataset(photos, cache_folder, capfd):
    first = sources.load(str(photos), size=12)
    pixels, (path,) = first.pixels.copy(), list(cache_folder.iterdir())
    names = sorted(file.name for file in path.iterdir())
    assert {"MANIFEST.json", "description.json", "labels.npy", "pixels.npy", "split.npy"} == set(names)
    rng = np.random.default_rng(0)
    capfd.readouterr()
    for trial in range(60):
        file = path / names[trial % len(names)]
        size = file.stat().st_size
        if trial % 4 == 3:
            os.truncate(file, rng.integers(size))
        elif trial % 20 == 0:
            file.unlink()
        else:
            flip(file, int(rng.integers(size)))
        images = sources.load(str(photos), size=12)
        assert images.fingerprint == first.fingerprint
        np.testing.assert_array_equal(images.pixels, pixels)
        np.testing.assert_array_equal(images.labels, first.labels)
        assert images.classes == first.classes
    assert capfd.readouterr().err.count("are damaged") >= 45  # a flip in a recorded time changes nothing
    assert len(list(cache_folder.iterdir())) == 1


def test_training_detects_damage_that_keeps_the_modification_time(photos, cache_folder, capfd):
    first = sources.load(str(photos), size=12)
    pixels, (path,) = first.pixels.copy(), list(cache_folder.iterdir())
    flip(path / "pixels.npy", keep_time=True)
    pixel_cache.verify_cache(path)
    with pytest.raises(Damaged, match=r"pixels\.npy has changed since"):
        pixel_cache.verify_cache(path, thorough=True)
    np.testing.assert_array_equal(sources.load_verified(str(photos), size=12).pixels, pixels)
    assert "are damaged" in capfd.readouterr().err


def test_damage_to_the_cache_does_not_change_a_training(photos, cache_folder, tmp_path):
    clean = small_run(tmp_path / "clean", photos, dim=2, epochs=2, size=12).run
    flip(next(cache_folder.glob("*/pixels.npy")), keep_time=True)
    new = small_run(tmp_path / "new", photos, dim=2, epochs=2, size=12).run
    weights = {(run.folder / "weights.safetensors").read_bytes() for run in (clean, new)}
    assert len(weights) == 1


def test_a_cache_that_was_copied_is_hashed_once(photos, cache_folder, monkeypatch):
    first = sources.load(str(photos), size=12)
    (folder,) = list(cache_folder.iterdir())
    for file in folder.iterdir():
        os.utime(file)
    assert sources.load(str(photos), size=12).fingerprint == first.fingerprint
    monkeypatch.setattr(retry, "digest", lambda path: pytest.fail(f"{path} was hashed again"))
    assert sources.load(str(photos), size=12).fingerprint == first.fingerprint


def test_a_read_error_in_the_cache_removes_nothing(photos, cache_folder, monkeypatch):
    sources.load(str(photos), size=12)
    with monkeypatch.context() as patch:
        fail(patch, errno.EIO, names=("MANIFEST.json",))
        with pytest.raises(CannotRead, match=r"MANIFEST\.json cannot be read"):
            sources.load(str(photos), size=12)
    monkeypatch.setattr(files, "read_image", lambda *_, **__: pytest.fail("read again"))
    assert len(sources.load(str(photos), size=12)) == 60


def test_damage_without_the_source_raises_one_message(photos, cache_folder):
    sources.load(str(photos), size=12)
    shutil.rmtree(photos)
    flip(next(cache_folder.glob("*/pixels.npy")))
    with pytest.raises(ZatlasError, match="There is no file or folder"):
        sources.load(str(photos), size=12)


@pytest.mark.parametrize("harm", [flip, Path.unlink, lambda path: os.truncate(path, 20)])
def test_damage_to_an_unpacked_archive_is_detected_before_use(photos, cache_folder, tmp_path, capfd, harm):
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", photos)
    first = sources.load(archive, size=12)
    (folder,) = cache_folder.glob("archive-*")
    harm(folder / "kind 0" / "003.png")
    assert sources.load(archive, size=12).fingerprint == first.fingerprint
    assert "is unpacked again" in capfd.readouterr().err


# Leftovers ------------------------------------------------------------------------------------

READER = r"""
import sys, time
from zatlas.data import files, sources
whole = files._read_or_error
def slow(*given):
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    time.sleep(float(sys.argv[2]))
    return whole(*given)
files._read_or_error = slow
print(len(sources.load(sys.argv[1], size=12)))
"""


def readers(photos, seconds, count=1):
    """Processes that read these images, so many seconds for each, once all have begun."""
    words = [sys.executable, "-c", READER, str(photos), str(seconds)]
    begun = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    assert all(process.stdout.readline() == "reading\n" for process in begun)
    return begun


def age(folder):
    past = time.time() - 2 * pixel_cache.ABANDONED_SECONDS
    os.utime(folder, (past, past))


@pytest.mark.posix
def test_the_next_reader_removes_the_files_of_a_killed_one(photos, cache_folder):
    (process,) = readers(photos, 100)
    (side,) = cache_folder.glob(".side-*")
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    sources.load("faces:count=8", size=16)
    assert side.exists()  # it is young, and might just be made
    age(side)
    sources.load("faces:count=8", size=16)
    assert not side.exists()


@pytest.mark.slow
def test_the_folder_of_a_running_reader_is_never_removed(photos, cache_folder):
    (process,) = readers(photos, 0.05)
    (side,) = cache_folder.glob(".side-*")
    while process.poll() is None:
        if side.exists():
            age(side)
        sources.load("faces:count=8", size=16)
        time.sleep(0.02)
    assert process.stdout.read().split()[-1] == "60"
    process.stdout.close()
    assert not list(cache_folder.glob(".side-*"))
    assert len(sources.load(str(photos), size=12)) == 60


@pytest.mark.slow
def test_two_readers_of_the_same_images_do_not_disturb_each_other(photos, cache_folder):
    for process in readers(photos, 0.05, count=2):
        assert process.communicate()[0].split()[-1] == "60" and process.returncode == 0
    assert len(list(cache_folder.iterdir())) == 1


def test_a_link_among_the_leftovers_is_not_followed(photos, cache_folder, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("mine")
    cache_folder.mkdir()
    (cache_folder / ".side-x-1-0000").symlink_to(tmp_path / "home")
    os.utime(cache_folder / ".side-x-1-0000", (0, 0), follow_symlinks=False)
    sources.load(str(photos), size=12)
    assert (tmp_path / "home" / "letter.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["not sure", "a:1", "7", "random", '"x" $(id) `id`', "ß é ☃"])
def test_a_class_folder_may_have_any_name(cache_folder, tmp_path, name):
    for kind in (name, "other"):
        for number in range(4):
            path = tmp_path / "p" / kind / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), 9 * number, np.uint8)).save(path)
    assert set(sources.load(str(tmp_path / "p")).classes) == {name, "other"}
    assert set(sources.load(str(tmp_path / "p")).classes) == {name, "other"}


def test_a_read_error_of_an_array_file_is_not_reported_as_damage(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((4, 8, 8), np.uint8))
    monkeypatch.setattr(retry, "PAUSE", 0.001)
    complete = Path.open

    def opened(path, *given, **named):
        if path.name == "a.npy":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return complete(path, *given, **named)

    monkeypatch.setattr(Path, "open", opened)
    with pytest.raises(CannotRead, match=r"a\.npy cannot be read: Input/output error"):
        sources.load(str(tmp_path / "a.npy"))
    assert not issubclass(CannotRead, BadData)
