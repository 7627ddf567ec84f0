"""Commands do not import modules that they do not need. `benchmarks/startup.py` has the times."""

import os
import subprocess
import sys

import pytest

HEAVY = {
    "torch",
    "torch._dynamo",
    "torch.distributed.tensor",
    "lightning_fabric",
    "scipy",
    "sklearn",
    "matplotlib",
    "pandas",
    "pyarrow",
    "onnx",
    "onnxruntime",
    "rich",
    "starlette",
    "sympy",
}
SCRIPT = """
import sys
from zatlas.cli import main
try:
    status = main(sys.argv[1:])
except SystemExit as end:
    status = end.code or 0
print("imported:", *sys.modules, file=sys.stderr)
sys.exit(status)
"""


EMPTY_LAYER = """
import sys, torch
torch.nn.Linear(2, 2, device="meta")
print("imported:", *sys.modules, file=sys.stderr)
"""


def imported(*words, script=SCRIPT):
    """The heavy modules that a command imports in a process of its own."""
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-c", script, *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return HEAVY & set(done.stderr.rpartition("imported: ")[2].split())


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["presets"], ["models"], ["datasets"]], ids=str
)
def test_a_command_without_a_run_imports_nothing_heavy(words):
    assert imported(*words) == set()


def test_a_sample_sheet_imports_no_more_than_torch_and_pyarrow(digits, tmp_path):
    allowed = {"pyarrow", *imported(script=EMPTY_LAYER)}  # torch 2.10 imports sympy to make a layer
    assert imported("sample", digits.run.folder, "--out", tmp_path / "a.png") <= allowed


def test_the_package_itself_imports_no_torch():
    done = subprocess.run(
        [sys.executable, "-c", "import sys, zatlas; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert HEAVY & set(done.stdout.split()) == set()
