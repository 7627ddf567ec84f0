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
from zatlas.core.arrays import Flags, Images, Labels, Points, Rows
from zatlas.core.errors import NotSupported
from zatlas.data.imageset import ImageSet
from zatlas.latent import chart as charts
from zatlas.latent.attributes import all_flags, flags_of, kinds_of
from zatlas.latent.chart import Chart
from zatlas.latent.density import Density, density
from zatlas.latent.encode import encoded
from zatlas.latent.landmarks import carry, digest_of, landmarks
from zatlas.latent.neighbor_index import Nearest, nearest_of
from zatlas.latent.sample_dataset import sample_set, samples
from zatlas.latent.sampling import from_posterior
from zatlas.latent_source import Encoded, Given, LatentSource, Sampled
from zatlas.models import bring
from zatlas.models.description import Description
from zatlas.models.generator import Generator, best_device
from zatlas.models.scorer import Reader, Scorer, read_scorer, save_scorer
from zatlas.predictions import Predictions, predict, save_predictions
from zatlas.store import atomic
from zatlas.store import codes as tables
from zatlas.store import run as runs
from zatlas.store.cache import Cache
from zatlas.store.codes import Codes
from zatlas.store.inside import file_name
from zatlas.store.run import Run
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
    opened_dataset: ImageSet | None = None  # the dataset, where the caller has opened it already
    cache: Cache = field(default_factory=Cache, repr=False, compare=False)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        *,
        trust: bool = False,
        data_changed: bool = False,
        device: str | None = None,
        dataset: ImageSet | None = None,
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
    def has_images(self) -> bool:
        """Whether a dataset is known; that of an imported model may not be."""
        sampled = isinstance(self.source, Sampled) and self.source.indexed
        return sampled or self._has_recipe or bring.tells(self.run)

    @property
    def images(self) -> ImageSet:
        """The images of the run, with the predictions of a classifier among their attributes."""
        return self.cache.get("images", self._labelled)

    @property
    def bare_images(self) -> ImageSet:
        """The images without predictions; the run's samples, where a classifier has labelled those."""
        return self.cache.get("bare images", self._open_images)

    @property
    def data(self) -> tuple[str, str]:
        """The name and the fingerprint of the dataset; of a run without one, stand-ins."""
        if not self.has_images:
            return "no images", f"none of {self.digest}"
        return self.images.name, self.images.fingerprint

    def rows(self, split: str = "test") -> Rows:
        """The dataset's rows of a split; without a test split, those held out of training, else all."""
        rows = self.images.rows(split)
        if split == "test" and not len(rows):
            rows = self.images.rows("valid")
        return rows if len(rows) else self.images.rows("train")

    @property
    def holds_out(self) -> bool:
        """Whether there are images that training has not seen."""
        return self.cache.get("holds out", lambda: not np.array_equal(self.rows("train"), self.rows("test")))

    def labels(self, rows: Rows) -> Labels | None:
        """The class labels of these rows, where there are any."""
        if len(rows) and rows[0] == NO_ROW:
            return None
        return None if self.images.labels is None else self.images.labels[rows]

    def flags(self, name: str, rows: Rows) -> Flags:
        """Which rows have a class or an attribute: "Sneaker", "not Male", "hair_colour=gray"."""
        return flags_of(self.images, rows, name)

    def attributes(self, rows: Rows) -> dict[str, Flags]:
        """Every class and attribute that some of these rows have and others lack."""
        return all_flags(self.images, rows)

    # Latents

    @property
    def given(self) -> Points | None:
        """The latents of a run that was imported as latents alone, without a decoder."""
        return self.source.latents if isinstance(self.source, Given) else None

    @property
    def coded(self) -> bool:
        """Whether the images of the dataset have latents."""
        return self.source.indexed and self.has_images

    @property
    def imagined(self) -> bool:
        """Whether the run's samples are its dataset, because a classifier has labelled them."""
        return isinstance(self.source, Sampled) and self.source.indexed

    def codes(self, split: str = "test") -> Codes:
        """The latents of the images of a split: from the run's table, which is made when first needed."""
        return self.cache.get(f"codes {split}", lambda: self._read_codes(split))

    def points(self, split: str = "test") -> Points:
        """The latents of the images of a split; of a posterior, its mean."""
        return self.codes(split).points

    def drawn(self, split: str = "test", *, seed: int = 0) -> Points:
        """A sample from the posterior of each image; its latent, where the encoder gives no std."""
        codes = self.codes(split)
        if codes.deviations is None:
            return codes.points
        return from_posterior(codes.points, codes.deviations, seed=seed)

    def mapped(self, split: str = "test") -> Codes:
        """The latents that a map shows: those of a split, or the cloud (rows -1) without indexed images."""
        if self.coded:
            return self.codes(split)
        return Codes(np.full(len(self.cloud), NO_ROW), self.cloud)

    def encode(self, split: str = "test") -> Path:
        """The table of the latents of a split, written if need be; memory stays flat meanwhile."""
        path = self.folder("codes") / f"{file_name(f'{self.images.name}-{split}')}.parquet"
        with self.cache.lock(f"table {split}"):
            if tables.made_of(path) != (made := self.made(split)):
                blocks = encoded(self.generator, self.images, self.rows(split), self._known_latents)
                tables.write(path, blocks, made)
        return path

    @property
    def cloud(self) -> Points:
        """Latents that show where the data lies: of training images, or samples where images have none."""
        if self.coded:
            return self.codes("train").points
        return self.samples if self.given is None else self.given

    @property
    def samples(self) -> Points:
        """Samples of the prior that stand for latents, always the same."""
        return self.cache.get("samples", lambda: samples(self.generator))

    @property
    def density(self) -> Density:
        """How near the data is to any latent."""
        return self.cache.get("density", lambda: density(self.drawn("train") if self.coded else self.cloud))

    def decode(self, z: Points, label: int | None = None, labels: Labels | None = None) -> Images:
        """The images of these latents; a conditional model takes one label, or one for each."""
        return self.generator.decode(z, self.told(len(z), label) if labels is None else labels)

    def told(self, n: int, label: int | None = None) -> Labels | None:
        """One label n times, for a conditional model; its first class by default."""
        return np.full(n, label or 0, np.int64) if self.generator.classes else None

    def nearest(self, z: Points, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """Rows of the images nearest to each latent (of samples, if images have none), and distances."""
        codes = self.mapped(split)
        index, distance = self.neighbors(split).of(z, k)
        return codes.rows[index] if self.coded else index, distance

    def neighbors(self, split: str) -> Nearest:
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
        count = len(self.mapped(split))
        chosen = landmarks(count)
        layout = layout or {1: "pca", 2: "axes"}.get(self.dim, "umap")
        made = {"layout": layout, "by": by, "seed": seed, **settings}
        made |= self.made(split) | ({} if len(chosen) == count else {"landmarks": len(chosen)})
        path = self.folder("charts") / f"{layout}-{_digest(made)}.safetensors"
        with self.cache.lock(path.name):
            if path.exists() and (saved := Chart.load(path)).rows is not None:
                return saved
            codes = self.mapped(split)
            rows, points = codes.rows[chosen], codes.points[chosen]
            if layout == "axes":
                chart = charts.axes(points, **settings)
            else:
                labels = self.supervision(by, rows) if by else None
                chart = charts.make(points, layout, labels, seed=seed, **settings)
            chart = replace(chart, rows=rows)
            chart.save(path)
            return chart

    def chart_positions(self, chart: Chart, split: str = "test") -> Path:
        """The table of the positions of all latents of a split on a chart of theirs, saved in the run."""
        made = {**self.made(split), "chart": digest_of(chart)}
        path = self.folder("charts") / f"{chart.layout}-{_digest(made)}.parquet"
        total = len(self.mapped(split))
        tabled = isinstance(self.source, Encoded)
        parts = tables.blocks(self.encode(split)) if tabled else [self.mapped(split)]
        with self.cache.lock(path.name):
            return carry(chart, path, parts, total, made)

    def supervision(self, by: str, rows: Rows) -> Labels:
        """The labels, or an attribute as 0 and 1, that supervise a chart of these rows."""
        if len(rows) and rows[0] == NO_ROW:
            raise NotSupported(f"Nothing is known of these points that a chart could go by: {by!r}.")
        return kinds_of(self.images, rows, by)

    # Predictions of a classifier

    @property
    def scorer(self) -> Scorer | None:
        """The classifier that is saved in the run, if it takes images of this size."""
        if self.predictions is None or not self.run.scorer.exists():
            return None
        scorer = read_scorer(self.run.scorer)
        return scorer if scorer.shape in (None, self.description.shape) else None

    def annotate(self, scorer: Scorer, *, save: bool = False) -> "Workspace":
        """The same run with a classifier's predictions as attributes of its images.

        Where images have no latents, the classifier labels the run's own samples, which then are its
        dataset. With `save`, the run keeps the predictions, and a classifier that zatlas has trained.
        """
        if save:
            atomic.check_writable(self.run.folder, "Make a copy of the run, and read that one.")
        before = self.predictions or Predictions("", {})
        images = replace(self, predictions=before, cache=Cache()).bare_images
        result = predict(scorer, images)
        older = before.columns if before.data == result.data else {}
        result = replace(result, columns={**older, **result.columns})
        if save:
            save_predictions(self.run.reading, result, self.digest)
            atomic.remove_file(self.run.scorer)
            if isinstance(scorer.function, Reader):
                save_scorer(self.run.scorer, scorer)
        return replace(self, predictions=result, cache=Cache())

    # Files

    def made(self, split: str) -> dict[str, Any]:
        """What the latents of a split depend on; files that were made of other latents are made again."""
        if not self.coded:
            return {"weights": self.digest}
        return {"weights": self.digest, "data": self.images.fingerprint, "split": split}

    def folder(self, name: str) -> Path:
        """A folder of the run; one of the cache, where the run is read-only."""
        return contents.folder_for(self.run, name)

    # Made once each

    @property
    def _has_recipe(self) -> bool:
        return self.run.recipe_file.exists()

    @property
    def _known_latents(self) -> Points | None:
        """Latents of the images that are known without an encoder."""
        return self.source.latents if self.source.indexed else self.given

    def _find_source(self) -> LatentSource:
        given = bring.codes_of(self.run)
        known = self._has_recipe or bring.tells(self.run)
        if given is not None:
            return Given(given, self._has_recipe, known)
        encodes = self.generator.encoder is not None and self._has_recipe
        if self.predictions is not None and not encodes:
            return Sampled(lambda: self.samples, indexed=True)
        return Encoded() if self.generator.encoder is not None and known else Sampled(lambda: self.samples)

    def _open_images(self) -> ImageSet:
        if self.imagined:
            return sample_set(self.generator, self.samples, self.digest)
        if self.opened_dataset is not None:
            return self.opened_dataset
        if not self.has_images:
            raise NotSupported(
                f"{self.name} was brought without images, so none are known. Bring it with some that are "
                "like its own, as: zatlas bring SOURCE --out RUN --data FOLDER"
            )
        return contents.open_dataset(self.run, data_changed=self.data_changed)

    def _labelled(self) -> ImageSet:
        images = self.bare_images
        return images if self.predictions is None else self.predictions.add_to(images)

    def _read_codes(self, split: str) -> Codes:
        if (latents := self._known_latents) is not None:
            rows = self.rows(split)
            return Codes(rows, latents[rows])
        return tables.read(self.encode(split))

    def _index(self, split: str) -> Nearest:
        points = self.mapped(split).points
        digest = _digest((self.made(split), points.shape))
        return nearest_of(points, self.folder("codes") / f"{file_name(self.data[0])}-{split}", digest)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
