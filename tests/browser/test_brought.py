"""Models made elsewhere, on pages that decode by themselves."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zatlas.create import import_model

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
        nodes,
        "theirs",
        [make("x", TensorProto.FLOAT, [rows, DIM])],
        [make("y", TensorProto.FLOAT, [rows, SIDE, SIDE, 3])],
        [numpy_helper.from_array(values, name) for name, values in sizes.items()],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


@pytest.mark.parametrize(("mode", "rows"), [("file", "n"), ("folder", 1), ("file", 4)])
def test_a_brought_onnx_decoder_needs_no_server(mode, rows, explore, tmp_path):
    source = written(tmp_path / "theirs.onnx", rows)
    workspace = import_model(source, tmp_path / f"theirs-{mode}-{rows}", verbose=False)
    explorer = explore(mode, workspace)
    explorer.go(explorer.at(3, zoom=9))
    spots = explorer.free(2, room=12)
    latents = explorer.truth.chart().inverse_transform(explorer.places_of(spots))
    for spot, image in zip(spots, workspace.decode(latents), strict=True):
        explorer.hover(*spot)
        explorer.shows(image)


@pytest.mark.parametrize("mode", ["server", "file"])
def test_codes_alone_are_a_map_that_promises_no_pictures(mode, explore, tmp_path):
    kinds = np.arange(90) % 3
    latents = np.eye(3, 6)[kinds] * 8 + np.random.default_rng(0).standard_normal((90, 6))
    np.savez(tmp_path / "codes.npz", codes=latents.astype(np.float32), label=kinds)
    workspace = import_model(tmp_path / "codes.npz", tmp_path / f"codes-{mode}", verbose=False)
    url = explore.sites.url(mode, workspace)
    page = explore.page(url)
    page.goto(url)
    map = page.get_by_role("application")
    map.wait_for()
    page.get_by_text("This run has latents but no decoder, so there are no decoded images.").wait_for()
    assert [tab.inner_text() for tab in page.get_by_role("tab").all()] == ["Point"]
    assert page.get_by_role("button", name="Decode all").count() == 0
    near = page.get_by_role("tabpanel").get_by_role("button", name=re.compile("^code "))
    near.first.click()
    pin = page.get_by_role("list", name="Pins")
    row = int(pin.inner_text().split("code ")[1].split()[0])
    page.get_by_role("heading", name=f"code {row}", exact=True).wait_for()
    other = int(near.first.inner_text().removeprefix("code "))
    assert other != row and kinds[other] == kinds[row]
