"""Nearest codes of a run: exactly, by looking at all of them, or of very many by a saved index."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol
from zipfile import BadZipFile

import numpy as np

from zatlas.core.arrays import Points
from zatlas.latent.cells import Cells, InCells, cells_of
from zatlas.latent.neighbours import Near, Neighbourhood
from zatlas.store import atomic, digests

INDEXED = 1_000_000  # codes from which to look at all takes milliseconds, and an index a tenth of them
SOME = 0.25  # of the cells: who must look into more is sooner done with a look at all
SUFFIX = ".cells.npz"


class Nearest(Protocol):
    """What finds the codes nearest to a point."""

    def of(self, query: Points, k: int) -> Near: ...


@dataclass(frozen=True)
class Indexed:
    """Codes with an index, which is opened, or built, when it is first asked."""

    points: Points
    path: Path

    def of(self, query: Points, k: int) -> Near:
        """The k nearest codes of each query, nearest first, and their distances; a few may be missed."""
        return self._search.of(query, k)

    @cached_property
    def _search(self) -> Nearest:
        cells = _opened(self.path) or _kept(self.path, cells_of(self.points))
        if cells.looks > SOME * len(cells.middles):
            return Neighbourhood(self.points)
        return InCells(self.points, cells)


def nearest_of(points: Points, stem: Path, digest: str, *, indexed: int = INDEXED) -> Nearest:
    """What finds the nearest of these codes: from so many on, an index that is kept at this stem."""
    if len(points) < indexed:
        return Neighbourhood(points)
    return Indexed(points, stem.with_name(f"{stem.name}.{digest}{SUFFIX}"))


def _opened(path: Path) -> Cells | None:
    """The index in this file; None where there is none, or it is damaged and has to be built anew."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return Cells(arrays["middles"], arrays["rows"], arrays["starts"], int(arrays["looks"]))
    except (BadZipFile, EOFError, KeyError, ValueError):
        return None


def _kept(path: Path, cells: Cells) -> Cells:
    """Keep this index; those of the same codes as they were are removed."""
    stem = Path(path.name.removesuffix(SUFFIX)).stem
    for stale in path.parent.glob(f"{stem}.*{SUFFIX}"):
        atomic.remove_file(stale)
    with atomic.file(path) as side, side.open("wb") as sink:
        np.savez(sink, **vars(cells))
    return cells
