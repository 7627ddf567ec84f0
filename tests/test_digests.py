"""A run's record of its files: damage is named, ordinary changes are not damage."""

import errno
import json
import os
import shutil

import pytest

from zatlas.core.errors import BadRun, Busy, CannotRead, Damaged
from zatlas.store import atomic, digests, lock, retry, safe_paths
from zatlas.store import run as runs


@pytest.fixture
def run(tmp_path):
    return runs.create_run(tmp_path / "run", {"made.json": b'{"format": 1}'})


def flip(path, folder=0):
    data = bytearray(path.read_bytes())
    data[folder] ^= 1
    path.write_bytes(data)


def test_a_changed_byte_raises_an_error_with_the_command_to_type(run):
    path = atomic.write_file(run.path("charts", "a.bin"), b"some bytes")
    digests.verify(path)
    flip(path)
    with pytest.raises(Damaged, match=r"a\.bin has changed .* zatlas check .*run"):
        digests.verify(path)


def test_a_thorough_check_detects_damage_that_keeps_the_time(run):
    path = atomic.write_file(run.path("a.bin"), b"some bytes")
    before = path.stat()
    flip(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    digests.verify(path)
    with pytest.raises(Damaged):
        digests.verify(path, thorough=True)


def test_a_copied_run_is_intact_whatever_its_modification_times(run, tmp_path):
    atomic.write_file(run.path("a.bin"), b"some bytes")
    copy = tmp_path / "copy"
    shutil.copytree(run.folder, copy, copy_function=shutil.copyfile)
    digests.verify(copy / "a.bin")
    flip(copy / "a.bin")
    with pytest.raises(Damaged):
        digests.verify(copy / "a.bin")


def test_a_file_that_zatlas_did_not_write_is_not_used(run):
    (run.folder / "weights.safetensors").write_bytes(b"")
    with pytest.raises(Damaged, match=r"not written by zatlas.* --accept weights\.safetensors"):
        digests.verify(run.weights)


def test_a_growing_file_is_compared_up_to_its_recorded_size(run):
    rows = [{"epoch": 1, "step": 4}, {"epoch": 2, "step": 8}]
    for row in rows:
        atomic.append_line(run.metrics_file, json.dumps(row))
    with run.metrics_file.open("a") as file:
        file.write('{"epo')  # killed here
    assert run.metrics() == rows
    flip(run.metrics_file, 3)
    with pytest.raises(Damaged, match="metrics"):
        run.metrics()


def test_a_record_with_a_truncated_last_line_can_be_appended_to(run):
    with (run.folder / digests.FILE).open("ab") as file:
        file.write(b'{"file": "a.bin", "si')
    path = atomic.write_file(run.path("b.bin"), b"b")
    digests.verify(path)
    digests.verify(run.provenance_file)


def test_removed_files_are_recorded_as_removed(run):
    path = atomic.write_file(run.path("site", "0" * 16, "a.bin"), b"a")
    atomic.remove(path.parent)
    assert digests.recorded_in(run.folder, run.folder / "site") == []


def test_a_run_without_a_record_is_not_opened(run):
    (run.folder / digests.FILE).unlink()
    with pytest.raises(BadRun, match=r"no digests\.jsonl.* --accept \."):
        runs.open_run(run.folder)


@pytest.mark.parametrize(
    "line",
    [
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"file": 1, "size": 1}',
        b'"x"',
        b'{"file": "made.json", "size": "13", "mtime": 0, "sha256": ""}',
        b'{"file": "../../etc/passwd", "size": 1, "mtime": 0, "sha256": "x", "grows": false}',
    ],
)
def test_invalid_lines_of_the_record_are_ignored(run, line):
    with (run.folder / digests.FILE).open("ab") as file:
        file.write(line + b"\n")
    assert runs.open_run(run.folder).provenance() == {"format": 1}


@pytest.mark.posix
@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "pipe", "folder link"])
def test_links_below_a_run_are_refused(run, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "a.txt").write_text("mine")
    target = run.folder / ("charts" if kind == "folder link" else "metrics.jsonl")
    match kind:
        case "link":
            target.symlink_to(secret / "a.txt")
        case "dangling":
            target.symlink_to(tmp_path / "new")
        case "loop":
            target.symlink_to(target)
        case "pipe":
            os.mkfifo(target)
        case "folder link":
            target.symlink_to(secret)
    with pytest.raises(BadRun, match="zatlas opens only ordinary files"):
        run.path(*([target.name, "a.txt"] if kind == "folder link" else [target.name]))
    with pytest.raises(BadRun):  # whoever reaches the writer without asking for the path
        atomic.append_line(target / "a.txt" if kind == "folder link" else target, "x")
    assert [path.name for path in secret.iterdir()] == ["a.txt"]
    assert (secret / "a.txt").read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_file_is_opened_below_a_folder_without_following_a_link(run, tmp_path):
    atomic.write_file(run.path("charts", "a.bin"), b"a")
    assert safe_paths.read_below(run.folder, "charts", "a.bin") == b"a"
    os.rename(run.folder / "charts", tmp_path / "moved")
    (run.folder / "charts").symlink_to(tmp_path / "moved")
    with pytest.raises((BadRun, OSError)):
        safe_paths.read_below(run.folder, "charts", "a.bin")


@pytest.mark.posix
def test_a_hard_link_is_not_opened(run, tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine\n")
    os.link(mine, run.folder / "metrics.jsonl")
    with pytest.raises(BadRun, match="hard link"):
        atomic.append_line(run.folder / "metrics.jsonl", "more")
    with pytest.raises(BadRun, match="hard link"):
        run.metrics()
    os.link(mine, run.folder / ".lock")
    with pytest.raises(BadRun, match="hard link"), run.lock():
        raise AssertionError("it was held")
    assert mine.read_text() == "mine\n"


@pytest.mark.parametrize(
    "text", ["digits-test", "é", "a/b", "..", "", "con", "x" * 500, "-x", "a:b", "not sure", "\udc80"]
)
def test_any_text_has_a_unique_safe_file_name(tmp_path, text):
    name = safe_paths.file_name(text, ".bin")
    assert safe_paths.path(tmp_path, name) == tmp_path / name
    assert (name == text + ".bin") == (text == "digits-test")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_read_error_is_not_damage(run, monkeypatch, number):
    path = atomic.write_file(run.path("a.bin"), b"a")
    os.utime(path, ns=(0, 0))  # so that its bytes are looked at
    monkeypatch.setattr(retry, "PAUSE", 0)
    real, tries = type(path).open, []

    def failing(self, *arguments, **options):
        if self.name == "a.bin":
            tries.append(self)
            raise OSError(number, os.strerror(number))
        return real(self, *arguments, **options)

    monkeypatch.setattr(type(path), "open", failing)
    with pytest.raises(CannotRead, match=r"cannot be read: .* Nothing was changed"):
        digests.verify(path)
    assert len(tries) == (1 if number == errno.EACCES else 3)


def test_a_linked_lock_does_not_truncate_its_target(run, tmp_path):
    mine = tmp_path / "bashrc"
    mine.write_text("mine")
    (run.folder / ".lock").symlink_to(mine)
    with pytest.raises(BadRun, match=r"\.lock is a link"), run.lock():
        raise AssertionError("it was held")
    with pytest.raises(BadRun):
        assert run.lock_holder
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    "words", [b"process abc on here", b"process 1" + b"0" * 20 + b" on here", b"\xff\xfe", b""]
)
def test_an_invalid_lock_file_names_no_process_and_can_be_locked(run, words):
    (run.folder / ".lock").write_bytes(words)
    assert run.lock_holder is None
    with run.lock():
        assert run.lock_holder.startswith(f"process {os.getpid()} on ")


@pytest.mark.posix
def test_a_pipe_in_place_of_the_lock_is_refused_at_once(run):
    os.mkfifo(run.folder / ".lock")
    with pytest.raises(BadRun):
        assert run.lock_holder
    with pytest.raises(BadRun), run.lock():
        raise AssertionError("it was held")


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_only_one_process_trains_on_a_disk_without_locks(run, monkeypatch, number):
    def refusing(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(pytest.importorskip("fcntl"), "flock", refusing)
    with run.lock():
        assert run.lock_holder.startswith(f"process {os.getpid()} on ")
        with pytest.raises(Busy, match=f"trained by process {os.getpid()} on "), run.lock():
            raise AssertionError("two held it")
    assert run.lock_holder is None
    # A process that was killed left its name.
    (run.folder / lock.HELD_FILE).write_text(json.loads('"process 4194303 on "') + os.uname().nodename)
    with run.lock():
        pass


def test_a_folder_in_place_of_a_file_and_a_linked_record_are_refused(run, tmp_path):
    run.path("charts", "a.safetensors").mkdir(parents=True)
    with pytest.raises(Damaged, match="is a folder, but zatlas writes a file there"):
        digests.verify(run.path("charts", "a.safetensors"))
    (tmp_path / "mine").write_text("mine")
    (run.folder / digests.FILE).unlink()
    (run.folder / digests.FILE).symlink_to(tmp_path / "mine")
    for action in (run.provenance, lambda: atomic.write_file(run.path("b.bin"), b"b")):
        with pytest.raises(BadRun, match="is a link"):
            action()
    assert (tmp_path / "mine").read_text() == "mine"
