"""The training loop: one for one player or several, that can be stopped anywhere and goes on to the bit."""

import json
import math
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from zatlas.core.errors import BadRecipe, BadRun, Damaged, Diverged, Interrupted, ZatlasError
from zatlas.core.shell import shell_command
from zatlas.data import sources
from zatlas.data.imageset import ImageSet
from zatlas.models.description import Description, save_weights
from zatlas.store import atomic, metrics
from zatlas.store import run as runs
from zatlas.store.run import Run
from zatlas.training import checkpoint, signals
from zatlas.training.batches import Batches
from zatlas.training.checkpoint import Cursor
from zatlas.training.evaluate import evaluate
from zatlas.training.learner import Learner, averaged_state
from zatlas.training.preview import Previews
from zatlas.training.recipe import Recipe, make_recipe, parse_recipe, read_recipe
from zatlas.training.resuming import Beginning, find_beginning, put_metrics
from zatlas.training.schedule import rate_at
from zatlas.training.setting import exactly, launch, machine, made, within_memory
from zatlas.training.sharing import check, not_deserted
from zatlas.training.tally import Tally, means
from zatlas.training.watch import Row, Watcher

ECHO = 5.0  # seconds in which a launcher may pass on a signal that all have heard already


@dataclass(frozen=True)
class Session:
    """What stays the same while one process trains one run."""

    run: Run
    recipe: Recipe
    description: Description
    fabric: Fabric
    learner: Learner
    batches: dict[str, Batches]  # one for each split
    previews: Previews
    watchers: Sequence[Watcher]
    stop: signals.Stop
    context: dict[str, Any]  # what a checkpoint says besides how far training is
    started: float


def fit(recipe: Recipe, images: ImageSet, folder: Path, watchers: Sequence[Watcher] = ()) -> Run:
    """Train a new model as the recipe says and leave the run in this folder."""
    description = recipe.describe(images.shape, images.classes)
    fabric = launch(recipe, description)
    folder = Path(fabric.broadcast(str(folder)))  # where the name was free for the first process
    with not_deserted(fabric, folder), within_memory(recipe), exactly(recipe.seed, fabric):
        model = description.build()
        check(model, fabric)
        files = {
            "recipe.toml": recipe.to_toml().encode(),
            "made.json": atomic.as_json(made(recipe, images, fabric)),
            "data_report.json": atomic.as_json({"set": images.describe(), **images.report}),
        }
        if fabric.is_global_zero:
            runs.create(folder, files)
        fabric.barrier()
        return _hold(Run(folder), recipe, images, model, fabric, watchers)


def resume(
    folder: Path, recipe: Recipe | None = None, watchers: Sequence[Watcher] = (), *, restart: bool = False
) -> Run:
    """Go on with a run from its latest whole checkpoint, as if it had never stopped.

    With `restart` the run is trained again from the beginning, also by another recipe.
    """
    run = runs.open_run(folder)
    earlier = make_recipe(read_recipe(run.recipe_file))
    recipe = recipe or earlier
    images = sources.load_verified(recipe.source, size=recipe.size, **recipe.options)
    if images.fingerprint != run.made().get("data"):
        raise BadRun(
            f"{folder} was trained on other images than {recipe.source} now holds, so it cannot "
            f"go on exactly.{sources.unread_words(images)} Bring the old images back, or train a new run."
        )
    description = recipe.describe(images.shape, images.classes)
    fabric = launch(recipe, description)
    with not_deserted(fabric, folder), within_memory(recipe), exactly(recipe.seed, fabric):
        model = description.build()
        check(model, fabric)
        return _hold(run, recipe, images, model, fabric, watchers, earlier, restart)


def _hold(
    run: Run,
    recipe: Recipe,
    images: ImageSet,
    model: Any,
    fabric: Fabric,
    watchers: Sequence[Watcher],
    earlier: Recipe | None = None,
    restart: bool = False,
) -> Run:
    """Train as the run's only trainer, from its latest checkpoint if there is one.

    `earlier` is the recipe of a run that was begun before.
    """
    batches = _batches(images, recipe.training.batch, fabric, labelled=bool(model.classes))
    model.start(batches["train"].mean())
    echo = ECHO if fabric.world_size > 1 else 0.0
    with signals.noticed(echo) as stop, run.lease(wanted=fabric.is_global_zero):
        session = Session(
            run=run,
            recipe=recipe,
            description=recipe.describe(images.shape, images.classes),
            fabric=fabric,
            learner=Learner(fabric, model, recipe),
            batches=batches,
            previews=Previews(run, recipe),
            watchers=watchers,
            stop=stop,
            context=_context(recipe, images, fabric),
            started=time.monotonic(),
        )
        longer = earlier is not None and recipe.training.epochs > earlier.training.epochs
        cursor = _start(session, restart=restart, longer=longer)
        if cursor is None:
            return run
        if fabric.is_global_zero and earlier not in (None, recipe):
            atomic.write_file(run.recipe_file, recipe.to_toml().encode())
        if fabric.is_global_zero and restart:
            atomic.write_file(run.made_file, atomic.as_json(made(recipe, images, fabric)))
        for watcher in watchers:
            watcher.begin(run, recipe, images, session.learner)
        try:
            _train(session, cursor)
        finally:
            for watcher in watchers:
                watcher.end()
    return run


def _context(recipe: Recipe, images: ImageSet, fabric: Fabric) -> dict[str, Any]:
    """What a checkpoint holds besides tensors and how far training is."""
    return {
        "format": runs.FORMAT,
        "recipe": recipe.to_toml(),
        "data": images.fingerprint,
        "shape": images.shape,
        "classes": images.classes,
        "machine": machine(fabric),
    }


def _batches(images: ImageSet, size: int, fabric: Fabric, *, labelled: bool) -> dict[str, Batches]:
    """The images of each split, this process's part of each batch."""
    large = max(size, 256)  # where no slopes take room
    share = (fabric.global_rank, fabric.world_size)
    return {
        split: Batches(images, images.rows(split), most, fabric.device, share, labelled=labelled)
        for split, most in {"train": size, "valid": large, "test": large}.items()
    }


def _start(s: Session, *, restart: bool, longer: bool) -> Cursor | None:
    """Where training begins; None where there is no more to do. All processes learn what the first finds."""
    beginning: Beginning | ZatlasError = Beginning()
    if s.fabric.is_global_zero:
        try:
            beginning = find_beginning(s.run, restart=restart, longer=longer)
        except ZatlasError as error:
            beginning = error
    beginning = s.fabric.broadcast(beginning)
    if isinstance(beginning, ZatlasError):
        raise beginning
    lines, cursor = [*beginning.lines], Cursor()
    if beginning.step is not None:
        tensors, meta = checkpoint.load_checkpoint(s.run.checkpoints, beginning.step)
        lines += _compare(s, meta)
        cursor = checkpoint.cursor_from(meta["cursor"])
        s.learner.restore(tensors, cursor.step)
    if s.fabric.is_global_zero and not beginning.done:
        put_metrics(s.run, cursor.metrics)
    for line in lines:
        for watcher in s.watchers:
            watcher.tell(line)
    return None if beginning.done else cursor


def _compare(s: Session, meta: dict[str, Any]) -> list[str]:
    """Refuse another recipe; say why going on will not be exact, where it will not."""
    then = make_recipe(parse_recipe(meta["recipe"], "The recipe in the checkpoint"))
    now = s.recipe
    longer = now.training.epochs >= then.training.epochs and now.training.schedule != "onecycle"
    if longer:  # more of the same changes nothing of what has been
        then = replace(then, training=replace(then.training, epochs=now.training.epochs))
    same = replace(then.training, strategy=now.training.strategy)  # no matter to what is learnt
    then = replace(then, training=same)
    if differing := now.differences(then):
        raise BadRecipe(
            f"{s.run.folder} was trained by another recipe than the one given now: "
            f"{'; '.join(differing)}. Take the changes back, or train a new run with --out."
        )
    was, is_ = meta["machine"], s.context["machine"]
    odd = [f"{key} was {was.get(key)}, now {is_[key]}" for key in is_ if was.get(key) != is_[key]]
    return [f"Going on is not exact to the bit: {'; '.join(odd)}."] if odd else []


def _train(s: Session, cursor: Cursor) -> None:
    for epoch in range(cursor.epoch, s.recipe.training.epochs):
        begun = time.monotonic()
        cursor = _epoch(s, cursor, epoch)
        cursor = _close_epoch(s, cursor, epoch, begun)
    _finish(s, cursor)


def _epoch(s: Session, cursor: Cursor, epoch: int) -> Cursor:
    """The batches of an epoch that are still to be done."""
    training, batches = s.recipe.training, s.batches["train"]
    order = batches.order(s.recipe.seed, epoch)
    flips = batches.flips(s.recipe.seed, epoch) if training.flip else None
    tally = Tally(cursor.totals, s.fabric.device)
    for index in range(cursor.batch, len(batches)):
        part = batches.part(index)
        rate = rate_at(training, cursor.step, len(batches))
        x, y = batches.take(batches.chosen(order, index), flips)
        terms = s.learner.step(x, y, part, epoch + index / len(batches), rate)
        if terms is None:
            rows = batches.whole(order, index).tolist()
            raise _diverged(s, cursor.step, epoch, index, rows, rate)
        tally.add(terms, part.whole)
        cursor = replace(cursor, step=cursor.step + 1, batch=index + 1)
        for watcher in s.watchers:
            watcher.step(cursor.step, part.whole, terms)
        due = training.save_steps and cursor.step % training.save_steps == 0
        if due and index + 1 < len(batches):
            cursor = _save(s, replace(cursor, totals=tally.totals()))
        if _stopping(s):
            raise _interrupted(s, replace(cursor, totals=tally.totals()))
    return replace(cursor, totals=tally.totals())


def _close_epoch(s: Session, cursor: Cursor, epoch: int, begun: float) -> Cursor:
    """Evaluate, write the row, keep the weights if they are the best, and save a checkpoint."""
    row: Row = {"epoch": epoch + 1, "step": cursor.step}
    row["rate"] = rate_at(s.recipe.training, cursor.step - 1, len(s.batches["train"]))
    row |= {f"train/{name}": value for name, value in means(cursor.totals).items()}
    row["images_per_second"] = round(len(s.batches["train"].rows) / (time.monotonic() - begun), 1)
    row |= {f"valid/{name}": value for name, value in _look(s, "valid").items()}
    if _stopping(s):
        raise _interrupted(s, cursor)
    row["seconds"] = round(cursor.elapsed + time.monotonic() - s.started, 3)
    line = json.dumps(row, allow_nan=False)
    if s.fabric.is_global_zero:
        atomic.append_line(s.run.metrics_file, line)
    text = cursor.metrics + line + "\n"
    cursor = replace(cursor, epoch=epoch + 1, batch=0, totals={}, metrics=text)
    score = _score(s, row)
    if score > cursor.best_score:
        cursor = replace(cursor, best_step=cursor.step, best_score=score)
    cursor = _save(s, cursor)
    with s.learner.at_rest() as model:
        if s.fabric.is_global_zero:
            s.previews.epoch(row, model, s.batches)
    for watcher in s.watchers:
        watcher.epoch(row)
    return cursor


def _look(s: Session, split: str) -> dict[str, float]:
    """The averages over images that are not trained on, with all weights of the loss at their full."""
    structure = s.recipe.training.best == "ssim"
    with s.learner.at_rest() as model:
        found = evaluate(model, s.batches[split], s.recipe.seed, math.inf, s.stop, structure=structure)
    if s.fabric.world_size > 1:
        if _stopping(s):
            return {}
        added = {name: torch.tensor(value).to(s.fabric.device) for name, value in found.items()}
        found = {name: float(value) for name, value in s.learner.summed(added).items()}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _score(s: Session, row: Row) -> float:
    """By this the epoch that is kept is chosen; higher is better. Without a measure, the later."""
    best = s.recipe.training.best
    if best == "ssim" and "valid/ssim" in row:
        return float(row["valid/ssim"])
    if best == "loss" and "valid/loss" in row:
        return -float(row["valid/loss"])
    return float(row["step"])


def _save(s: Session, cursor: Cursor) -> Cursor:
    """A checkpoint, and the weights to be used if this step is the best yet."""
    elapsed = cursor.elapsed + time.monotonic() - s.started
    tensors = s.learner.tensors()
    if s.fabric.is_global_zero:
        saved = replace(cursor, elapsed=elapsed)
        checkpoint.save_checkpoint(s.run.checkpoints, saved, tensors, s.context)
        if cursor.best_step == cursor.step:
            save_weights(s.run.weights, s.description, averaged_state(tensors, s.learner.model))
    s.fabric.barrier()
    return cursor


def _finish(s: Session, cursor: Cursor) -> None:
    """Leave the best epoch's weights, what they do on the test images, and the last pictures."""
    tensors, _ = checkpoint.load_checkpoint(s.run.checkpoints, cursor.best_step)
    state = averaged_state(tensors, s.learner.model)
    s.learner.settle(state)
    rows = metrics.parse(cursor.metrics.encode(), s.run.metrics_file)
    best = next((row for row in rows if row.get("step") == cursor.best_step), None)
    if best is None:
        raise Damaged(
            f"The checkpoint of step {cursor.step:,} in {s.run.checkpoints} has no row of its best step, "
            f"{cursor.best_step:,}. To train the run again from the beginning: "
            f"{shell_command('train', '--resume', s.run.folder, '--restart')}"
        )
    result = {"best": best, "test": _look(s, "test")}
    with s.learner.at_rest() as model:
        if s.fabric.is_global_zero:
            save_weights(s.run.weights, s.description, state)
            atomic.write_file(s.run.result_file, atomic.as_json(result))
            s.previews.last(model, s.batches, best["epoch"])
    s.fabric.barrier()
    for watcher in s.watchers:
        watcher.result(result)


def _stopping(s: Session) -> bool:
    """Whether any process of this training was asked to stop."""
    if s.fabric.world_size == 1:
        return bool(s.stop)
    heard = torch.tensor(s.stop.signal, device=s.fabric.device)
    torch.distributed.all_reduce(heard, torch.distributed.ReduceOp.MAX)
    s.stop.hear(int(heard))
    return bool(heard)  # not of `stop`: what one has heard meanwhile, the others learn next time


def _interrupted(s: Session, cursor: Cursor) -> Interrupted:
    _save(s, cursor)
    name = signal.Signals(s.stop.signal or signal.SIGTERM).name
    return Interrupted(
        f"Stopped by {name} at step {cursor.step:,}; all is saved. Go on with: "
        f"{shell_command('train', '--resume', s.run.folder)}",
        s.stop.signal or signal.SIGTERM,
    )


def _diverged(s: Session, step: int, epoch: int, batch: int, rows: list[int], rate: float) -> Diverged:
    good = checkpoint.steps(s.run.checkpoints)
    kept = f"The last good checkpoint is step {good[-1]:,}." if good else "Nothing was saved yet."
    shown = ", ".join(map(str, rows[:4])) + (", ..." if len(rows) > 4 else "")
    return Diverged(
        f"The loss is no longer a number at step {step + 1:,} (epoch {epoch + 1}, batch {batch + 1}, "
        f"images {shown}; learning rate {rate:.2g}). {kept} "
        f"Try a lower one: --set training.rate={s.recipe.training.rate / 10:.2g}"
    )
