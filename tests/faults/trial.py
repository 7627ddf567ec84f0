"""One training in a child process, whole or harmed, and what it left behind."""

import errno
import hashlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zatlas.core.errors import Damaged, ZatlasError
from zatlas.data import sources
from zatlas.store import atomic
from zatlas.store.run import Run
from zatlas.training import checkpoint, loop
from zatlas.training.recipe import Recipe, make_recipe

TIMED = ("seconds", "images_per_second")
CALLS = ("open", "write", "fsync", "rename", "replace", "mkdir")
KINDS: dict[str, dict[str, Any]] = {
    "ae": {"family": "ae"},
    "vae": {"family": "vae", "warmup": 2.0},
    "cvae": {"family": "vae", "conditional": True},
    "gan": {"family": "gan"},
}
Hook = Callable[[str, tuple], None]


@dataclass(frozen=True)
class Whole:
    """What an undisturbed training left: a digest of each checkpoint, and of the end."""

    checkpoints: dict[int, str]
    end: dict[str, str]
    seconds: float
    calls: int  # of the system, that write


def recipe_of(kind: str, data: Path, epochs: int = 3) -> Recipe:
    """A small recipe of this kind, with a checkpoint every second step."""
    training = {"epochs": epochs, "batch": 32, "save_steps": 2, "preview": 0, "average": 0.9, "flip": True}
    return make_recipe(
        {
            "data": {"source": str(data)},
            "model": {"dim": 2, **KINDS[kind]},
            "net": {"name": "mlp", "widths": [12]},
            "training": training,
            "seed": 1,
        }
    )


def spots(folder: Path) -> Path:
    """Two hundred small images of four classes, as a file that a recipe can name."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (200, 8, 8)).astype(np.uint8)
    path = folder / "spots.npz"
    np.savez(path, x_train=x[:160], y_train=np.arange(160) % 4, x_test=x[160:], y_test=np.arange(40) % 4)
    return path


def train(recipe: Recipe, folder: Path) -> None:
    """Begin the run, or go on with it."""
    if (folder / "made.json").exists():
        loop.resume(folder)
    else:
        loop.fit(recipe, sources.load(recipe.source), folder)


def child(work: Callable[[], None], patience: float | None = None) -> tuple[int, str]:
    """Do the work in a forked process, killed after `patience` seconds; its status and its last words.

    A negative status is the signal that ended it.
    """
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        status, words = 0, ""
        try:
            work()
        except ZatlasError as error:
            status, words = error.exit_code, f"{type(error).__name__}: {error}"
        except BaseException as error:
            status, words = 99, f"{type(error).__name__}: {error}"
        os.write(writing, words.encode()[:4000])
        os._exit(status)
    os.close(writing)
    if patience is not None:
        time.sleep(patience)
        os.kill(pid, signal.SIGKILL)
    words = b""
    while part := os.read(reading, 4096):
        words += part
    os.close(reading)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), words.decode()


def whole(kind: str, data: Path, target: Path, epochs: int = 3) -> Whole:
    """Train undisturbed and note everything."""
    notes = target / f"{kind}-notes.json"
    folder = target / f"{kind}-whole"
    recipe = recipe_of(kind, data, epochs)

    def work() -> None:
        result: dict[int, str] = {}
        save = checkpoint.save_checkpoint

        def noting(*arguments: Any) -> Path:
            path = save(*arguments)
            result[int(path.name)] = digest_checkpoint(path)
            return path

        checkpoint.save_checkpoint = noting
        calls: list[str] = []
        hooked(lambda name, _: calls.append(name))
        begun = time.monotonic()
        train(recipe, folder)
        seconds = time.monotonic() - begun
        notes.write_text(json.dumps({"found": result, "seconds": seconds, "calls": len(calls)}))

    status, words = child(work)
    assert status == 0, words
    noted = json.loads(notes.read_text())
    steps = {int(step): digest for step, digest in noted["found"].items()}
    return Whole(steps, digest_end(folder), noted["seconds"], noted["calls"])


def survivors(folder: Path, expected: Whole) -> tuple[int, list[str]]:
    """How many checkpoints are as they should be, and what is wrong with the others."""
    good, wrong = 0, []
    for step in checkpoint.steps(folder / "checkpoints"):
        path = folder / "checkpoints" / f"{step:09d}"
        try:
            atomic.verify(path)
        except Damaged as error:
            wrong.append(f"corrupt: {error}")
            continue
        if digest_checkpoint(path) == expected.checkpoints.get(step):
            good += 1
        else:
            wrong.append(f"step {step} differs")
    return good, wrong


def differences(folder: Path, expected: Whole) -> list[str]:
    """What of the end of a run is not as it should be."""
    result = digest_end(folder)
    return [f"{name} differs" for name in expected.end if result.get(name) != expected.end[name]]


def digest_checkpoint(path: Path) -> str:
    """A checkpoint's bytes, and its cursor without the time it took."""
    cursor = json.loads((path / checkpoint.META).read_text())["cursor"]
    cursor.pop("elapsed")
    cursor.pop("metrics")  # the rows hold the time that each epoch took
    state = (path / checkpoint.STATE).read_bytes()
    return hashlib.sha256(state + json.dumps(cursor, sort_keys=True).encode()).hexdigest()


def digest_end(folder: Path) -> dict[str, str]:
    """The weights, the metrics and the result, without the time they took."""
    run = Run(folder)
    result = json.loads((folder / "result.json").read_text()) if (folder / "result.json").exists() else {}
    parts = {
        "weights": run.weights.read_bytes() if run.weights.exists() else b"",
        "metrics": json.dumps([untimed(row) for row in run.metrics()]).encode(),
        "result": json.dumps({key: untimed(value) for key, value in result.items()}, sort_keys=True).encode(),
    }
    return {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}


def untimed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in TIMED}


def hooked(hook: Hook) -> None:
    """From now on, in this process, the hook hears of every call that writes, before it is made."""
    for name in CALLS:
        real = getattr(os, name)

        def wrapped(*arguments: Any, _real: Any = real, _name: str = name, **options: Any) -> Any:
            reads = _name == "open" and not arguments[1] & (os.O_WRONLY | os.O_RDWR)
            if not reads:
                hook(_name, arguments)
            return _real(*arguments, **options)

        setattr(os, name, wrapped)


def at_call(number: int, action: Callable[[], None]) -> Hook:
    """A hook that does the deed at the call of this number, counted from 1."""
    visible = 0

    def hook(name: str, arguments: tuple) -> None:
        nonlocal visible
        visible += 1
        if visible == number:
            action()

    return hook


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail(number: int = errno.EIO) -> Callable[[], None]:
    """The system refuses."""

    def deed() -> None:
        raise OSError(number, os.strerror(number))

    return deed


def workshop() -> "tempfile.TemporaryDirectory[str]":
    """A folder for trials, and this process made fit to be forked."""
    torch.set_num_threads(1)
    return tempfile.TemporaryDirectory(prefix="zatlas-faults-")
