import json

import pytest
import torch

from tests.processes import process
from zatlas.commands import thread_count
from zatlas.commands.thread_count import idle_cores, use_threads
from zatlas.core.errors import BadRecipe
from zatlas.core.system import SYSTEM


@pytest.fixture
def four_cores(monkeypatch):
    """A machine with four cores, whose number of threads nobody set."""
    before = torch.get_num_threads()
    for name in thread_count.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    torch.set_num_threads(4)
    yield monkeypatch
    torch.set_num_threads(before)


def test_a_training_has_one_thread_for_each_idle_core():
    assert [idle_cores(8, busy) for busy in (0, 0.3, 2, 7.4, 8, 30)] == [8, 8, 6, 1, 1, 1]


def test_a_busy_machine_gets_fewer_threads_and_one_sentence(four_cores, capsys):
    four_cores.setattr(SYSTEM, "busy_cores", lambda: 3.2)
    use_threads(None)
    assert torch.get_num_threads() == 1
    assert capsys.readouterr().err.startswith("Using 1 thread, because other programs use the other cores.")


def test_an_idle_machine_is_used_in_full_without_a_word(four_cores, capsys):
    four_cores.setattr(SYSTEM, "busy_cores", lambda: 0.2)
    use_threads(None)
    assert torch.get_num_threads() == 4
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", thread_count.VARIABLES)
def test_a_number_from_the_environment_is_not_changed(four_cores, name):
    four_cores.setattr(SYSTEM, "busy_cores", lambda: 30.0)
    four_cores.setenv(name, "4")
    use_threads(None)
    assert torch.get_num_threads() == 4
    use_threads(3)
    assert torch.get_num_threads() == 3


def test_a_number_that_no_process_can_have_is_refused(four_cores):
    with pytest.raises(BadRecipe, match="--threads takes a whole number from 1 to 1,024, not 0"):
        use_threads(0)


def test_a_resumed_training_has_the_threads_of_its_run(four_cores, digits, capsys):
    four_cores.setattr(SYSTEM, "busy_cores", lambda: 30.0)
    trained_with = digits.run.provenance()["threads"]
    torch.set_num_threads(trained_with + 1)
    use_threads(None, digits.run.folder)
    assert torch.get_num_threads() == trained_with
    assert "was trained with that number" in capsys.readouterr().err


def test_a_run_that_cannot_be_read_leaves_the_threads_to_the_training(four_cores, tmp_path):
    use_threads(None, tmp_path / "nothing")
    assert torch.get_num_threads() == 4


@pytest.mark.slow
def test_the_option_sets_the_threads_of_a_training(tmp_path):
    words = ["--epochs", "1", "--set", "training.preview=0", "--threads", "2", "--out", tmp_path / "run"]
    with process("-m", "zatlas", "train", "digits", *words) as training:
        training.communicate(timeout=120)
    assert training.returncode == 0
    assert json.loads((tmp_path / "run" / "made.json").read_text())["threads"] == 2
