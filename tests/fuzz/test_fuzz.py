"""Every input of the corpus, given to its parser again: only errors of zatlas leave it."""

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, attempt, sweep

LARGEST = 200_000  # bytes of all inputs together


@pytest.fixture(autouse=True, scope="module")
def tidy():
    yield
    sweep()


@pytest.mark.parametrize("name", TARGETS)
def test_only_errors_of_zatlas_leave_a_parser(name):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        attempt(TARGETS[name], path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_cut_short_or_changed_is_refused_in_the_same_way(name):
    for path in sorted((CORPUS / name).glob("seed-*")):
        data = path.read_bytes()
        for cut in (0, 1, len(data) // 2, len(data) - 1):
            attempt(TARGETS[name], data[:cut])
        for at in range(0, len(data), max(1, len(data) // 20)):
            attempt(TARGETS[name], data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])


def test_the_corpus_is_small():
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST
