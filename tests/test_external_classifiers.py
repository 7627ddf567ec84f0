"""Classifiers from ONNX files and Python functions: their settings, and their use in commands."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from zatlas.cli import main
from zatlas.core.errors import BadRecipe, BadRun, UnknownName
from zatlas.models.external_classifiers import open_classifier
from zatlas.workspace import Workspace

IMAGES = np.random.default_rng(0).random((5, 3, 16, 16), np.float32)


def onnx_file(path: Path, name: str, *, scale: float = 1.0, last: str = "Identity") -> Path:
    """An ONNX classifier of brightness, from 16 x 16 pixels in the given range."""
    return _write(path, name, [1, 2, 3], ["n"], scale, last)


def by_channel(path: Path, last: str = "Identity", scale: float = 1.0) -> Path:
    """An ONNX classifier that returns the mean of each channel."""
    return _write(path, "output", [2, 3], ["n", 3], scale, last)


def _write(path: Path, name: str, axes: list[int], shape: list[str | int], scale: float, last: str) -> Path:
    constants = [
        numpy_helper.from_array(np.array(axes), "axes"),
        numpy_helper.from_array(np.float32(scale), "scale"),
    ]
    nodes = [
        helper.make_node("Div", ["x", "scale"], ["y"]),
        helper.make_node("ReduceMean", ["y", "axes"], ["m"], keepdims=0),
        helper.make_node(last, ["m"], [name]),
    ]
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 16, 16])
    returned = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
    graph = helper.make_graph(nodes, "classifier", [taken], [returned], constants)
    opset = [helper.make_opsetid("", 18)]
    save(helper.make_model(graph, opset_imports=opset, ir_version=9), str(path))
    return path


@pytest.fixture
def gan(rival, tmp_path) -> Workspace:
    """A run without an encoder, whose grey images have 8 x 8 pixels."""
    folder = tmp_path / "gan"
    shutil.copytree(rival.run.folder, folder)
    return Workspace.open(folder)


def test_an_onnx_classifier_describes_its_input(tmp_path):
    plain = open_classifier(onnx_file(tmp_path / "plain.onnx", "light"))
    assert (plain.names, plain.kinds, plain.shape) == (("light",), ("number",), (3, 16, 16))
    assert "3x16x16, nchw, pixels unit (assumed)" in plain.about
    np.testing.assert_allclose(plain.predict(IMAGES)[:, 0], IMAGES.mean((1, 2, 3)), rtol=1e-5)
    signed = open_classifier(f"{tmp_path / 'plain.onnx'}:pixels=signed")
    np.testing.assert_allclose(signed.predict(IMAGES), 2 * plain.predict(IMAGES) - 1, atol=1e-5)
    bytes_ = open_classifier(onnx_file(tmp_path / "bytes.onnx", "light", scale=255.0))
    assert "pixels bytes (from the file)" in bytes_.about
    np.testing.assert_allclose(bytes_.predict(IMAGES), plain.predict(IMAGES), atol=1e-5)
    flag = open_classifier(onnx_file(tmp_path / "flag.onnx", "output", last="Sigmoid"))
    assert (flag.names, flag.kinds) == (("flag",), ("flag",))


def test_a_function_in_the_current_folder_works_as_a_classifier(tmp_path, monkeypatch):
    text = "def light(x):\n    return x.mean((1, 2, 3))\n\nlight.kind = 'flag'\n"
    (tmp_path / "own_classifiers.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    classifier = open_classifier("own_classifiers:light")
    np.testing.assert_allclose(classifier.predict(IMAGES)[:, 0], IMAGES.mean((1, 2, 3)), rtol=1e-5)
    assert (classifier.names, classifier.kinds) == (("light",), ("flag",))
    with pytest.raises(BadRun, match="cannot be imported"):
        open_classifier("own_classifiers:dark")
    with pytest.raises(BadRun, match="Give a file that"):
        open_classifier("none.onnx")


def test_the_names_mean_std_and_channel_order_of_an_onnx_classifier_are_settings(tmp_path):
    file = by_channel(tmp_path / "c.onnx")
    text = f"{file}:names=red,green,blue,mean=0.1,0.2,0.3,std=0.5,2,1,channels=bgr"
    classifier = open_classifier(text)
    assert classifier.names == ("red", "green", "blue") and "channels bgr" in classifier.about
    blue_first = IMAGES.mean((2, 3))[:, ::-1]
    expected = (blue_first - np.float32([0.1, 0.2, 0.3])) / np.float32([0.5, 2, 1])
    np.testing.assert_allclose(classifier.predict(IMAGES), expected, atol=1e-5)
    bytes_ = open_classifier(f"{by_channel(tmp_path / 'b.onnx')}:pixels=bytes,mean=127.5,std=127.5")
    np.testing.assert_allclose(bytes_.predict(IMAGES), 2 * IMAGES.mean((2, 3)) - 1, atol=1e-5)


def test_the_settings_of_an_onnx_classifier_can_lie_in_a_file_beside_it(tmp_path):
    file = by_channel(tmp_path / "c.onnx", last="Softmax")
    settings = {"names": ["happy, very", "sad", "calm"], "channels": "bgr", "mean": 0.5}
    (tmp_path / "c.onnx.json").write_text(json.dumps(settings))
    classifier = open_classifier(file)
    assert classifier.names == ("c=happy, very", "c=sad", "c=calm") and "channels bgr" in classifier.about
    assert "channels" not in open_classifier(f"{file}:channels=rgb").about  # the command line comes first


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("names=a,b", "returns 3 values for each image, and 2 names"),
        ("names=a,b,a", "two outputs"),
        ("mean=0.1,0.2", "mean has 2 values, and the classifier takes 3 channels"),
        ("std=0", "must be above 0"),
        ("std=wide", "std=wide is not a number"),
        ("channels=gbr", "No value of c.onnx.channels named 'gbr'"),
        ("pixels=round", "Known: bytes, logits, signed, unit"),
        ("name=a", "Did you mean 'names'"),
    ],
)
def test_wrong_settings_of_an_onnx_classifier_are_refused_when_it_is_opened(tmp_path, settings, sentence):
    file = by_channel(tmp_path / "c.onnx")
    with pytest.raises((BadRecipe, UnknownName), match=f"(?i){sentence}"):
        open_classifier(f"{file}:{settings}")


def test_commands_resize_images_for_a_classifier_of_another_size_and_shape(gan, tmp_path, capsys):
    file, run, out = by_channel(tmp_path / "c.onnx"), str(gan.run.folder), str(tmp_path / "out")
    given = ["--classifier", f"{file}:names=red,green,blue", "--out", out]
    assert main(["directions", "find", run, "predictor", "green", *given]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["direction"] == "green" and row["mean_error"] < 0.2
    assert main(["directions", "evaluate", run, "blue", *given]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["direction"] == "blue"


def test_a_run_stores_the_settings_of_a_classifier_with_its_predictions(gan, tmp_path, capsys):
    file, run, out = by_channel(tmp_path / "c.onnx"), str(gan.run.folder), str(tmp_path / "out")
    assert main(["classifier", "predict", f"{file}:names=red,green,blue,std=0.5", run]) == 0
    assert [row["attribute"] for row in json.loads(capsys.readouterr().out)] == ["red", "green", "blue"]
    moved = shutil.move(file, tmp_path / "renamed.onnx")
    words = ["predictor", "green", "--classifier", str(moved), "--out", out]
    assert main(["directions", "find", run, *words]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["direction"] == "green"
    stored = Workspace.open(run).predictions.settings
    classifier = open_classifier(moved, stored=stored)
    np.testing.assert_allclose(classifier.predict(IMAGES), 2 * IMAGES.mean((2, 3)), atol=1e-5)


@pytest.mark.parametrize("words", [["find", "{run}", "predictor", "dark"], ["evaluate", "{run}", "dark"]])
def test_a_wrong_name_is_reported_before_a_classifier_reads_an_image(
    gan, tmp_path, monkeypatch, capsys, words
):
    text = "def light(x):\n    raise RuntimeError('this was called')\n"
    (tmp_path / "late_classifiers.py").write_text(text)
    monkeypatch.chdir(tmp_path)
    words = [word.format(run=gan.run.folder) for word in words]
    assert main(["directions", *words, "--classifier", "late_classifiers:light"]) == 2
    error = capsys.readouterr().err
    assert "named 'dark'" in error and "light" in error
