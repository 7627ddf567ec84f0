"""Where a training begins: at the newest whole checkpoint, or at the beginning if that loses nothing.

What would be lost is lost with consent only: `train --resume RUN --restart`.
"""

from dataclasses import dataclass

from zatlas.core.errors import BadRun, Damaged
from zatlas.core.shell import shell_command
from zatlas.store import atomic, reading
from zatlas.store.run import Run
from zatlas.training import checkpoint


@dataclass(frozen=True)
class Beginning:
    """The step of the checkpoint to resume from, sentences for a person, and if there is no more to do."""

    step: int | None = None
    lines: tuple[str, ...] = ()
    done: bool = False


def find_beginning(run: Run, *, restart: bool, longer: bool) -> Beginning:
    """Where the training of this run begins; only its trainer may call this.

    `longer` says that more epochs are wanted than the run was made for. A file that cannot be read
    now raises `CannotRead`, and a run that could only begin anew `BadRun`: nothing is changed then.
    """
    step, wrong = checkpoint.latest(run.checkpoints)
    if step is None and not restart and (ended := _without_checkpoint(run, wrong, longer)):
        return ended
    lines = [
        f"{run.checkpoints / name} is ignored: it looks like a checkpoint, but zatlas names "
        "checkpoints by nine digits."
        for name in checkpoint.strangers(run.checkpoints)
    ]
    atomic.sweep(run.folder)
    atomic.sweep(run.checkpoints)
    for damaged, problem in wrong.items():
        place = checkpoint.set_aside(run.checkpoints, damaged)
        lines.append(f"{problem} It is set aside as {place.name}.")
    if restart:
        _clear(run)
        return Beginning(None, (*lines, _anew(run)))
    if wrong:
        lines.append(f"Training resumes from the checkpoint of step {step:,}.")
    if step is None and reading.is_there(run.metrics_file):
        lines.append("The run was stopped before its first checkpoint, so it begins at epoch 1.")
    return Beginning(step, tuple(lines))


def put_metrics(run: Run, text: str) -> None:
    """Make metrics.jsonl what it was at the checkpoint, whatever has become of it."""
    data, file = text.encode(), run.metrics_file
    try:
        found = reading.read_bytes(file)
    except FileNotFoundError:
        found = b""
    if data or found:
        atomic.write_file(file, data, grows=True)


def _without_checkpoint(run: Run, wrong: dict[int, str], longer: bool) -> Beginning | None:
    """What to do without a whole checkpoint: None if nothing was trained yet that could be lost."""
    again = shell_command("train", "--resume", run.folder, "--restart")
    if wrong:
        count = "The only checkpoint" if len(wrong) == 1 else f"None of the {len(wrong)} checkpoints"
        verb = "is not as it was" if len(wrong) == 1 else "is as it was"
        raise Damaged(
            f"{count} of {run.folder} {verb} written: {next(iter(wrong.values()))} Nothing was changed. "
            f"To train the run again from the beginning: {again}"
        )
    if not reading.is_there(run.weights) and _rows(run) < 2:
        return None
    missing = f"{run.checkpoints} {'is empty' if reading.is_there(run.checkpoints) else 'is missing'}"
    if reading.is_there(run.result_file) and not longer:
        return Beginning(
            None,
            (
                f"The training of {run.folder} is finished; nothing was done. {missing}, so the run "
                f"cannot be trained for more epochs, only again from the beginning: {again}",
            ),
            done=True,
        )
    kept = "weights.safetensors is untouched" if reading.is_there(run.weights) else "Nothing was changed"
    raise BadRun(
        f"{run.folder} cannot be resumed: {missing}. {kept}. To train the run again from the "
        f"beginning, which replaces its weights after the first epoch: {again}"
    )


def _rows(run: Run) -> int:
    try:
        return len(run.metrics())
    except Damaged:
        return 2  # more than a run without a checkpoint can have


def _clear(run: Run) -> None:
    """Take away what tells of the earlier training, but for its weights: new ones replace them."""
    atomic.remove_file(run.result_file)
    for step in checkpoint.steps(run.checkpoints):
        atomic.remove(run.checkpoints / f"{step:09d}")


def _anew(run: Run) -> str:
    kept = "; the earlier weights stay until its end" if reading.is_there(run.weights) else ""
    return f"Training begins again at epoch 1{kept}."
