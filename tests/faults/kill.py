"""Training killed anywhere, a quarter of the times inside a save, and made to go on."""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

from tests.faults.lanes import in_lanes
from tests.faults.trial import (
    KINDS,
    Whole,
    at_call,
    child,
    die,
    differences,
    hooked,
    recipe_of,
    spots,
    survivors,
    train,
    whole,
    workshop,
)

MOST_IN_A_ROW = 3  # kills of one run before it may finish


def kill(count: int, seed: int = 0) -> dict[str, Any]:
    """Kill this many times; what survived, and whether every run finished as if nothing had been."""
    begun = time.monotonic()
    with workshop() as folder:
        path = Path(folder)
        data = spots(path)
        expected = {kind: whole(kind, data, path) for kind in KINDS}
        result: list[dict[str, Any]] = []
        while (left := count - sum(trial_["kills"] for trial_ in result)) > 0:
            # A blow may fall after the end, and then is none: plan again for those.
            plans = list(planned(left, seed + len(result), expected))
            result += in_lanes(plans, lambda plan: trial(plan, data, path, expected))
    wrong = [line for trial_ in result for line in trial_["wrong"]]
    return {
        "kills": sum(trial_["kills"] for trial_ in result),
        "inside a save": sum(trial_["inside"] for trial_ in result),
        "checkpoints identical": sum(trial_["good"] for trial_ in result),
        "runs": len(result),
        "runs finished identical": sum(not trial_["wrong"] for trial_ in result),
        "wrong": wrong,
        "seconds": round(time.monotonic() - begun, 1),
    }


def planned(count: int, seed: int, expected: dict[str, Whole]) -> Any:
    """Which run is killed how: a list of blows for each, a call's number or a time."""
    rng = random.Random(seed)
    number = 0
    while count:
        kind = list(KINDS)[number % len(KINDS)]
        blows: list[tuple[str, float]] = []
        for _ in range(min(count, rng.randint(1, MOST_IN_A_ROW))):
            if rng.random() < 0.4:
                blows.append(("call", rng.randint(1, expected[kind].calls // 2)))
            else:
                blows.append(("time", rng.uniform(0, expected[kind].seconds)))
        count -= len(blows)
        number += 1
        yield number, kind, blows


def trial(
    plan: tuple[int, str, list[tuple[str, float]]], data: Path, path: Path, expected: dict[str, Whole]
) -> dict[str, Any]:
    """One run killed as planned, looked at after each blow, and then left to finish."""
    number, kind, blows = plan
    folder = path / f"run-{number}"
    recipe = recipe_of(kind, data)
    result: dict[str, Any] = {"kills": 0, "inside": 0, "good": 0, "wrong": []}
    for how, when in blows:
        status = struck(recipe, folder, how, when)
        inside = any(folder.glob("checkpoints/.side-*")) or any(path.glob(f".side-run-{number}-*"))
        result["kills"] += status == -9
        result["inside"] += status == -9 and inside
        good, wrong = survivors(folder, expected[kind])
        result["good"] += good
        result["wrong"] += [f"{kind} {how} {when}: {line}" for line in wrong]
        if status not in (0, -9):
            result["wrong"].append(f"{kind} {how} {when}: ended with {status}")
    status, words = child(lambda: train(recipe, folder))
    if status:
        result["wrong"].append(f"{kind}: could not go on: {words}")
    else:
        result["wrong"] += [f"{kind} {blows}: {line}" for line in differences(folder, expected[kind])]
    shutil.rmtree(folder, ignore_errors=True)
    return result


def struck(recipe: Any, folder: Path, how: str, when: float) -> int:
    """Train until the blow falls; the child's status."""
    if how == "time":
        return child(lambda: train(recipe, folder), patience=when)[0]

    def work() -> None:
        hooked(at_call(int(when), die))
        train(recipe, folder)
        os._exit(0)

    return child(work)[0]
