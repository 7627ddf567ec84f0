"""Every command and every Python block of the tutorials runs, in the order of its page."""

import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.write_docs import DOCS
from tests.write_notebooks import BLOCK, TUTORIALS
from zatlas.demo import unpack


def test_every_tutorial_of_the_list_is_followed():
    listed = re.findall(r"\]\(([\w-]+)\.md\)", (DOCS / "tutorials.md").read_text())
    assert listed == list(TUTORIALS)


@pytest.mark.nightly
@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_runs_word_for_word(name, own_cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "real-direction":  # it begins where the first tutorial ends
        unpack(tmp_path / "zatlas-demo" / "faces-vae")
    names, blocks = {}, BLOCK.findall((DOCS / f"{name}.md").read_text())
    blocks = [(language, block) for language, block in blocks if language in ("", "python")]
    assert blocks
    for language, block in blocks:
        for command in [block] if language else block.splitlines():
            begin = time.perf_counter()
            exec(compile(command, name, "exec"), names) if language else follow(command)
            print(f"{time.perf_counter() - begin:6.1f} s  {command.splitlines()[0]}")


def follow(command):
    """Run a command of a page with this Python's zatlas; end a server as Ctrl-C does."""
    python = f"{shlex.quote(sys.executable)} -m"
    command = re.sub(r"^(timeout .* )?zatlas ", rf"\1{python} zatlas ", command)
    command = re.sub(r"^torchrun ", f"{python} torch.distributed.run ", command)
    if " zatlas explore " in command:
        return visit(f"{command} --no-open")
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.returncode in ((0, 124) if command.startswith("timeout") else (0,)), done.stderr


def visit(command):
    """Start the explorer, wait until it prints its address, and stop it."""
    words = shlex.split(command)
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert any("http://127.0.0.1" in line for line in server.stdout)
    server.send_signal(signal.SIGINT)
    server.communicate(timeout=60)
    assert server.returncode in (0, 130)
