"""The object that a notebook uses: a run, its generator, its images, and where they lie in latent space."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from zatlas import added
from zatlas.core.arrays import Flags, Images, Labels, Points, Rows
from zatlas.core.errors import NotSupported
from zatlas.data.imageset import ImageSet
from zatlas.latent import chart as charts
from zatlas.latent.attributes import all_flags, flags_of, kinds_of
from zatlas.latent.between import between
from zatlas.latent.chart import Chart
from zatlas.latent.curves import Curve
from zatlas.latent.density import Density, density
from zatlas.latent.encode import encoded
from zatlas.latent.inversion import Inverted
from zatlas.latent.kept import Home
from zatlas.latent.landmarks import landmarks
from zatlas.latent.learnt import learnt, property_of
from zatlas.latent.near import near
from zatlas.latent.priors import KeptPrior, fit_prior
from zatlas.latent.readings import Reading
from zatlas.latent.samples import sample_set, samples
from zatlas.latent.sampling import from_posterior
from zatlas.latent.steering.ask import steer
from zatlas.latent.steering.steer import Way
from zatlas.models import bring
from zatlas.models.description import Description
from zatlas.models.generator import Generator, best_device
from zatlas.models.scorer import Scorer
from zatlas.stops import Stop, draw, find_stop, find_stops, points_through
from zatlas.store import codes as tables
from zatlas.store import run as runs
from zatlas.store.codes import Codes
from zatlas.store.inside import file_name
from zatlas.store.run import Run
from zatlas.training.recipe import Recipe, make_recipe, read_recipe

NO_ROW = -1  # of a point that is no image's


@dataclass(frozen=True)
class Workspace:
    """A trained model, the images it was trained on, and their codes."""

    run: Run
    description: Description
    generator: Generator
    reading: Reading | None = None  # what a scorer told of its images
    data_changed: bool = False  # accept data that is not what the run was made with
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path | str, *, trust: bool = False, data_changed: bool = False) -> "Workspace":
        """The run in this folder; `trust` lets its model be a program, `data_changed` its images differ."""
        run = runs.open_run(Path(folder))
        return cls(run, *added.opened(run, best_device(), trust), data_changed=data_changed)

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.run.folder.resolve().name

    @property
    def dim(self) -> int:
        """Axes of the latent space."""
        return self.generator.space.dim

    @cached_property
    def recipe(self) -> Recipe:
        """How the run was trained."""
        return make_recipe(read_recipe(self.run.recipe_file))

    @cached_property
    def images(self) -> ImageSet:
        """The images of the recipe, with what a scorer has read of them; samples, where it read those."""
        return self.bare_images if self.reading is None else self.reading.told(self.bare_images)

    @cached_property
    def bare_images(self) -> ImageSet:
        """The images before anything was read of them, opened when they are first asked for."""
        if self.imagined:
            return sample_set(self.generator, self.samples, self.digest)
        if not self.has_images:
            raise NotSupported(
                f"{self.name} was brought without images, so none are known. Bring it with some that are "
                "like its own, as: zatlas bring SOURCE --out RUN --data FOLDER"
            )
        return added.known_images(self)

    @property
    def has_images(self) -> bool:
        """Whether real images are known, or what they are of; those of a brought model may not be."""
        return self.imagined or self.run.recipe_file.exists() or bring.tells(self.run)

    @property
    def imagined(self) -> bool:
        """Whether samples stand for the images: a scorer has read them, and no others have points."""
        lacking = self.generator.encoder is None or not self.run.recipe_file.exists()
        return self.reading is not None and self.given is None and lacking

    @property
    def data(self) -> tuple[str, str]:
        """Name and fingerprint of the images; of a run without any, what stands for them."""
        if not self.has_images:
            return "no images", f"none of {self.digest}"
        return self.images.name, self.images.fingerprint

    @cached_property
    def given(self) -> Points | None:
        """The codes of a run that was brought as codes alone, without a decoder."""
        return bring.codes_of(self.run)

    @property
    def _placed(self) -> Points | None:
        """Points of the images that are known without an encoder."""
        return self.samples if self.imagined else self.given

    @property
    def coded(self) -> bool:
        """Whether images have points here: there are images, and an encoder or codes for them."""
        known = self.imagined or self.generator.encoder is not None or self.given is not None
        return self.has_images and known

    def rows(self, split: str = "test") -> Rows:
        """The row numbers of a split; of a set without a test part, those held out while training."""
        found = self.images.rows(split)
        if split == "test" and not len(found):
            found = self.images.rows("valid")
        return found if len(found) else self.images.rows("train")

    @cached_property
    def holds_out(self) -> bool:
        """Whether there are images that training has not seen."""
        return not np.array_equal(self.rows("train"), self.rows("test"))

    def labels(self, rows: Rows) -> Labels | None:
        """The labels of these rows, where there are any."""
        if len(rows) and rows[0] == NO_ROW:
            return None
        return None if self.images.labels is None else self.images.labels[rows]

    # Images and points

    def codes(self, split: str = "test") -> Codes:
        """The encoded images of a split, from the run's table; it is made when first asked for."""
        key = f"codes {split}"
        if key not in self._known and self._placed is not None:
            rows = self.rows(split)
            self._known[key] = Codes(rows, self._placed[rows])
        if key not in self._known:
            self._known[key] = tables.read(self.encode(split))
        return self._known[key]

    def mapped(self, split: str = "test") -> Codes:
        """What a map shows: the codes of a split or, where images have no points, the cloud (rows -1)."""
        if self.coded:
            return self.codes(split)
        return Codes(np.full(len(self.cloud), NO_ROW), self.cloud)

    def encode(self, split: str = "test") -> Path:
        """The run's table of the codes of a split, written if need be; memory stays flat meanwhile."""
        path, made = self._table(split)
        if tables.made_of(path) != made:
            blocks = encoded(self.generator, self.images, self.rows(split), self._placed)
            tables.write(path, blocks, made)
        return path

    def points(self, split: str = "test") -> Points:
        """Where the images of a split lie; of a posterior, its mean."""
        return self.codes(split).points

    def drawn(self, split: str = "test", *, seed: int = 0) -> Points:
        """A draw from the posterior of each image; its point itself, where the encoder is sure."""
        codes = self.codes(split)
        if codes.deviations is None:
            return codes.points
        return from_posterior(codes.points, codes.deviations, seed=seed)

    @cached_property
    def cloud(self) -> Points:
        """Where the data lies: codes of training images, or samples where images have no points."""
        if self.coded:
            return self.codes("train").points
        return self.samples if self.given is None else self.given

    @cached_property
    def samples(self) -> Points:
        """Points of the prior that stand for codes, always the same."""
        return samples(self.generator)

    @cached_property
    def density(self) -> Density:
        """How near the data is to any point: to draws around the codes, which is where a VAE put it."""
        return density(self.drawn("train") if self.coded else self.cloud)

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        prior: str = "own",
        temperature: float = 1.0,
        truncation: float | None = None,
    ) -> Points:
        """New points: of its own prior, of a fitted one (mixture, flow), or around codes (posterior)."""
        return draw(self, n, seed=seed, prior=prior, temperature=temperature, truncation=truncation)

    def fit_prior(self, kind: str = "flow", **settings: Any) -> KeptPrior:
        """Fit a mixture or a flow to the codes (steps, seed), and keep it in the run."""
        return fit_prior(self, kind, **settings)

    def decode(self, z: Points, label: int | None = None, labels: Labels | None = None) -> Images:
        """The images of these points; a conditional model is told one label, or one for each."""
        return self.generator.decode(z, self.told(len(z), label) if labels is None else labels)

    def told(self, n: int, label: int | None = None) -> Labels | None:
        """The label that a conditional model is told, n times; its first class if none is said."""
        return np.full(n, label or 0, np.int64) if self.generator.classes else None

    def nearest(self, z: Points, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """Rows of the images nearest to each point (of samples, if images have none), and how far."""
        codes = self.mapped(split)
        index, distance = near(self, split).of(z, k)
        return codes.rows[index] if self.coded else index, distance

    def query(self, sql: str, splits: Sequence[str] = ("train", "test")) -> Any:
        """The Arrow table that duckdb answers with; `codes` are the rows of the first split."""
        paths = {split: self.encode(split) for split in splits}
        return tables.query({"codes": paths[splits[0]], **paths}, sql)

    def invert(self, images: Images, labels: Labels | None = None, **settings: Any) -> Inverted:
        """The points of any images, searched for (starts, steps, seed), and how near they come."""
        return added.invert(self, images, labels, **settings)

    def teach_encoder(self, **settings: Any) -> "Workspace":
        """Teach the run an encoder, from so many samples and epochs, and open it with that."""
        added.teach_encoder(self, **settings)
        return Workspace.open(self.run.folder, data_changed=self.data_changed)

    # Stops and curves

    def stop(self, text: str) -> Stop:
        """The point of an image's number, a class, an attribute, an image file, or "random"."""
        return find_stop(self, text)

    def stops(self, texts: Sequence[str]) -> list[Stop]:
        """The points of several texts."""
        return find_stops(self, list(texts))

    def curve(
        self,
        stops: Sequence[str] | Sequence[Stop] | Points,
        way: str | None = None,
        *,
        closed: bool = False,
        even: bool = False,
        label: int | None = None,
    ) -> Curve:
        """The curve through these points; with `even` the image changes at a steady pace."""
        z = points_through(self, stops)
        return between(self.generator, z, way, closed=closed, even=even, label=label)

    # Meaning

    def flags(self, name: str, rows: Rows) -> Flags:
        """Which of these images have a class or an attribute: "Sneaker", "not Male", "hair_colour=gray"."""
        return flags_of(self.images, rows, name)

    def attributes(self, rows: Rows) -> dict[str, Flags]:
        """Every class and attribute that can be true or false of these images."""
        return all_flags(self.images, rows)

    def read(self, scorer: Scorer, *, keep: bool = False) -> "Workspace":
        """The same run with labels that a scorer predicts, for images or, without an encoder, samples."""
        return added.read(self, scorer, keep=keep)

    def direction(
        self,
        name: str,
        *,
        way: str = "means",
        without: Sequence[str] = (),
        seed: int = 0,
        scorer: Scorer | None = None,
    ) -> Way:
        """The direction of a class or an attribute, with its score and its side effects on the others;
        or what was kept under this name, straight or bent.

        With a scorer, the direction of what that reads of the images, or of samples.
        """
        if scorer is None and (named := property_of(self, name)).kind == "direction":
            return self.home.find(named.word)
        told = self if scorer is None else self.read(scorer)
        return learnt(told, name, way=way, without=without, seed=seed)

    def steer(self, method: str, **settings: Any) -> list[Way]:
        """The ways that a method finds: labels, principal, transform, assessor ... with its settings."""
        return steer(self, method, **settings)

    @cached_property
    def home(self) -> Home:
        """Where this run keeps directions and ways that bend: `keep`, `find`, `all`."""
        return Home(self.room("directions"), self.digest, self.generator.space.shape)

    def directions(self) -> list[Way]:
        """The directions that were kept, and the ways that bend."""
        return self.home.all()

    def probes(self) -> Any:
        """Planes through the codes that tell each class and attribute."""
        from zatlas.latent.probes import fit_probes

        if "probes" not in self._known:
            codes = self.codes("train")
            self._known["probes"] = fit_probes(codes.points, self.attributes(codes.rows))
        return self._known["probes"]

    # Charts

    def chart(
        self,
        layout: str | None = None,
        by: str | None = None,
        *,
        split: str = "test",
        seed: int = 0,
        **settings: Any,
    ) -> Chart:
        """A flat chart of the codes, saved in the run; `by` "label" or an attribute supervises it."""
        codes = self.mapped(split)
        chosen = landmarks(len(codes))
        rows, points = codes.rows[chosen], codes.points[chosen]
        layout = layout or {1: "pca", 2: "axes"}.get(self.dim, "umap")
        made = {"layout": layout, "by": by, "seed": seed, **settings}
        made |= self.made(split) | ({} if len(rows) == len(codes) else {"landmarks": len(rows)})
        path = self.room("charts") / f"{layout}-{_digest(made)}.safetensors"
        if path.exists():
            return Chart.load(path)
        if layout == "axes":
            found = charts.axes(points, **settings)
        else:
            labels = self.supervision(by, rows) if by else None
            found = charts.make(points, layout, labels, seed=seed, **settings)
        found.save(path)
        return found

    def supervision(self, by: str, rows: Rows) -> Labels:
        """The labels, or an attribute as 0 and 1, that a chart is supervised by."""
        if len(rows) and rows[0] == NO_ROW:
            raise NotSupported(f"Nothing is known of these points that a chart could go by: {by!r}.")
        return kinds_of(self.images, rows, by)

    # What it is worth, and how it looks

    def score(self, **settings: Any) -> Any:
        """Figures of this run, what ails it and what to try; `zatlas.score.score` lists the settings."""
        from zatlas.score.score import score  # which stands above this floor

        return score(self, **settings)

    def show(self, *others: "Workspace", inline: bool = False, height: int = 720) -> Any:
        """The explorer in a frame of the notebook; `inline` puts the page itself into it, not a server's."""
        from zatlas.widget import show  # which stands above this floor

        return show(self, *others, inline=inline, height=height)

    # Where things are kept

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights and of a taught encoder: what is made of others is made again."""
        return added.digest(self.run, self.generator)

    def made(self, split: str) -> dict[str, Any]:
        """What the codes of a split were made of: nothing that is made of them outlives it."""
        if not self.coded:
            return {"weights": self.digest}
        return {"weights": self.digest, "data": self.images.fingerprint, "split": split}

    def _table(self, split: str) -> tuple[Path, Mapping[str, Any]]:
        name = file_name(f"{self.images.name}-{split}")
        return self.room("codes") / f"{name}.parquet", self.made(split)

    def room(self, name: str) -> Path:
        """A folder of the run; one of the cache, where the run may only be read."""
        return added.room(self.run, name)


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
