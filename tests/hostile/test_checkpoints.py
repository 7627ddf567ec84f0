"""Checkpoints of other programs from a stranger: nothing of them runs, each gives a message or a model."""

import os

import pytest

from tests.hostile.checkpoints import SOURCES, all_outcomes

COUNT = int(os.environ.get("ZATLAS_CHECKPOINTS", "21"))  # `just hostile` tries 700


@pytest.mark.slow
def test_hostile_and_mutated_checkpoints_run_nothing_and_never_hang(tmp_path):
    check(SOURCES, COUNT, tmp_path)


def check(sources, count, folder):
    results = all_outcomes(count, folder, sources)
    wrong = {name: line for name, line in results.items() if line not in ("a model", "refused")}
    assert not wrong
    for name in sources:
        assert results[f"{name}: unchanged"] == "a model"
    harmed = {name for name, line in results.items() if line == "a model" and "mutation" not in name}
    assert not [name for name in harmed if ": os.system" in name or "pickle" in name or "NaN" in name]
    print(f"{len(results)} sources: {list(results.values()).count('refused')} refused")
