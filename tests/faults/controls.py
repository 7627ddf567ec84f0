"""The harness itself put to the test: trainings made wrong on purpose, each of which it must catch."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tests.faults.trial import (
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
from zatlas.store import atomic
from zatlas.training import checkpoint, loop
from zatlas.training.learner import Learner
from zatlas.training.recipe import Recipe

real_restore, real_cursor, real_folder = Learner.restore, checkpoint.cursor_from, atomic.folder


def controls() -> dict[str, Any]:
    """For each sabotage, what the harness found wrong; nothing found would be a blind harness."""
    result = {}
    with workshop() as folder:
        path = Path(folder)
        data = spots(path)
        expected = {kind: whole(kind, data, path) for kind in ("vae", "gan")}
        for name, (kind, sabotage) in SABOTAGES.items():
            run = path / name
            recipe = recipe_of(kind, data)

            for call in range(expected[kind].calls // 3, expected[kind].calls, 2):
                result[name] = sabotaged(recipe, run, call, sabotage, expected[kind])
                if result[name]:
                    break
    return result


def sabotaged(
    recipe: Recipe, run: Path, call: int, sabotage: Callable[[], None], expected: Whole
) -> list[str]:
    """What is found wrong with a run that was killed at this call and then went on in a wrong way."""

    def begin() -> None:
        if sabotage is save_in_place:
            sabotage()
        hooked(at_call(call, die))
        train(recipe, run)

    def go_on() -> None:
        sabotage()
        train(recipe, run)

    child(begin)
    wrong = survivors(run, expected)[1]
    status, words = child(go_on)
    wrong += [words] if status else differences(run, expected)
    shutil.rmtree(run, ignore_errors=True)
    return wrong


def forget_noise() -> None:
    """The generator of latent noise starts anew."""

    def restore(self: Learner, tensors: Mapping[str, torch.Tensor], steps: int) -> None:
        fresh = self.noise.get_state()
        real_restore(self, tensors, steps)
        self.noise.set_state(fresh)

    Learner.restore = restore


def forget_optimizer() -> None:
    """The optimizer starts anew."""

    def restore(self: Learner, tensors: Mapping[str, torch.Tensor], steps: int) -> None:
        saved = {name: t for name, t in tensors.items() if not name.startswith("optimizer.")}
        real_restore(self, saved, steps)

    Learner.restore = restore


def forget_average() -> None:
    """The moving average of the weights starts at the weights."""

    def restore(self: Learner, tensors: Mapping[str, torch.Tensor], steps: int) -> None:
        real_restore(self, tensors, steps)
        for average, weight in zip(self.average, self.weights, strict=True):
            average.copy_(weight.detach())

    Learner.restore = restore


def forget_batch() -> None:
    """The epoch is begun again."""
    checkpoint.cursor_from = lambda found: replace(real_cursor(found), batch=0, totals={})


def keep_all_metrics() -> None:
    """Rows that were written after the checkpoint stay."""
    loop.put_metrics = lambda run, text: None


def save_in_place() -> None:
    """Checkpoints are written where they will be found, from the start."""

    @contextmanager
    def folder(path: Path, **options: Any) -> Iterator[Path]:
        if path.parent.name != "checkpoints":
            with real_folder(path, **options) as side:
                yield side
            return
        path.mkdir(parents=True, exist_ok=True)
        yield path
        files = {f.name: f for f in path.iterdir()}
        sizes = {n: {"size": f.stat().st_size, "sha256": atomic._digest(f)} for n, f in files.items()}
        atomic.write_new(path / atomic.MANIFEST, json.dumps(sizes).encode())

    atomic.folder = folder


SABOTAGES: dict[str, tuple[str, Callable[[], None]]] = {
    "noise forgotten": ("vae", forget_noise),
    "optimizer forgotten": ("vae", forget_optimizer),
    "average forgotten": ("gan", forget_average),
    "batch forgotten": ("vae", forget_batch),
    "metrics not cut back": ("vae", keep_all_metrics),
    "saved in place": ("vae", save_in_place),
}
