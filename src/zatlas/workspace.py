"""The data of a run: its model, its dataset, and the latents of the dataset's images.

Every function that needs a run takes a `Workspace`. Slow results are computed once and cached, also if
several threads request them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas import contents
from zatlas.core.arrays import ArrayLike, Flags, Images, Labels, Latents, Rows, as_latents
from zatlas.core.errors import NotSupported
from zatlas.core.logs import LOG
from zatlas.core.progress import late_bar
from zatlas.data.image_dataset import ImageDataset
from zatlas.latent.attributes import all_flags, flags_of, labels_by
from zatlas.latent.chart import Chart
from zatlas.latent.density import Density, density
from zatlas.latent.landmarks import landmarks
from zatlas.latent.latent_blocks import latent_blocks
from zatlas.latent.layouts import default_layout
from zatlas.latent.neighbor_index import NeighborIndex, neighbor_index
from zatlas.latent.sample_dataset import sample_dataset, samples
from zatlas.latent.sampling import from_posterior
from zatlas.latent.saved_charts import ChartRequest, ChartStore, short_digest
from zatlas.latent_source import LatentSource, source_of
from zatlas.models.classifier import Classifier, load_classifier
from zatlas.models.decoding_time import affordable
from zatlas.models.generator import INPUT, ClassLabel
from zatlas.models.importers import imported_run
from zatlas.predictions import Predictions, predict
from zatlas.run_model import RunModel
from zatlas.store import atomic
from zatlas.store import latent_table as tables
from zatlas.store.cache import Cache
from zatlas.store.latent_table import LatentTable
from zatlas.store.safe_paths import file_name

NO_ROW = -1  # row number of a latent that belongs to no image of the dataset
MAX_DECODED, MIN_DECODED = 2000, 250  # latents of a chart that is laid out by their decoded images


@dataclass(frozen=True, repr=False)
class Workspace(RunModel):
    """A run, its model, its dataset and its latents.

    The functions of zatlas take a workspace; `Atlas` is the same run with methods for notebooks.

    Examples
    --------
    >>> workspace = zatlas.Workspace.open("runs/shapes")
    >>> workspace.name, workspace.dim, workspace.dataset.classes
    ('shapes', 2, ('below', 'left', 'right'))
    """

    # The dataset

    @property
    def source(self) -> LatentSource:
        """Where the latents come from."""
        predicted = self.predictions is not None
        return self.cache.get(
            "source", lambda: source_of(self.run, self.generator, predicted, lambda: self.samples)
        )

    @property
    def has_dataset(self) -> bool:
        """Whether the run has a dataset; an imported model may have none."""
        return self.source.generated or self._has_recipe or imported_run.has_dataset(self.run)

    @property
    def dataset(self) -> ImageDataset:
        """The images of the run, with the predictions of a classifier among their attributes."""
        return self.cache.get("images", self._labelled)

    @property
    def unlabelled_dataset(self) -> ImageDataset:
        """The images without predictions; samples of the model if a classifier labelled those."""
        return self.cache.get("unlabelled images", self._open_images)

    @property
    def data(self) -> tuple[str, str]:
        """The name and the fingerprint of the dataset; placeholders for a run without one."""
        if not self.has_dataset:
            return "no images", f"none of {self.digest}"
        return self.dataset.name, self.dataset.fingerprint

    def rows(self, split: str = "test") -> Rows:
        """The dataset rows of a split. An empty test split is replaced by the validation or training rows."""
        rows = self.dataset.rows(split)
        if split == "test" and not len(rows):
            rows = self.dataset.rows("valid")
        return rows if len(rows) else self.dataset.rows("train")

    @property
    def holds_out(self) -> bool:
        """Whether there are images that the model was not trained on."""
        return not np.array_equal(self.rows("train"), self.rows("test"))

    def labels(self, rows: Rows) -> Labels | None:
        """The class numbers of these rows (n,), or None without labels."""
        if len(rows) and rows[0] == NO_ROW:
            return None
        return None if self.dataset.labels is None else self.dataset.labels[rows]

    def conditions(self, rows: Rows) -> Labels | None:
        """The class numbers by which a conditional model encodes and decodes these rows; None for others."""
        return self.labels(rows) if self.generator.classes else None

    def flags(self, name: str, rows: Rows) -> Flags:
        """Whether each row has a class or an attribute: "Sneaker", "not Male", "hair_colour=gray"."""
        return flags_of(self.dataset, rows, name)

    def attributes(self, rows: Rows) -> dict[str, Flags]:
        """The flags (n,) of every class and attribute that varies over these rows, by name."""
        return all_flags(self.dataset, rows)

    # Latents

    def table(self, split: str = "test") -> LatentTable:
        """The rows, latents and standard deviations of a split, which are encoded on first use."""
        return self.cache.get(f"latents {split}", lambda: self._read_table(split))

    def latents(self, split: str = "test") -> Latents:
        """The latents (n, dim) of the images of a split; of a posterior, its mean."""
        return self.table(split).latents

    def posterior_samples(self, split: str = "test", *, seed: int = 0) -> Latents:
        """A sample from the posterior of each image (n, dim); its latent if the encoder has no posterior."""
        table = self.table(split)
        std = table.std
        return table.latents if std is None else from_posterior(table.latents, std, seed=seed)

    def chart_table(self, split: str = "test", *, samples: bool = False, seed: int = 0) -> LatentTable:
        """The latents of a scatter plot: those of a split, or the cloud with rows `NO_ROW`.

        With `samples`, a sample from the posterior of each image.
        """
        indexed = self.source.indexed
        table = self.table(split) if indexed else LatentTable(np.full(len(self.cloud), NO_ROW), self.cloud)
        if not samples:
            return table
        if table.std is None:
            raise NotSupported(f"{self.name} has no posterior: its latents are single points.")
        return LatentTable(table.rows, from_posterior(table.latents, table.std, seed=seed))

    def encode(self, split: str = "test") -> Path:
        """The file of the latents of a split, written in blocks if it does not exist."""
        path = self.folder("latents") / f"{file_name(f'{self.dataset.name}-{split}')}.parquet"
        with self.cache.lock(f"table {split}"):
            if tables.provenance(path) != (provenance := self.provenance(split)):
                blocks = latent_blocks(self.generator, self.dataset, self.rows(split), self._given_latents)
                tables.write(path, blocks, provenance)
        return path

    @property
    def cloud(self) -> Latents:
        """Latents (n, dim) that represent the data: of training images, or samples if images have none."""
        if self.source.indexed:
            return self.table("train").latents
        return self.samples if self.source.latents is None else self.source.latents

    @property
    def samples(self) -> Latents:
        """Samples of the prior that replace latents of images, with a fixed seed; or imported latents."""
        largest = (self.model or self.generator).largest_dim
        return self.cache.get("samples", lambda: samples(self.generator, largest, self.imported_cloud))

    @property
    def imported_cloud(self) -> Latents | None:
        """Latents that were imported together with a decoder, instead of a prior; None for other runs."""
        own = self.space == INPUT
        return self.cache.get("imported cloud", lambda: imported_run.cloud_of_run(self.run) if own else None)

    @property
    def density(self) -> Density:
        """The density of the data, which gives the distance of any latent from it."""
        return self.cache.get(
            "density", lambda: density((table := self.chart_table("train")).latents, table.std)
        )

    def decode(self, z: ArrayLike, label: ClassLabel = None) -> Images:
        """The images of latents (n, dim); a conditional model takes one class, one for each, or weights."""
        z = as_latents(z, *self.generator.space.shape)
        parts = []
        with late_bar("decoding", len(z)) as advance:
            for images in self.generator.decode_batches(z, self.generator.class_inputs(len(z), label)):
                parts.append(images)
                advance(len(images))
        return np.concatenate(parts)

    def nearest(self, z: ArrayLike, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """Rows (n, k) of the images or samples nearest to each latent, and their distances (n, k)."""
        table = self.chart_table(split)
        index, distance = self.neighbors(split).search(as_latents(z, *self.generator.space.shape), k)
        return table.rows[index] if self.source.indexed else index, distance

    def neighbors(self, split: str) -> NeighborIndex:
        """The search index of the latents of a split; a large one is saved in the run."""
        return self.cache.get(f"neighbors {split}", lambda: self._index(split))

    def query(self, sql: str, splits: Sequence[str] = ("train", "test")) -> Any:
        """The Arrow table that duckdb returns; each split is a table, and `latents` is the first of them."""
        paths = {split: self.encode(split) for split in splits}
        return tables.query({"latents": paths[splits[0]], **paths}, sql)

    @property
    def charts(self) -> ChartStore:
        """The saved charts, and which of them was made last."""
        return ChartStore(self.folder("charts"), self.cache, default_layout(self.dim))

    def chart(
        self,
        method: str | None = None,
        supervise: str | None = None,
        *,
        split: str = "test",
        samples: bool = False,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> Chart:
        """A two-dimensional chart of the latents of a split, saved in the run.

        `supervise` separates the classes ("label") or an attribute; `settings` are those of the layout.
        """
        request = (method or default_layout(self.dim), supervise, split, samples, seed, settings or {})
        return self.chart_of(ChartRequest(*request))

    def chart_of(self, request: ChartRequest) -> Chart:
        """The chart of this request, saved in the run."""
        table = self.chart_table(request.split, samples=request.samples, seed=request.seed)
        decode = self.decode if self.source.kind == "sample" and request.layout != "dimensions" else None
        chosen = landmarks(len(table), None if decode is None else self.decoded_count(table.latents))
        rows = table.rows[chosen]
        provenance = {**self.provenance(request.split), "latents": len(chosen), "images": decode is not None}

        def make() -> Chart:
            labels = self.supervision(request.supervise, rows) if request.supervise else None
            return request.fit(table.latents[chosen], rows, labels, decode)

        return self.charts.get(request, provenance, make, decode)

    def chart_positions(self, chart: Chart, split: str = "test") -> Path:
        """The file of the positions of all latents of a split on their chart, saved in the run."""
        return self.charts.positions(chart, self.chart_table(split), self.provenance(split))

    def supervision(self, name: str, rows: Rows) -> Labels:
        """The labels, or an attribute as 0 and 1, that supervise a chart of these rows."""
        if len(rows) and rows[0] == NO_ROW:
            raise NotSupported(f"These latents have no labels or attributes, so no {name!r} to supervise by.")
        return labels_by(self.dataset, rows, name)

    @property
    def classifier(self) -> Classifier | None:
        """The classifier that is saved in the run."""
        stored = self.predictions is not None and self.run.classifier.exists()
        return load_classifier(self.run.classifier) if stored else None

    def annotate(self, classifier: Classifier, *, save: bool = False) -> "Workspace":
        """The same run with a classifier's predictions as attributes of its images.

        If images have no latents, the classifier labels samples of the model, which become the dataset.
        With `save`, the run stores the predictions, and the classifier if zatlas trained it.
        """
        if save:
            atomic.check_writable(self.run.folder, "Copy the run, and annotate the copy.")
        before = self.predictions or Predictions("", {})
        images = replace(self, predictions=before, cache=Cache()).unlabelled_dataset
        predictions = before.updated(predict(classifier, images))
        if save:
            contents.save_labels(self.run, classifier, predictions, self.digest)
        return replace(self, predictions=predictions, cache=Cache())

    def provenance(self, split: str) -> dict[str, Any]:
        """What the latents of a split depend on. Files of other latents are computed again."""
        images = {"fingerprint": self.dataset.fingerprint, "split": split} if self.source.indexed else {}
        return {"weights": self.digest, **images}

    @property
    def _has_recipe(self) -> bool:
        return self.run.recipe_file.exists()

    @property
    def _given_latents(self) -> Latents | None:
        """Latents of the images that were imported or sampled, not encoded."""
        return self.source.latents if self.source.indexed or not self.source.decodes else None

    def _open_images(self) -> ImageDataset:
        if self.source.generated:
            return sample_dataset(self.generator, self.samples, self.digest)
        if self.opened_dataset is not None:
            return self.opened_dataset
        if not self.has_dataset:
            raise NotSupported(
                f"{self.name} was imported without images. Import it with images like those of the model "
                "(in Python: zatlas.import_model(..., data=)): zatlas import SOURCE --out RUN --data FOLDER"
            )
        return contents.open_dataset(self.run, data_changed=self.data_changed)

    def decoded_count(self, latents: Latents) -> int:
        """The number of latents that a chart decodes: fewer for a slow decoder, which is measured once."""
        count = self.charts.decoded
        if count is None:
            count = affordable(MAX_DECODED, MIN_DECODED, self.generator.for_class(), latents)
            self.charts.set_decoded(count)
            if count < MAX_DECODED:
                LOG.info(f"The decoder is slow: the chart uses {count} samples instead of {MAX_DECODED:,}.")
        return count

    def _labelled(self) -> ImageDataset:
        images = self.unlabelled_dataset
        return images if self.predictions is None else self.predictions.add_to(images)

    def _read_table(self, split: str) -> LatentTable:
        if (latents := self._given_latents) is not None:
            return LatentTable(rows := self.rows(split), latents[rows])
        return tables.read(self.encode(split))

    def _index(self, split: str) -> NeighborIndex:
        latents = self.chart_table(split).latents
        digest = short_digest((self.provenance(split), latents.shape))
        return neighbor_index(latents, self.folder("latents") / f"{file_name(self.data[0])}-{split}", digest)
