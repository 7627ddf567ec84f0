"""How directions of attributes are fitted, so that they can be fitted to other rows and other labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from zatlas.core.arrays import Flags, Latents, Rows
from zatlas.core.errors import ZatlasError
from zatlas.core.seeds import stream
from zatlas.directions.estimate import ESTIMATORS, estimate_all, linear
from zatlas.directions.joint import JOINT, independent_effects
from zatlas.directions.probes import MAX_DENSE_DIM
from zatlas.directions.types import Direction
from zatlas.workspace import Workspace

MAX_ROWS = 10_000  # latents that are split into halves
MAX_NUMBERS = 4_000_000  # in these latents
MIN_ROWS = 500

Vectors = np.ndarray  # unit vectors (k, d)
Target = tuple[str, tuple[str, ...]]  # an attribute, and those that its direction leaves unchanged


@dataclass(frozen=True)
class LabelFit:
    """Labelled latents (n, d) with flags (n, k), and the method by which k directions are fitted to them."""

    method: str
    names: tuple[str, ...]  # of the directions
    latents: Latents
    flags: np.ndarray
    planes: Mapping[str, Flags]  # flags (n,) of attributes to which directions are orthogonal
    orthogonal_to: tuple[tuple[str, ...], ...]  # for each direction, the names of these attributes
    complete: bool  # whether these are all training latents of the run

    def column(self, direction: Direction) -> int | None:
        """The number of a direction among those of the fit; None if it is not one of them."""
        target = _target(direction)
        for i, name in enumerate(self.names):
            if name == target[0] and (self.method == JOINT or self.orthogonal_to[i] == target[1]):
                return i
        return None

    def select(self, columns: Flags) -> "LabelFit":
        """The fits of some directions."""
        numbers = np.flatnonzero(columns)
        names, others = tuple(self.names[i] for i in numbers), self.orthogonal_to
        others = tuple(others[i] for i in numbers) if others else ()
        return replace(self, names=names, flags=self.flags[:, columns], orthogonal_to=others)

    def vectors(self, rows: Rows) -> Vectors:
        """The directions fitted to these rows only."""
        if self.method == JOINT:
            return independent_effects(self.latents[rows], self.flags[rows])
        return self._fit(rows, self.flags[rows], np.arange(len(self.names)))

    def shuffled(self, rows: Rows, count: int, rng: np.random.Generator) -> Vectors:
        """Directions (count, d) fitted to these rows with shuffled labels."""
        k = len(self.names)
        if self.method == JOINT:
            parts = [
                independent_effects(self.latents[rows], rng.permutation(self.flags[rows]))
                for _ in range(-(-count // k))
            ]
            return np.concatenate(parts)[:count]
        columns = np.arange(count) % k
        return self._fit(rows, rng.permuted(self.flags[rows][:, columns], axis=0), columns)

    def _fit(self, rows: Rows, flags: np.ndarray, columns: np.ndarray) -> Vectors:
        """Directions fitted to flags (n, m), each treated as the direction of its column."""
        latents = self.latents[rows]
        vectors = estimate_all(self.method, latents, flags)
        planes = {name: linear(latents, f[rows]) for name, f in self.planes.items() if varies(f[rows])}
        for i, column in enumerate(columns):
            if others := [planes[name] for name in self.orthogonal_to[column] if name in planes]:
                basis = np.linalg.qr(np.stack(others, axis=1).astype(np.float64))[0]
                vectors[i] -= (basis @ (basis.T @ vectors[i])).astype(np.float32)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(length, 1e-12)).astype(np.float32)


def label_fits(workspace: Workspace, directions: Sequence[Direction], *, seed: int = 0) -> list[LabelFit]:
    """The fits of those directions that a linear method fitted to labels of the run, one for each method."""
    if not workspace.source.indexed:
        return []
    groups: dict[str, dict[Target, None]] = {}
    for direction in directions:
        method, (name, others) = direction.facts.get("method"), _target(direction)
        if method not in (*ESTIMATORS, JOINT) or "layers" in direction.facts or not _has(workspace, name):
            continue
        groups.setdefault(method, {})[name, others] = None
    return [_label_fit(workspace, method, list(targets), seed) for method, targets in groups.items()]


def varies(flags: np.ndarray) -> np.ndarray:
    """Whether flags (n,), or each column of flags (n, k), are true of some rows and false of others."""
    return np.asarray(flags.any(axis=0) & ~flags.all(axis=0))


def _target(direction: Direction) -> Target:
    """The name of the attribute that a direction should change, and the names of those it should not."""
    others = direction.facts.get("jointly_with", direction.facts.get("orthogonal_to", ()))
    return direction.description or direction.name, tuple(others)


def _has(workspace: Workspace, name: str) -> bool:
    """Whether the images of the run have labels for this name."""
    try:
        workspace.flags(name, workspace.rows("train")[:1])
    except ZatlasError:  # the labels of another run, or of another classifier
        return False
    return True


def _label_fit(workspace: Workspace, method: str, targets: Sequence[Target], seed: int) -> LabelFit:
    table = workspace.table("train")
    limit = max(MAX_NUMBERS // workspace.dim, MIN_ROWS)
    if workspace.dim > MAX_DENSE_DIM:
        limit = min(limit, 2 * MAX_DENSE_DIM)
    chosen = stream(seed, "label fit").permutation(len(table.latents))[: min(limit, MAX_ROWS)]
    others = {name for _, group in targets for name in group if _has(workspace, name)}
    flags = {name: workspace.flags(name, table.rows[chosen]) for name in {*(n for n, _ in targets), *others}}
    names = tuple(sorted(flags)) if method == JOINT else tuple(name for name, _ in targets)
    planes = {} if method == JOINT else {name: flags[name] for name in sorted(others)}
    columns = np.stack([flags[name] for name in names], axis=1)
    orthogonal_to = () if method == JOINT else tuple(group for _, group in targets)
    complete = len(chosen) == len(table.latents)
    return LabelFit(method, names, table.latents[chosen], columns, planes, orthogonal_to, complete)
