"""Inversion that compares the features of a convolutional network in an ONNX file."""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional as F

from zatlas.atlas import Atlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, BadRun, NotSupported
from zatlas.models.external_classifiers import open_features
from zatlas.models.realism import feature_distance

MAX_DIFFERENCE = 1e-4


class Residual(nn.Module):
    """A small classifier with the operators of published ones."""

    def __init__(self, channels=3):
        super().__init__()
        self.first = nn.Conv2d(channels, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.norm.running_mean.normal_()
        self.norm.running_var.uniform_(0.5, 2)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.leaky = nn.PReLU(8)
        self.last = nn.Conv2d(16, 12, 3, padding=1)
        self.head = nn.Linear(12, 5)

    def maps(self, x):
        x = F.leaky_relu(self.norm(self.first(x)), 0.1)
        x = x + self.leaky(self.wide(F.pad(x, (1, 1, 1, 1), mode="reflect"))[:, :, 1:-1, 1:-1])
        half = F.avg_pool2d(x, 3, 2, 1)
        both = torch.cat([half, F.max_pool2d(x, 3, 2, 1)], 1)
        return [x, F.hardswish(self.last(both)).clamp(-1, 4)]

    def forward(self, x):
        features = self.maps(x)[-1]
        return self.head(features.mean((2, 3))).softmax(1)


class Maps(nn.Module):
    """The same network, whose outputs are its feature maps."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return tuple(self.net.maps(x))


def network(channels=3, seed=0):
    torch.manual_seed(seed)
    return Residual(channels).eval()


def write(net, path, channels=3, side=None):
    x = torch.rand(2, channels, side or 16, side or 16)
    sizes = {0: "n"} if side else {0: "n", 2: "h", 3: "w"}
    torch.onnx.export(
        net, (x,), path, dynamo=False, opset_version=17, input_names=["x"], dynamic_axes={"x": sizes}
    )
    return path


@pytest.fixture(autouse=True)
def quiet_export():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's exporter
        yield


def test_the_feature_maps_and_their_gradients_are_those_of_the_network(tmp_path):
    net = network()
    features = open_features(write(Maps(net).eval(), tmp_path / "maps.onnx"))
    x = torch.rand(3, 3, 20, 24, requires_grad=True)
    maps, expected = features(x), net.maps(x)
    for made, wanted in zip(maps, expected, strict=True):
        torch.testing.assert_close(made, wanted, atol=MAX_DIFFERENCE, rtol=0)
    weights = [torch.randn_like(each) for each in maps]
    gradients = [
        torch.autograd.grad(sum((a * b).sum() for a, b in zip(each, weights, strict=True)), x)[0]
        for each in (maps, expected)
    ]
    torch.testing.assert_close(*gradients, atol=1e-3, rtol=0)
    session = onnxruntime.InferenceSession(tmp_path / "maps.onnx")
    for made, wanted in zip(maps, session.run(None, {"x": x.detach().numpy()}), strict=True):
        np.testing.assert_allclose(made.detach().numpy(), wanted, atol=MAX_DIFFERENCE)


def test_a_classifier_gives_the_last_map_of_each_size(tmp_path):
    net = network()
    path = write(net, tmp_path / "classifier.onnx", side=16)
    spec = f"{path}:mean=0.485,0.456,0.406,std=0.229,0.224,0.225"
    images = torch.rand(2, 3, 16, 16)
    mean, std = (
        torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    maps, expected = open_features(spec)(images), net.maps((images - mean) / std)
    assert {tuple(each.shape[2:]) for each in maps} == {(8, 8), (10, 10), (8, 10), (4, 4)}  # 10: padded
    for wanted in expected:
        assert any(
            each.shape == wanted.shape and (each - wanted).abs().max() < MAX_DIFFERENCE for each in maps
        )
    assert [each.shape for each in open_features(spec)(torch.rand(2, 1, 9, 30))] == [m.shape for m in maps]


def test_an_inversion_makes_the_features_of_a_network_similar(rival, tmp_path, capsys):
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3, bias=False), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False)]
    path = write(nn.Sequential(*layers), tmp_path / "net.onnx", channels=1)
    atlas = Atlas(rival)
    images = np.ascontiguousarray(atlas.generate(4, seed=5)[:, :, ::-1])
    distance = feature_distance(atlas.generator, path)
    errors = {}
    for perceptual in (None, path):
        result = atlas.invert(images, perceptual=perceptual)
        errors[perceptual] = distance(torch.from_numpy(result.images), torch.from_numpy(images)).mean()
    assert errors[path] < 0.95 * errors[None]
    words = ["invert", str(rival.run.folder), "--steps", "2", "--perceptual", f"{path}:pixels=signed"]
    assert main([*words, "--out", str(tmp_path / "a.npz")]) == 0


def test_a_network_that_cannot_be_used_is_refused_in_one_sentence(rival, tmp_path, capsys):
    graph = helper.make_graph(
        [helper.make_node("Gelu", ["x"], ["a"]), helper.make_node("NonZero", ["a"], ["b"])],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 1, 8, 8])],
        [helper.make_tensor_value_info("b", TensorProto.INT64, [4, "k"])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, tmp_path / "odd.onnx")
    with pytest.raises(NotSupported, match="uses the operator NonZero, of which zatlas knows no gradient"):
        open_features(tmp_path / "odd.onnx")
    with pytest.raises(BadRecipe, match="is no ONNX file"):
        Atlas(rival).invert(np.zeros((1, 1, 8, 8)), perceptual="lpips")
    with pytest.raises(BadRun, match="There is no"):
        open_features(tmp_path / "none.onnx")
    assert main(["invert", str(rival.run.folder), "--perceptual", str(tmp_path / "odd.onnx")]) == 2
    assert "NonZero" in capsys.readouterr().err
