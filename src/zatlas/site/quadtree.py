"""The points that are too many for a page, as tiles: finer ones for those who look closer.

The squares of a chart are halved again and again, as in a map of streets. A page begins with a fair draw
of all points; each tile holds a fair draw of those in its square that no larger tile holds, so that every
point is in one tile. What a tile tells of the squares within it is counted, not estimated.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zatlas.core.arrays import Plane, Rows

MIN_TILED = 200_000  # points from which a page has tiles
MAX_SQUARE_POINTS = 10_000  # points of a tile
MAX_DEPTH = 12  # times that a square is halved; the last tiles hold all that is left

Name = tuple[int, int, int]  # level, column from the left, row from the bottom
Told = Mapping[str, np.ndarray]  # classes and flags of all points, as small whole numbers


@dataclass(frozen=True)
class Square:
    """A square of the chart: the points of its own tile, and what is in it and within it."""

    name: Name
    ranks: Rows  # of the points of its tile, the first of the draw first
    count: int  # points of its tile and of all tiles within
    counts: Mapping[str, list[int]]  # of these points, how many have each value

    def site(self) -> dict[str, Any]:
        """What a page is told of it before its tile is fetched."""
        level, x, y = self.name
        counts = {name: list(values) for name, values in self.counts.items()}
        return {"level": level, "x": x, "y": y, "count": self.count, "counts": counts}


@dataclass(frozen=True)
class Quadtree:
    """All squares of a chart that have a tile."""

    squares: Mapping[Name, Square]
    within: Mapping[Name, list[Name]] = field(init=False)  # squares in a square

    def __post_init__(self) -> None:
        result: dict[Name, list[Name]] = {}
        for level, x, y in self.squares:
            result.setdefault((level - 1, x // 2, y // 2), []).append((level, x, y))
        object.__setattr__(self, "within", result)

    def inner(self, name: Name) -> list[dict[str, Any]]:
        """What a page is told of the squares in this one; of the whole chart, (0, 0, 0)."""
        return [self.squares[one].site() for one in self.within.get(name, [])]

    def about(self, name: Name) -> bytes:
        """The same as JSON, which travels with the square's tile."""
        return json.dumps({"squares": self.inner(name)}, separators=(",", ":")).encode()

    def __iter__(self) -> Iterator[Square]:
        return iter(self.squares.values())


def quadtree(
    places: Plane, box: np.ndarray, first: int, told: Told, held: int = MAX_SQUARE_POINTS
) -> Quadtree:
    """The tiles of these places, in the order of a fair draw whose first points every page has anyway.

    The squares at the border hold what lies beyond the box too.
    """
    path = _paths(places[first:], box)
    order = np.argsort(path, kind="stable")  # squares are runs of it, whatever their size
    ranks, path = order + first, path[order]
    values = {name: column[ranks] for name, column in told.items()}
    sizes = {name: int(column.max(initial=0)) + 1 for name, column in told.items()}
    result: dict[Name, Square] = {}
    for level in range(1, MAX_DEPTH + 1):
        if not len(ranks):
            break
        most = held if level < MAX_DEPTH else len(ranks)
        starts, counts = _runs(path >> 2 * (MAX_DEPTH - level))
        inverse = np.repeat(np.arange(len(starts)), counts)
        taken = np.ones(len(ranks), bool)
        tables = {
            name: np.bincount(inverse * sizes[name] + column, minlength=len(starts) * sizes[name])
            for name, column in values.items()
        }
        for i, (start, count) in enumerate(zip(starts, counts, strict=True)):
            part = slice(start, start + count)
            inside = {
                name: table[i * sizes[name] : (i + 1) * sizes[name]].tolist()
                for name, table in tables.items()
            }
            name = (level, *_square(int(path[start]), level))
            mine = ranks[part]
            if count > most:
                taken[part] = mine <= np.partition(mine, most - 1)[most - 1]
            result[name] = Square(name, np.sort(mine[taken[part]]), int(count), inside)
        left = ~taken
        ranks, path = ranks[left], path[left]
        values = {name: column[left] for name, column in values.items()}
    return Quadtree(result)


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of one value begin, and how long they are."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    return starts, np.diff(starts, append=len(values))


def _paths(places: Plane, box: np.ndarray) -> np.ndarray:
    """The way from the whole chart to each place's smallest square: two bits a halving."""
    low, high = np.asarray(box, np.float64)
    side = 1 << MAX_DEPTH
    cells = np.clip((places - low) / (high - low) * side, 0, side - 1).astype(np.int64)
    path = np.zeros(len(places), np.int64)
    for bit in range(MAX_DEPTH):
        path |= (cells[:, 0] >> bit & 1) << 2 * bit | (cells[:, 1] >> bit & 1) << 2 * bit + 1
    return path


def _square(path: int, level: int) -> tuple[int, int]:
    """Column and row of the square of that level on this way."""
    path >>= 2 * (MAX_DEPTH - level)
    x = sum((path >> 2 * bit & 1) << bit for bit in range(level))
    y = sum((path >> 2 * bit + 1 & 1) << bit for bit in range(level))
    return x, y
