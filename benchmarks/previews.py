"""Time from a request to a preview and to the complete image of a StyleGAN2 with random weights, served.

    python -m benchmarks.previews [--side 256] [--widths small full] [--requests 40]

Each request goes over the WebSocket of the explorer's server, as the page sends it, and waits for its answer.
Figures are the median and the 95th percentile in milliseconds.
"""

import argparse
import json
import os
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import torch
from tests import stylegan_files
from tests.stylegan_files import Case
from websockets.sync.client import ClientConnection, connect

from benchmarks.common import machine_line
from zatlas.create import import_model
from zatlas.sample import sample_latents
from zatlas.server.handlers import RunHandlers
from zatlas.server.serve import Server, max_request_bytes
from zatlas.workspace import Workspace

WIDTHS = {"small": 32, "full": 512}  # most channels of a block
CHANNEL_PIXELS = {"small": 2048, "full": 16_384}  # channels times the side, as for "paper256"


def decode_times(send: Callable[[dict, bytes], None], z: np.ndarray, coarse: bool) -> np.ndarray:
    """Return the milliseconds of a request for each latent."""
    result = []
    for number, row in enumerate(z):
        header = {"id": number, "run": "a", "kind": "decode", "n": 1, "coarse": coarse}
        begun = perf_counter()
        send(header, row.tobytes())
        result.append(1000 * (perf_counter() - begun))
    return np.array(result[1:])  # the first one warms up


def request(socket: ClientConnection, header: dict, payload: bytes) -> None:
    """Send a request, and wait for its answer."""
    text = json.dumps(header).encode()
    socket.send(struct.pack("<I", len(text)) + text + payload)
    answer = socket.recv(timeout=60)
    (length,) = struct.unpack_from("<I", answer)
    assert json.loads(answer[4 : 4 + length])["kind"] == "images"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--widths", nargs="+", default=list(WIDTHS), choices=list(WIDTHS))
    parser.add_argument("--requests", type=int, default=40)
    given = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)  # the tests' package sets one
    print(machine_line())
    for name in given.widths:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, given.side, given.requests, Path(folder))


def measure(name: str, side: int, requests: int, folder: Path) -> None:
    """Print the times of one configuration."""
    workspace = random_run(name, side, folder)
    z = sample_latents(workspace, requests + 1)
    c, h, w = workspace.description.shape
    tree = SimpleNamespace(entry={"image": {"channels": c, "height": h, "width": w}}, latents=z)
    server = Server(max_request_bytes([workspace]), port=0)
    try:
        server.explorer.handlers["a"] = RunHandlers(workspace, tree)
        address = urlsplit(server.url).netloc
        with connect(f"ws://{address}/socket", origin=f"http://{address}", max_size=None) as socket:
            for kind, coarse in (("preview", True), ("complete image", False)):
                times = decode_times(lambda header, body: request(socket, header, body), z, coarse)
                low, high = np.percentile(times, [50, 95])
                print(f"{name}, {side} pixels, {kind}: {low:.0f} ms, 95 % within {high:.0f} ms")
    finally:
        server.close()


def random_run(name: str, side: int, folder: Path) -> Workspace:
    """Import a StyleGAN2 with random weights."""
    sides = [4 << number for number in range(int(np.log2(side)) - 1)]
    widths = tuple(min(WIDTHS[name], CHANNEL_PIXELS[name] // each) for each in sides)
    case = Case("ada", widths=widths, z_dim=512, w_dim=512, depth=8)
    return import_model(stylegan_files.write(case, folder), folder / "run", verbose=False)


if __name__ == "__main__":
    main()
