"""The system refuses: every call that writes fails once, and disks of many sizes run full."""

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.faults.lanes import in_lanes
from tests.faults.trial import (
    Whole,
    at_call,
    child,
    differences,
    fail,
    hooked,
    recipe_of,
    spots,
    survivors,
    train,
    whole,
    workshop,
)

REFUSALS = (errno.EIO, errno.ENOSPC)


def io(every: int = 1) -> dict[str, Any]:
    """Each call that writes fails in turn, or each one of so many; each run is then made to go on."""
    with workshop() as folder:
        path = Path(folder)
        data = spots(path)
        expected = whole("vae", data, path, epochs=2)
        plans = [(number, REFUSALS[number % len(REFUSALS)]) for number in range(1, expected.calls + 1, every)]
        result = in_lanes(plans, lambda plan: refused(*plan, data, path, expected))
    wrong = [line for trial in result for line in trial["wrong"]]
    return {
        "calls": expected.calls,
        "failed once": sum(trial["refused"] for trial in result),
        "runs finished identical": sum(not trial["wrong"] for trial in result),
        "wrong": wrong,
    }


def refused(number: int, latent: int, data: Path, path: Path, expected: Whole) -> dict[str, Any]:
    """One run whose call of this number fails."""
    folder = path / f"io-{number}"
    recipe = recipe_of("vae", data, epochs=2)

    def work() -> None:
        hooked(at_call(number, fail(latent)))
        train(recipe, folder)

    status, words = child(work)
    wrong = [] if said_well(status, words) else [f"call {number}: ended with {status}: {words}"]
    wrong += [f"call {number}: {line}" for line in survivors(folder, expected)[1]]
    return {"refused": status != 0, "wrong": wrong + finished(recipe, folder, expected, f"call {number}")}


def disk(sizes: int) -> dict[str, Any]:
    """Disks from too small for anything to large enough; after room is made, each run goes on."""
    with workshop() as folder:
        path = Path(folder)
        data = spots(path)
        expected = whole("vae", data, path)
        most = int(2.5 * sum(f.stat().st_size for f in (path / "vae-whole").rglob("*") if f.is_file()))
        plans = [most * (n + 1) // sizes for n in range(sizes)]
        result = [filled(size, data, path, expected) for size in plans]
    return {
        "sizes": len(result),
        "ran full": sum(trial["full"] for trial in result),
        "of them with a checkpoint kept": sum(trial["kept"] for trial in result),
        "runs finished identical": sum(not trial["wrong"] for trial in result),
        "wrong": [line for trial in result for line in trial["wrong"]],
    }


def filled(size: int, data: Path, path: Path, expected: Whole) -> dict[str, Any]:
    """One run on a disk of this many bytes, which is then made larger."""
    mount = path / "disk"
    mount.mkdir(exist_ok=True)
    folder = mount / "run"
    recipe = recipe_of("vae", data)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", mount], check=True)
    try:
        status, words = child(lambda: train(recipe, folder))
        wrong = [] if said_well(status, words) else [f"{size}: ended with {status}: {words}"]
        if status and "bytes are needed" not in words and "more space is needed" not in words:
            wrong.append(f"{size}: does not say what is needed: {words}")
        good, odd = survivors(folder, expected)
        wrong += [f"{size}: {line}" for line in odd]
        subprocess.run(["mount", "-o", "remount,size=64m", mount], check=True)
        wrong += finished(recipe, folder, expected, str(size))
    finally:
        subprocess.run(["umount", mount], check=True)
    return {"full": status != 0, "kept": status != 0 and good > 0, "wrong": wrong}


def said_well(status: int, words: str) -> bool:
    """It ended well, or with one sentence about what cannot be written."""
    return status == 0 or (status == 2 and words.startswith("CannotWrite: ") and "\n" not in words)


def finished(recipe: Any, folder: Path, expected: Whole, name: str) -> list[str]:
    """Go on undisturbed; what is then not as it should be."""
    status, words = child(lambda: train(recipe, folder))
    wrong = [f"could not go on: {words}"] if status else differences(folder, expected)
    shutil.rmtree(folder, ignore_errors=True)
    return [f"{name}: {line}" for line in wrong]


def may_mount() -> bool:
    return os.geteuid() == 0 and shutil.which("mount") is not None
