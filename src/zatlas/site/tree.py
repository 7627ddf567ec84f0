"""The files that a run's page reads, and their manifest; slow parts are cached in the run."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from zatlas.core.arrays import Latents, Plane, Rows
from zatlas.core.errors import BadRun, Damaged
from zatlas.directions.find import store_of
from zatlas.latent.timeline_file import FOLDER, saved_timelines
from zatlas.site.fitted_priors import fitted_prior
from zatlas.site.other_spaces import coarse_side, layer_entries, space_entries
from zatlas.site.page_cache import REMEDY, PageCache, cache_folder, remove_outdated
from zatlas.site.run_page import RunPage
from zatlas.site.schema import RowKind, RunIdentity
from zatlas.site.subset import PageSubset
from zatlas.site.training import training
from zatlas.store import direction_files
from zatlas.workspace import Workspace

FORMAT = 1  # of the manifest
BUILD_VERSION = 9  # increase it when cached files change for the same run
IDS = "ab"  # of the runs of a page
MAX_POINTS = 100_000  # of a served page
QUICK_POINTS = 2000  # of a run that is still being trained
PLAIN_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")  # of a page's file
LAZY = ("lattice-", "coverage-", "sprites-", "tile-")  # files that are made on first request
NETWORKS = ("decoder", "encoder", "classifier")

Files = Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True)
class NewChart:
    """A chart that a page requested: its manifest entry, the positions of its points, and its files."""

    site: Mapping[str, Any]
    positions: Plane
    files: Files


@dataclass(frozen=True, eq=False)
class RunTree:
    """What a page reads of one run: its entry in the manifest, and its files by URL."""

    entry: dict[str, Any]
    files: Files
    _page: RunPage = field(repr=False)
    _settings: Mapping[str, Any] = field(repr=False)  # of `run_tree`

    @property
    def workspace(self) -> Workspace:
        """The run."""
        return self._page.workspace

    @property
    def rows(self) -> Rows:
        """The dataset row of each point; -1 for a sample."""
        return self._page.subset.rows

    @property
    def latents(self) -> Latents:
        """The latent of each point."""
        return self._page.subset.latents

    @property
    def all_points(self) -> PageSubset:
        """The points of the page, followed by those of its tiles."""
        return self._page.all_points or self._page.subset

    def chart(self, layout: str, by: str | None = None) -> NewChart:
        """Another chart of the same points, computed in another process and saved in the run."""
        key = hashlib.sha256(repr((layout, by)).encode()).hexdigest()[:8]
        chart, folder = self._page.chart(key, layout, by, subprocess=True), self._page.folder
        files = {f"{folder}/{name}": make for name, make in chart.files().items()}
        return NewChart(chart.site(folder), chart.positions, files)

    def in_space(self, name: str) -> "RunTree":
        """The same in another latent space of the model, with an id and files of its own."""
        names = [entry["name"] for entry in self.entry["spaces"]]
        id = f"{self.entry['id']}-{names.index(name)}"
        tree = run_tree(self.workspace.in_space(name), id, **self._settings)
        return replace(tree, entry={**tree.entry, "spaces": []})


def run_tree(
    workspace: Workspace,
    id: str = "a",
    *,
    max_points: int = MAX_POINTS,
    light: bool = False,
    geodesics: bool = False,
    prior: str | None = None,
    tiled: bool = False,
) -> RunTree:
    """The files of a run's page.

    light: quick, for a run that is still being trained. tiled: a very large run shows its other points as
    tiles. geodesics: precompute some, for a page without a server. prior: "mixture" or "flow", the fitted
    prior that the page samples from.
    """
    max_points = min(max_points, QUICK_POINTS) if light else max_points
    saved = (direction_files.digest(store_of(workspace).folder), workspace.run.classifier.exists())
    current = "" if light else repr(workspace.charts.current)
    settings = (max_points, geodesics, saved, tiled, light, current)
    parts = (BUILD_VERSION, version("zatlas"), workspace.digest, workspace.data[1], *settings)
    stamp = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    folder, cached_in = f"data/{id}", cache_folder(workspace)
    page = RunPage(workspace, folder, max_points, cached_in, light, geodesics, tiled)
    cache = PageCache(None if light else cached_in / f"{id}-{stamp}")
    content = cache.json("entry.json", lambda: {"entry": page.entry(), "files": list(page.files)})
    entry, names = _checked(content, cached_in)
    files: dict[str, Callable[[], bytes]] = {
        name: partial(cache.get, name, partial(_make, page, name)) for name in names
    }
    if not light:
        remove_outdated(cached_in)
        for name, make in files.items():
            if not name.startswith(LAZY):
                make()
    files |= {f"{name}.onnx": partial(page.network, name) for name in NETWORKS if entry.get(name) is not None}
    entry |= _identity(workspace, id, stamp)
    entry["training"] = training(workspace) if light and workspace.run.recipe_file.exists() else None
    if not light and (timelines := saved_timelines(workspace.folder(FOLDER))):
        entry["timelines"] = timelines
    entry["fitted_prior"] = None
    if prior is not None and not light:
        entry["fitted_prior"], prior_file = fitted_prior(workspace, prior, folder)
        entry["stamp"] += entry["fitted_prior"].pop("stamp")
        files |= prior_file
    named = {f"{folder}/{name}": make for name, make in files.items()}
    return RunTree(entry, named, page, {"max_points": max_points, "geodesics": geodesics, "tiled": tiled})


def manifest(trees: Sequence[RunTree], socket: str | None = None, story: str | None = None) -> bytes:
    """The content of data/manifest.json for one run, or for two to compare.

    story: the Markdown of a story that the page opens with.
    """
    runs = [tree.entry for tree in trees]
    content = {"format": FORMAT, "zatlas": version("zatlas"), "runs": runs, "socket": socket}
    if story is not None:
        content["story"] = story
    return json.dumps(content, allow_nan=False, separators=(",", ":")).encode()


def _checked(content: Any, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The cached entry and file names; rejects names that zatlas does not write."""
    entry, names = (content.get("entry"), content.get("files")) if isinstance(content, dict) else (0, 0)
    if not isinstance(entry, dict) or not isinstance(names, list):
        raise Damaged(f"{folder} does not hold a page. {REMEDY}")
    for name in names:
        if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name):
            raise BadRun(
                f"{folder} names a file {str(name)[:100]!r} for its page, which zatlas never writes. "
                f"zatlas opened nothing. {REMEDY}"
            )
    return dict(entry), names


def _make(page: RunPage, name: str) -> bytes:
    make = page.files.get(name)
    if make is None:
        raise Damaged(f"The page of {page.cache_folder} has no file {name!r}. {REMEDY}")
    return make()


def _identity(workspace: Workspace, id: str, stamp: str) -> RunIdentity:
    """The part of the entry that needs no computation."""
    channels, height, width = workspace.description.shape
    family, classes = workspace.description.family, list(workspace.generator.classes)
    model = ("conditional " if classes else "") + (family.upper() if len(family) < 5 else family)
    return {
        "id": id,
        "stamp": stamp,
        "name": workspace.name,
        "folder": workspace.run.folder.resolve().name,
        "space": workspace.space,
        "spaces": space_entries(workspace, id),
        "layers": layer_entries(workspace),
        "summary": f"{model}, {workspace.dim:,} latent dimension{'' if workspace.dim == 1 else 's'}",
        "data": workspace.data[0],
        "fingerprint": workspace.data[1],
        "family": family,
        "dim": workspace.dim,
        "prior": workspace.generator.space.prior,
        "image": {"channels": channels, "height": height, "width": width},
        "coarse": coarse_side(workspace),
        "classes": classes,
        "kind": cast(RowKind, workspace.source.kind),
    }
