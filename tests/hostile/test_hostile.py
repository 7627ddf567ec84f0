"""Hostile runs and damaged files, each opened in a forked process: nothing outside is touched or shown."""

import json
import subprocess
import sys

import pytest

from tests.hostile.cases import COUNT, all_cases
from tests.hostile.flips import BAD
from tests.hostile.trial import KINDS, find_markup


def found(*words):
    command = [sys.executable, "-m", "tests.hostile", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def nothing_is_wrong(result):
    for part in result.values():
        assert part["wrong"] == []
        assert {name: part[name] for name in (*KINDS, *BAD) if part.get(name)} == {}


@pytest.mark.slow
def test_hostile_runs_and_damaged_files_execute_read_write_and_delete_nothing():
    result = found("tenth")
    nothing_is_wrong(result)
    assert result["runs"]["cases"] == COUNT // 10 and result["flips"]["flips"] == 207


def test_the_cases_are_the_same_each_time_and_each_has_its_own_name():
    names = [case.name for case in all_cases()]
    assert len(names) == len(set(names)) == COUNT
    assert names == [case.name for case in all_cases()]


def test_markup_of_a_stranger_is_told_from_its_text():
    assert find_markup(b"<p>&lt;hostile7&gt;</p>") == ""
    for page in (b"<hostile7>", b"<p hostile7=1>", b"<script>hostile7()</script>", b"<!--hostile7-->"):
        assert find_markup(page)
    assert find_markup(b"<a href=javascript:x>")
