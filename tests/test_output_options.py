"""Every command has --quiet, --verbose and --json, and the library prints messages through `logging`."""

import json
import logging
import subprocess
import sys

import pytest

from tests.write_docs import help_of
from zatlas.cli import main
from zatlas.commands.registration import COMMANDS

FAST = ["--set", "training.preview=0", "--set", "net.widths=16", "--epochs", "1"]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_the_options_of_the_output(name):
    page = help_of(*name.split())
    assert all(option in page for option in ("-q, --quiet", "-v, --verbose", "--json "))


def test_quiet_prints_the_result_only(tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["train", "digits", "--out", run, *FAST, "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{run}\n" and printed.err == ""
    assert main(["sample", run, "-q", "--count", "0"]) == 2
    assert capsys.readouterr().err.startswith("zatlas: ")


def test_json_prints_a_path_as_an_object(digits, tmp_path, capsys):
    file = str(tmp_path / "plane [a].png")
    assert main(["grid", str(digits.run.folder), "--out", file, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"path": file}


def test_verbose_prints_versions_the_time_and_the_traceback_of_an_error(tmp_path, capsys):
    assert main(["sample", str(tmp_path / "none"), "--verbose"]) == 2
    text = capsys.readouterr().err
    assert "Python 3." in text and "Traceback" in text and "s of processor time" in text
    assert text.splitlines()[-1].startswith("zatlas: There is no run at")


def test_quiet_and_verbose_exclude_each_other(capsys):
    assert main(["presets", "-q", "-v"]) == 2
    assert capsys.readouterr().err == "zatlas: Give --quiet or --verbose, not both.\n"


def test_the_options_also_stand_before_the_command(tmp_path, capsys):
    assert main(["-q", "--json", "presets"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert main(["--quiet", "-v", "presets"]) == 2
    assert capsys.readouterr().err == "zatlas: Give --quiet or --verbose, not both.\n"
    assert main(["-q", "-v"]) == 2
    assert capsys.readouterr().err.startswith("zatlas: zatlas has no command '-q'")


def test_the_options_hold_for_one_call(capsys):
    level = logging.getLogger("zatlas").level
    assert main(["presets", "--json", "--quiet"]) == 0
    assert logging.getLogger("zatlas").level == level
    capsys.readouterr()


SCRIPT = """
import logging, sys
import zatlas
if "own" in sys.argv:
    log = logging.getLogger("zatlas")
    log.handlers.clear()
    log.propagate = True
    logging.basicConfig(format="%(name)s|%(levelname)s|%(message)s", level=logging.INFO)
if "off" in sys.argv:
    logging.getLogger("zatlas").setLevel(logging.WARNING)
settings = {"training.preview": 0, "net.widths": [16]}
zatlas.train("digits", epochs=1, settings=settings, out=sys.argv[1])
print("rich" in sys.modules)
"""


@pytest.mark.parametrize(
    ("word", "start"),
    [
        ("own", "zatlas|INFO|Training 1"),
        pytest.param("default", "Training 1", marks=pytest.mark.slow),
        pytest.param("off", "", marks=pytest.mark.slow),
    ],
)
def test_messages_are_records_of_a_logger_that_a_program_can_configure(word, start, tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), word]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.startswith(start) and bool(done.stderr) == bool(start)
    assert done.stdout == "False\n"  # rich is for the terminal
