"""The data of a run: its model, its dataset, and the latents of the dataset's images.

Every function that needs a run takes a `Workspace`. What takes long is made once and kept in its cache,
however many threads ask for it.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas import contents
from zatlas.core.arrays import Flags, Images, Labels, Latents, Rows
from zatlas.core.errors import NotSupported
from zatlas.data.image_dataset import ImageDataset
from zatlas.latent import chart as charts
from zatlas.latent.attributes import all_flags, flags_of, kinds_of
from zatlas.latent.chart import Chart
from zatlas.latent.density import Density, density
from zatlas.latent.landmarks import digest_of, landmarks, place_all
from zatlas.latent.latent_blocks import latent_blocks
from zatlas.latent.neighbor_index import NeighborIndex, neighbor_index
from zatlas.latent.sample_dataset import sample_dataset, samples
from zatlas.latent.sampling import from_posterior
from zatlas.latent_source import Encoded, Given, LatentSource, Sampled
from zatlas.models import importers
from zatlas.models.classifier import Classifier, ClassifierNet, load_classifier, save_classifier
from zatlas.models.description import Description
from zatlas.models.generator import Generator, best_device
from zatlas.predictions import Predictions, predict, save_predictions
from zatlas.store import atomic
from zatlas.store import latent_table as tables
from zatlas.store import run as runs
from zatlas.store.cache import Cache
from zatlas.store.latent_table import LatentTable
from zatlas.store.run import Run
from zatlas.store.safe_paths import file_name
from zatlas.training.recipe import Recipe, make_recipe, read_recipe

NO_ROW = -1  # of a latent that belongs to no image of the dataset


@dataclass(frozen=True)
class Workspace:
    """A run, its model, its dataset and its latents."""

    run: Run
    description: Description
    generator: Generator
    predictions: Predictions | None = None  # labels of its images by a classifier
    data_changed: bool = False  # accept images that are not those the run was made with
    opened_dataset: ImageDataset | None = None  # the dataset, where the caller has opened it already
    cache: Cache = field(default_factory=Cache, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        trust: bool = False,
        data_changed: bool = False,
        device: str | None = None,
        dataset: ImageDataset | None = None,
    ) -> "Workspace":
        """Open the run in this folder.

        `trust` allows a model that is a program to run. `data_changed` accepts a dataset that differs from
        the one the run was made with. A `dataset` that is open already is used as it is.
        """
        run = runs.open_run(Path(folder))
        description, generator = contents.load_model(run, device or best_device(), trust)
        predictions = contents.predictions_of(run, generator)
        return cls(run, description, generator, predictions, data_changed, dataset)

    @property
    def name(self) -> str:
        """The name of the run's folder."""
        return self.run.folder.resolve().name

    @property
    def dim(self) -> int:
        """The number of dimensions of the latent space."""
        return self.generator.space.dim

    @property
    def recipe(self) -> Recipe:
        """The recipe that the run was trained by."""
        return self.cache.get("recipe", lambda: make_recipe(read_recipe(self.run.recipe_file)))

    @property
    def digest(self) -> str:
        """SHA-256 of the model: files that were made with another model are made again."""
        return self.cache.get("digest", lambda: contents.model_digest(self.run, self.generator))

    # The dataset

    @property
    def source(self) -> LatentSource:
        """Where the latents come from."""
        return self.cache.get("source", self._find_source)

    @property
    def has_dataset(self) -> bool:
        """Whether a dataset is known; that of an imported model may not be."""
        return self.source.generated or self._has_recipe or importers.has_dataset(self.run)

    @property
    def dataset(self) -> ImageDataset:
        """The images of the run, with the predictions of a classifier among their attributes."""
        return self.cache.get("images", self._labelled)

    @property
    def unlabelled_dataset(self) -> ImageDataset:
        """The images without predictions; the run's samples, where a classifier has labelled those."""
        return self.cache.get("bare images", self._open_images)

    @property
    def data(self) -> tuple[str, str]:
        """The name and the fingerprint of the dataset; of a run without one, stand-ins."""
        if not self.has_dataset:
            return "no images", f"none of {self.digest}"
        return self.dataset.name, self.dataset.fingerprint

    def rows(self, split: str = "test") -> Rows:
        """The dataset's rows of a split; without a test split, those held out of training, else all."""
        rows = self.dataset.rows(split)
        if split == "test" and not len(rows):
            rows = self.dataset.rows("valid")
        return rows if len(rows) else self.dataset.rows("train")

    @property
    def holds_out(self) -> bool:
        """Whether there are images that training has not seen."""
        return self.cache.get("holds out", lambda: not np.array_equal(self.rows("train"), self.rows("test")))

    def labels(self, rows: Rows) -> Labels | None:
        """The class labels of these rows, where there are any."""
        if len(rows) and rows[0] == NO_ROW:
            return None
        return None if self.dataset.labels is None else self.dataset.labels[rows]

    def flags(self, name: str, rows: Rows) -> Flags:
        """Which rows have a class or an attribute: "Sneaker", "not Male", "hair_colour=gray"."""
        return flags_of(self.dataset, rows, name)

    def attributes(self, rows: Rows) -> dict[str, Flags]:
        """Every class and attribute that some of these rows have and others lack."""
        return all_flags(self.dataset, rows)

    # Latents

    def table(self, split: str = "test") -> LatentTable:
        """The latents of the images of a split: from the run's table, which is made when first needed."""
        return self.cache.get(f"codes {split}", lambda: self._read_table(split))

    def latents(self, split: str = "test") -> Latents:
        """The latents of the images of a split; of a posterior, its mean."""
        return self.table(split).latents

    def posterior_samples(self, split: str = "test", *, seed: int = 0) -> Latents:
        """A sample from the posterior of each image; its latent, where the encoder gives no std."""
        table = self.table(split)
        if table.std is None:
            return table.latents
        return from_posterior(table.latents, table.std, seed=seed)

    def chart_table(self, split: str = "test") -> LatentTable:
        """The latents that a map shows: those of a split, or the cloud (rows -1) without indexed images."""
        if self.source.indexed:
            return self.table(split)
        return LatentTable(np.full(len(self.cloud), NO_ROW), self.cloud)

    def encode(self, split: str = "test") -> Path:
        """The table of the latents of a split, written if need be; memory stays flat meanwhile."""
        path = self.folder("latents") / f"{file_name(f'{self.dataset.name}-{split}')}.parquet"
        with self.cache.lock(f"table {split}"):
            if tables.provenance(path) != (made := self.provenance(split)):
                blocks = latent_blocks(self.generator, self.dataset, self.rows(split), self._known_latents)
                tables.write(path, blocks, made)
        return path

    @property
    def cloud(self) -> Latents:
        """Latents that show where the data lies: of training images, or samples where images have none."""
        if self.source.indexed:
            return self.table("train").latents
        return self.samples if self.source.latents is None else self.source.latents

    @property
    def samples(self) -> Latents:
        """Samples of the prior that stand for latents, always the same."""
        return self.cache.get("samples", lambda: samples(self.generator))

    @property
    def density(self) -> Density:
        """How near the data is to any latent."""
        return self.cache.get(
            "density", lambda: density(self.posterior_samples("train") if self.source.indexed else self.cloud)
        )

    def decode(self, z: Latents, label: int | None = None, labels: Labels | None = None) -> Images:
        """The images of these latents; a conditional model takes one label, or one for each."""
        return self.generator.decode(z, self.labels_for(len(z), label) if labels is None else labels)

    def labels_for(self, n: int, label: int | None = None) -> Labels | None:
        """One label n times, for a conditional model; its first class by default."""
        return np.full(n, label or 0, np.int64) if self.generator.classes else None

    def nearest(self, z: Latents, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """Rows of the images nearest to each latent (of samples, if images have none), and distances."""
        table = self.chart_table(split)
        index, distance = self.neighbors(split).of(z, k)
        return table.rows[index] if self.source.indexed else index, distance

    def neighbors(self, split: str) -> NeighborIndex:
        """The search index of the latents of a split; that of very many is saved beside them."""
        return self.cache.get(f"neighbors {split}", lambda: self._index(split))

    def query(self, sql: str, splits: Sequence[str] = ("train", "test")) -> Any:
        """The Arrow table that duckdb returns; each split is a table, and `latents` is the first of them."""
        paths = {split: self.encode(split) for split in splits}
        return tables.query({"latents": paths[splits[0]], **paths}, sql)

    def chart(
        self,
        layout: str | None = None,
        by: str | None = None,
        *,
        split: str = "test",
        seed: int = 0,
        **settings: Any,
    ) -> Chart:
        """A flat chart of the latents, saved in the run; `by` "label" or an attribute supervises it."""
        count = len(self.chart_table(split))
        chosen = landmarks(count)
        layout = layout or {1: "pca", 2: "axes"}.get(self.dim, "umap")
        made = {"layout": layout, "by": by, "seed": seed, **settings}
        made |= self.provenance(split) | ({} if len(chosen) == count else {"landmarks": len(chosen)})
        path = self.folder("charts") / f"{layout}-{_digest(made)}.safetensors"
        with self.cache.lock(path.name):
            if path.exists() and (saved := Chart.load(path)).rows is not None:
                return saved
            table = self.chart_table(split)
            rows, latents = table.rows[chosen], table.latents[chosen]
            if layout == "axes":
                chart = charts.dimension_chart(latents, **settings)
            else:
                labels = self.supervision(by, rows) if by else None
                chart = charts.make_chart(latents, layout, labels, seed=seed, **settings)
            chart = replace(chart, rows=rows)
            chart.save(path)
            return chart

    def chart_positions(self, chart: Chart, split: str = "test") -> Path:
        """The table of the positions of all latents of a split on a chart of theirs, saved in the run."""
        made = {**self.provenance(split), "chart": digest_of(chart)}
        path = self.folder("charts") / f"{chart.layout}-{_digest(made)}.parquet"
        total = len(self.chart_table(split))
        tabled = isinstance(self.source, Encoded)
        parts = tables.blocks(self.encode(split)) if tabled else [self.chart_table(split)]
        with self.cache.lock(path.name):
            return place_all(chart, path, parts, total, made)

    def supervision(self, by: str, rows: Rows) -> Labels:
        """The labels, or an attribute as 0 and 1, that supervise a chart of these rows."""
        if len(rows) and rows[0] == NO_ROW:
            raise NotSupported(f"Nothing is known of these points that a chart could go by: {by!r}.")
        return kinds_of(self.dataset, rows, by)

    # Predictions of a classifier

    @property
    def classifier(self) -> Classifier | None:
        """The classifier that is saved in the run, if it takes images of this size."""
        if self.predictions is None or not self.run.classifier.exists():
            return None
        classifier = load_classifier(self.run.classifier)
        return classifier if classifier.shape in (None, self.description.shape) else None

    def annotate(self, classifier: Classifier, *, save: bool = False) -> "Workspace":
        """The same run with a classifier's predictions as attributes of its images.

        Where images have no latents, the classifier labels the run's own samples, which then are its
        dataset. With `save`, the run keeps the predictions, and a classifier that zatlas has trained.
        """
        if save:
            atomic.check_writable(self.run.folder, "Make a copy of the run, and read that one.")
        before = self.predictions or Predictions("", {})
        images = replace(self, predictions=before, cache=Cache()).unlabelled_dataset
        result = predict(classifier, images)
        older = before.columns if before.data == result.data else {}
        result = replace(result, columns={**older, **result.columns})
        if save:
            save_predictions(self.run.predictions, result, self.digest)
            atomic.remove_file(self.run.classifier)
            if isinstance(classifier.function, ClassifierNet):
                save_classifier(self.run.classifier, classifier)
        return replace(self, predictions=result, cache=Cache())

    # Files

    def provenance(self, split: str) -> dict[str, Any]:
        """What the latents of a split depend on; files that were made of other latents are made again."""
        if not self.source.indexed:
            return {"weights": self.digest}
        return {"weights": self.digest, "fingerprint": self.dataset.fingerprint, "split": split}

    def folder(self, name: str) -> Path:
        """A folder of the run; one of the cache, where the run is read-only."""
        return contents.folder_for(self.run, name)

    # Made once each

    @property
    def _has_recipe(self) -> bool:
        return self.run.recipe_file.exists()

    @property
    def _known_latents(self) -> Latents | None:
        """Latents of the images that are known without an encoder."""
        source = self.source
        return source.latents if source.indexed or not source.decodes else None

    def _find_source(self) -> LatentSource:
        given = importers.latents_of_run(self.run)
        known = self._has_recipe or importers.has_dataset(self.run)
        if given is not None:
            return Given(given, self._has_recipe, known)
        encodes = self.generator.encoder is not None and self._has_recipe
        if self.predictions is not None and not encodes:
            return Sampled(lambda: self.samples, indexed=True)
        return Encoded() if self.generator.encoder is not None and known else Sampled(lambda: self.samples)

    def _open_images(self) -> ImageDataset:
        if self.source.generated:
            return sample_dataset(self.generator, self.samples, self.digest)
        if self.opened_dataset is not None:
            return self.opened_dataset
        if not self.has_dataset:
            raise NotSupported(
                f"{self.name} was brought without images, so none are known. Bring it with some that are "
                "like its own, as: zatlas bring SOURCE --out RUN --data FOLDER"
            )
        return contents.open_dataset(self.run, data_changed=self.data_changed)

    def _labelled(self) -> ImageDataset:
        images = self.unlabelled_dataset
        return images if self.predictions is None else self.predictions.add_to(images)

    def _read_table(self, split: str) -> LatentTable:
        if (latents := self._known_latents) is not None:
            rows = self.rows(split)
            return LatentTable(rows, latents[rows])
        return tables.read(self.encode(split))

    def _index(self, split: str) -> NeighborIndex:
        latents = self.chart_table(split).latents
        digest = _digest((self.provenance(split), latents.shape))
        return neighbor_index(latents, self.folder("latents") / f"{file_name(self.data[0])}-{split}", digest)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
