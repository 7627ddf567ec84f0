"""Imported models as ONNX files for the page: any number of flat latents in, images in [0, 1] out."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from zatlas.core.errors import NotSupported
from zatlas.create import import_model
from zatlas.models.onnx_export import export_decoder, export_encoder
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

MAKE = helper.make_tensor_value_info
SHAPES = {"nchw": (3, 4, 4), "nhwc": (4, 4, 3), "nhw": (4, 4), "flat": (16,)}


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def weights(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32) / 3


def written(path, nodes, takes, gives, opset=18, kind=TensorProto.FLOAT, **constants):
    """An ONNX file of these operators; its input is named x and its output z on purpose."""
    arrays = [numpy_helper.from_array(values, name) for name, values in constants.items()]
    inputs = [MAKE("x", kind, takes)]
    if any("y" in node.input for node in nodes):
        inputs.append(MAKE("y", TensorProto.INT32, takes[:1]))
    graph = helper.make_graph(nodes, "theirs", inputs, [MAKE("z", kind, gives)], arrays)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, path)
    return path


def decoder(path, rows="n", layout="nchw", last="Sigmoid", opset=18, **settings):
    shape = SHAPES[layout]
    kind = settings.get("kind", TensorProto.FLOAT)
    w = weights(6, int(np.prod(shape))).astype(helper.tensor_dtype_to_np_dtype(kind))
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Reshape", ["b", "shape"], ["c"]),
        helper.make_node(last, ["c"], ["z"]),
    ]
    first = -1 if rows == "n" else rows  # as some exporters write it
    sizes = {"flat": np.array([first, 6]), "shape": np.array([first, *shape])}
    return written(path, nodes, [rows, 2, 3], [rows, *shape], opset, w=w, **sizes, **settings)


def run(file, **inputs):
    session = onnxruntime.InferenceSession(file.path, providers=["CPUExecutionProvider"])
    (output,) = session.get_outputs()
    return output.name, session.run(None, inputs)[0]


def import_source(source, folder, **settings):
    return import_model(source, folder / "run", verbose=False, **settings)


def alike(workspace, folder, atol=1e-6):
    """The exported decoder gives the same images as the run, for one latent and for several."""
    file = export_decoder(workspace.generator, folder / "out.onnx")
    for count in (1, 7):
        z = sample_latents(workspace, count, seed=1)
        name, images = run(file, z=z)
        assert name == "x"
        np.testing.assert_allclose(images, workspace.decode(z), atol=atol)
    return images


@pytest.mark.parametrize("rows", ["n", 1, 4])
@pytest.mark.parametrize(
    ("layout", "last"), [("nchw", "Sigmoid"), ("nhwc", "Tanh"), ("nhw", "Tanh"), ("flat", "Sigmoid")]
)
def test_an_onnx_decoder_of_any_layout_is_wrapped(layout, last, rows, tmp_path):
    workspace = import_source(decoder(tmp_path / "d.onnx", rows, layout, last), tmp_path)
    images = alike(workspace, tmp_path)
    assert images.shape == (7, 3 if "c" in layout else 1, 4, 4) and images.std() > 0.02
    raw = sample_latents(workspace, 7, seed=1) @ weights(6, int(np.prod(SHAPES[layout])))
    expected = 1 / (1 + np.exp(-raw)) if last == "Sigmoid" else np.tanh(raw) / 2 + 0.5
    expected = expected.reshape(7, *SHAPES[layout])
    if layout == "nhwc":
        expected = expected.transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images, expected.reshape(images.shape), atol=1e-5)


@pytest.mark.parametrize("pixels", ["bytes", "logits"])
def test_bytes_and_logits_are_converted_to_the_unit_range(pixels, tmp_path):
    workspace = import_source(decoder(tmp_path / "d.onnx", last="Identity"), tmp_path, pixels=pixels)
    assert alike(workspace, tmp_path).max() <= 1


def test_an_old_opset_and_float16_are_wrapped_too(tmp_path):
    old = import_source(decoder(tmp_path / "old.onnx", opset=9), tmp_path / "a")
    alike(old, tmp_path / "a")
    short = decoder(tmp_path / "short.onnx", rows=2, kind=TensorProto.FLOAT16)
    alike(import_source(short, tmp_path / "b"), tmp_path / "b", atol=2e-3)


@pytest.mark.parametrize("rows", ["n", 1, 3])
def test_a_conditional_decoder_is_wrapped(rows, tmp_path):
    nodes = [
        helper.make_node("Gather", ["table", "y"], ["embedding"]),
        helper.make_node("Add", ["x", "embedding"], ["sum"]),
        helper.make_node("MatMul", ["sum", "w"], ["b"]),
        helper.make_node("Sigmoid", ["b"], ["z"]),
    ]
    constants = {"table": weights(5, 6), "w": weights(6, 16)}
    file = written(tmp_path / "d.onnx", nodes, [rows, 6], [rows, 16], **constants)
    workspace = import_source(file, tmp_path)
    assert len(workspace.generator.classes) == 5
    out = export_decoder(workspace.generator, tmp_path / "out.onnx")
    z, y = sample_latents(workspace, 8, seed=1), np.arange(8) % 5
    np.testing.assert_allclose(run(out, z=z, y=y)[1], workspace.decode(z, y), atol=1e-6)


def test_names_in_subgraphs_are_renamed_too(tmp_path):
    branch = [
        helper.make_graph(
            [helper.make_node(kind, ["b", "w2"], ["o"])], kind, [], [MAKE("o", TensorProto.FLOAT, None)]
        )
        for kind in ("Mul", "Add")
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["b"]),
        helper.make_node("If", ["yes"], ["c"], then_branch=branch[0], else_branch=branch[1]),
        helper.make_node("Sigmoid", ["c"], ["z"]),
    ]
    constants = {"w": weights(6, 16), "w2": np.float32([3]), "yes": np.array(True)}
    for rows in ("n", 2):
        file = written(tmp_path / "d.onnx", nodes, [rows, 6], [rows, 16], **constants)
        alike(import_source(file, tmp_path / str(rows)), tmp_path / str(rows))


@pytest.mark.parametrize("rows", ["n", 1, 4])
@pytest.mark.parametrize(("layout", "last"), [("nchw", "Sigmoid"), ("nhwc", "Tanh")])
def test_an_onnx_encoder_is_wrapped(layout, last, rows, tmp_path):
    shape = SHAPES[layout]
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["a"]),
        helper.make_node("MatMul", ["a", "w"], ["b"]),
        helper.make_node("Reshape", ["b", "shape"], ["z"]),
    ]
    first = -1 if rows == "n" else rows
    sizes = {"flat": np.array([first, 48]), "shape": np.array([first, 2, 3])}
    back = written(tmp_path / "e.onnx", nodes, [rows, *shape], [rows, 2, 3], w=weights(48, 6), **sizes)
    source = decoder(tmp_path / "d.onnx", rows, layout, last)
    workspace = import_source(source, tmp_path, encoder=back)
    out = export_encoder(workspace.generator, tmp_path / "out.onnx")
    x = workspace.decode(sample_latents(workspace, 7, seed=1))
    name, z = run(out, x=x)
    assert name == "z" and z.std() > 0.02
    np.testing.assert_allclose(z, workspace.generator.encode(x), atol=1e-5)


def test_an_opset_that_cannot_be_converted_is_reported(tmp_path):
    nodes = [helper.make_node("Crop", ["x"], ["c"], border=[0, 0, 0, 0])]
    nodes += [helper.make_node("Sigmoid", ["c"], ["z"])]
    model = written(tmp_path / "d.onnx", nodes, ["n", 3, 4, 4], ["n", 3, 4, 4], opset=7)
    workspace = import_source(model, tmp_path)
    with pytest.raises(NotSupported, match=r"opset 7.*Export it again with opset_version=18"):
        export_decoder(workspace.generator, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


class Net(nn.Module):
    """Latents of 6 numbers to images of 8x8 in [-1, 1]."""

    def __init__(self):
        super().__init__()
        self.out = nn.Sequential(nn.Linear(6, 64), nn.Unflatten(1, (1, 8, 8)), nn.Tanh())

    def forward(self, z):
        return self.out(z)


class Back(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(64, 12)

    def forward(self, x):
        mean, log_variance = self.net(x.flatten(1)).chunk(2, dim=1)
        return mean, log_variance


def saved(kind, module, example, path):
    if kind == "script":
        with pytest.warns(DeprecationWarning):
            torch.jit.save(torch.jit.script(module.eval()), path)
        return path
    torch.export.save(torch.export.export(module.eval(), (example,)), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["script", "program of one row"])
def test_decoder_and_encoder_of_a_program_are_exported(kind, tmp_path):
    suffix = "pt" if kind == "script" else "pt2"
    there = saved(kind, Net(), torch.zeros(1, 6), tmp_path / f"there.{suffix}")
    back = saved(kind, Back(), torch.zeros(1, 1, 8, 8), tmp_path / f"back.{suffix}")
    import_source(there, tmp_path, encoder=back)
    workspace = Workspace.open(tmp_path / "run")
    images = alike(workspace, tmp_path, atol=2e-3)
    out = export_encoder(workspace.generator, tmp_path / "back.onnx")
    np.testing.assert_allclose(run(out, x=images)[1], workspace.generator.encode(images), atol=2e-2)


@pytest.mark.slow
def test_a_function_that_torch_cannot_trace_is_refused(tmp_path):
    def strange(z):
        return torch.tensor([[[row[:4]] * 4] for row in z.tolist()]).sigmoid()

    workspace = import_source(strange, tmp_path, shape=(6,))
    with pytest.raises(NotSupported, match="do not need ONNX") as caught:
        export_decoder(workspace.generator, tmp_path / "out.onnx")
    assert "\x1b" not in str(caught.value) and "\n" not in str(caught.value)
