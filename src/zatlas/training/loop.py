"""The training loop, for one player or several. A training that was stopped resumes to the bit."""

import json
import math
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning_fabric import Fabric

from zatlas.core.errors import BadRecipe, BadRun, Damaged, Diverged, Interrupted, ZatlasError
from zatlas.core.shell import how_to_set, shell_command
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.description import Description, save_weights
from zatlas.models.device import images_per_batch
from zatlas.store import atomic, metrics
from zatlas.store import run as runs
from zatlas.store.run import Run
from zatlas.training import checkpoint, signals
from zatlas.training.batches import Batches
from zatlas.training.callbacks import Callback, Row
from zatlas.training.checkpoint import Cursor
from zatlas.training.distributed import check_strategy, explain_lost_peer
from zatlas.training.environment import deterministic, explain_out_of_memory, launch, machine, provenance
from zatlas.training.learner import Learner, averaged_state
from zatlas.training.preview import Previews
from zatlas.training.recipe import Recipe, make_recipe, parse_recipe, read_recipe
from zatlas.training.resuming import StartPoint, find_start, put_metrics, removed_if_unsaved
from zatlas.training.running_totals import RunningTotals, means
from zatlas.training.schedule import rate_at
from zatlas.training.validation import evaluate


@dataclass(frozen=True)
class TrainingSession:
    """What one process needs to train one run, and does not change."""

    run: Run
    recipe: Recipe
    description: Description
    fabric: Fabric
    learner: Learner
    batches: dict[str, Batches]  # by split
    previews: Previews
    callbacks: Sequence[Callback]
    stop: signals.StopSignal
    context: dict[str, Any]  # what a checkpoint stores in meta.json with the cursor
    started: float


def fit(
    recipe: Recipe,
    images: ImageDataset,
    folder: Path,
    callbacks: Sequence[Callback] = (),
    *,
    device: str = "auto",
    files: Mapping[str, bytes] = MappingProxyType({}),
) -> Run:
    """Train a new model by the recipe, write the run with these other files to the folder, and return it."""
    description = recipe.describe(images.shape, images.classes)
    fabric = launch(recipe, description, device)
    folder = Path(fabric.broadcast(str(folder)))  # the name that the first process found free
    with _guarded(recipe, fabric, folder):
        model = description.build()
        check_strategy(model, fabric)
        all_files = {
            **files,
            "recipe.toml": recipe.to_toml().encode(),
            "made.json": atomic.as_json(provenance(recipe, images, fabric, model)),
            "data_report.json": atomic.as_json({"dataset": images.describe(), **images.report}),
        }
        if fabric.is_global_zero:
            runs.create_run(folder, all_files)
        fabric.barrier()
        with removed_if_unsaved(Run(folder), enabled=fabric.is_global_zero), explain_out_of_memory(recipe):
            return _train_run(Run(folder), recipe, images, model, fabric, callbacks)


def resume(
    folder: Path,
    recipe: Recipe | None = None,
    callbacks: Sequence[Callback] = (),
    *,
    restart: bool = False,
    device: str = "auto",
) -> Run:
    """Continue a run from its latest intact checkpoint, with the result of a training that never stopped.

    With `restart` the training starts from the beginning, and the recipe may be another one.
    """
    run = runs.open_run(folder)
    earlier = make_recipe(read_recipe(run.recipe_file))
    recipe = recipe or earlier
    images = sources.load_verified(recipe.source_in(run), size=recipe.size, **recipe.options)
    if images.fingerprint != run.provenance().get("fingerprint"):
        raise BadRun(
            f"{recipe.source_in(run)} has other images now than when {folder} was trained, so training "
            f"cannot resume exactly.{sources.unread_text(images)} Restore the old images, or train a new run."
        )
    description = recipe.describe(images.shape, images.classes)
    fabric = launch(recipe, description, device)
    with _guarded(recipe, fabric, folder):
        model = description.build()
        check_strategy(model, fabric)
        return _train_run(run, recipe, images, model, fabric, callbacks, earlier, restart)


@contextmanager
def _guarded(recipe: Recipe, fabric: Fabric, folder: Path) -> Iterator[None]:
    """Train deterministically inside the block, and explain lost processes and full memory."""
    with explain_lost_peer(fabric, folder), explain_out_of_memory(recipe), deterministic(recipe.seed, fabric):
        yield


def _train_run(
    run: Run,
    recipe: Recipe,
    images: ImageDataset,
    model: Any,
    fabric: Fabric,
    callbacks: Sequence[Callback],
    earlier: Recipe | None = None,
    restart: bool = False,
) -> Run:
    """Lock the run and train it, from its latest checkpoint if it has one.

    `earlier` is the recipe of a run that exists already.
    """
    batches = _batches(images, recipe.training.batch, fabric, labelled=bool(model.classes))
    model.initialize(batches["train"].mean())
    echo = signals.ECHO if fabric.world_size > 1 else 0.0
    with signals.catch_signals(echo) as stop, run.lock(enabled=fabric.is_global_zero):
        learner = Learner(fabric, model, recipe)
        learner.compile_loss(recipe, images.shape, recipe.training.epochs * len(batches["train"]))
        session = TrainingSession(
            run=run,
            recipe=recipe,
            description=recipe.describe(images.shape, images.classes),
            fabric=fabric,
            learner=learner,
            batches=batches,
            previews=Previews(run, recipe),
            callbacks=callbacks,
            stop=stop,
            context=_context(recipe, images, learner),
            started=time.monotonic(),
        )
        longer = earlier is not None and recipe.training.epochs > earlier.training.epochs
        cursor = _start(session, restart=restart, longer=longer)
        if cursor is None:
            return run
        if fabric.is_global_zero and earlier not in (None, recipe):
            atomic.write_file(run.recipe_file, recipe.to_toml().encode())
        if fabric.is_global_zero and restart:
            atomic.write_file(run.provenance_file, atomic.as_json(provenance(recipe, images, fabric, model)))
        with ExitStack() as stack:
            for callback in callbacks:
                stack.callback(callback.on_train_end)
                callback.on_train_start(run, recipe, images, session.learner)
            _train(session, cursor)
    return run


def _context(recipe: Recipe, images: ImageDataset, learner: Learner) -> dict[str, Any]:
    """Return what a checkpoint stores in meta.json with the cursor."""
    return {
        "format": runs.FORMAT,
        "recipe": recipe.to_toml(),
        "data": images.fingerprint,
        "shape": images.shape,
        "classes": images.classes,
        "machine": {**machine(recipe, learner.fabric), "loss": learner.loss_kind},
    }


def _batches(images: ImageDataset, size: int, fabric: Fabric, *, labelled: bool) -> dict[str, Batches]:
    """Return the batches of each split, by its name."""
    large = max(size, images_per_batch(math.prod(images.shape), fabric.device.type))  # of the evaluation
    share = (fabric.global_rank, fabric.world_size)
    return {
        split: Batches(images, images.rows(split), count, fabric.device, share, labelled=labelled)
        for split, count in {"train": size, "valid": large, "test": large}.items()
    }


def _start(s: TrainingSession, *, restart: bool, longer: bool) -> Cursor | None:
    """Restore the state to start from, and return its cursor; None if the run is finished.

    The first process looks for the checkpoint, and sends the result to the other processes.
    """
    start: StartPoint | ZatlasError = StartPoint()
    if s.fabric.is_global_zero:
        try:
            start = find_start(s.run, restart=restart, longer=longer)
        except ZatlasError as error:
            start = error
    start = s.fabric.broadcast(start)
    if isinstance(start, ZatlasError):
        raise start
    lines, cursor = [*s.learner.messages, *start.lines], Cursor()
    if start.step is not None:
        tensors, meta = checkpoint.load_checkpoint(s.run.checkpoints, start.step)
        lines += _check_resumable(s, meta)
        cursor = checkpoint.cursor_from(meta["cursor"])
        s.learner.restore(tensors, cursor.step)
    if s.fabric.is_global_zero and not start.done:
        put_metrics(s.run, cursor.metrics)
    for line in lines:
        for callback in s.callbacks:
            callback.on_message(line)
    return None if start.done else cursor


def _check_resumable(s: TrainingSession, meta: dict[str, Any]) -> list[str]:
    """Raise `BadRecipe` for another recipe. Return a sentence if another machine changes the bits."""
    then = make_recipe(parse_recipe(meta["recipe"], "The recipe in the checkpoint"))
    now = s.recipe
    longer = now.training.epochs >= then.training.epochs and now.training.schedule != "onecycle"
    if longer:  # more epochs do not change the finished ones
        then = replace(then, training=replace(then.training, epochs=now.training.epochs))
    # How the weights are distributed does not change the result.
    then = replace(then, training=replace(then.training, strategy=now.training.strategy))
    if differing := now.differences(then):
        raise BadRecipe(
            f"{s.run.folder} was trained with another recipe: {'; '.join(differing)}. "
            "Undo the changes, or train a new run with --out (in Python: out=)."
        )
    before, after = meta["machine"], s.context["machine"]
    changes = [f"{k} was {before[k]}, now {v}" for k, v in after.items() if before.get(k, v) != v]
    return [f"Resuming is not exact to the bit: {'; '.join(changes)}."] if changes else []


def _train(s: TrainingSession, cursor: Cursor) -> None:
    for epoch in range(cursor.epoch, s.recipe.training.epochs):
        started = time.monotonic()
        cursor = _epoch(s, cursor, epoch)
        cursor = _close_epoch(s, cursor, epoch, started)
    _finish(s, cursor)


def _epoch(s: TrainingSession, cursor: Cursor, epoch: int) -> Cursor:
    """Train on the remaining batches of an epoch."""
    training, batches = s.recipe.training, s.batches["train"]
    order = batches.order(s.recipe.seed, epoch)
    flips = batches.flips(s.recipe.seed, epoch) if training.flip else None
    tally = RunningTotals(cursor.totals, s.fabric.device)
    for index in range(cursor.batch, len(batches)):
        part = batches.part(index)
        rate = rate_at(training, cursor.step, len(batches))
        x, y = batches.select(batches.own_rows(order, index), flips)
        if (terms := s.learner.step(x, y, part, epoch + index / len(batches), rate)) is None:
            raise _diverged(s, cursor)
        tally.add(terms, part.total)
        cursor = replace(cursor, step=cursor.step + 1, batch=index + 1)
        try:
            for callback in s.callbacks:
                callback.on_step_end(cursor.step, part.total, terms)
        except Exception:
            if s.fabric.world_size == 1:  # other processes do not wait here for a save
                _save(s, replace(cursor, totals=tally.totals()))
            raise
        due = training.save_steps and cursor.step % training.save_steps == 0
        if due and index + 1 < len(batches):
            cursor = _save(s, replace(cursor, totals=tally.totals()))
        if _stopping(s):
            raise _interrupted(s, replace(cursor, totals=tally.totals()))
    return replace(cursor, totals=tally.totals())


def _close_epoch(s: TrainingSession, cursor: Cursor, epoch: int, started: float) -> Cursor:
    """Evaluate, write the row of metrics.jsonl, and save a checkpoint."""
    if not s.learner.is_finite():
        raise _diverged(s, cursor)
    row: Row = {"epoch": epoch + 1, "step": cursor.step}
    row["rate"] = rate_at(s.recipe.training, cursor.step - 1, len(s.batches["train"]))
    row |= {f"train/{name}": value for name, value in means(cursor.totals).items()}
    row["images_per_second"] = round(len(s.batches["train"].rows) / (time.monotonic() - started), 1)
    row |= {f"valid/{name}": value for name, value in _evaluate(s, "valid").items()}
    if _stopping(s):
        raise _interrupted(s, cursor)
    row["seconds"] = round(cursor.elapsed + time.monotonic() - s.started, 3)
    line = json.dumps(row, allow_nan=False)
    if s.fabric.is_global_zero:
        atomic.append_line(s.run.metrics_file, line)
    cursor = replace(cursor, epoch=epoch + 1, batch=0, totals={}, metrics=cursor.metrics + line + "\n")
    score = _score(s, row)
    if score > cursor.best_score:
        cursor = replace(cursor, best_step=cursor.step, best_score=score)
    cursor = _save(s, cursor)
    with s.learner.evaluation_model() as model:
        if s.fabric.is_global_zero:
            s.previews.epoch(row, model, s.batches)
    for callback in s.callbacks:
        callback.on_epoch_end(row)
    return cursor


def _evaluate(s: TrainingSession, split: str) -> dict[str, float]:
    """Return the mean of each finite term over a split. Loss weights have their final values."""
    structure = s.recipe.training.best == "ssim"
    with s.learner.evaluation_model() as model:
        terms = evaluate(model, s.batches[split], s.recipe.seed, math.inf, s.stop, structure=structure)
    if s.fabric.world_size > 1:
        if _stopping(s):
            return {}
        tensors = {name: torch.tensor(value).to(s.fabric.device) for name, value in terms.items()}
        terms = {name: float(value) for name, value in s.learner.sum_metrics(tensors).items()}
    return {name: value for name, value in terms.items() if math.isfinite(value)}


def _score(s: TrainingSession, row: Row) -> float:
    """Return the score that selects the best epoch; the step number if the row lacks the metric."""
    best = s.recipe.training.best
    if best == "ssim" and "valid/ssim" in row:
        return float(row["valid/ssim"])
    if best == "loss" and "valid/loss" in row:
        return -float(row["valid/loss"])
    return float(row["step"])


def _save(s: TrainingSession, cursor: Cursor) -> Cursor:
    """Save a checkpoint, and the weights file if this step is the best so far."""
    if not s.learner.is_finite():
        raise _diverged(s, cursor)
    elapsed = cursor.elapsed + time.monotonic() - s.started
    tensors = s.learner.tensors()
    if s.fabric.is_global_zero:
        timed = replace(cursor, elapsed=elapsed)
        checkpoint.save_checkpoint(s.run.checkpoints, timed, tensors, s.context)
        if cursor.best_step == cursor.step:
            save_weights(s.run.weights, s.description, averaged_state(tensors, s.learner.model))
    s.fabric.barrier()
    return cursor


def _finish(s: TrainingSession, cursor: Cursor) -> None:
    """Write the weights of the best epoch, their metrics on the test images, and the last preview."""
    tensors, _ = checkpoint.load_checkpoint(s.run.checkpoints, cursor.best_step)
    state = averaged_state(tensors, s.learner.model)
    s.learner.use_weights(state)
    rows = metrics.parse(cursor.metrics.encode(), s.run.metrics_file)
    best = next((row for row in rows if row.get("step") == cursor.best_step), None)
    if best is None:
        raise Damaged(
            f"The checkpoint of step {cursor.step:,} in {s.run.checkpoints} has no row of its best step, "
            f"{cursor.best_step:,}. To train the run from the beginning: "
            f"{shell_command('train', '--resume', s.run.folder, '--restart')}"
        )
    result = {"best": best, "test": _evaluate(s, "test")}
    with s.learner.evaluation_model() as model:
        if s.fabric.is_global_zero:
            save_weights(s.run.weights, s.description, state)
            atomic.write_file(s.run.result_file, atomic.as_json(result))
            s.previews.last(model, s.batches, best["epoch"])
    s.fabric.barrier()
    for callback in s.callbacks:
        callback.on_test_end(result)


def _stopping(s: TrainingSession) -> bool:
    """Whether any process of this training received a stop signal."""
    if s.fabric.world_size == 1:
        return bool(s.stop)
    number = torch.tensor(s.stop.signal, device=s.fabric.device)
    torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
    s.stop.record(int(number))
    return bool(number)  # not `s.stop`: it may have received a signal that the others do not know yet


def _interrupted(s: TrainingSession, cursor: Cursor) -> Interrupted:
    _save(s, cursor)
    name = signal.Signals(s.stop.signal or signal.SIGTERM).name
    return Interrupted(
        f"Stopped by {name} at step {cursor.step:,}; all is saved. Resume with: "
        f"{shell_command('train', '--resume', s.run.folder)}",
        s.stop.signal or signal.SIGTERM,
    )


def _diverged(s: TrainingSession, cursor: Cursor) -> Diverged:
    """Return the error of the step before this cursor."""
    steps = checkpoint.steps(s.run.checkpoints)
    saved = f"The last good checkpoint is step {steps[-1]:,}." if steps else "Nothing was saved yet."
    batches, batch = s.batches["train"], max(cursor.batch - 1, 0)
    rows = batches.batch(batches.order(s.recipe.seed, cursor.epoch), batch).tolist()
    images = ", ".join(map(str, rows[:4])) + (", ..." if len(rows) > 4 else "")
    rate = rate_at(s.recipe.training, max(cursor.step - 1, 0), len(batches))
    return Diverged(
        f"The loss is NaN or infinite at step {cursor.step:,} (epoch {cursor.epoch + 1}, batch {batch + 1}, "
        f"images {images}; learning rate {rate:.2g}). {saved} "
        f"Try a lower rate: {how_to_set('training.rate', float(f'{s.recipe.training.rate / 10:.2g}'))}"
    )
