"""The object that a notebook uses: a run, its generator, its images, and where they lie in latent space."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zatlas.core.arrays import Flags, Images, Labels, Points, Rows
from zatlas.core.errors import NotSupported, ShapeError, UnknownName
from zatlas.core.seeds import stream
from zatlas.data import sources
from zatlas.data.cache import cache_root
from zatlas.data.imageset import ImageSet
from zatlas.latent import chart as charts
from zatlas.latent import directions as ways
from zatlas.latent.attributes import all_flags, flags_of
from zatlas.latent.chart import Chart
from zatlas.latent.curves import BLENDS, Curve, loop, spline, steady, usual_blend
from zatlas.latent.density import Density, density, stand_in
from zatlas.latent.directions import Direction
from zatlas.latent.encode import encoded
from zatlas.latent.geodesic import geodesic
from zatlas.latent.neighbours import nearest
from zatlas.latent.sampling import fit_mixture, from_posterior, from_prior
from zatlas.models.description import Description, generator, load_weights
from zatlas.models.generator import Generator
from zatlas.stops import Stop, find_stop, find_stops
from zatlas.store import codes as tables
from zatlas.store import run as runs
from zatlas.store.codes import Codes
from zatlas.store.run import Run
from zatlas.training.recipe import Recipe, make_recipe, read_recipe

WAYS = (*BLENDS, "spline", "geodesic")  # from stop to stop
CHARTED = 20_000  # codes that a chart is made of; more make it slower, not truer
SAMPLED = 5000  # points that stand for the codes of a model without an encoder


@dataclass(frozen=True)
class Atlas:
    """A trained model, the images it was trained on, and their codes."""

    run: Run
    description: Description
    generator: Generator
    _known: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def open(cls, folder: Path | str) -> "Atlas":
        """The run in this folder, on the GPU where there is one."""
        run = runs.open_run(Path(folder))
        description, model = load_weights(run.weights)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(run, description, generator(description, model, device))

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
        """The images of the recipe, opened when they are first asked for."""
        return sources.load(self.recipe.source, size=self.recipe.size, **self.recipe.options)

    def rows(self, split: str = "test") -> Rows:
        """The row numbers of a split; of a set without a test part, those held out while training."""
        found = self.images.rows(split)
        if split == "test" and not len(found):
            found = self.images.rows("valid")
        return found if len(found) else self.images.rows("train")

    def labels(self, rows: Rows) -> Labels | None:
        """The labels of these rows, where there are any."""
        return None if self.images.labels is None else self.images.labels[rows]

    # Images and points

    def codes(self, split: str = "test") -> Codes:
        """The encoded images of a split, from the run's table; it is made when first asked for."""
        key = f"codes {split}"
        if key not in self._known:
            self._known[key] = tables.read(self.encode(split))
        return self._known[key]

    def encode(self, split: str = "test") -> Path:
        """The run's table of the codes of a split, written if need be; memory stays flat meanwhile."""
        path, made = self._table(split)
        if tables.made_of(path) != made:
            tables.write(path, encoded(self.generator, self.images, self.rows(split)), made)
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
        if self.generator.encoder is None:
            return self.generator.space.sample(SAMPLED, seed=0)
        return self.codes("train").points

    @cached_property
    def density(self) -> Density:
        """How near the data is to any point: to draws around the codes, which is where a VAE put it."""
        if self.generator.encoder is None:
            return density(self.cloud)
        return density(self.drawn("train"))

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        how: str = "prior",
        temperature: float = 1.0,
        truncation: float | None = None,
    ) -> Points:
        """New points: of the prior, of a mixture fitted to the codes, or around real codes.

        Without a prior, the normal distribution that the codes suggest stands in for it.
        """
        space = self.generator.space
        if how == "prior" and space.prior != "none":
            return from_prior(space, n, seed=seed, temperature=temperature, truncation=truncation)
        if truncation is not None:
            raise NotSupported("Only a prior is truncated; give --temperature below 1 instead.")
        if how == "prior":
            middle = self.cloud.mean(axis=0)
            z = stand_in(self.cloud, space, n, seed=seed)
            return (middle + temperature * (z - middle)).astype(np.float32)
        if how == "mixture":
            key = f"mixture {seed}"
            if key not in self._known:
                self._known[key] = fit_mixture(self.cloud, seed=seed)
            return self._known[key].sample(n, seed=seed, temperature=temperature)
        if how == "posterior":
            codes = self.codes("test")
            chosen = stream(seed, "posterior").choice(len(codes), n, replace=n > len(codes))
            if codes.deviations is None:
                return codes.points[chosen]
            spread = codes.deviations[chosen] * np.float32(temperature)
            return from_posterior(codes.points[chosen], spread, seed=seed)
        raise UnknownName("way to sample", how, ("prior", "mixture", "posterior"))

    def decode(self, z: Points, label: int | None = None, labels: Labels | None = None) -> Images:
        """The images of these points; a conditional model is told one label, or one for each."""
        return self.generator.decode(z, self.told(len(z), label) if labels is None else labels)

    def told(self, n: int, label: int | None = None) -> Labels | None:
        """The label that a conditional model is told, n times; its first class if none is said."""
        return np.full(n, label or 0, np.int64) if self.generator.classes else None

    def nearest(self, z: Points, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """Rows of the real images nearest to each of these points, and how far they are."""
        codes = self.codes(split)
        index, distance = nearest(z, codes.points, k)
        return codes.rows[index], distance

    def query(self, sql: str, splits: Sequence[str] = ("train", "test")) -> Any:
        """The answer of duckdb, as an Arrow table; `codes` in it are the rows of the first split given,
        and each split goes by its own name too: `select label, count(*) from test group by label`.
        """
        paths = {split: self.encode(split) for split in splits}
        return tables.query({"codes": paths[splits[0]], **paths}, sql)

    # Stops and curves

    def stop(self, text: str) -> Stop:
        """The point of an image's number, a class, an attribute, an image file, or "random"."""
        return find_stop(self, text)

    def stops(self, texts: Sequence[str]) -> list[Stop]:
        """Several of them."""
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
        """The way through these stops: lerp, slerp, spline or geodesic; what suits the space if none is said.

        `even` walks it so that the picture changes at a steady pace.
        """
        z = self._stop_points(stops)
        if way is not None and way not in WAYS:
            raise UnknownName("way between stops", way, WAYS)
        usual = usual_blend(self.generator.space)
        if way == "spline":
            found = spline(z, closed=closed, norms=usual is BLENDS["slerp"])
        elif way == "geodesic":
            found = self._geodesic(np.concatenate([z, z[:1]]) if closed else z, label)
        else:
            blend = BLENDS[way] if way else usual
            found = loop(z, blend) if closed else Curve(z, blend)
        return steady(found, lambda points: self.decode(points, label)) if even else found

    def _geodesic(self, z: Points, label: int | None) -> Curve:
        told = (label or 0) if self.generator.classes else None
        ends = zip(z[:-1, None], z[1:, None], strict=True)
        legs = [geodesic(self.generator, a, b, label=told) for a, b in ends]
        if len(legs) == 1:
            return legs[0]
        pieces = [leg.sample(49)[:-1] for leg in legs]
        marks = tuple(np.linspace(0, 1, len(z)).tolist())
        return Curve(np.concatenate([*pieces, z[-1:]]), BLENDS["lerp"], marks=marks)

    def _stop_points(self, stops: Sequence[str] | Sequence[Stop] | Points) -> Points:
        if isinstance(stops, np.ndarray):
            z = stops
        else:
            found = [self.stop(stop) if isinstance(stop, str) else stop for stop in stops]
            z = np.concatenate([stop.point for stop in found])
        if len(z) < 2:
            raise ShapeError("A way leads between 2 stops or more; name another.")
        return z

    # Meaning

    def flags(self, name: str, rows: Rows) -> Flags:
        """Which of these images have a class or an attribute: "Sneaker", "not Male", "hair_colour=gray"."""
        return flags_of(self.images, rows, name)

    def attributes(self, rows: Rows) -> dict[str, Flags]:
        """Every class and attribute that can be true or false of these images."""
        return all_flags(self.images, rows)

    def direction(
        self, name: str, *, way: str = "means", without: Sequence[str] = (), seed: int = 0
    ) -> Direction:
        """The direction of a class or an attribute, with its score and its side effects on the others."""
        codes = self.codes("train")
        flags = self.flags(name, codes.rows)
        # The normals of the others' planes: what is at right angles to them leaves them alone.
        others = [
            ways.normal(codes.points, self.flags(other, codes.rows), other) for other in without
        ]
        found = ways.learn(codes.points, flags, name, way=way, others=others, seed=seed)
        return ways.measured(found, codes.points, {}, self._probes())

    def _probes(self) -> Any:
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
        """A flat chart of the codes, kept in the run; `by` "label" or an attribute supervises it.

        The layout is one of the registry, or "axes" for two of the codes' own, as `i=0, j=3`.
        """
        codes = self.codes(split)
        rows, points = codes.rows[:CHARTED], codes.points[:CHARTED]
        layout = layout or {1: "pca", 2: "axes"}.get(self.dim, "umap")
        made = {"layout": layout, "by": by, "seed": seed, **settings, **self._table(split)[1]}
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
        if by == "label":
            labels = self.labels(rows)
            if labels is None:
                raise NotSupported("These images have no labels; name one of their attributes.")
            return labels
        return self.flags(by, rows).astype(np.int64)

    # In a notebook

    def show(self, *others: "Atlas", inline: bool = False, height: int = 720) -> Any:
        """The explorer in a frame of the notebook, perhaps with another run beside this one.

        The frame leads to a server on this machine; `inline` puts the page itself, with the model in
        it, into the notebook.
        """
        from zatlas.widget import show  # which stands above this floor

        return show(self, *others, inline=inline, height=height)

    # Where things are kept

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights: what is made of others is made again."""
        with self.run.weights.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def _table(self, split: str) -> tuple[Path, Mapping[str, Any]]:
        made = {"weights": self.digest, "data": self.images.fingerprint, "split": split}
        name = f"{self.images.name}-{split}".replace("/", "-").replace(":", "-")
        return self.room("codes") / f"{name}.parquet", made

    def room(self, name: str) -> Path:
        """A folder of the run; one of the cache, where the run may only be read."""
        if os.access(self.run.folder, os.W_OK):
            return self.run.folder / name
        return cache_root() / "runs" / _digest(str(self.run.folder.resolve())) / name


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
