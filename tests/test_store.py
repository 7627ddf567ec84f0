import errno
import json
import os
import stat

import pytest

from zatlas.core.errors import BadRun, Busy, CannotWrite, Damaged
from zatlas.store import atomic
from zatlas.store import run as runs


def test_a_file_is_replaced_atomically(tmp_path):
    path = atomic.write_file(tmp_path / "new" / "a.txt", b"one")
    atomic.write_file(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(path.parent) == ["a.txt"]


def test_a_file_has_the_default_permissions_of_the_user(tmp_path):
    path = atomic.write_file(tmp_path / "a.txt", b"")
    before = os.umask(0)
    os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~before


def test_a_folder_exists_only_after_its_block(tmp_path):
    with atomic.folder(tmp_path / "f") as side:
        atomic.write_new(side / "a", b"x")
        assert not (tmp_path / "f").exists()
    atomic.verify(tmp_path / "f")


def test_a_failed_block_leaves_no_folder(tmp_path):
    with pytest.raises(RuntimeError), atomic.folder(tmp_path / "f") as side:
        atomic.write_new(side / "a", b"x")
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_never_written_over(tmp_path):
    for text in (b"one", b"two"):
        try:
            with atomic.folder(tmp_path / "f") as side:
                atomic.write_new(side / "a", text)
        except CannotWrite:
            assert text == b"two"
    assert (tmp_path / "f" / "a").read_bytes() == b"one"


def test_a_folder_is_replaced_if_requested(tmp_path):
    for text in (b"one", b"two"):
        with atomic.folder(tmp_path / "f", replace=True) as side:
            atomic.write_new(side / "a", text)
    assert (tmp_path / "f" / "a").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "add", "manifest", "no manifest"])
def test_damage_is_detected(tmp_path, harm):
    with atomic.folder(tmp_path / "f") as side:
        atomic.write_new(side / "a", b"some bytes")
    path, file = tmp_path / "f", tmp_path / "f" / "a"
    match harm:
        case "flip":
            file.write_bytes(b"some bytEs")
        case "cut":
            file.write_bytes(b"some")
        case "remove":
            file.unlink()
        case "add":
            (path / "b").write_bytes(b"")
        case "manifest":
            (path / atomic.MANIFEST).write_text("{")
        case "no manifest":
            (path / atomic.MANIFEST).unlink()
    with pytest.raises(Damaged):
        atomic.verify(path)


def test_too_little_disk_space_is_reported_before_writing(tmp_path):
    with (
        pytest.raises(
            CannotWrite, match=r"1,000,000,000,000,000,000 bytes are needed, [\d,]+ bytes are free"
        ),
        atomic.folder(tmp_path / "f", need=10**18),
    ):
        raise AssertionError("the block must not begin")


@pytest.mark.parametrize(
    ("number", "match"),
    [(errno.ENOSPC, "No room for"), (errno.EROFS, "Choose a folder"), (errno.EIO, "unchanged")],
)
def test_an_os_error_becomes_cannot_write(tmp_path, number, match):
    with pytest.raises(CannotWrite, match=match), atomic.explain_errors(tmp_path / "a" / "b", need=5):
        raise OSError(number, os.strerror(number))


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    (tmp_path / ".side-x").mkdir()
    (tmp_path / ".side-x" / "a").write_text("")
    (tmp_path / ".side-file").write_text("")
    (tmp_path / "kept").write_text("")
    atomic.remove_leftovers(tmp_path)
    assert os.listdir(tmp_path) == ["kept"]


def made(folder, **said):
    return runs.create_run(folder, {"made.json": json.dumps({"format": 1, **said}).encode()})


def test_a_run_is_created_only_once(tmp_path):
    made(tmp_path / "run")
    with pytest.raises(BadRun, match=r"not empty. .*zatlas train --resume"):
        made(tmp_path / "run")


def test_a_run_of_a_newer_format_is_refused_and_unchanged(tmp_path):
    run = made(tmp_path / "run", format=99, zatlas="9.0")
    before = (run.folder / "made.json").read_bytes()
    with pytest.raises(BadRun, match=r"format 99, written by zatlas 9.0, .*pip install -U zatlas"):
        runs.open_run(run.folder)
    assert (run.folder / "made.json").read_bytes() == before


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format": "x"}', b"\xff"])
def test_a_broken_made_json_raises_an_error(tmp_path, text):
    run = runs.create_run(tmp_path / "run", {"made.json": text})
    with pytest.raises(BadRun, match=r"made\.json"):
        runs.open_run(run.folder)


def test_a_folder_that_is_not_a_run_raises_an_error(tmp_path):
    with pytest.raises(BadRun, match="is not a run"):
        runs.open_run(tmp_path)
    with pytest.raises(BadRun, match=r"There is no run at .*zatlas train digits"):
        runs.open_run(tmp_path / "none")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "a/../../x", "a\\..\\x", "C:x", "a\x00b", "", "link/x"]
)
def test_a_name_in_a_run_never_leads_out_of_it(tmp_path, name):
    run = made(tmp_path / "run")
    (run.folder / "link").symlink_to(tmp_path)
    with pytest.raises(BadRun):
        run.path(name)


def test_a_name_in_a_run_is_a_path_inside_it(tmp_path):
    run = made(tmp_path / "run")
    assert run.path("sprites/0.png") == run.folder / "sprites" / "0.png"


def test_only_one_process_trains_a_run(tmp_path):
    run = made(tmp_path / "run")
    with run.lock(), pytest.raises(Busy, match=f"trained by process {os.getpid()} on "), run.lock():
        raise AssertionError("two held it")
    with run.lock():
        pass


def test_a_row_that_is_still_being_written_is_not_read(tmp_path):
    run = made(tmp_path / "run")
    atomic.append_line(run.metrics_file, '{"epoch": 1, "step": 4}')
    with run.metrics_file.open("a") as file:
        file.write('{"epo')
    assert run.metrics() == [{"epoch": 1, "step": 4}]


def test_a_free_folder_counts_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(runs.free_folder("a")) == "runs/a"
    (tmp_path / "runs" / "a").mkdir(parents=True)
    assert str(runs.free_folder("a")) == "runs/a-2"
