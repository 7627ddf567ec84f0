"""The object that a notebook uses: a run, with everything that one does with it as a method."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import Images, Labels, Latents, Rows
from zatlas.data.image_dataset import ImageDataset
from zatlas.directions import find, measure
from zatlas.directions.decoding import decoder_module
from zatlas.directions.direction_report import DirectionReport
from zatlas.directions.types import Direction, renamed
from zatlas.encoder import invert, train_encoder
from zatlas.figures.paths import LatentPath, interpolation
from zatlas.latent.chart import Chart
from zatlas.latent.inversion import InversionResult
from zatlas.latent.priors import SavedPrior
from zatlas.locate import Anchor, locate, locate_all
from zatlas.metrics.evaluation import GROUPS, EvaluationResult, evaluate
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator
from zatlas.notebook import ExplorerFrame, show
from zatlas.plots import Plots
from zatlas.report import write_report
from zatlas.sample import fit_prior, sample_latents
from zatlas.site.export import export
from zatlas.training.inverter_training import TRAINING
from zatlas.training.recipe import Recipe
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import nn

Label = int | str | None


@dataclass(frozen=True)
class Atlas:
    """A trained or imported model, its dataset and its latent space.

    `zatlas.train`, `zatlas.load` and `zatlas.import_model` return one. `atlas.workspace` holds the data that
    the library's functions take.
    """

    workspace: Workspace

    def __repr__(self) -> str:
        return (
            f"<Atlas {self.name}: {self.workspace.description.family}, {self.generator.space.dim} dimensions>"
        )

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.workspace.name

    @property
    def generator(self) -> Generator:
        """The decoder and the encoder as functions on numpy arrays."""
        return self.workspace.generator

    @property
    def model(self) -> "nn.Module | None":
        """The decoder as a torch module; None if the decoder is not one."""
        return decoder_module(self.generator)

    @property
    def dataset(self) -> ImageDataset:
        """The images that the run was trained on or imported with."""
        return self.workspace.dataset

    @property
    def recipe(self) -> Recipe:
        """The settings that the model was trained with."""
        return self.workspace.recipe

    # Latents and images

    def latents(self, split: str = "test", kind: str = "mean", *, seed: int = 0) -> Latents:
        """The latents of the images of a split, (n, dim): posterior means, or `kind="sample"`."""
        return (
            self.workspace.posterior_samples(split, seed=seed)
            if kind == "sample"
            else self.workspace.latents(split)
        )

    def table(self, split: str = "test") -> "pa.Table":
        """The latents of a split with their std, labels and attributes, as an Arrow table."""
        return self.query("select * from latents", splits=(split,))

    def query(self, sql: str, splits: Sequence[str] = ("train", "test")) -> "pa.Table":
        """The Arrow table that duckdb returns. Each split is a table by its name, `latents` the first."""
        return self.workspace.query(sql, splits)

    def decode(self, z: Latents, label: Label = None) -> Images:
        """The images of latents (n, dim), as (n, channels, height, width) in [0, 1]."""
        return self.generator.for_class(label).decode(z)

    def encode(self, images: Images, label: Label = None) -> Latents:
        """The latents of images; of a posterior, the mean."""
        return self.generator.for_class(label).encode(images)

    def generate(self, n: int, *, label: Label = None, seed: int = 0, prior: str = "own") -> Images:
        """Decode `n` sampled latents."""
        return self.decode(self.sample_latents(n, seed=seed, prior=prior), label)

    def sample_latents(
        self, n: int, *, seed: int = 0, prior: str = "own", temperature: float = 1.0
    ) -> Latents:
        """Sample from the model's own prior, a fitted one (mixture, flow), or around images (posterior)."""
        return sample_latents(self.workspace, n, seed=seed, prior=prior, temperature=temperature)

    def invert(self, images: Images, labels: Labels | None = None, *, seed: int = 0) -> InversionResult:
        """Find the latents of any images by optimisation, and how near their decoded images come."""
        return invert(self.workspace, images, labels, seed=seed)

    def nearest(self, z: Latents, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """The dataset rows of the `k` images nearest to each latent, and their distances."""
        return self.workspace.nearest(z, k, split)

    # Names, curves and charts

    def locate(self, text: str) -> Anchor:
        """The latent of an image's number, a class, an attribute, an image file, or "random"."""
        return locate(self.workspace, text)

    def interpolate(self, *anchors: str, method: str | None = None, closed: bool = False) -> LatentPath:
        """The path through two named latents or more; methods are lerp, slerp, spline and geodesic."""
        return interpolation(
            self.workspace, locate_all(self.workspace, anchors), method=method, closed=closed
        )

    def chart(self, method: str | None = None, supervise: str | None = None, *, seed: int = 0) -> Chart:
        """A chart of the test latents in two dimensions, with its inverse; saved in the run."""
        return self.workspace.chart(method, supervise, seed=seed)

    # Directions

    def find_direction(
        self, name: str, *, method: str = "mean_difference", orthogonal_to: Sequence[str] = (), seed: int = 0
    ) -> "RunDirection":
        """The direction of a class or an attribute, or the one that is saved under this name."""
        direction = find.find_direction(
            self.workspace, name, method=method, orthogonal_to=orthogonal_to, seed=seed
        )
        return RunDirection(self.workspace, direction)

    def find_directions(self, method: str, /, *, seed: int = 0, **settings: Any) -> "list[RunDirection]":
        """All directions that a method finds: labels, principal, closed_form, transform ..."""
        result = find.find_directions(self.workspace, method, seed=seed, **settings)
        return [RunDirection(self.workspace, direction) for direction in result]

    def directions(self) -> "list[RunDirection]":
        """The directions that are saved in the run."""
        return [RunDirection(self.workspace, each) for each in find.store_of(self.workspace).all()]

    # The run as a whole

    def evaluate(self, groups: Sequence[str] | None = None, *, seed: int = 0) -> "Evaluation":
        """Measure the run; groups are likelihood, space, samples, meaning and charts."""
        return Evaluation(self.workspace, evaluate(self.workspace, groups=groups or GROUPS, seed=seed))

    def annotate(self, classifier: Classifier, *, save: bool = False) -> "Atlas":
        """The same run with a classifier's predictions as attributes of its images."""
        return Atlas(self.workspace.annotate(classifier, save=save))

    def fit_prior(self, kind: str = "flow", *, seed: int = 0) -> SavedPrior:
        """Fit a density ("mixture" or "flow") to the training latents, and save it in the run."""
        return fit_prior(self.workspace, kind, seed=seed)

    def train_encoder(self, *, epochs: int = TRAINING.epochs, seed: int = 0) -> "Atlas":
        """Train an encoder for a run that has none, save it, and return the run opened with it."""
        return Atlas(train_encoder(self.workspace, epochs=epochs, seed=seed))

    @property
    def plot(self) -> Plots:
        """Figures of the run: `samples`, `grid`, `scatter`, `reconstructions`, `traversal` ..."""
        return Plots(self.workspace)

    def explore(self, *others: "Atlas", inline: bool = False, height: int = 720) -> ExplorerFrame:
        """The explorer in a frame of the notebook; `inline` puts the page into it without a server."""
        return show(self.workspace, *(other.workspace for other in others), inline=inline, height=height)

    def export(self, out: str | Path, *, points: int | None = None, prior: str | None = None) -> Path:
        """Write the explorer as one .html file or as a folder; it works without a server."""
        return export([self.workspace], Path(out), points=points, prior=prior)


@dataclass(frozen=True)
class RunDirection:
    """A direction together with the run that it was found in."""

    workspace: Workspace
    direction: Direction

    @property
    def name(self) -> str:
        """The name of the direction."""
        return self.direction.name

    def move(self, z: Latents, amount: float = 1.0) -> Latents:
        """Move latents along the direction by an amount, in standard deviations of the data."""
        return self.direction.move(z, amount)

    def evaluate(self, classifier: Classifier | None = None, *, seed: int = 0) -> DirectionReport:
        """Measure on decoded images what the direction changes, against random directions."""
        return measure.evaluate_directions(self.workspace, [self.direction], classifier, seed=seed)[0]

    def save(self, name: str | None = None, report: DirectionReport | None = None) -> Path:
        """Save the direction in the run, under another name if one is given."""
        direction = self.direction if name is None else renamed(self.direction, name)
        return find.store_of(self.workspace).save(direction, report)


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a run."""

    workspace: Workspace
    result: EvaluationResult

    @property
    def metrics(self) -> Mapping[str, Any]:
        """A dictionary for each metric, by name: value, unit, error ..."""
        table: Mapping[str, Any] = self.result.as_dict()["metrics"]
        return table

    @property
    def findings(self) -> Sequence[Any]:
        """What limits the model, with a suggestion each."""
        return self.result.findings

    def report(self, out: str | Path) -> Path:
        """Write the metrics with their figures as one HTML page."""
        return write_report(self.workspace, self.result, Path(out))
