"""Callbacks of a training: the base class, and its progress on the terminal."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zatlas.core.live_output import LiveOutput, in_notebook
from zatlas.core.logs import LOG, Messages
from zatlas.core.process_group import process_group
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.trainable import Terms
from zatlas.store.run import Run
from zatlas.training.learner import Learner
from zatlas.training.recipe import Recipe

if TYPE_CHECKING:
    from rich.progress import Progress

Row = dict[str, Any]  # a row of metrics.jsonl
MAX_ROWS = 25  # epochs with a row on the terminal
TASK: Any = 0  # number of the only task of the bar


class Callback:
    """Receives the progress of a training. Override the methods of the events that matter.

    Pass instances, or names of registered callbacks, as ``zatlas.train(..., callbacks=[...])``. If a
    method raises an exception, zatlas saves a checkpoint, stops the training and raises it;
    `zatlas.resume` continues. Before the first step there is nothing to save, so zatlas removes the run.
    Of several processes, each calls its own callbacks and saves no checkpoint then.

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
        visible = LOG.isEnabledFor(logging.INFO) and process_group().is_main
        self.live = LiveOutput() if visible and in_notebook() else None
        self.progress = _training_bar() if visible and self.live is None and Messages().isatty() else None
        self.done = self.total = 0  # images
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
        self.done, self.total = epoch * count + batches * batch, self.epochs * count
        if self.progress is not None:
            self.progress.update(TASK, total=self.total, completed=self.done)
            self.progress.start()

    def on_message(self, line: str) -> None:
        self._print(line)

    def on_step_end(self, step: int, images: int, terms: Terms) -> None:
        self.done += images
        if self.live is not None:
            self.live.set_progress(self.done / self.total, f"{self.done:,} of {self.total:,} images")
        if self.progress is None:
            return
        self.steps += 1
        fields: dict[str, Any] = {}
        if self.steps % 50 == 1:  # reading a term waits for the device
            fields = {"terms": self._format({k: float(v) for k, v in terms.items()})}
        self.progress.update(TASK, advance=images, **fields)

    def on_epoch_end(self, row: Row) -> None:
        number = row["epoch"]
        if self.progress is not None:
            self.progress.update(TASK, description=f"epoch {number}/{self.epochs}")
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
        if self.progress is not None:
            self.progress.stop()
        if self.live is not None:
            self.live.close()

    def _print(self, line: str) -> None:
        if self.live is not None:
            self.live.add_line(line, replaces="epoch ")
        else:
            LOG.info(line)

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


def _training_bar() -> "Progress":
    """Return a bar of one task, `TASK`."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from zatlas.core.bars import RateColumn, console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        RateColumn("images"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[terms]}"),
    )
    progress = Progress(*columns, console=console())
    assert progress.add_task("training", terms="") == TASK
    return progress
