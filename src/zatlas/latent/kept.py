"""Directions on disk: kept with their proof, refused on another model, carried over by common images."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Points
from zatlas.core.errors import BadData, BadRun, ShapeError
from zatlas.core.seeds import stream
from zatlas.latent.directions import HELD_OUT, Direction, Score, spread_of
from zatlas.latent.proof import Effect, Proof
from zatlas.store import ways
from zatlas.store.ways import Kept

RIDGE = 1e-3  # of the codes' variance
FEWEST = 20  # images that two models have in common


@dataclass(frozen=True)
class Home:
    """The model that directions belong to, and the folder that keeps them."""

    folder: Path
    digest: str  # of its weights
    shape: tuple[int, ...]  # of its points

    def keep(self, direction: Direction, *, over: bool = False) -> Path:
        """Write a direction to a file of its own."""
        told = {
            "spread": direction.spread,
            "score": None if direction.score is None else asdict(direction.score),
            "side_effects": dict(direction.side_effects),
            "facts": dict(direction.facts),
            "meant": direction.meant,
            "proof": None if direction.proof is None else asdict(direction.proof),
            "model": {"weights": self.digest, "shape": list(self.shape)},
        }
        return ways.save(self.folder, Kept(direction.name, direction.vector, told), over=over)

    def has(self, name: str) -> bool:
        """Whether a direction was kept under this name."""
        return ways.has(self.folder, name)

    def find(self, name: str) -> Direction:
        """The direction that was kept under this name."""
        return self.own(ways.load(self.folder, name))

    def all(self) -> list[Direction]:
        """Every direction that was kept, by name."""
        return [self.find(name) for name in ways.names(self.folder)]

    def own(self, kept: Kept) -> Direction:
        """What a file holds as a direction of this model; refused if it is another's."""
        model = kept.told["model"]
        if model["weights"] != self.digest:
            axes = int(np.prod(model["shape"]))
            alike = " though its space has as many axes" if axes == int(np.prod(self.shape)) else ""
            raise BadRun(
                f"{kept.name!r} was found in another model, with {axes} axes, and means nothing in "
                f"this one{alike}. If both runs encode the same images, carry it over: "
                "zatlas saved RUN --take FILE --other RUN"
            )
        return direction_of(kept)


def direction_of(kept: Kept) -> Direction:
    """The direction that a file describes."""
    told = kept.told
    return Direction(
        kept.name,
        kept.vector,
        told["spread"],
        None if told["score"] is None else Score(**told["score"]),
        told["side_effects"],
        told["facts"],
        told["meant"],
        None if told["proof"] is None else _proof_of(told["proof"]),
    )


def carry(direction: Direction, codes: Points, others: Points, *, seed: int = 0) -> Direction:
    """The direction in another model, by images that both have encoded, row by row.

    The best linear map from the one's codes to the other's says where a step leads; `facts` tell the
    share of the other codes' variance that it misses on images held out. What was known of the
    direction is not known there.
    """
    if len(codes) != len(others) or len(codes) < FEWEST:
        raise ShapeError(
            f"Carrying a direction over takes {FEWEST} images or more that both models have encoded, in "
            f"the same order; there are {len(codes)} and {len(others)}."
        )
    held = stream(seed, "carry").random(len(codes)) < HELD_OUT
    tried = _map(codes[~held], others[~held])
    missed = others[held] - others[~held].mean(axis=0)
    missed = missed - (codes[held] - codes[~held].mean(axis=0)) @ tried
    whole = float(((others[held] - others[held].mean(axis=0)) ** 2).sum())
    error = float((missed**2).sum()) / max(whole, 1e-12)
    step = direction.vector @ _map(codes, others)
    norm = float(np.linalg.norm(step))
    if norm < 1e-6 or error > 1:
        raise BadData(
            f"{direction.name!r} leads nowhere in the other model: their codes of the same images have "
            f"nothing in common that a linear map could tell (it misses {error:.0%} of their variance)."
        )
    vector = (step / norm).astype(np.float32)
    facts = {**direction.facts, "carried": True, "missed": error}
    return Direction(
        direction.name,
        vector,
        spread_of(vector, others),
        facts=facts,
        meant=direction.meant or direction.name,
    )


def renamed(direction: Direction, name: str) -> Direction:
    """The same by another name, which still knows what it is to move."""
    meant = direction.meant or direction.name.partition(" without ")[0]
    return replace(direction, name=name, meant=meant)


def _map(codes: Points, others: Points) -> np.ndarray:
    x = (codes - codes.mean(axis=0)).astype(np.float64)
    y = (others - others.mean(axis=0)).astype(np.float64)
    ridge = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= len(x):
        return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    return x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y)


def _proof_of(told: Mapping[str, Any]) -> Proof:
    return Proof(**{**told, "effect": Effect(**told["effect"])})
