"""Odd surroundings of a process and odd names: one sentence, and never a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from zatlas.cli import main
from zatlas.core.errors import BadEnvironment, ZatlasError
from zatlas.core.runtime import LARGE_PAGES
from zatlas.create import train
from zatlas.store import run as runs

FAST = ["--epochs", "1", "--set", "training.preview=0", "--set", "net.widths=8"]


def zatlas(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "zatlas", *map(os.fsencode, words)],
        capture_output=True,
        check=False,
        **options,
    )


def sentence(done):
    """The only line on stderr."""
    output = done.stderr.decode()
    assert "Traceback" not in output and output.startswith("zatlas: ") and output.count("\n") == 1, output
    return output


@pytest.mark.parametrize("words", [["train", "digits"], ["sample", "run"], ["datasets"]], ids=str)
def test_a_removed_current_folder_is_reported(tmp_path, words):
    path = tmp_path / "gone"
    path.mkdir()
    latent = f"import os, sys; os.chdir({str(path)!r}); os.rmdir({str(path)!r}); "
    latent += f"from zatlas.cli import main; sys.exit(main({words!r}))"
    done = subprocess.run([sys.executable, "-c", latent], capture_output=True, check=False)
    assert done.returncode == 2 and "The current folder no longer exists" in sentence(done)


@pytest.mark.posix
@pytest.mark.parametrize("most", [6, 8, 31])
def test_a_limit_of_too_few_open_files_is_reported(most):
    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

    done = zatlas("train", "digits", *FAST, preexec_fn=limit)
    assert done.returncode == 2 and f"lets a process open {most} files" in sentence(done)


@pytest.mark.posix
@pytest.mark.slow
def test_thirty_two_open_files_are_enough(tmp_path):
    def limit():
        import resource

        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))

    run = tmp_path / "run"
    for words in (["train", "digits", "--out", run, *FAST], ["scatter", run], ["evaluate", run]):
        done = zatlas(*words, preexec_fn=limit)
        assert done.returncode == 0, done.stderr.decode()


def test_another_default_dtype_of_torch_is_reported(digits, tmp_path, capsys):
    torch.set_default_dtype(torch.float64)
    try:
        for words in (["train", "digits"], ["sample", str(digits.run.folder)], ["datasets"]):
            assert main(words) == 2
            output = capsys.readouterr().err
            assert "by default here" in output and "torch.set_default_dtype(torch.float32)" in output
        with pytest.raises(BadEnvironment):
            train("digits", epochs=1, out=tmp_path / "run", verbose=False)
        with pytest.raises(BadEnvironment):
            type(digits).open(digits.run.folder)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("name", "match"),
    [("r\udcffn", "is not UTF-8"), ("a" * 256, "too long"), ("🗺" * 64, "too long")],
    ids=["bytes", "letters", "emoji"],
)
def test_an_invalid_run_name_is_refused_before_images_are_read(tmp_path, monkeypatch, capsys, name, match):
    def read(*_, **__):
        raise AssertionError("the images were read")

    monkeypatch.setattr("zatlas.data.sources.load", read)
    assert main(["train", "digits", "--out", str(tmp_path / name)]) == 2
    assert match in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["r\udcffn", "a" * 256])
@pytest.mark.parametrize(
    "words",
    [
        ["sample", "RUN"],
        ["scatter", "RUN"],
        ["encode", "RUN"],
        ["export", "RUN", "x.html"],
        ["gallery", "RUN", "--no-open"],
        ["train", "--resume", "RUN"],
        ["evaluate", "RUN"],
    ],
    ids=lambda words: words[0],
)
def test_a_run_with_an_invalid_name_raises_one_message(tmp_path, capsys, name, words):
    path = tmp_path / name
    if len(name) < 255:
        path.mkdir()
        (path / "made.json").write_text("{}")
    with_run = [str(path) if word == "RUN" else word for word in words]
    assert main(with_run) == 2
    assert "zatlas: " in capsys.readouterr().err


@pytest.mark.slow
def test_a_long_name_of_emoji_is_printed_as_bytes_that_a_script_can_use(tmp_path):
    run = tmp_path / ("🗺" * 62)
    env = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    done = zatlas("train", "digits", "--out", run, *FAST, env=env)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == os.fsencode(run) + b"\n"
    for words in (["sample", run], ["scatter", run], ["encode", run], ["gallery", run, "--no-open"]):
        done = zatlas(*words, env=env)
        assert done.returncode == 0, done.stderr.decode()
        assert Path(os.fsdecode(done.stdout.splitlines()[-1])).exists()


@pytest.mark.slow
def test_an_image_with_a_name_that_is_not_utf8_is_written_and_printed(digits, tmp_path):
    image = tmp_path / "p\udcff.png"
    done = zatlas("sample", digits.run.folder, "--out", image)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout == os.fsencode(image) + b"\n" and image.exists()


@pytest.mark.posix
def test_a_result_that_cannot_be_written_to_stdout_is_reported():
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "zatlas", "datasets"], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode == 1
    assert "could not be written to stdout: No space left on device" in sentence(done)


def test_a_run_is_never_created_at_a_path_that_is_not_utf8(tmp_path):
    with pytest.raises(ZatlasError, match="is not UTF-8"):
        runs.create_run(tmp_path / "r\udcffn", {"made.json": b"{}"})


# Prints how many pages the system clears for a layer of 64 MB once a command has run.
PAGES = """
import resource, torch
from zatlas.cli import main
main(["datasets"])
torch.ones(16, 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    torch.ones(16, 2**20)
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 10)
"""
HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def cleared_pages(**settings):
    environment = {name: value for name, value in os.environ.items() if name != LARGE_PAGES} | settings
    command = [sys.executable, "-c", PAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout.splitlines()[-1])


@pytest.mark.skipif(
    not HUGE_PAGES.exists() or "[madvise]" not in HUGE_PAGES.read_text(), reason="needs Linux, and a setting"
)
def test_a_command_uses_large_pages_unless_the_user_decides():
    assert cleared_pages() < 1000
    assert cleared_pages(**{LARGE_PAGES: "0"}) > 16_000
