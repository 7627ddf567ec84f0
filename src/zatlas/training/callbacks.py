"""Callbacks of a training: its progress on the terminal, its metrics in TensorBoard."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from zatlas.core.live_output import LiveOutput, in_notebook
from zatlas.core.progress import RateColumn, console
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.trainable import Terms
from zatlas.store.run import Run
from zatlas.training.learner import Learner
from zatlas.training.recipe import Recipe

Row = dict[str, Any]  # a row of metrics.jsonl
MAX_ROWS = 25  # epochs with a row on the terminal


class Callback:
    """Receives the progress of a training. Override the methods of the events that matter.

    Pass instances as ``zatlas.train(..., callbacks=[...])``. If a method raises an exception, zatlas saves a
    checkpoint, stops the training and raises it; `zatlas.resume` continues. Of several processes, each calls
    its own callbacks and saves no checkpoint then.

    Examples
    --------
    >>> class Losses(zatlas.Callback):
    ...     def __init__(self):
    ...         self.values = []
    ...     def on_epoch_end(self, row):
    ...         self.values.append(row["train/loss"])
    >>> losses = Losses()
    >>> run = zatlas.train("shapes.npz", epochs=3, callbacks=[losses], out="runs/logged", verbose=False)
    >>> len(losses.values)
    3
    """

    def on_train_start(self, run: Run, recipe: Recipe, images: ImageDataset, learner: Learner) -> None:
        """Called before the first step, also when a run resumes. `learner.model` is the torch module."""

    def on_message(self, line: str) -> None:
        """Called with each sentence for the user."""

    def on_step_end(self, step: int, images: int, terms: Terms) -> None:
        """Called after each step with its number, its number of images and the terms of the loss.

        The terms are tensors; ``float(terms["loss"])`` waits for the device.
        """

    def on_epoch_end(self, row: Row) -> None:
        """Called after each epoch with its row of metrics.jsonl: "epoch", "train/loss", "valid/loss" ..."""

    def on_test_end(self, result: Mapping[str, Any]) -> None:
        """Called with the row of the best epoch ("best") and the metrics of the test images ("test")."""

    def on_train_end(self) -> None:
        """Called last, also after an error."""


class Terminal(Callback):
    """Show a progress bar, and a row for at most about `MAX_ROWS` epochs, on stderr.

    In a notebook, show them with the curve of the loss in one output that is updated.
    """

    def __init__(self) -> None:
        self.screen = console()
        self.live = LiveOutput() if in_notebook() and not self.screen.quiet else None
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            RateColumn("images"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}"),
        )
        self.progress = Progress(*columns, console=self.screen, disable=not self.screen.is_terminal)
        self.task = self.progress.add_task("training", terms="")
        self.epochs, self.every, self.bound, self.steps = 1, 1, False, 0

    def on_train_start(self, run: Run, recipe: Recipe, images: ImageDataset, learner: Learner) -> None:
        weights = sum(weight.numel() for weight in learner.weights)
        dim, device = learner.model.space.dim, learner.fabric.device
        self.bound, self.epochs = learner.model.bound, recipe.training.epochs
        self.every = max(self.epochs // MAX_ROWS, 1)
        self._print(images.describe())
        for entry in images.report.get("skipped", [])[:1]:
            count = len(images.report["skipped"])
            self._print(
                f"{count:,} files were left out, for example {entry['file']} ({entry['reason']}): "
                f"see {run.folder / 'data_report.json'}"
            )
        self._print(
            f"{recipe.family}, {dim} latent dimension{'s' if dim > 1 else ''}, net {recipe.net}, "
            f"{weights:,} weights, on {device} -> {run.folder}"
        )
        count, batch = len(images.rows("train")), recipe.training.batch
        epoch, batches = divmod(learner.steps, -(-count // batch))
        done = epoch * count + batches * batch
        self.progress.update(self.task, total=self.epochs * count, completed=done)
        if self.live is None:
            self.progress.start()

    def on_message(self, line: str) -> None:
        self._print(line)

    def on_step_end(self, step: int, images: int, terms: Terms) -> None:
        self.steps += 1
        fields: dict[str, Any] = {}
        if self.steps % 50 == 1 and self.screen.is_terminal:  # reading a term waits for the device
            fields = {"terms": self._format({k: float(v) for k, v in terms.items()})}
        self.progress.update(self.task, advance=images, **fields)
        task = self.progress.tasks[0]
        if self.live is not None and task.total:
            self.live.set_progress(task.completed / task.total, task.description)

    def on_epoch_end(self, row: Row) -> None:
        number = row["epoch"]
        self.progress.update(self.task, description=f"epoch {number}/{self.epochs}")
        if self.live is not None:
            self.live.add_values({key: row[key] for key in ("train/loss", "valid/loss") if key in row})
        if number % self.every == 0 or number in (1, self.epochs):
            train = {k.removeprefix("train/"): v for k, v in row.items() if k.startswith("train/")}
            valid = {k.removeprefix("valid/"): v for k, v in row.items() if k.startswith("valid/")}
            validation = f"   validation: {self._format(valid)}" if valid else ""
            self._print(
                f"epoch {number:>{len(str(self.epochs))}}/{self.epochs}   {self._format(train)}{validation}"
                f"   {row['images_per_second']:,.0f} images/s"
            )

    def on_test_end(self, result: Mapping[str, Any]) -> None:
        if result["test"]:
            best = f"saved the weights of epoch {result['best']['epoch']}"
            self._print(f"{best}; on the test images: {self._format(result['test'])}")

    def on_train_end(self) -> None:
        self.progress.stop()
        if self.live is not None:
            self.live.close()

    def _print(self, line: str) -> None:
        if self.live is not None:
            self.live.add_line(line, replaces="epoch ")
            return
        self.screen.print(line, soft_wrap=True, markup=False)

    def _format(self, terms: Mapping[str, float]) -> str:
        """Return the terms in one line; as the parts of an ELBO for a model that has one."""
        extra = [f"ssim {terms['ssim']:.3f}"] if "ssim" in terms else []
        if self.bound and "elbo" in terms:
            bound = f"-elbo {-terms['elbo']:.2f} nats"
            terms_of_bound = f"distortion {terms['distortion']:.2f} + rate {terms['rate']:.2f}"
            words = [f"{bound} = {terms_of_bound}", *extra]
            if abs(terms["loss"] + terms["elbo"]) > 1e-3 * abs(terms["loss"]):
                words.append(f"loss {terms['loss']:.4g}")
            return ", ".join(words)
        names = [name for name in terms if name != "ssim"]
        return ", ".join([f"{name.replace('/', ' ')} {terms[name]:.4g}" for name in names] + extra)


class TensorBoard(Callback):
    """Write each row of metrics as TensorBoard events, if TensorBoard is installed."""

    def __init__(self) -> None:
        self.writer: Any = None

    def on_train_start(self, run: Run, recipe: Recipe, images: ImageDataset, learner: Learner) -> None:
        if find_spec("tensorboard") is not None and learner.fabric.is_global_zero:
            self.writer = _event_writer(run.path("tensorboard"))

    def on_epoch_end(self, row: Row) -> None:
        if self.writer:
            for name in row.keys() - {"epoch", "step"}:
                self.writer.add_scalar(name, row[name], row["step"])

    def on_train_end(self) -> None:
        if self.writer:
            self.writer.close()


def _event_writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # slow to import

    return SummaryWriter(str(folder))
