"""Imported models and latents on pages without a server."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from zatlas.create import import_model

pytestmark = pytest.mark.browser

SIDE, DIM = 12, 5


def write_decoder(path, rows):
    """A decoder of colour images, channels last and from -1 to 1, for this number of rows."""
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
def test_an_imported_onnx_decoder_needs_no_server(mode, rows, explore, tmp_path):
    source = write_decoder(tmp_path / "theirs.onnx", rows)
    workspace = import_model(source, tmp_path / f"theirs-{mode}-{rows}", verbose=False)
    explorer = explore(mode, workspace)
    explorer.go(explorer.at(3, zoom=9))
    targets = explorer.free(2, margin=12)
    latents = explorer.truth.chart().inverse_transform(explorer.positions_of(targets))
    for target, image in zip(targets, workspace.decode(latents), strict=True):
        explorer.hover(*target)
        explorer.shows(image)


@pytest.mark.parametrize("mode", ["server", "file"])
def test_imported_latents_have_a_map_without_decoded_images(mode, explore, tmp_path):
    labels = np.arange(90) % 3
    latents = np.eye(3, 6)[labels] * 8 + np.random.default_rng(0).standard_normal((90, 6))
    np.savez(tmp_path / "codes.npz", codes=latents.astype(np.float32), label=labels)
    workspace = import_model(tmp_path / "codes.npz", tmp_path / f"codes-{mode}", verbose=False)
    url = explore.sites.url(mode, workspace)
    page = explore.page(url)
    page.goto(url)
    map = page.get_by_role("application")
    map.wait_for()
    page.get_by_text("This run has latents but no decoder, so there are no decoded images.").wait_for()
    assert [tab.inner_text() for tab in page.get_by_role("tab").all()] == ["Point", "Data"]
    assert page.get_by_role("radio", name="Decoded").count() == 0
    neighbors = page.get_by_role("tabpanel").get_by_role("button", name=re.compile("^latent "))
    neighbors.first.click()
    pin = page.get_by_role("list", name="Pins")
    row = int(pin.inner_text().split("latent ")[1].split()[0])
    page.get_by_role("heading", name=f"latent {row}", exact=True).wait_for()
    other = int(neighbors.first.inner_text().removeprefix("latent "))
    assert other != row and labels[other] == labels[row]
