"""Plugins of every kind: what is refused, what a broken one does, and where a working one appears."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure as MatplotlibFigure
from torch import nn

import zatlas
from zatlas import testing
from zatlas.core.errors import BadData, BadPlugin, BadRecipe, NotSupported, UnknownName
from zatlas.core.registry import LAYOUTS, REGISTRIES
from zatlas.data.source import DataSource
from zatlas.figures.catalogue import entries
from zatlas.figures.entry import RunFigure
from zatlas.gallery import draw_one
from zatlas.metrics.evaluation import evaluate
from zatlas.metrics.metric import Metric
from zatlas.models.ae import AE, AEConfig
from zatlas.models.nets import Net
from zatlas.models.trainable import Family
from zatlas.render.theme import LIGHT
from zatlas.report import write_report

ROOT = Path(__file__).parent.parent
PLUGIN = ROOT / "examples" / "plugin"


@pytest.fixture(autouse=True)
def restored():
    """Remove what a test registers."""
    yield
    for registry in REGISTRIES.values():
        registry._registered.clear()
        registry._warned.clear()


@dataclass(frozen=True)
class TwiceConfig(AEConfig):
    """An auto-encoder; with `idle` it has parameters that no player trains."""

    idle: bool = False

    TRAINING: ClassVar[dict[str, object]] = {}

    def build(self, net, shape, classes):
        model = AE(self, net, shape)
        if self.idle:
            model.idle = nn.Linear(2, 2)
            model.networks = lambda: {"model": [*model.encoder.parameters(), *model.decoder.parameters()]}
        return model


@dataclass(frozen=True)
class PlainNet(Net):
    """A net by the documents: its encoder takes images only."""

    def encoder(self, shape, out, classes=0):
        return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), out))

    def decoder(self, shape, dim):
        return nn.Sequential(nn.Linear(dim, int(np.prod(shape))), nn.Unflatten(1, shape))


def test_a_registered_layout_is_used_by_its_name(digits):
    @zatlas.register("layout", "first-two")
    def first_two(latents, labels, seed, scale: float = 1.0):
        return scale * np.pad(latents, ((0, 0), (0, 1)))[:, :2]

    chart = zatlas.load(digits.run.folder).chart("first-two")
    latents = digits.latents("test")
    np.testing.assert_allclose(chart.positions, latents - latents.mean(axis=0), atol=1e-5)
    testing.check_layout("first-two", scale=0.5)


def test_a_registered_model_is_trained_like_a_built_in_one(tmp_path):
    zatlas.register("model", "twice")(TwiceConfig)
    testing.check_model("twice")
    atlas = zatlas.train("digits", model="twice", epochs=1, out=tmp_path / "run", verbose=False)
    assert atlas.decode(np.zeros((1, 2), np.float32)).shape == (1, 1, 8, 8)


def test_a_net_whose_encoder_takes_images_only_trains_a_model_without_classes(tmp_path):
    zatlas.register("net", "plain")(PlainNet)
    atlas = zatlas.train(
        "digits", epochs=1, settings={"net.name": "plain"}, out=tmp_path / "r", verbose=False
    )
    assert atlas.latents().shape[1] == 2


def test_a_model_without_a_part_is_refused_in_one_sentence():
    @zatlas.register("model", "flat")
    @dataclass(frozen=True)
    class FlatConfig(Family):
        dim: int = 2

        def build(self, net, shape, classes):
            return nn.Linear(2, 2)

    with pytest.raises(BadPlugin, match=r"^The model that 'flat' builds has no value space\. Derive it from"):
        testing.check_model("flat")


@dataclass(frozen=True)
class NoDecoder(Net):
    """A net without a decoder."""

    def encoder(self, shape, out, classes=0):
        return nn.Flatten()


WRONG = {
    "dataset": (lambda size=None: None, "has no value summary"),
    "model": (print, "is not a dataclass of its settings"),
    "net": (NoDecoder, r"has no method decoder\(shape, dim\)"),
    "layout": (lambda latents: latents, r"cannot be called with \(latents, labels, seed\)"),
    "direction method": (
        lambda generator, latents: [],
        r"cannot be called with \(generator, latents, \*, seed\)",
    ),
    "importer": (PlainNet, "has no value summary"),
    "metric": (lambda workspace: [], r"cannot be called with \(workspace, \*, seed\)"),
    "figure": (lambda workspace, theme: None, "has no value title"),
    "callback": (zatlas.Callback(), "is not a class that is made without arguments"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_plugin_without_a_part_is_refused_in_one_sentence(kind):
    plugin, missing = WRONG[kind]
    with pytest.raises(BadPlugin, match=rf"^The {kind} 'wrong' {missing}\. See docs/extending\.md\.$"):
        zatlas.register(kind, "wrong")(plugin)
    assert WRONG.keys() == REGISTRIES.keys()


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_built_in_plugin_has_the_parts_of_its_kind(kind):
    registry = REGISTRIES[kind]
    names = [name for name in registry.names() if registry.is_built_in(name)]
    assert [registry.get(name) for name in names] or kind == "figure"


def test_a_check_names_the_rule_that_a_model_breaks():
    zatlas.register("model", "twice")(TwiceConfig)
    with pytest.raises(AssertionError, match=r"No player trains the parameters idle\.weight, idle\.bias"):
        testing.check_model("twice", model={"idle": True})


def test_a_check_names_the_rule_that_a_layout_breaks():
    zatlas.register("layout", "by-luck")(
        lambda latents, labels, seed: np.random.random((len(latents), 2))  # noqa: NPY002
    )
    with pytest.raises(AssertionError, match="The same seed gives other positions"):
        testing.check_layout("by-luck")


def test_a_name_or_a_kind_that_cannot_be_registered_is_refused():
    with pytest.raises(BadData, match="'pca' exists already"):
        zatlas.register("layout", "pca")(print)
    with pytest.raises(UnknownName, match="Did you mean 'layout'"):
        zatlas.register("layuot", "mine")
    with pytest.raises(UnknownName, match="No layout named"):
        LAYOUTS.get("mine")


def test_a_plugin_that_returns_something_else_is_one_sentence(digits, tmp_path):
    zatlas.register("layout", "nothing")(lambda latents, labels, seed: None)
    with pytest.raises(BadData, match="The layout 'nothing' gave no finite positions"):
        digits.chart("nothing")
    source = DataSource(summary="a number", load=lambda size=None: 3, licence="MIT")
    zatlas.register("dataset", "number")(source)
    with pytest.raises(BadPlugin, match="'number' loads an object of type int, and no ImageDataset"):
        zatlas.train("number", out=tmp_path / "run", verbose=False)
    for callback in (print, zatlas.Callback):  # a function, and a class that is not called
        with pytest.raises(BadRecipe, match="Pass an object of a subclass"):
            zatlas.train("digits", out=tmp_path / "run", callbacks=[callback], verbose=False)
    assert not list(tmp_path.iterdir())


def test_a_training_that_fails_in_a_plugin_leaves_nothing(tmp_path):
    class Short(PlainNet):
        def decoder(self, shape, dim):
            return nn.Sequential(nn.Linear(dim, 63), nn.Unflatten(1, shape))

    zatlas.register("net", "short")(Short)
    with pytest.raises(RuntimeError, match="63"):
        zatlas.train("digits", settings={"net.name": "short"}, out=tmp_path / "run", verbose=False)
    assert not list(tmp_path.iterdir())


def ones(workspace, *, seed):
    return [Metric("ones", "any", 1.0, "the number one of this run", 0)]


def test_a_registered_metric_is_in_the_evaluation_and_in_the_report(digits, tmp_path):
    zatlas.register("metric", "own-group")(ones)
    testing.check_metric("own-group", digits)
    result = evaluate(digits, groups=["space", "own-group"])
    assert (result.metric("ones").value, result.metric("ones").group) == (1.0, "own-group")
    page = write_report(digits, result, tmp_path / "report.html").read_text()
    assert "Own group" in page and "the number one of this run" in page


def test_a_metric_that_is_named_and_fails_is_one_sentence(digits):
    @zatlas.register("metric", "bad")
    def bad(workspace, *, seed):
        raise ValueError("no\nluck")

    with pytest.raises(BadPlugin, match=r"^The metric 'bad' failed: ValueError: no\.$"):
        evaluate(digits, groups=["bad"])


def test_a_registered_figure_is_drawn_by_its_command_and_stands_in_the_gallery(digits, tmp_path):
    def draw(workspace, theme):
        figure = MatplotlibFigure(figsize=(2, 2))
        figure.subplots().plot([1, 2])
        return figure

    zatlas.register("figure", "two points")(RunFigure("Two points", "Two points and a line.", draw))
    zatlas.register("figure", "samples")(RunFigure("Samples", "Other samples.", draw))
    zatlas.register("figure", "never")(
        RunFigure("Never", "For no run.", draw, applies=lambda workspace: False)
    )
    testing.check_figure("two points", digits)
    found = {entry.name: entry for entry in entries(digits, LIGHT)}
    assert found["two-points"].words == ("gallery", digits.run.folder, "--only", "two-points")
    assert "plugin-samples" in found and "never" not in found
    assert draw_one(digits, "two-points", tmp_path).name == "two-points.png"
    with pytest.raises(UnknownName, match="Did you mean 'two-points'"):
        draw_one(digits, "two-point", tmp_path)


def test_a_figure_that_fails_is_a_sentence_and_no_traceback(digits, tmp_path):
    zatlas.register("figure", "bad")(RunFigure("Bad", "Fails.", lambda workspace, theme: 1 / 0))
    with pytest.raises(
        NotSupported, match=r"^The figure 'bad' failed: ZeroDivisionError: division by zero\.$"
    ):
        draw_one(digits, "bad", tmp_path)


def package(folder, name, groups):
    """Write the metadata of an installed package with these entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [
        f"[{group}]\n{key} = {value}\n" for group, points in groups.items() for key, value in points.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))


def run_zatlas(folder, *words, cwd):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(folder)])}
    command = [sys.executable, "-m", "zatlas", *words]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture
def broken(tmp_path):
    """A folder with a package whose plugins do not work."""
    folder = tmp_path / "site"
    groups = {
        "zatlas.models": {"gone": "no_such_module:X", "vae": "broken_one:NET"},
        "zatlas.nets": {"half": "broken_one:NET"},
        "zatlas.metrics": {"raises": "broken_one:measure"},
    }
    package(folder, "broken-one", groups)
    (folder / "broken_one.py").write_text(
        "NET = 3\ndef measure(workspace, *, seed):\n    raise ValueError('no')\n"
    )
    return folder


def test_broken_packages_give_a_line_each_and_break_nothing(broken, tmp_path):
    result = run_zatlas(broken, "models", cwd=tmp_path)
    assert result.returncode == 0 and '"vae"' in result.stdout
    assert sorted(result.stderr.splitlines()) == [
        "The model 'gone' of the package broken-one cannot be imported: ModuleNotFoundError: No "
        "module named 'no_such_module'. Update or uninstall the package broken-one.",
        "The net 'half' of the package broken-one is not a dataclass of its settings. See docs/extending.md.",
        "zatlas ignores the model 'vae' of the package broken-one: zatlas has one of this name.",
    ]


def test_a_package_that_lies_in_the_current_folder_is_not_imported(broken):
    """A downloaded folder may hold one, and `python -m zatlas` searches the current folder."""
    (broken / "broken_one.py").write_text("open('executed', 'w')\nNET = 3\n")
    result = run_zatlas(broken, "models", cwd=broken)
    assert result.returncode == 0 and not result.stderr and '"conv"' in result.stdout
    assert not (broken / "executed").exists()


@pytest.mark.slow
def test_a_broken_plugin_is_an_error_where_it_is_named_and_else_left_out(broken, tmp_path, digits):
    chosen = run_zatlas(broken, "train", "digits", "--set", "net.name=half", cwd=tmp_path)
    assert chosen.returncode == 2
    assert "Traceback" not in chosen.stderr
    assert "The net 'half' of the package broken-one is not a dataclass" in chosen.stderr
    # An evaluation of all groups leaves the broken metric out.
    measured = run_zatlas(broken, "evaluate", str(digits.run.folder), "--out", "r.html", cwd=tmp_path)
    assert measured.returncode == 0 and '"active_units"' in measured.stdout
    failed = "zatlas leaves out the metric 'raises' of the package broken-one, which failed: ValueError: no."
    assert measured.stderr.count(failed) == 1


def blocks_of(page):
    return re.findall(r"^```\w+\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def test_every_block_of_the_page_about_plugins_is_in_the_example():
    texts = [path.read_text() for path in PLUGIN.rglob("*") if path.suffix in (".py", ".toml", ".md")]
    blocks = blocks_of((ROOT / "docs" / "extending.md").read_text())
    assert len(blocks) >= 11
    missing = [block for block in blocks if not any(block in text for text in texts)]
    assert not missing, "\n".join(missing)


@pytest.mark.slow
def test_the_example_plugin_is_installed_and_passes_its_tests_and_its_commands_work(tmp_path):
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), str(PLUGIN)]
    subprocess.run(pip, check=True, timeout=600)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(target)])}
    test = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    folder = tmp_path / "plugin-tests"
    folder.mkdir()
    (folder / "test_plugins.py").write_bytes((PLUGIN / "tests" / "test_plugins.py").read_bytes())
    result = subprocess.run(
        [*test, str(folder)], env=environment, capture_output=True, text=True, timeout=1200
    )
    assert result.returncode == 0, result.stdout + result.stderr
    commands = re.findall(r"^    zatlas (.*)$", (PLUGIN / "README.md").read_text(), re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        done = run_zatlas(target, *command.split(), cwd=tmp_path)
        assert done.returncode == 0, f"{command}: {done.stderr}"
    assert (tmp_path / "runs" / "rings" / "metrics.csv").read_text().startswith("epoch,step")
    script = [sys.executable, str(PLUGIN / "register.py")]
    subprocess.run(script, check=True, cwd=tmp_path, env=environment, timeout=600)
