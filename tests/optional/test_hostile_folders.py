"""Folders of diffusers from a stranger: nothing of them runs, each gives a message or a model."""

import pytest

from tests.hostile.checkpoints import DIFFUSERS
from tests.hostile.test_checkpoints import check

pytestmark = pytest.mark.optional
pytest.importorskip("diffusers")


def test_hostile_and_mutated_folders_run_nothing_and_never_hang(tmp_path):
    check(DIFFUSERS, 6, tmp_path)
