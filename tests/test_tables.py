"""Tables of commands in a terminal of 80 columns: no broken number, three significant digits."""

import io
import json
import re

import pytest

from zatlas.cli import main
from zatlas.commands.direction_tables import auc_text
from zatlas.core.numbers import significant

NUMBER = re.compile(r"(?<![\w.])\d[\d,]*\.\d+")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """A function that gives a command in a terminal of 80 columns, and returns what it prints to stdout."""

    def give(*words):
        screen = Terminal()
        with monkeypatch.context() as patch:
            patch.setenv("COLUMNS", "80")
            patch.setattr("sys.stdout", screen)
            assert main([*map(str, words)]) == 0
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())

    return give


def digits_of(number):
    """The number of significant digits of a decimal number."""
    whole, _, decimals = number.replace(",", "").partition(".")
    return len((whole + decimals).lstrip("0")) if int(whole) == 0 else len(whole) + len(decimals)


def check(text):
    """Lines of at most 80 characters, and numbers of at most three digits."""
    lines = text.splitlines()
    assert lines and max(map(len, lines)) <= 80, text
    assert not [number for number in NUMBER.findall(text) if digits_of(number) > 3], text


@pytest.mark.parametrize("command", ["datasets", "models", "presets"])
def test_lists_fit_a_terminal(terminal, command):
    check(terminal(command))


def test_directions_fit_a_terminal_and_say_whether_they_beat_chance(portraits, terminal, tmp_path, capsys):
    folder = portraits.run.folder
    text = terminal("directions", "evaluate", folder, "Smiling", "Oval_Face", "--save", "--out", tmp_path)
    check(text)
    check(terminal("directions", "list", folder))
    capsys.readouterr()
    assert main(["directions", "list", str(folder)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["direction"] for row in rows} >= {"Smiling by mean_difference"}
    for row in rows:
        assert main(["directions", "remove", str(folder), row["direction"]]) == 0
        assert row["better than chance"] == ("not better" not in auc_text(row))


def test_a_search_of_directions_and_an_inversion_fit_a_terminal(portraits, terminal, tmp_path):
    folder = portraits.run.folder
    check(terminal("directions", "find", folder, "principal", "--set", "count=2", "--out", tmp_path))
    check(terminal("invert", folder, "--steps", 2, "--out", tmp_path / "a.png"))
    assert (tmp_path / "a.png").exists() and (tmp_path / "a.npz").exists()


def test_a_classifier_says_which_attributes_it_predicts_no_better_than_chance(terminal, tmp_path, capsys):
    words = ["classifier", "train", "faces:count=60", "--size", "16", "--epochs", "1"]
    words += ["--attribute", "Smiling", "--attribute", "smile", "--out", tmp_path / "c.safetensors"]
    check(terminal(*words))
    assert main([*map(str, words)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert all(isinstance(row["better than chance"], bool) for row in rows)


@pytest.mark.parametrize(
    ("value", "text"),
    [(138.316, "138"), (1234.5, "1,234"), (0.0123456, "0.0123"), (-2.5, "-2.5"), (0.0, "0"), (0.9996, "1")],
)
def test_a_number_has_three_significant_digits(value, text):
    assert significant(value) == text
