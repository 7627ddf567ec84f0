"""A run that can only be read: work whose result has no place is refused before it begins."""

import os
import subprocess

import pytest

from zatlas.cli import main
from zatlas.store import atomic

WRITING = [
    ["sample"],
    ["reconstruct"],
    ["grid"],
    ["scatter"],
    ["chart"],
    ["decode"],
    ["interpolate"],
    ["traverse"],
    ["edit"],
    ["path"],
    ["arithmetic", "3 - 4"],
    ["geometry"],
    ["gallery"],
    ["directions evaluate"],
    ["prior"],
    ["invert"],
    ["directions find", "principal"],
    ["compass"],
]


@pytest.fixture
def mounted(digits, tmp_path):
    """The run on a disk that is mounted read-only; where that is not allowed, the system says so."""
    path = tmp_path / "mounted"
    path.mkdir()
    source = str(digits.run.folder)
    if subprocess.run(["mount", "--bind", source, path], capture_output=True).returncode:
        pytest.skip("only root may mount")
    subprocess.run(["mount", "-o", "remount,ro,bind", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


@pytest.mark.parametrize("words", WRITING, ids=lambda words: words[0])
def test_a_command_on_a_read_only_run_is_refused_before_its_work(digits, words, monkeypatch, capsys):
    real = os.access

    def access(path, mode, **options):
        inside = str(path).startswith(str(digits.run.folder))
        return not (inside and mode == os.W_OK) and real(path, mode, **options)

    def opened(*_):
        raise AssertionError("the work has begun")

    monkeypatch.setattr(atomic.os, "access", access)
    monkeypatch.setattr("zatlas.workspace.Workspace.open", opened)
    name, *rest = words
    assert main([*name.split(), str(digits.run.folder), *rest]) == 2
    output = capsys.readouterr().err
    assert "is read-only" in output and "--out PATH" in output


def test_commands_that_do_not_write_into_the_run_work_on_a_read_only_disk(mounted, tmp_path, capsys):
    assert not atomic.is_writable(mounted) and atomic.is_writable(tmp_path / "new" / "x")
    assert main(["sample", str(mounted)]) == 2
    assert "is read-only" in capsys.readouterr().err
    for words in (
        ["sample", "--out", str(tmp_path / "a.png")],
        ["scatter", "--out", str(tmp_path / "b.png")],
        ["chart", "--out", str(tmp_path / "c.png")],
        ["prior", "--kind", "mixture", "--out", str(tmp_path / "d.png")],
    ):
        assert main([words[0], str(mounted), *words[1:]]) == 0, capsys.readouterr().err
    for words in (["encode"], ["evaluate", "--only", "likelihood"]):
        assert main([words[0], str(mounted), *words[1:]]) == 0, capsys.readouterr().err
    assert main(["train", "--resume", str(mounted)]) == 2
    output = capsys.readouterr().err.splitlines()[-1]
    assert "cannot be written" in output or "read-only" in output
    assert len(list(tmp_path.glob("*.png"))) == 4
