"""The private names of other packages that zatlas uses are in the versions that pyproject.toml allows."""

import ast
import asyncio
import re
from contextlib import closing
from pathlib import Path

import pytest
import torch
import uvicorn
from torch.distributed.device_mesh import DeviceMesh
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

SOURCES = Path(__file__).parent.parent / "src" / "zatlas"
PRIVATE = {
    "uvicorn._types",
    "_pg_registry",
    "torch.cpu._is_amx_tile_supported",
    "torch.cpu._is_avx512_bf16_supported",
}
PACKAGES = ("torch", "uvicorn", "lightning_fabric", "numpy", "np", "starlette", "onnx", "ray", "matplotlib")


def private_names(path):
    """Private names of other packages in one file: attributes, imports and `getattr` with a text."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and re.match(r"_[a-zA-Z]", node.attr):
            name = ast.unparse(node)
            if name.split(".")[0] in PACKAGES:
                yield name
        elif isinstance(node, ast.ImportFrom) and re.search(r"\._[a-z]", f".{node.module}"):
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "getattr":
            name = node.args[1]
            if isinstance(name, ast.Constant) and re.match(r"_[a-z]", str(name.value)):
                yield name.value


def test_every_private_name_in_use_is_on_the_list():
    result = {name for path in SOURCES.rglob("*.py") for name in private_names(path)}
    assert result - {"torch._C"} == PRIVATE


@pytest.mark.parametrize("package", ["torch", "uvicorn"])
def test_a_package_with_private_names_in_use_has_an_upper_bound(package):
    text = (SOURCES.parent.parent / "pyproject.toml").read_text()
    assert re.search(rf'"{package}>=[\d.]+,<[\d.]+"', text)


def test_torch_has_its_private_names():
    assert torch._C._len_torch_dispatch_stack() == 0
    assert not torch._C._get_tracing_state()
    assert {torch.cpu._is_amx_tile_supported(), torch.cpu._is_avx512_bf16_supported()} <= {True, False}
    names = DeviceMesh.__init__.__code__.co_names
    assert "_pg_registry" in names or "_dim_group_names" in names  # torch 2.10 holds names, and no groups


def test_uvicorn_has_the_parts_that_the_server_overrides_and_reads():
    from uvicorn._types import ASGISendEvent

    assert ASGISendEvent
    config = uvicorn.Config(lambda: None, loop="asyncio", lifespan="off", ws=WebSocketsSansIOProtocol)
    with closing(asyncio.new_event_loop()) as loop:
        http = H11Protocol(config, ServerState(), {}, _loop=loop)
    for name in ("connections", "transport", "cycle", "loop", "headers"):
        assert name in vars(http)
    overridden = ("connection_made", "data_received", "connection_lost", "on_response_complete")
    for name in (*overridden, "handle_websocket_upgrade", "send_400_response"):
        assert callable(getattr(H11Protocol, name))
    for name in ("send", "pause_writing", "resume_writing", "connection_lost"):
        assert callable(getattr(WebSocketsSansIOProtocol, name))
