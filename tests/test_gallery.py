"""The command under each figure of a gallery draws the same figure again."""

import html
import json
import re
import shlex
from pathlib import Path

import pytest

from zatlas.cli import main

FIGURE = re.compile(r'<figure.*?src="([^"]+)".*?<code>(.*?)</code>', re.DOTALL)


def shown(folder):
    """The file and the command of each figure of a gallery."""
    text = (folder / "index.html").read_text()
    return [(name, html.unescape(command)) for name, command in FIGURE.findall(text)]


def drawn_again(command, name, capsys, folder, monkeypatch):
    """Give a command as it is printed, in another folder, and return the bytes of its figure."""
    words = shlex.split(command)
    assert words[0] == "zatlas"
    capsys.readouterr()
    with monkeypatch.context() as patch:
        patch.chdir(folder)
        assert main(words[1:]) == 0
        printed, run = capsys.readouterr().out, Path(words[2])
        if words[1] == "directions":  # a table with the figure of each
            paths = [Path(row["figure"]) for row in json.loads(printed)]
        else:
            paths = [Path(line).resolve() for line in printed.splitlines()]
        paths += [run / "gallery" / name] if words[1] == "prior" else []  # it prints the files of the priors
    same = [path for path in paths if path.suffix == Path(name).suffix]
    named = [path for path in same if path.name == name] or same
    assert len(named) == 1, (command, paths)
    return named[0].read_bytes()


def compare(workspace, folder, names, capsys, monkeypatch, *options):
    gallery, other = folder / "gallery", folder / "again"
    other.mkdir()
    assert main(["gallery", str(workspace.run.folder), "--no-open", "--out", str(gallery), *options]) == 0
    figures = shown(gallery)
    assert {name for name, _ in figures} == {path.name for path in gallery.iterdir()} - {"index.html"}
    different = [
        command
        for name, command in figures
        if (names is None or name in names)
        and drawn_again(command, name, capsys, other, monkeypatch) != (gallery / name).read_bytes()
    ]
    assert not different, "\n".join(different)
    return [name for name, _ in figures]


@pytest.mark.slow
def test_the_command_under_a_figure_or_a_film_draws_it_again(digits, tmp_path, capsys, monkeypatch):
    names = ("path.png", "interpolation.mp4", "samples-priors.png")
    assert set(names) <= set(compare(digits, tmp_path, names, capsys, monkeypatch, "--dark"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "wide", "conditional", "plain", "rival", "portraits"])
def test_every_figure_and_film_of_a_gallery_is_drawn_again(request, name, tmp_path, capsys, monkeypatch):
    workspace = request.getfixturevalue(name)
    names = compare(workspace, tmp_path, None, capsys, monkeypatch)
    assert ("decoded.png" in names) == (workspace.dim > 2)
