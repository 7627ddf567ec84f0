"""Models made elsewhere, on pages that decode by themselves."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import zatlas

pytestmark = pytest.mark.browser

SIDE, DIM = 12, 5


def written(path, rows):
    """A decoder of colour images, channels last and from -1 to 1, for so many rows at once."""
    weights = np.random.default_rng(0).standard_normal((DIM, SIDE * SIDE * 3)).astype(np.float32)
    sizes = {"w": weights, "shape": np.array([-1 if rows == "n" else rows, SIDE, SIDE, 3])}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"]),
        helper.make_node("Reshape", ["a", "shape"], ["b"]),
        helper.make_node("Tanh", ["b"], ["y"]),
    ]
    make = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "theirs", [make("x", TensorProto.FLOAT, [rows, DIM])],
        [make("y", TensorProto.FLOAT, [rows, SIDE, SIDE, 3])],
        [numpy_helper.from_array(values, name) for name, values in sizes.items()],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


@pytest.mark.parametrize(("way", "rows"), [("file", "n"), ("folder", 1), ("file", 4)])
def test_a_brought_onnx_decoder_needs_no_server(way, rows, explore, tmp_path):
    source = written(tmp_path / "theirs.onnx", rows)
    atlas = zatlas.bring(source, tmp_path / f"theirs-{way}-{rows}", show=False)
    explorer = explore(way, atlas)
    explorer.go(explorer.at(3, zoom=9))
    spots = explorer.free(2, room=12)
    codes = explorer.truth.chart().inverse(explorer.places_of(spots))
    for spot, image in zip(spots, atlas.decode(codes), strict=True):
        explorer.hover(*spot)
        explorer.shows(image)
