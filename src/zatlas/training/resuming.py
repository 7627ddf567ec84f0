"""Where a training starts: at the newest intact checkpoint, or at the beginning if nothing gets lost.

Only `train --resume RUN --restart` discards an earlier training.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from zatlas.core.errors import BadRun, Damaged, Interrupted
from zatlas.core.shell import shell_command
from zatlas.store import atomic, retry
from zatlas.store.run import Run
from zatlas.training import checkpoint


@contextmanager
def removed_if_unsaved(run: Run, *, enabled: bool) -> Iterator[None]:
    """Remove a new run if its training fails before the first checkpoint: nothing could be resumed."""
    try:
        yield
    except Interrupted:
        raise
    except Exception:  # also of a plugin
        if enabled and not checkpoint.steps(run.folder / "checkpoints") and not run.weights.exists():
            atomic.remove(run.folder)
        raise


@dataclass(frozen=True)
class StartPoint:
    """The step of the checkpoint to resume from, messages, and whether the run is finished."""

    step: int | None = None
    lines: tuple[str, ...] = ()
    done: bool = False


def find_start(run: Run, *, restart: bool, longer: bool) -> StartPoint:
    """Return where the training of this run starts. Only the process that trains the run may call this.

    `longer` means that the recipe asks for more epochs than before. A file that cannot be read now raises
    `CannotRead`, and a run that could only start from the beginning raises `BadRun`. Both change no file.
    """
    step, problems = checkpoint.latest(run.checkpoints)
    if step is None and not restart and (start := _without_checkpoint(run, problems, longer)):
        return start
    lines = [
        f"{run.checkpoints / name} is ignored: it looks like a checkpoint, but zatlas names "
        "checkpoints by nine digits."
        for name in checkpoint.foreign_names(run.checkpoints)
    ]
    atomic.remove_leftovers(run.folder)
    atomic.remove_leftovers(run.checkpoints)
    for damaged, problem in problems.items():
        path = checkpoint.move_aside(run.checkpoints, damaged)
        lines.append(f"{problem} It is renamed to {path.name}.")
    if restart:
        _clear(run)
        return StartPoint(None, (*lines, _restart_message(run)))
    if problems:
        lines.append(f"Training resumes from the checkpoint of step {step:,}.")
    if step is None and retry.exists(run.metrics_file):
        lines.append("The run was stopped before its first checkpoint, so training starts at epoch 1.")
    return StartPoint(step, tuple(lines))


def put_metrics(run: Run, text: str) -> None:
    """Write metrics.jsonl as it was at the checkpoint."""
    data, file = text.encode(), run.metrics_file
    try:
        present = retry.read_bytes(file)
    except FileNotFoundError:
        present = b""
    if data or present:
        atomic.write_file(file, data, grows=True)


def _without_checkpoint(run: Run, problems: dict[int, str], longer: bool) -> StartPoint | None:
    """Return the start point without an intact checkpoint; None if no training could get lost.

    Raises `Damaged` or `BadRun` if a restart would discard an earlier training.
    """
    restart = shell_command("train", "--resume", run.folder, "--restart")
    if problems:
        count = "The only checkpoint" if len(problems) == 1 else f"Each of the {len(problems)} checkpoints"
        raise Damaged(
            f"{count} of {run.folder} is damaged: {next(iter(problems.values()))} Nothing was changed. "
            f"To train the run from the beginning: {restart}"
        )
    if not retry.exists(run.weights) and _rows(run) < 2:
        return None
    missing = f"{run.checkpoints} {'is empty' if retry.exists(run.checkpoints) else 'is missing'}"
    if retry.exists(run.result_file) and not longer:
        return StartPoint(
            None,
            (
                f"The training of {run.folder} is finished; nothing was done. {missing}, so the run "
                f"cannot be trained for more epochs, only from the beginning: {restart}",
            ),
            done=True,
        )
    state = "weights.safetensors is unchanged" if retry.exists(run.weights) else "Nothing was changed"
    raise BadRun(
        f"{run.folder} cannot be resumed: {missing}. {state}. To train the run from the "
        f"beginning, which replaces its weights after the first epoch: {restart}"
    )


def _rows(run: Run) -> int:
    try:
        return len(run.metrics())
    except Damaged:
        return 2  # more than a run without a checkpoint can have


def _clear(run: Run) -> None:
    """Remove the result and the checkpoints of the earlier training, but not its weights."""
    atomic.remove_file(run.result_file)
    for step in checkpoint.steps(run.checkpoints):
        atomic.remove(run.checkpoints / f"{step:09d}")


def _restart_message(run: Run) -> str:
    weights = "; the earlier weights stay until that epoch ends" if retry.exists(run.weights) else ""
    return f"Training restarts at epoch 1{weights}."
