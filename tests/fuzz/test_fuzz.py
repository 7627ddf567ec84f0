"""Replay the corpus: each parser raises only errors of zatlas."""

import pytest

from tests.fuzz.targets import CORPUS, TARGETS, attempt, remove_scratch_folder

MAX_CORPUS_BYTES = 200_000


@pytest.fixture(autouse=True, scope="module")
def clean_up():
    yield
    remove_scratch_folder()


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_raises_only_zatlas_errors(name):
    inputs = sorted((CORPUS / name).iterdir())
    assert inputs
    for path in inputs:
        attempt(TARGETS[name], path.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_truncated_or_changed_input_raises_only_zatlas_errors(name):
    for path in sorted((CORPUS / name).glob("seed-*")):
        data = path.read_bytes()
        for length in (0, 1, len(data) // 2, len(data) - 1):
            attempt(TARGETS[name], data[:length])
        for position in range(0, len(data), max(1, len(data) // 20)):
            attempt(TARGETS[name], data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])


def test_the_corpus_is_small():
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_CORPUS_BYTES
