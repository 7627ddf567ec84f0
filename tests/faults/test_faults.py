"""The trials of this folder, each in a fresh process that may be forked."""

import json
import subprocess
import sys

import pytest

from tests.faults.system import may_mount


def tried(*words):
    command = [sys.executable, "-m", "tests.faults", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("count", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_training_goes_on_to_the_bit(count):
    found = tried("kill", count)
    assert found["wrong"] == []
    assert found["kills"] >= count
    assert found["inside a save"] >= count // 4
    assert found["runs finished identical"] == found["runs"]


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_whichever_call_fails_nothing_is_corrupt(every):
    found = tried("io", every)
    assert found["wrong"] == []
    assert found["failed once"] > 0.8 * found["calls"] // every


@pytest.mark.skipif(not may_mount(), reason="small disks are mounted by root alone")
@pytest.mark.parametrize("sizes", [8, pytest.param(50, marks=pytest.mark.slow)])
def test_a_full_disk_keeps_the_last_good_checkpoint(sizes):
    found = tried("disk", sizes)
    assert found["wrong"] == []
    assert found["ran full"] >= sizes // 2
    assert found["of them with a checkpoint kept"] > 0


@pytest.mark.slow
def test_trainings_made_wrong_on_purpose_are_caught():
    blind = [name for name, wrong in tried("controls").items() if not wrong]
    assert blind == []


@pytest.mark.parametrize("count", [100, pytest.param(10_000, marks=pytest.mark.slow)])
def test_the_explorer_withstands_hostile_requests(count):
    found = tried("explorer", count)
    assert found["wrong"] == []
    assert found["of kinds"] == 15
    assert found["slow ones hung up on"] > 0
    assert found["answers to the good page"] > 10
