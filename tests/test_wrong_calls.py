"""A wrong call gets one line that starts with "zatlas: ", the exit status 2, and leaves no file behind."""

import ast
import re
import shlex
import shutil
from pathlib import Path

import pytest

import zatlas
from zatlas.cli import main

SOURCES = Path(zatlas.__file__).parent

CALLS = """
nosuch
directions nosuch
classifier nosuch RUN
train
train digts
train none/such
train OUT/none.npz
train digits --model vea
train digits --preset gan-d
train digits --preset demo --recipe x.toml
train --recipe OUT/none.toml
train digits --dim 0
train digits --dim 1e9
train digits --epochs 0
train digits --seed -1
train digits --size 0
train digits --threads 0
train digits --set model.beta
train digits --set model.beta=high
train digits --set model.betta=2
train digits --set beta=2
train digits --set net.name=nosuch
train digits --set training.batch=0
train digits --restart
train --resume OUT/none
train RUN --resume RUN
sweep digits --set model.beta
sweep nosuch --set model.beta=1,2
import OUT/none.pt --out OUT/imported
import RUN
gallery OUT/none
sample OUT/none
sample RUN --count 0
sample RUN --count many
sample RUN --prior nosuch
sample RUN --temperature -1
sample RUN --label Sneaker
sample RUN --out OUT/a.bmp
reconstruct RUN --split nosuch
grid RUN --dimensions 0 7
grid RUN --dimensions 1
scatter RUN --color-by nosuch
chart RUN --layout nosuch
chart RUN --set n_neighbors=10
chart RUN --layout grid_umap --set n_neighbors=0
chart RUN --layout grid_umap --set nosuch=1
decode RUN 0
interpolate RUN class:1
interpolate RUN class:1 class:77
interpolate RUN class:1 none.png
interpolate RUN class:1 class:2 --method nosuch
interpolate RUN class:1 class:2 --frames 0 --out OUT/a.gif
interpolate RUN class:1 class:2 --out OUT/a.xyz
traverse RUN --anchor nosuch
path RUN --x t
path RUN --x "import os" --y t
edit RUN Eyeglasses
arithmetic RUN 1 + nosuch
directions find RUN nosuch
directions find RUN labels nosuch
directions evaluate RUN nosuch
directions rename RUN nosuch other
directions remove RUN nosuch
directions take RUN OUT/none.safetensors
classifier predict OUT/none.safetensors RUN
evaluate
evaluate RUN --only nosuch
evaluate RUN --samples 3
compare RUN
compare RUN --data digits
compare OUT/none OUT/none2
encode RUN --on mars
encode RUN OUT/none
invert RUN OUT/none.png
prior RUN --kind nosuch
check OUT/none
explore OUT/none --no-open
explore RUN RUN RUN --no-open
explore RUN --no-open --port 99999999
export RUN
export RUN OUT/site --points 0
export OUT/none OUT/site
"""


@pytest.fixture(scope="module")
def run(digits, tmp_path_factory):
    """A run of digits that no other test changes."""
    return shutil.copytree(digits.run.folder, tmp_path_factory.mktemp("wrong") / "run")


@pytest.mark.parametrize("call", CALLS.strip().splitlines())
def test_a_wrong_call_gets_one_line_and_leaves_nothing(call, run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = set(run.rglob("*"))
    words = shlex.split(call.replace("RUN", str(run)).replace("OUT", str(tmp_path)))
    status = main(words)
    printed = capsys.readouterr()
    assert status == 2, printed.err
    lines = printed.err.splitlines()
    assert lines[-1].startswith("zatlas: ") and sum(line.startswith("zatlas: ") for line in lines) == 1
    assert not printed.out and "Traceback" not in printed.err
    assert not list(tmp_path.iterdir())
    new = set(run.rglob("*")) - before
    assert not [
        path for path in new if run / "latents" not in (path, *path.parents)
    ]  # encoded images are reused


def test_a_training_that_diverges_leaves_nothing(tmp_path, capsys):
    out = tmp_path / "run"
    words = ["--set", "training.rate=1e30", "--set", "training.schedule=constant", "--set", "net.widths=16"]
    assert main(["train", "digits", "--out", str(out), *words]) == 2
    assert "The loss is NaN or infinite" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_training_that_fails_after_a_checkpoint_keeps_it(tmp_path):
    class Failing(zatlas.Callback):
        def on_epoch_end(self, row):
            if row["epoch"] == 2:
                raise RuntimeError("failed")

    settings = {"net.widths": [16], "training.preview": 0}
    with pytest.raises(RuntimeError, match="failed"):
        zatlas.train(
            "digits", epochs=3, settings=settings, out=tmp_path / "run", callbacks=[Failing()], verbose=False
        )
    assert any((tmp_path / "run" / "checkpoints").iterdir())


def texts(source: str):
    """The texts of a module, each f-string as one; values in braces, and docstrings, are left out."""
    tree = ast.parse(source)
    nodes = list(ast.walk(tree))
    parts = {id(value) for node in nodes if isinstance(node, ast.JoinedStr) for value in ast.walk(node)}
    parts |= {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    for node in nodes:
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(value.value) for value in node.values if isinstance(value, ast.Constant))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            yield node.value


def names_options_only(text: str) -> bool:
    """Whether a sentence names an option of the command line, and no keyword of Python."""
    without_commands = re.sub(r"(zatlas [a-z]|npm |python -m ).*", "", text)
    option = re.search(r"(?<![\w\"-])--[a-z]", without_commands)
    return bool(option) and " " in text.strip() and "in Python" not in text


def test_texts_that_name_an_option_only_are_found():
    written = 'f"The model {name} has no classes: add --label {name}."\n"--label"\n'
    assert [text for text in texts(f"x = {written}") if names_options_only(text)] == [
        "The model  has no classes: add --label ."
    ]
    assert not names_options_only("Give --label CLASS (in Python: label=).")
    assert not names_options_only("Train an encoder: zatlas invert RUN --train-encoder")


def test_a_message_that_names_an_option_names_the_keyword_of_python_too():
    paths = {path for path in SOURCES.rglob("*.py") if path.name != "cli.py"}
    paths -= set((SOURCES / "commands").iterdir())  # the command line only
    every = [(path.name, text) for path in paths for text in texts(path.read_text(encoding="utf-8"))]
    assert not [(name, text) for name, text in every if names_options_only(text)]
