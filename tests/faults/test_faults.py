"""The trials of this folder, each in a fresh process that may be forked."""

import json
import subprocess
import sys

import pytest

from tests.faults.system import may_mount

pytestmark = pytest.mark.slow


def tried(*words):
    command = [sys.executable, "-m", "tests.faults", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_killed_training_goes_on_to_the_bit():
    result = tried("kill", 200)
    assert result["wrong"] == []
    assert result["kills"] >= 200
    assert result["inside a save"] >= 50
    assert result["runs finished identical"] == result["runs"]


def test_whichever_call_fails_nothing_is_corrupt():
    result = tried("io", 1)
    assert result["wrong"] == []
    assert result["failed once"] > 0.8 * result["calls"]


@pytest.mark.skipif(not may_mount(), reason="small disks are mounted by root alone")
def test_a_full_disk_keeps_the_last_good_checkpoint():
    result = tried("disk", 50)
    assert result["wrong"] == []
    assert result["ran full"] >= 25
    assert result["of them with a checkpoint kept"] > 0


def test_trainings_made_wrong_on_purpose_are_caught():
    blind = [name for name, wrong in tried("controls").items() if not wrong]
    assert blind == []


def test_the_explorer_withstands_hostile_requests():
    result = tried("explorer", 10_000)
    assert result["wrong"] == []
    assert result["of kinds"] == 15
    assert result["slow ones hung up on"] > 0
    assert result["answers to the good page"] > 10
