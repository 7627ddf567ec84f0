"""Map tiles: a quadtree over a chart, for runs with too many points for one page.

A page starts with a uniform sample of all points. Each tile holds a uniform sample of the points in its
square that no larger tile holds, so every point is in one tile. The counts of a square are exact.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zatlas.core.arrays import Plane, Rows

MIN_TILED = 200_000  # points from which a page has tiles
MAX_TILE_POINTS = 10_000
MAX_DEPTH = 12  # levels; the tiles of the last one hold all remaining points

Name = tuple[int, int, int]  # level, column from the left, row from the bottom
Categories = Mapping[str, np.ndarray]  # classes and flags of all points, as small integers


@dataclass(frozen=True)
class Square:
    """A square of the chart with the points of its own tile."""

    name: Name
    ranks: Rows  # of the points of its tile in the random order of all points, sorted
    count: int  # points of its tile and of all tiles inside it
    counts: Mapping[str, list[int]]  # by column: how many of these points have each value

    def site(self) -> dict[str, Any]:
        """Its entry in the manifest or in the larger tile."""
        level, x, y = self.name
        counts = {name: list(values) for name, values in self.counts.items()}
        return {"level": level, "x": x, "y": y, "count": self.count, "counts": counts}


@dataclass(frozen=True)
class Quadtree:
    """All squares of a chart that have a tile."""

    squares: Mapping[Name, Square]
    children: Mapping[Name, list[Name]] = field(init=False)

    def __post_init__(self) -> None:
        result: dict[Name, list[Name]] = {}
        for level, x, y in self.squares:
            result.setdefault((level - 1, x // 2, y // 2), []).append((level, x, y))
        object.__setattr__(self, "children", result)

    def entries(self, name: Name) -> list[dict[str, Any]]:
        """The entries of the squares inside this one; (0, 0, 0) is the entire chart."""
        return [self.squares[child].site() for child in self.children.get(name, [])]

    def metadata(self, name: Name) -> bytes:
        """The same as JSON, for the file of the square's tile."""
        return json.dumps({"squares": self.entries(name)}, separators=(",", ":")).encode()

    def __iter__(self) -> Iterator[Square]:
        return iter(self.squares.values())


def quadtree(
    positions: Plane, box: np.ndarray, first: int, categories: Categories, capacity: int = MAX_TILE_POINTS
) -> Quadtree:
    """The tiles of positions in random order, of which a page has the first ones anyway.

    Squares at the border also hold the points outside the box.
    """
    path = _paths(positions[first:], box)
    order = np.argsort(path, kind="stable")  # a square is a run of equal prefixes, at any level
    ranks, path = order + first, path[order]
    values = {name: column[ranks] for name, column in categories.items()}
    sizes = {name: int(column.max(initial=0)) + 1 for name, column in categories.items()}
    result: dict[Name, Square] = {}
    for level in range(1, MAX_DEPTH + 1):
        if not len(ranks):
            break
        limit = capacity if level < MAX_DEPTH else len(ranks)
        starts, counts = _runs(path >> 2 * (MAX_DEPTH - level))
        square_of = np.repeat(np.arange(len(starts)), counts)
        in_tile = np.ones(len(ranks), bool)
        tables = {
            name: np.bincount(square_of * sizes[name] + column, minlength=len(starts) * sizes[name])
            for name, column in values.items()
        }
        for i, (start, count) in enumerate(zip(starts, counts, strict=True)):
            part = slice(start, start + count)
            square_counts = {
                name: table[i * sizes[name] : (i + 1) * sizes[name]].tolist()
                for name, table in tables.items()
            }
            name = (level, *_square(int(path[start]), level))
            candidates = ranks[part]
            if count > limit:
                in_tile[part] = candidates <= np.partition(candidates, limit - 1)[limit - 1]
            result[name] = Square(name, np.sort(candidates[in_tile[part]]), int(count), square_counts)
        rest = ~in_tile
        ranks, path = ranks[rest], path[rest]
        values = {name: column[rest] for name, column in values.items()}
    return Quadtree(result)


def _runs(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The starts and lengths of runs of equal values."""
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    return starts, np.diff(starts, append=len(values))


def _paths(positions: Plane, box: np.ndarray) -> np.ndarray:
    """The path in the quadtree to each position's smallest square: two bits a level (a Morton code)."""
    low, high = np.asarray(box, np.float64)
    side = 1 << MAX_DEPTH
    cells = np.clip((positions - low) / (high - low) * side, 0, side - 1).astype(np.int64)
    path = np.zeros(len(positions), np.int64)
    for bit in range(MAX_DEPTH):
        path |= (cells[:, 0] >> bit & 1) << 2 * bit | (cells[:, 1] >> bit & 1) << 2 * bit + 1
    return path


def _square(path: int, level: int) -> tuple[int, int]:
    """Column and row of the square of that level on a path."""
    path >>= 2 * (MAX_DEPTH - level)
    x = sum((path >> 2 * bit & 1) << bit for bit in range(level))
    y = sum((path >> 2 * bit + 1 & 1) << bit for bit in range(level))
    return x, y
