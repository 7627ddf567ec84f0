"""Many pages that hover at the same time: latency of the server, and whether its memory grows.

python benchmarks/explorer_load.py [--clients 50] [--seconds 20]

Server and pages run in their own processes; the pages move over the shipped face model.
"""

import argparse
import asyncio
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
from websockets.asyncio.client import connect

from common import quiet

RATE = 60  # requests per second of each page
SERVER = """
import sys
from pathlib import Path
from zatlas.workspace import Workspace
from zatlas.demo import unpack
from zatlas.server.serve import serving
workspace = Workspace.open(unpack(Path(sys.argv[1]) / "faces"))
with serving([workspace], points=2000) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", SERVER, folder]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=quiet()) as server:
            url = server.stdout.readline().strip()
            # Warm up once; growth is measured from then on.
            asyncio.run(crowd(url, given.clients, 2))
            before = resident(server.pid)
            result = asyncio.run(crowd(url, given.clients, given.seconds))
            after = resident(server.pid)
            server.stdin.close()
    report(result, given.clients, before, after)


async def crowd(url: str, clients: int, seconds: float) -> list[dict]:
    """All pages at once."""
    return await asyncio.gather(*(page(url, seed, seconds) for seed in range(clients)))


async def page(url: str, seed: int, seconds: float) -> dict:
    """One page whose pointer wanders: each ask replaces the one before it if that still waits."""
    chance = np.random.default_rng(seed)
    z, asked, result = chance.normal(size=32), {}, {"images": [], "dropped": 0, "asked": 0}
    async with connect(
        url.replace("http", "ws") + "socket", origin=url.rstrip("/"), compression=None
    ) as socket:
        listening = asyncio.create_task(listen(socket, asked, result))
        await asyncio.sleep(chance.uniform(0, 1 / RATE))
        begun = perf_counter()
        for number in range(int(seconds * RATE)):
            z += chance.normal(size=32) / 20
            asked[number] = perf_counter()
            header = {"id": number, "run": "a", "kind": "decode", "n": 1, "stream": "hover"}
            await socket.send(frame(header, z.astype("<f4").tobytes()))
            result["asked"] += 1
            await asyncio.sleep(max(0, begun + (number + 1) / RATE - perf_counter()))
        await asyncio.sleep(1)
        listening.cancel()
    return result


async def listen(socket, asked: dict, result: dict) -> None:
    """Note when each answer comes."""
    async for data in socket:
        (length,) = struct.unpack_from("<I", data)
        answer = json.loads(data[4 : 4 + length])
        took = perf_counter() - asked.pop(answer["id"])
        if answer["kind"] == "dropped":
            result["dropped"] += 1
        else:
            assert answer["kind"] == "images", answer
            result["images"].append(took)


def frame(header: dict, payload: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + payload


def resident(process: int) -> float:
    """Memory of a process, in MiB."""
    words = Path(f"/proc/{process}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024


def report(result: list[dict], clients: int, before: float, after: float) -> None:
    took = 1000 * np.concatenate([one["images"] for one in result])
    requested, dropped = (sum(one[key] for one in result) for key in ("asked", "dropped"))
    center, high = np.quantile(took, [0.5, 0.95])
    print(f"{clients} pages at {RATE} Hz: {requested:,} requests, {len(took):,} answered")
    print(f"latency: median {center:.1f} ms, p95 {high:.1f} ms")
    print(f"replaced by a newer one: {dropped / requested:.0%}; lost: {requested - dropped - len(took)}")
    print(f"memory of the server: {before:.0f} MiB, then {after:.0f} MiB")


if __name__ == "__main__":
    main()
