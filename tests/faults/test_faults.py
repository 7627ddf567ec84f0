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
    found = tried("kill", 200)
    assert found["wrong"] == []
    assert found["kills"] >= 200
    assert found["inside a save"] >= 50
    assert found["runs finished identical"] == found["runs"]


def test_whichever_call_fails_nothing_is_corrupt():
    found = tried("io", 1)
    assert found["wrong"] == []
    assert found["failed once"] > 0.8 * found["calls"]


@pytest.mark.skipif(not may_mount(), reason="small disks are mounted by root alone")
def test_a_full_disk_keeps_the_last_good_checkpoint():
    found = tried("disk", 50)
    assert found["wrong"] == []
    assert found["ran full"] >= 25
    assert found["of them with a checkpoint kept"] > 0


def test_trainings_made_wrong_on_purpose_are_caught():
    blind = [name for name, wrong in tried("controls").items() if not wrong]
    assert blind == []


def test_the_explorer_withstands_hostile_requests():
    found = tried("explorer", 10_000)
    assert found["wrong"] == []
    assert found["of kinds"] == 15
    assert found["slow ones hung up on"] > 0
    assert found["answers to the good page"] > 10
