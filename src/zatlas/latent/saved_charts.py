"""The charts of a run: each is made once and saved, and the run remembers which one was made last."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from zatlas.core.arrays import Labels, Latents, Rows
from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.core.parsing import from_table
from zatlas.latent.chart import Chart, chart_by_images, chart_text, dimension_chart, make_chart
from zatlas.latent.landmarks import chart_digest, write_positions
from zatlas.latent.pixel_features import Decode
from zatlas.store import atomic, digests
from zatlas.store.cache import Cache
from zatlas.store.headers import parse_description
from zatlas.store.latent_table import LatentTable
from zatlas.store.safe_paths import file_name

FORMAT = 1  # of the file that names the current chart
CURRENT = "current.json"  # which chart was made last
SPEED = "speed.json"  # how many latents charts decode
RESERVED = ("latents", "layout", "labels", "seed")  # arguments of every layout
SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class ChartRequest:
    """What a chart is made of: its layout, the latents that it holds, and what supervises it."""

    layout: str
    supervise: str | None = None  # "label", a class or an attribute
    split: str = "test"
    samples: bool = False  # whether it holds posterior samples instead of posterior means
    seed: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)  # of the layout

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise UnknownName("split", self.split, SPLITS)
        for name in self.settings:
            if self.layout == "dimensions" and name not in ("i", "j"):
                raise BadRecipe(
                    f"The layout 'dimensions' has the settings i and j, not {name!r}. "
                    "For others choose a layout, such as --layout grid_umap (in Python: method='grid_umap')."
                )
            if name in RESERVED:
                raise BadRecipe(f"{name!r} is an argument of every layout, not a setting of {self.layout!r}.")

    def __str__(self) -> str:
        return chart_text(self.layout, asdict(self))

    @property
    def options(self) -> list[str]:
        """The options of `zatlas chart` that make this chart."""
        words = ["--layout", self.layout]
        words += [] if self.supervise is None else ["--supervise", self.supervise]
        words += [] if self.split == "test" else ["--split", self.split]
        words += ["--samples"] * self.samples
        words += [] if self.seed == 0 else ["--seed", str(self.seed)]
        for name, value in self.settings.items():
            words += ["--set", f"{name}={str(value).lower() if isinstance(value, bool) else value}"]
        return words

    def has_parameters(self, parameters: Mapping[str, Any]) -> bool:
        """Whether a saved chart with these parameters was made by this request."""
        return all(parameters.get(name) == value for name, value in asdict(self).items())

    def fit(
        self, latents: Latents, rows: Rows, labels: Labels | None = None, decode: Decode | None = None
    ) -> Chart:
        """Return the chart of these latents; with `decode`, laid out by what their images look like."""

        def lay_out(table: Latents) -> Chart:
            return make_chart(table, self.layout, labels, seed=self.seed, **self.settings)

        if self.layout == "dimensions":
            chart = dimension_chart(latents, **self.settings)
        else:
            chart = lay_out(latents) if decode is None else chart_by_images(latents, decode, lay_out)
        return replace(chart, rows=rows, parameters={**asdict(self), "labels": labels is not None})


@dataclass(frozen=True)
class ChartStore:
    """The charts in a folder."""

    folder: Path
    cache: Cache
    default_layout: str  # of a chart without options

    def get(
        self,
        request: ChartRequest,
        provenance: Mapping[str, Any],
        make: Callable[[], Chart],
        decode: Decode | None = None,
    ) -> Chart:
        """Return the saved chart of this request and these latents; make and save it if there is none."""
        parts = sorted({**asdict(request), **provenance}.items())
        name = f"{file_name(request.layout)}-{short_digest(parts)}.safetensors"
        with self.cache.lock(name):
            path = self.folder / name
            if path.exists() and (saved := Chart.load(path)).rows is not None:
                return replace(saved, decode=decode)
            chart = make()
            chart.save(path)
            return chart

    @property
    def decoded(self) -> int | None:
        """The number of latents that a chart of decoded images uses; None before the decoder is measured."""
        try:
            return int(json.loads(digests.read(self.folder / SPEED))["decoded"])
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return None

    def set_decoded(self, count: int) -> None:
        """Remember the number of latents that a chart of decoded images uses."""
        atomic.write_file(self.folder / SPEED, atomic.as_json({"decoded": count}))

    def positions(self, chart: Chart, table: LatentTable, provenance: Mapping[str, Any]) -> Path:
        """Return the file of the positions of more latents on a chart; write it if there is none."""
        provenance = {**provenance, "chart": chart_digest(chart)}
        name = f"{file_name(chart.layout)}-{short_digest(provenance)}.parquet"
        with self.cache.lock(name):
            return write_positions(chart, self.folder / name, [table], len(table), provenance)

    @property
    def current(self) -> ChartRequest | None:
        """The chart that was made last by `zatlas chart` or `atlas.chart`; None if there is none."""
        path = self.folder / CURRENT
        try:
            text = digests.read(path).decode(errors="replace")
        except FileNotFoundError:
            return None
        return from_table(ChartRequest, parse_description(path, text, "chart", FORMAT), str(path))

    def request(
        self,
        layout: str | None = None,
        supervise: str | None = None,
        settings: Mapping[str, Any] | None = None,
        split: str | None = None,
    ) -> ChartRequest:
        """The current chart, if it has every option that is given; else the one with just these options."""
        chosen, current = dict(settings or {}), self.current
        given = {"layout": layout, "supervise": supervise, "split": split, **chosen}
        options = {name: value for name, value in given.items() if value is not None}
        if current is not None and options.items() <= {**asdict(current), **current.settings}.items():
            return current
        return ChartRequest(layout or self.default_layout, supervise, split or "test", settings=chosen)

    def make_current(self, request: ChartRequest, make: Callable[[ChartRequest], Chart]) -> Chart:
        """Return the chart that `make` returns for a request, and remember it as the current one."""
        chart = make(request)
        self.set_current(request)
        return chart

    def set_current(self, request: ChartRequest) -> None:
        """Remember this chart as the current one; of two writers at once, one wins."""
        description = {"format": FORMAT, **asdict(request)}
        atomic.write_file(self.folder / CURRENT, (json.dumps(description, indent=1) + "\n").encode())


def short_digest(value: object) -> str:
    """Return twelve hexadecimal digits that differ between values."""
    return hashlib.sha256(repr(value).encode()).hexdigest()[:12]
