"""Callbacks that follow a training with a tracker: TensorBoard, Weights & Biases or MLflow.

The trackers read their own settings: `WANDB_PROJECT`, `WANDB_MODE`, `MLFLOW_TRACKING_URI`,
`MLFLOW_EXPERIMENT_NAME`. A training that resumes continues its run in the tracker. Of several processes, the
first logs.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.registry import CALLBACKS
from zatlas.data.image_dataset import ImageDataset
from zatlas.store.run import Run
from zatlas.training.callbacks import Callback, Row, Terminal
from zatlas.training.learner import Learner
from zatlas.training.recipe import Recipe, flat_tables, parse_recipe

COUNTERS = ("epoch", "step")  # columns of metrics.jsonl that are no metrics
TAG = "zatlas.run"  # of a run in MLflow


def has_package(package: str) -> bool:
    """Return whether a package of this name is installed."""
    return find_spec(package) is not None


class TensorBoard(Callback):
    """Write each row of metrics as events under `tensorboard/` in the run."""

    def __init__(self) -> None:
        _check_package("tensorboard")
        self.writer: Any = None

    def on_train_start(self, run: Run, recipe: Recipe, images: ImageDataset, learner: Learner) -> None:
        """Open the events file."""
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        if learner.fabric.is_global_zero:
            self.writer = SummaryWriter(str(run.path("tensorboard")))

    def on_epoch_end(self, row: Row) -> None:
        """Write an event for each number."""
        if self.writer:
            for name, value in _numbers(row).items():
                self.writer.add_scalar(name, value, row["step"])

    def on_train_end(self) -> None:
        """Close the events file."""
        if self.writer:
            self.writer.close()


class WandB(Callback):
    """Log to Weights & Biases: settings, metrics of each epoch, and results."""

    def __init__(self) -> None:
        _check_package("wandb")
        self.log: Any = None
        self.finished = False

    def on_train_start(self, run: Run, recipe: Recipe, images: ImageDataset, learner: Learner) -> None:
        """Start a run of Weights & Biases, or continue that of an earlier part of this training."""
        import wandb

        if learner.fabric.is_global_zero:
            self.log = wandb.init(
                id=key_of(run),
                name=run.folder.resolve().name,
                config=_settings(recipe, images),
                resume="allow",
                settings=wandb.Settings(console="off", silent=True),
            )

    def on_epoch_end(self, row: Row) -> None:
        """Log the numbers of the epoch at its step."""
        if self.log:
            self.log.log(_numbers(row), step=row["step"])

    def on_test_end(self, result: Mapping[str, Any]) -> None:
        """Write the metrics of the test images into the summary."""
        self.finished = True
        if self.log:
            self.log.summary.update(_test_numbers(result))

    def on_train_end(self) -> None:
        """Finish the run; an unfinished training has failed."""
        if self.log:
            self.log.finish(exit_code=0 if self.finished else 1)


class MLflow(Callback):
    """Log to MLflow: settings as parameters, metrics of each epoch, and results."""

    def __init__(self) -> None:
        _check_package("mlflow")
        self.logs = False
        self.finished = False

    def on_train_start(self, run: Run, recipe: Recipe, images: ImageDataset, learner: Learner) -> None:
        """Start a run of MLflow, or continue that of an earlier part of this training."""
        import mlflow

        if not learner.fabric.is_global_zero:
            return
        key = key_of(run)
        query = f"tags.`{TAG}` = '{key}'"
        earlier = mlflow.search_runs(filter_string=query, output_format="list", max_results=1)
        if earlier:
            mlflow.start_run(run_id=earlier[0].info.run_id, nested=True)
        else:
            mlflow.start_run(run_name=run.folder.resolve().name, tags={TAG: key}, nested=True)
            mlflow.log_params(_settings(recipe, images))  # which cannot change later
        self.logs = True

    def on_epoch_end(self, row: Row) -> None:
        """Log the numbers of the epoch at its step."""
        self._log(_numbers(row), row["step"])

    def on_test_end(self, result: Mapping[str, Any]) -> None:
        """Log the metrics of the test images at the step of the best epoch."""
        self.finished = True
        self._log(_test_numbers(result), result["best"]["step"])

    def on_train_end(self) -> None:
        """Set the status of the run; an unfinished training has failed."""
        if self.logs:
            import mlflow

            mlflow.end_run("FINISHED" if self.finished else "FAILED")

    def _log(self, numbers: Mapping[str, float], step: int) -> None:
        if self.logs:
            import mlflow

            mlflow.log_metrics(dict(numbers), step=step)


def key_of(run: Run) -> str:
    """Return a text that identifies the training of a run, also after it resumes."""
    contents = run.read(run.provenance_file)
    return hashlib.sha256(str(run.folder.resolve()).encode() + b"\0" + contents).hexdigest()[:16]


def _check_package(package: str) -> None:
    if not has_package(package):
        raise NotSupported(
            f"The callback {package!r} needs a package that is not installed: pip install {package}"
        )


def _settings(recipe: Recipe, images: ImageDataset) -> dict[str, Any]:
    tables = parse_recipe(recipe.to_toml(), "The recipe")
    return {**flat_tables(tables), "dataset": images.describe()}


def _numbers(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in COUNTERS}


def _test_numbers(result: Mapping[str, Any]) -> dict[str, float]:
    return {f"test/{name}": value for name, value in result["test"].items()}


def all_callbacks_of(callbacks: Sequence[Callback | str], verbose: bool) -> list[Callback]:
    """Return the callbacks of a training: these, the terminal if `verbose`, and TensorBoard if installed.

    A text is the name of a registered callback.
    """
    given = [CALLBACKS.get(each)() if isinstance(each, str) else each for each in callbacks]
    for each in given:
        if not isinstance(each, Callback):
            raise BadRecipe(
                f"{each!r} is not a callback. Pass an object of a subclass of zatlas.Callback, or "
                "the name of one."
            )
    automatic = has_package("tensorboard") and not any(isinstance(each, TensorBoard) for each in given)
    return [*([Terminal()] if verbose else []), *([TensorBoard()] if automatic else []), *given]
