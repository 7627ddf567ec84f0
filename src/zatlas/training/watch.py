"""Who is told how training goes: the terminal, TensorBoard, or whatever one writes oneself."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from zatlas.core.progress import RateColumn, console
from zatlas.data.imageset import ImageSet
from zatlas.models.trainable import Terms
from zatlas.store.run import Run
from zatlas.training.learner import Learner
from zatlas.training.recipe import Recipe

Row = dict[str, Any]  # a row of metrics.jsonl
SHOWN = 25  # rows on the terminal, however many epochs there are


class Watcher(Protocol):
    """Hears of everything and changes nothing."""

    def begin(self, run: Run, recipe: Recipe, images: ImageSet, learner: Learner) -> None: ...
    def tell(self, line: str) -> None: ...
    def step(self, step: int, images: int, terms: Terms) -> None: ...
    def epoch(self, row: Row) -> None: ...
    def result(self, result: Mapping[str, Any]) -> None: ...
    def end(self) -> None: ...


class Terminal:
    """A live line with rate and time left, and a row for some of the epochs, on stderr."""

    def __init__(self) -> None:
        self.screen = console()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            RateColumn("images"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[terms]}"),
        )
        self.progress = Progress(*columns, console=self.screen, disable=not self.screen.is_terminal)
        self.task = self.progress.add_task("training", terms="")
        self.epochs, self.every, self.bound, self.seen = 1, 1, False, 0

    def begin(self, run: Run, recipe: Recipe, images: ImageSet, learner: Learner) -> None:
        weights = sum(weight.numel() for weight in learner.weights)
        dim, device = learner.model.space.dim, learner.fabric.device
        self.bound, self.epochs = learner.model.bound, recipe.training.epochs
        self.every = max(self.epochs // SHOWN, 1)
        self._print(images.describe())
        for entry in images.report.get("set_aside", [])[:1]:
            count = len(images.report["set_aside"])
            self._print(
                f"{count:,} files set aside, as {entry['file']} ({entry['reason']}): "
                f"see {run.folder}/data_report.json"
            )
        self._print(
            f"{recipe.family}, {dim} latent {'axis' if dim == 1 else 'axes'}, net {recipe.net}, "
            f"{weights:,} weights, on {device} -> {run.folder}"
        )
        count, batch = len(images.rows("train")), recipe.training.batch
        epoch, batches = divmod(learner.steps, -(-count // batch))
        done = epoch * count + batches * batch
        self.progress.update(self.task, total=self.epochs * count, completed=done)
        self.progress.start()

    def tell(self, line: str) -> None:
        self._print(line)

    def step(self, step: int, images: int, terms: Terms) -> None:
        self.seen += 1
        # Reading a term waits for the device: a few times a second is enough.
        shown = {"terms": self._words({k: float(v) for k, v in terms.items()})}
        fields: dict[str, Any] = shown if self.seen % 50 == 1 and self.screen.is_terminal else {}
        self.progress.update(self.task, advance=images, **fields)

    def epoch(self, row: Row) -> None:
        number = row["epoch"]
        self.progress.update(self.task, description=f"epoch {number}/{self.epochs}")
        if number % self.every == 0 or number in (1, self.epochs):
            train = {k.removeprefix("train/"): v for k, v in row.items() if k.startswith("train/")}
            valid = {k.removeprefix("valid/"): v for k, v in row.items() if k.startswith("valid/")}
            seen = f"   held out: {self._words(valid)}" if valid else ""
            self._print(
                f"epoch {number:>{len(str(self.epochs))}}/{self.epochs}   {self._words(train)}{seen}"
                f"   {row['images_per_second']:,.0f} images/s"
            )

    def result(self, result: Mapping[str, Any]) -> None:
        if result["test"]:
            best = f"kept epoch {result['best']['epoch']}"
            self._print(f"{best}; on the test images: {self._words(result['test'])}")

    def end(self) -> None:
        self.progress.stop()

    def _print(self, line: str) -> None:
        self.screen.print(line, soft_wrap=True, markup=False)

    def _words(self, terms: Mapping[str, float]) -> str:
        """The terms as a person would say them; what is no bound is not called one."""
        told = [f"ssim {terms['ssim']:.3f}"] if "ssim" in terms else []
        if self.bound and "elbo" in terms:
            parts = f"-elbo {-terms['elbo']:.2f} nats"
            told = [f"{parts} = distortion {terms['distortion']:.2f} + rate {terms['rate']:.2f}", *told]
            if abs(terms["loss"] + terms["elbo"]) > 1e-3 * abs(terms["loss"]):
                told.append(f"loss {terms['loss']:.4g}")
            return ", ".join(told)
        names = [name for name in terms if name != "ssim"]
        return ", ".join([f"{name.replace('/', ' ')} {terms[name]:.4g}" for name in names] + told)


class TensorBoard:
    """Every row as events that TensorBoard shows, where that package is there."""

    def __init__(self) -> None:
        self.writer: Any = None

    def begin(self, run: Run, recipe: Recipe, images: ImageSet, learner: Learner) -> None:
        if find_spec("tensorboard") is not None and learner.fabric.is_global_zero:
            self.writer = _event_writer(run.path("tensorboard"))

    def tell(self, line: str) -> None:
        """Nothing: it is about people."""

    def step(self, step: int, images: int, terms: Terms) -> None:
        """Nothing: an epoch is soon enough."""

    def epoch(self, row: Row) -> None:
        if self.writer:
            for name in row.keys() - {"epoch", "step"}:
                self.writer.add_scalar(name, row[name], row["step"])

    def result(self, result: Mapping[str, Any]) -> None:
        """Nothing: the rows have told it."""

    def end(self) -> None:
        if self.writer:
            self.writer.close()


def _event_writer(folder: Path) -> Any:
    from torch.utils.tensorboard import SummaryWriter  # imports half of TensorBoard: only when used

    return SummaryWriter(str(folder))
