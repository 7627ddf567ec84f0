"""The tree of files that a run's pages read, and its manifest; what is slow is kept in the run."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from zatlas.core.arrays import Latents, Plane, Rows
from zatlas.core.errors import BadRun, Damaged
from zatlas.directions.find import store_of
from zatlas.site.fitted_priors import fitted
from zatlas.site.page_cache import RETRIES, PageCache, cache_folder, remove_outdated
from zatlas.site.run_page import RunPage
from zatlas.site.schema import RowKind, RunIdentity
from zatlas.site.subset import PageSubset
from zatlas.site.training import training
from zatlas.store import direction_files
from zatlas.workspace import Workspace

FORMAT = 1  # of the manifest
BUILD_VERSION = 3  # raise it when what is kept is made otherwise
MAX_POINTS = 100_000  # points of a served page
QUICK_POINTS = 2000  # points of a run that is still being trained
PLAIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")  # the name of a file of a page
LAZY = ("lattice-", "cover-", "sprites-", "tile-")  # files that are made when they are asked for

Files = Mapping[str, Callable[[], bytes]]


@dataclass(frozen=True)
class NewChart:
    """A chart that was asked for: what the page is told, where its points lie, and its files."""

    site: Mapping[str, Any]
    positions: Plane
    files: Files


@dataclass(frozen=True, eq=False)
class RunTree:
    """What a page reads of one run: its part of the manifest, and how to make each file, by its URL."""

    entry: dict[str, Any]
    files: Files
    _page: RunPage = field(repr=False)

    @property
    def rows(self) -> Rows:
        """The row of the data set of each point; -1 for a sample."""
        return self._page.subset.rows

    @property
    def latents(self) -> Latents:
        """The code of each point."""
        return self._page.subset.latents

    @property
    def all_latents(self) -> PageSubset:
        """The points of the page, and after them those of its tiles."""
        return self._page.all_latents or self._page.subset

    def chart(self, layout: str, by: str | None = None) -> NewChart:
        """Another chart of the same points, saved in the run; another process lays it out."""
        key = hashlib.sha256(repr((layout, by)).encode()).hexdigest()[:8]
        made, folder = self._page.chart(key, layout, by, apart=True), self._page.folder
        files = {f"{folder}/{name}": make for name, make in made.files().items()}
        return NewChart(made.site(folder), made.positions, files)


def run_tree(
    workspace: Workspace,
    id: str = "a",
    *,
    most: int = MAX_POINTS,
    light: bool = False,
    geodesics: bool = False,
    prior: str | None = None,
    tiled: bool = False,
) -> RunTree:
    """The tree of a run, with at most so many points; `light` is quick, of a run still being trained.
    `tiled` adds the others as tiles, where they are very many.

    With `geodesics` it has some made beforehand, for a page without a server; with a prior, a mixture or
    a flow, its page draws samples from that.
    """
    most = min(most, QUICK_POINTS) if light else most
    kept = (direction_files.digest(store_of(workspace).folder), workspace.run.classifier.exists())
    parts = (
        BUILD_VERSION,
        version("zatlas"),
        workspace.digest,
        workspace.data[1],
        most,
        geodesics,
        kept,
        tiled,
    )
    stamp = hashlib.sha256(repr((*parts, light)).encode()).hexdigest()[:16]
    folder, room = f"data/{id}", cache_folder(workspace)
    page = RunPage(workspace, folder, most, room, light, geodesics, tiled)
    keep = PageCache(None if light else room / f"{id}-{stamp}")
    saved = keep.json("entry.json", lambda: {"entry": page.entry(), "files": list(page.files)})
    entry, names = _checked(saved, room)
    files: dict[str, Callable[[], bytes]] = {
        name: partial(keep.get, name, partial(_make, page, name)) for name in names
    }
    if not light:
        remove_outdated(room)
        for name, make in files.items():
            if not name.startswith(LAZY):
                make()
    for name in ("decoder", "encoder", "scorer"):
        if entry.get(name) is not None:
            files[f"{name}.onnx"] = partial(page.network, name)
    entry |= _about(workspace, id, stamp)
    entry["training"] = training(workspace) if light else None
    entry["fitted"] = None
    if prior is not None and not light:
        entry["fitted"], more = fitted(workspace, prior, folder)
        entry["stamp"] += entry["fitted"].pop("stamp")
        files |= more
    return RunTree(entry, {f"{folder}/{name}": make for name, make in files.items()}, page)


def manifest(trees: Sequence[RunTree], socket: str | None = None) -> bytes:
    """`data/manifest.json` of one run, or of two to compare."""
    runs = [tree.entry for tree in trees]
    whole = {"format": FORMAT, "zatlas": version("zatlas"), "runs": runs, "socket": socket}
    return json.dumps(whole, allow_nan=False, separators=(",", ":")).encode()


def _checked(saved: Any, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The entry and the names of the files, as a run has saved them: plain names only."""
    entry, names = (saved.get("entry"), saved.get("files")) if isinstance(saved, dict) else (0, 0)
    if not isinstance(entry, dict) or not isinstance(names, list):
        raise Damaged(f"{folder} does not hold a page. {RETRIES}")
    for name in names:
        if not isinstance(name, str) or not PLAIN.fullmatch(name):
            raise BadRun(
                f"{folder} names a file {str(name)[:100]!r} for its page, which zatlas never writes: nothing "
                f"was opened. {RETRIES}"
            )
    return dict(entry), names


def _make(page: RunPage, name: str) -> bytes:
    make = page.files.get(name)
    if make is None:
        raise Damaged(f"The page of {page.cache_folder} has no file {name!r}. {RETRIES}")
    return make()


def _about(workspace: Workspace, id: str, stamp: str) -> RunIdentity:
    """What a run is, before anything is made of it."""
    channels, height, width = workspace.description.shape
    family, told = workspace.description.family, list(workspace.generator.classes)
    words = ("conditional " if told else "") + (family.upper() if len(family) < 5 else family)
    return {
        "id": id,
        "stamp": stamp,
        "name": workspace.name,
        "words": f"{words}, {workspace.dim:,} latent dimension{'' if workspace.dim == 1 else 's'}",
        "data": workspace.data[0],
        "fingerprint": workspace.data[1],
        "family": family,
        "dim": workspace.dim,
        "prior": workspace.generator.space.prior,
        "image": {"channels": channels, "height": height, "width": width},
        "told": told,
        "kind": cast(RowKind, workspace.source.kind),
    }
