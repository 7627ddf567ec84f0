"""Fifty pages for half an hour: latency, memory and descriptors of a server under mixed requests.

python benchmarks/soak.py [--minutes 30] [--clients 50] [--rate 30] [--quiet-pages]

Each page moves its pointer RATE times a second over the shipped face model. Meanwhile one page after the
other requests a new chart, loads every file again and reconnects, and another process exports the run
repeatedly. `--quiet-pages` leaves that out. Targets: p95 <= 100 ms, p99 <= 300 ms, memory and descriptors
flat after the first minute.
"""

import argparse
import asyncio
import json
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from time import perf_counter
from urllib.request import urlopen

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from common import quiet

DIM = 32  # of the face model
LAYOUTS = ("pca", "grid_umap", "grid_tsne")
BY = (None, "Smiling", "Male", "Eyeglasses")
CHART_EVERY, RELOAD_EVERY, EXPORT_EVERY = 6.0, 3.0, 60.0  # seconds
SERVER = """
import sys
from zatlas.cli import main
sys.exit(main(["explore", sys.argv[1], "--points", "2000", "--no-open", "--port", "0"]))
"""
PREPARE = """
import sys
from pathlib import Path
from zatlas.demo import unpack
unpack(Path(sys.argv[1]))
"""


@dataclass
class Measured:
    """Results so far."""

    seconds: list[float] = field(default_factory=list)  # of each decoded image since the last line
    sent: int = 0
    dropped: int = 0
    charts: list[float] = field(default_factory=list)
    reloads: int = 0
    exports: int = 0
    errors: list[str] = field(default_factory=list)


class Page:
    """A page's socket: answers by the id of their request."""

    def __init__(self, socket: ClientConnection, measured: Measured) -> None:
        self.socket, self.measured = socket, measured
        self.numbers, self.begun = count(), dict[int, float]()

    async def send(self, payload: bytes = b"", **header: object) -> None:
        """Send one request."""
        number = next(self.numbers)
        self.begun[number] = perf_counter()
        text = json.dumps({"id": number, "run": "a", **header}).encode()
        await self.socket.send(struct.pack("<I", len(text)) + text + payload)

    async def receive(self) -> None:
        """Note when each answer comes."""
        async for data in self.socket:
            assert isinstance(data, bytes)
            (length,) = struct.unpack_from("<I", data)
            answer = json.loads(data[4 : 4 + length])
            seconds = perf_counter() - self.begun.pop(answer["id"])
            if answer["kind"] == "images":
                self.measured.seconds.append(seconds)
            elif answer["kind"] == "chart":
                self.measured.charts.append(seconds)
            elif answer["kind"] == "dropped":
                self.measured.dropped += 1
            else:
                self.measured.errors.append(str(answer))


@asynccontextmanager
async def opened(url: str, measured: Measured) -> AsyncIterator[Page]:
    """A page of this server."""
    address = url.replace("http", "ws") + "socket"
    async with connect(address, origin=url.rstrip("/"), compression=None, max_size=None) as socket:
        page = Page(socket, measured)
        receiving = asyncio.create_task(page.receive())
        try:
            yield page
        finally:
            receiving.cancel()


async def hover(url: str, seed: int, rate: float, over: asyncio.Event, measured: Measured) -> None:
    """A page whose pointer moves; now and then it is closed and opened again."""
    random = np.random.default_rng(seed)
    z = random.normal(size=DIM)
    while not over.is_set():
        stay = perf_counter() + random.uniform(20, 120)
        async with opened(url, measured) as page:
            await asyncio.sleep(random.uniform(0, 1 / rate))
            begun = perf_counter()
            for number in count(1):
                if over.is_set() or perf_counter() > stay:
                    break
                z += random.normal(size=DIM) / 20
                measured.sent += 1
                await page.send(z.astype("<f4").tobytes(), kind="decode", n=1, stream="hover")
                await asyncio.sleep(max(0.0, begun + number / rate - perf_counter()))
            await asyncio.sleep(0.5)


async def chart(url: str, over: asyncio.Event, measured: Measured) -> None:
    """A page that asks for one chart after another."""
    random = np.random.default_rng(1000)
    async with opened(url, measured) as page:
        while not await waited(over, CHART_EVERY):
            layout = str(random.choice(LAYOUTS))
            await page.send(kind="chart", layout=layout, by=BY[random.integers(len(BY))])


async def reload(url: str, over: asyncio.Event, measured: Measured) -> None:
    """Pages that are loaded anew: every file that the manifest names."""
    loop = asyncio.get_running_loop()
    while not await waited(over, RELOAD_EVERY):
        await loop.run_in_executor(None, load, url)
        measured.reloads += 1


def load(url: str) -> None:
    """Load the files of a page."""
    while True:  # the first page of a run has no decoder yet
        with urlopen(url + "data/manifest.json") as answer:
            entry = json.load(answer)["runs"][0]
        if entry["decoder"] is not None:
            break
        time.sleep(0.2)
    names = [entry["table"], entry["latents"], entry["charts"][0]["coverage"]]
    names += [entry["charts"][0]["lattice"]["url"], entry["decoder"]["url"]]
    for name in [*names, *entry["sprites"]["sheets"], ""]:
        with urlopen(url + name) as answer:
            answer.read()


async def export(run: Path, over: asyncio.Event, measured: Measured) -> None:
    """Exports of the same run by another process."""
    words = ["-m", "zatlas", "export", str(run), str(run.parent / "site"), "--points", "2000"]
    while not await waited(over, EXPORT_EVERY / 2):
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=pipe, stderr=pipe, env=quiet()
        )
        _, said = await process.communicate()
        measured.exports += 1
        if process.returncode:
            measured.errors.append(said.decode())
        await waited(over, EXPORT_EVERY / 2)


async def waited(over: asyncio.Event, seconds: float) -> bool:
    """Wait; whether the end came meanwhile."""
    try:
        await asyncio.wait_for(over.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def soak(url: str, process: int, run: Path, given: argparse.Namespace) -> Measured:
    """All of it for the given time, with a line each minute."""
    measured, over = Measured(), asyncio.Event()
    works = [hover(url, seed, given.rate, over, measured) for seed in range(given.clients)]
    if not given.quiet_pages:
        works += [chart(url, over, measured), reload(url, over, measured)]
        works += [export(run, over, measured)]
    tasks = [asyncio.create_task(work) for work in works]
    print(f"start: {resources(process)}", flush=True)
    total: list[float] = []
    begun, left = perf_counter(), given.minutes * 60
    while left > 0:
        await asyncio.sleep(min(60.0, left))
        left = given.minutes * 60 - (perf_counter() - begun)
        total += measured.seconds
        minute = (perf_counter() - begun) / 60
        print(f"{minute:5.1f} min: {spread(measured.seconds)}; {resources(process)}", flush=True)
        measured.seconds = []
    over.set()
    await asyncio.gather(*tasks)
    measured.seconds = total
    return measured


def spread(seconds: list[float]) -> str:
    """Quantiles of the latencies."""
    center, high, highest = 1000 * np.quantile(seconds or [np.nan], [0.5, 0.95, 0.99])
    words = f"p50 {center:.0f} ms, p95 {high:.0f} ms, p99 {highest:.0f} ms"
    return f"{len(seconds):,} pictures, {words}, longest {1000 * max(seconds, default=0):.0f} ms"


def resources(process: int) -> str:
    """Memory, descriptors and threads of a process."""
    words = Path(f"/proc/{process}/status").read_text().split()
    memory = int(words[words.index("VmRSS:") + 1]) / 1024
    threads = words[words.index("Threads:") + 1]
    descriptors = len(list(Path(f"/proc/{process}/fd").iterdir()))
    return f"{memory:.0f} MiB, {descriptors} descriptors, {threads} threads"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--rate", type=float, default=30)
    parser.add_argument("--quiet-pages", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "faces"
        subprocess.run([sys.executable, "-c", PREPARE, str(run)], check=True, env=quiet())
        command = [sys.executable, "-c", SERVER, str(run)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdout=pipe, text=True, env=quiet()) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            try:
                load(url)  # the page is there when its manifest is
                measured = asyncio.run(soak(url, server.pid, run, given))
                print(f"end:   {resources(server.pid)}")
            finally:
                server.terminate()
    print(f"all:   {spread(measured.seconds)}")
    print(f"{measured.sent:,} sent, {measured.dropped / max(measured.sent, 1):.0%} replaced")
    if measured.charts:
        print(f"{len(measured.charts)} charts, the longest {max(measured.charts):.1f} s")
    print(f"{measured.reloads} reloads, {measured.exports} exports")
    print(f"{len(measured.errors)} errors {measured.errors[:3]}")


if __name__ == "__main__":
    main()
