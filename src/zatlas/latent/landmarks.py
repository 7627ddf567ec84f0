"""Charts of any number of codes: laid out for some of them, the landmarks, and carried to the rest.

A layout of more landmarks is slower and no truer; a fair draw of them has the density of all. De Silva
and Tenenbaum 2004, https://graphics.stanford.edu/courses/cs468-05-winter/Papers/Landmarks/Silva_landmarks5.pdf
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Latents, Plane, Rows
from zatlas.core.progress import Advance, bar, console
from zatlas.core.seeds import stream
from zatlas.latent.chart import Chart, trustworthiness
from zatlas.store import chart_positions as tables
from zatlas.store.latent_table import LatentTable

MAX_CHARTED = 20_000  # codes that a chart is made of
BLOCK = 20_000  # codes that are carried at a time
TRUST_SAMPLE = 2000  # of them, by which the rest is judged


def landmarks(count: int, limit: int | None = None, *, seed: int = 0) -> Rows:
    """Return which of `count` latents a chart is made of: all, or a random sample of them, in order."""
    limit = MAX_CHARTED if limit is None else limit
    if count <= limit:
        return np.arange(count)
    return np.sort(stream(seed, "landmarks").choice(count, limit, replace=False))


def write_positions(
    chart: Chart, path: Path, blocks: Iterable[LatentTable], total: int, made: Mapping[str, Any]
) -> Path:
    """Write the place of every code on a chart of some, block by block; how far both are to be trusted.

    What is there already of the same chart and the same codes is kept.
    """
    if tables.provenance(path) != made:
        sample = SystematicSample(TRUST_SAMPLE, total)
        with bar(f"placing on {chart.layout}", total, "codes") as advance:
            tables.write(path, _positions(chart, blocks, sample, advance), made)
        _print_trustworthiness(chart, sample, total)
    return path


def chart_digest(chart: Chart) -> str:
    """What the chart says of any point, in a word."""
    result = hashlib.sha256(chart.latents.tobytes() + chart.positions.tobytes())
    return result.hexdigest()[:16]


class SystematicSample:
    """An even choice of what passes, for a judgement afterwards: memory stays flat."""

    def __init__(self, most: int, total: int) -> None:
        self.every = max(1, total // most)
        self.seen = 0
        self.latents: list[Latents] = []
        self.places: list[Plane] = []

    def take(self, latents: Latents, places: Plane) -> None:
        """Keep some of these."""
        first = -self.seen % self.every
        self.latents.append(latents[first :: self.every].copy())
        self.places.append(places[first :: self.every].copy())
        self.seen += len(latents)

    @property
    def trust(self) -> float:
        """How far neighbours among their places are neighbours among the points."""
        return trustworthiness(np.concatenate(self.latents), np.concatenate(self.places))


def _positions(
    chart: Chart, blocks: Iterable[LatentTable], sample: SystematicSample, advance: Advance
) -> Iterator[tuple[Rows, Plane]]:
    for block in blocks:
        for start in range(0, len(block), BLOCK):
            latents = block.latents[start : start + BLOCK]
            places = chart.transform(latents).astype(np.float32)
            sample.take(latents, places)
            yield block.rows[start : start + BLOCK], places
            advance(len(latents))


def _print_trustworthiness(chart: Chart, sample: SystematicSample, total: int) -> None:
    console().print(
        f"{chart.layout}: trust {chart.trustworthiness:.3f} of its {len(chart.latents):,} landmarks, "
        f"{sample.trust:.3f} of the {total:,} codes placed among them",
        soft_wrap=True,
        markup=False,
    )
