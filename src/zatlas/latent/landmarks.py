"""Charts of any number of latents: fitted to a random sample, the landmarks, and extended to the rest.

More landmarks take longer and do not improve the chart. De Silva and Tenenbaum 2004,
https://graphics.stanford.edu/courses/cs468-05-winter/Papers/Landmarks/Silva_landmarks5.pdf
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Latents, Plane, Rows
from zatlas.core.logs import LOG
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import stream
from zatlas.latent.chart import Chart, trustworthiness
from zatlas.store import chart_positions as tables
from zatlas.store.latent_table import LatentTable

MAX_CHARTED = 20_000  # latents that a chart is fitted to
BLOCK = 20_000  # latents that are transformed at a time
TRUST_SAMPLE = 2000  # latents by which the positions of all are evaluated


def landmarks(count: int, limit: int | None = None, *, seed: int = 0) -> Rows:
    """Return the rows, out of `count`, that a chart is fitted to: all, or a sorted random sample."""
    limit = MAX_CHARTED if limit is None else limit
    if count <= limit:
        return np.arange(count)
    return np.sort(stream(seed, "landmarks").choice(count, limit, replace=False))


def write_positions(
    chart: Chart, path: Path, blocks: Iterable[LatentTable], total: int, provenance: Mapping[str, Any]
) -> Path:
    """Write the positions of all latents on a chart, block by block, and print their trustworthiness.

    A file with the same provenance is left as it is.
    """
    if tables.provenance(path) != provenance:
        sample = SystematicSample(TRUST_SAMPLE, total)
        with bar(f"placing on {chart.layout}", total, "latents") as advance:
            tables.write(path, _positions(chart, blocks, sample, advance), provenance)
        _print_trustworthiness(chart, sample, total)
    return path


def chart_digest(chart: Chart) -> str:
    """Return a digest of a chart's latents and positions."""
    return hashlib.sha256(chart.latents.tobytes() + chart.positions.tobytes()).hexdigest()[:16]


class SystematicSample:
    """Every n-th latent of a stream of blocks, with its position."""

    def __init__(self, limit: int, total: int) -> None:
        self.every = max(1, total // limit)
        self.count = 0
        self.latents: list[Latents] = []
        self.positions: list[Plane] = []

    def add(self, latents: Latents, positions: Plane) -> None:
        """Add the next block."""
        first = -self.count % self.every
        self.latents.append(latents[first :: self.every].copy())
        self.positions.append(positions[first :: self.every].copy())
        self.count += len(latents)

    @property
    def trustworthiness(self) -> float:
        """The trustworthiness of the sampled positions."""
        return trustworthiness(np.concatenate(self.latents), np.concatenate(self.positions))


def _positions(
    chart: Chart, blocks: Iterable[LatentTable], sample: SystematicSample, advance: Advance
) -> Iterator[tuple[Rows, Plane]]:
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            latents = block.latents[start : start + BLOCK]
            positions = chart.transform(latents).astype(np.float32)
            sample.add(latents, positions)
            yield block.rows[start : start + BLOCK], positions
            advance(len(latents))


def _print_trustworthiness(chart: Chart, sample: SystematicSample, total: int) -> None:
    LOG.info(
        f"{chart.layout}: trustworthiness {chart.trustworthiness:.3f} of its {len(chart.latents):,} "
        f"landmarks, {sample.trustworthiness:.3f} of the {total:,} latents placed among them"
    )
