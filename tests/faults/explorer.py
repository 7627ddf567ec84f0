"""Hostile requests to a real server, in the order of a seed, while a well-behaved page works on.

What is held to: no answer of 500 or above, no byte that is not a known file's, no traceback, a memory
that stays bounded, slow ones hung up on, and every answer that the good page gets is right.
"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from tests.faults import attacks
from tests.faults.trial import recipe_of, spots, workshop
from tests.serving import FILES, Page, get
from zatlas.data import sources
from zatlas.sample import sample_latents
from zatlas.server.protocol import HEAD_SECONDS
from zatlas.training import loop
from zatlas.workspace import Workspace

AT_ONCE = 16
GROWTH = 96  # MiB that the server may have grown by
SERVER = """
import sys
import torch
from tests.serving import FILES
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace
from zatlas.server.serve import serving
torch.set_num_threads(1)
with serving([Workspace.open(sys.argv[1])], points=100, files=FILES) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""


def explorer(count: int, seed: int = 0) -> dict[str, Any]:
    """So many hostile requests; what was wrong, if anything was."""
    with workshop() as folder:
        path = Path(folder)
        (path / "secret.txt").write_text("the secret")
        data = spots(path)
        recipe = recipe_of("vae", data, epochs=1)
        loop.fit(recipe, sources.load(recipe.source), path / "run")
        with (path / "words.txt").open("w+") as words:
            result = _besieged(path / "run", words, count, seed)
            words.seek(0)
            labelled = words.read()
    if "Traceback" in labelled:
        result["wrong"].append(f"the server said: {labelled[-2000:]}")
    return result


def _besieged(run: Path, words: Any, count: int, seed: int) -> dict[str, Any]:
    pipe, env = subprocess.PIPE, {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", SERVER, str(run)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=words, text=True, env=env) as server:
        assert server.stdout is not None and server.stdin is not None
        url = server.stdout.readline().strip()
        good = Good(url, Workspace.open(run))
        slow = Slow(url)
        names = known_bodies(url)
        good.start()
        siege(url, names, slow, range(min(count, 500)), seed - 1)  # to warm up
        before = resident(server.pid)
        begun = time.monotonic()
        wrong, kinds = siege(url, names, slow, range(count), seed)
        seconds = time.monotonic() - begun
        wrong += slow.left_open()
        wrong += good.stop()
        after = resident(server.pid)
        if server.poll() is not None:
            wrong.append(f"the server ended with {server.returncode}")
        server.stdin.close()
    if after > before + GROWTH:
        wrong.append(f"memory grew from {before:.0f} to {after:.0f} MiB")
    return {
        "requests": count,
        "of kinds": kinds,
        "seconds": round(seconds, 1),
        "slow ones hung up on": slow.closed,
        "answers to the good page": good.answers,
        "its slowest, seconds": round(good.slowest, 2),
        "memory before, MiB": round(before),
        "memory after, MiB": round(after),
        "wrong": wrong,
    }


def siege(url: str, names: set[bytes], slow: "Slow", numbers: range, seed: int) -> tuple[list[str], int]:
    """Do all attacks, some at a time; what was answered wrongly, and how many kinds there were."""

    def attack(number: int) -> tuple[str, list[str]]:
        rng = random.Random(f"{seed} {number}")
        name = rng.choice(sorted(attacks.KINDS))
        if name == "slow":
            slow.begin(rng)
            return name, []
        answer = attacks.KINDS[name](urlsplit(url).netloc, rng)
        return name, [f"{number} {name}: {one}" for one in judged(answer, names)]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(attack, numbers))
    return [line for _, lines in done for line in lines], len({name for name, _ in done})


def judged(answer: bytes, names: set[bytes]) -> list[str]:
    """What is wrong with the raw answers to an attack."""
    wrong = []
    if b"Traceback" in answer or b"the secret" in answer or b"root:" in answer:
        wrong.append(f"gave away {answer[:200]!r}")
    while answer.startswith(b"HTTP/1.1 "):
        head, _, rest = answer.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status >= 500:
            wrong.append(f"answered {head[:60]!r}")
        if status == 101:
            break  # frames follow, which are not files
        length = attacks.length_of(head)
        body, answer = rest[:length], rest[length:]
        if status == 200 and body and body not in names:
            wrong.append(f"served what is no file of it: {body[:60]!r}")
    return wrong


def known_bodies(url: str) -> set[bytes]:
    """Every file that may be served."""
    manifest = get(url, "/data/manifest.json")[2]
    result = {manifest, *(make() for make in FILES.values())}
    names = json.loads(manifest)["runs"][0]
    for name in attacks.urls_in(names):
        status, _, body = get(url, f"/{name}")
        assert status == 200, name
        result.add(body)
    return result


class Slow:
    """Those who begin and do not go on: each must be hung up on when its time is over."""

    def __init__(self, url: str) -> None:
        self.parts, self.closed = urlsplit(url), 0
        self.open: list[tuple[float, socket.socket]] = []
        self.lock = threading.Lock()

    def begin(self, rng: random.Random) -> None:
        """One more, of at most so many at a time."""
        with self.lock:
            self.look()
            if len(self.open) >= 150:
                return
            one = socket.create_connection((self.parts.hostname, self.parts.port))
            with suppress(OSError):
                one.sendall(rng.choice(attacks.BEGINNINGS))
            self.open.append((time.monotonic(), one))

    def look(self) -> list[str]:
        """Note who was hung up on, and who should have been."""
        saved, late = [], []
        for begun, one in self.open:
            one.setblocking(False)
            try:
                ended = not one.recv(4096)
            except BlockingIOError:
                ended = False
            except OSError:
                ended = True
            if ended:
                one.close()
                self.closed += 1
                continue
            with suppress(OSError):
                one.send(b"X")  # one letter after the other
            saved.append((begun, one))
            if time.monotonic() - begun > 2 * HEAD_SECONDS:
                late.append(f"a slow one was kept for {time.monotonic() - begun:.0f} s")
        self.open = saved
        return late

    def left_open(self) -> list[str]:
        """Who was not hung up on in time."""
        deadline, late = time.monotonic() + 2 * HEAD_SECONDS, []
        while self.open and time.monotonic() < deadline and not late:
            time.sleep(0.5)
            late = self.look()
        return late


class Good(threading.Thread):
    """A page that asks what a page asks, and knows what the answer must be."""

    def __init__(self, url: str, workspace: Workspace) -> None:
        super().__init__(daemon=True)
        self.url, self.over = url, threading.Event()
        self.answers, self.slowest, self.wrong = 0, 0.0, []
        self.z = sample_latents(workspace, 64, seed=0)
        self.wanted = workspace.decode(self.z)

    def run(self) -> None:
        try:
            with Page(self.url) as page:
                while not self.over.wait(0.01):
                    self.ask(page)
        except Exception as error:
            self.wrong.append(f"the good page was let down: {type(error).__name__}: {error}")

    def ask(self, page: Page) -> None:
        """One picture, and now and then a file."""
        row = self.answers % len(self.z)
        begun = time.monotonic()
        answer, pixels = page.request("decode", self.z[row : row + 1].tobytes(), n=1, stream="hover")
        self.slowest = max(self.slowest, time.monotonic() - begun)
        if answer["kind"] != "images" or np.abs(pixels[0] / 255 - self.wanted[row]).max() > 1 / 255:
            self.wrong.append(f"the good page got {answer}")
        if row == 0 and get(self.url, "/")[2] != FILES["index.html"]():
            self.wrong.append("the good page got another page")
        self.answers += 1

    def stop(self) -> list[str]:
        """What went wrong for it."""
        self.over.set()
        self.join(30)
        if self.answers < 10:
            self.wrong.append(f"the good page got {self.answers} answers")
        return self.wrong[:5]


def resident(process: int) -> float:
    """Memory of a process, in MiB."""
    words = Path(f"/proc/{process}/status").read_text().split()
    return int(words[words.index("VmRSS:") + 1]) / 1024
