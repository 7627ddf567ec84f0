"""A saved index of nearest codes: a graph through which a search walks, instead of looking at all.

Malkov and Yashunin 2016, https://arxiv.org/abs/1603.09320
"""

from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Points, Rows
from zatlas.core.errors import NotSupported
from zatlas.core.progress import bar
from zatlas.store import atomic

LINKS = 16  # of each code to others
WIDTH = 64  # codes that are kept in sight while it is built
BLOCK = 20_000  # codes that are added at a time
SUFFIX = "usearch"


def opened(path: Path, points: Points) -> Any:
    """The index of these codes in this file, read from the disk as it is needed; built, if there is none.

    The file's name has the digest of what the codes are; those of the same codes as they were are removed.
    """
    index = _empty(points.shape[1])
    if not path.exists():
        for stale in path.parent.glob(f"{path.name.rsplit('.', 2)[0]}.*.{SUFFIX}"):
            stale.unlink(missing_ok=True)
        with atomic.file(path) as side:
            _built(points).save(str(side))
    index.view(str(path))
    return index


def path_of(stem: Path, digest: str) -> Path:
    """Where the index of codes with this digest is kept."""
    return stem.with_name(f"{stem.name}.{digest}.{SUFFIX}")


def search(index: Any, query: Points, k: int, width: int) -> Rows:
    """Rows of some k codes near to each query, the more surely the nearest the wider it looks."""
    index.expansion_search = width
    found = index.search(np.ascontiguousarray(query, np.float32), k)
    return np.asarray(found.keys).reshape(len(query), -1).astype(np.int64)


def _built(points: Points) -> Any:
    index = _empty(points.shape[1])
    with bar("indexing", len(points), "codes") as advance:
        for start in range(0, len(points), BLOCK):
            some = np.ascontiguousarray(points[start : start + BLOCK], np.float32)
            index.add(np.arange(start, start + len(some)), some)
            advance(len(some))
    return index


def _empty(dim: int) -> Any:
    try:
        from usearch.index import Index
    except ImportError as error:
        raise NotSupported(
            "Neighbours among so many codes need usearch. Install it: pip install 'zatlas[scale]'"
        ) from error
    return Index(ndim=dim, metric="l2sq", dtype="f32", connectivity=LINKS, expansion_add=WIDTH)
