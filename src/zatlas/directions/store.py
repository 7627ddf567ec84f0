"""Ways on disk, straight and bent: kept with their proof, refused on another model, carried over."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Points
from zatlas.core.errors import BadData, BadRun, Damaged, NotSupported, ShapeError
from zatlas.core.seeds import stream
from zatlas.core.tables import from_table
from zatlas.directions.estimate import HELD_OUT, std_along
from zatlas.directions.fields import put_together, taken_apart
from zatlas.directions.report import DirectionReport, Measured
from zatlas.directions.types import Direction, FieldDirection, LinearDirection, Score, in_std
from zatlas.models.built import shape_of
from zatlas.store import ways
from zatlas.store.ways import Kept

RIDGE = 1e-3  # of the codes' variance
FEWEST = 20  # images that two models have in common
STRAIGHT = "direction"  # the kind of file that is a vector
OF_AXES = ("vector", "step", "middle")  # arrays with a number for each axis


@dataclass(frozen=True)
class Model:
    """The model that a direction was found in."""

    weights: str  # its SHA-256
    shape: Any  # of its latents


@dataclass(frozen=True)
class Described:
    """What a file says of a direction, besides its arrays and its model."""

    kind: str
    score: Score | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    meant: str = ""
    report: Measured | None = None
    std: float = 1.0
    hold: float = 0.0


@dataclass(frozen=True)
class DirectionStore:
    """The model that ways belong to, and the folder that keeps them."""

    folder: Path
    digest: str  # of its weights
    shape: tuple[int, ...]  # of its points

    def save(self, way: Direction, report: DirectionReport | None = None, *, over: bool = False) -> Path:
        """Write a direction to a file of its own, with the report on it if there is one."""
        kind, arrays, rest = _taken_apart(way)
        told = {
            **rest,
            "kind": kind,
            "score": None if way.score is None else asdict(way.score),
            "side_effects": dict(way.side_effects),
            "facts": dict(way.facts),
            "meant": way.meant,
            "report": None if report is None else report.measured(),
            "model": {"weights": self.digest, "shape": list(self.shape)},
        }
        return ways.save(self.folder, Kept(way.name, arrays, told), over=over)

    def has(self, name: str) -> bool:
        """Whether a way was kept under this name."""
        return ways.has(self.folder, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has(name)

    def load(self, name: str) -> Direction:
        """Return the direction that was saved under this name."""
        return self.own(ways.load(self.folder, name))

    def report(self, name: str) -> DirectionReport | None:
        """Return the report that was saved with a direction; None if there is none."""
        saved = ways.load(self.folder, name)
        measured = _described(saved).report
        return None if measured is None else DirectionReport(**vars(measured), direction=self.own(saved))

    def reports(self) -> dict[str, DirectionReport]:
        """Return all saved reports by the name of their direction."""
        found = {name: self.report(name) for name in ways.names(self.folder)}
        return {name: report for name, report in found.items() if report is not None}

    def all(self) -> list[Direction]:
        """Return every saved direction, by name."""
        return [self.load(name) for name in ways.names(self.folder)]

    def own(self, kept: Kept) -> Direction:
        """What a file holds as a way of this model; refused if it is another's."""
        model = from_table(Model, kept.told.get("model"), f"The file of {kept.name!r}")
        axes, own = int(np.prod(shape_of(model.shape, Path(kept.name)))), int(np.prod(self.shape))
        if model.weights != self.digest:
            alike = " though its space has as many axes" if axes == own else ""
            raise BadRun(
                f"{kept.name!r} was found in another model, with {axes} axes, and means nothing in "
                f"this one{alike}. If both runs encode the same images, carry it over: "
                "zatlas saved RUN --take FILE --other RUN"
            )
        size = next((kept.arrays[key].size for key in OF_AXES if key in kept.arrays), 0)
        if size != own:
            raise Damaged(f"The file of {kept.name!r} holds {size} axes, and its model has {own}.")
        return way_of(kept)


def way_of(kept: Kept) -> Direction:
    """The direction, or the way that bends, that a file describes."""
    arrays, told = dict(kept.arrays), _described(kept)
    known: dict[str, Any] = {
        "score": told.score,
        "side_effects": told.side_effects,
        "facts": told.facts,
        "meant": told.meant,
    }
    if told.kind == STRAIGHT:
        vector = arrays.get("vector", np.zeros(()))
        if vector.ndim != 1:
            raise Damaged(f"The file of {kept.name!r} does not hold a vector of finite numbers.")
        return LinearDirection(kept.name, vector, told.std, **known)
    scale = (arrays["asked"], arrays["spreads"]) if {"asked", "spreads"} <= arrays.keys() else None
    try:
        lead = put_together(told.kind, arrays, told.hold)
    except BadData as error:
        raise Damaged(f"The file of {kept.name!r} cannot be read: {error}") from error
    return FieldDirection(kept.name, lead, scale=scale, **known)


def _described(kept: Kept) -> Described:
    table = {key: value for key, value in kept.told.items() if key != "model"}
    return from_table(Described, table, f"The file of {kept.name!r}")


def _taken_apart(way: Direction) -> tuple[str, dict[str, np.ndarray], dict[str, Any]]:
    """The kind of a way, its arrays, and what else its file tells."""
    if isinstance(way, LinearDirection):
        return STRAIGHT, {"vector": way.vector}, {"std": way.std}
    kind, arrays, hold = taken_apart(way.lead)
    if way.scale is not None:
        arrays |= {"asked": way.scale[0], "spreads": way.scale[1]}
    return kind, arrays, {"hold": hold}


def carry(way: Direction, codes: Points, others: Points, *, seed: int = 0) -> LinearDirection:
    """The direction in another model, by images that both have encoded, row by row.

    The best linear map from the one's codes to the other's says where a step leads; `facts` tell the
    share of the other codes' variance that it misses on images held out. What was known of the
    direction is not known there.
    """
    direction = in_std(way)
    if isinstance(direction, FieldDirection):
        raise NotSupported(
            f"{way.name!r} bends, and a linear map from one model's codes to another's says nothing of "
            "how it would bend there. Learn it in the other run: zatlas steer"
        )
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
    return LinearDirection(
        direction.name,
        vector,
        std_along(vector, others),
        facts=facts,
        meant=direction.meant or direction.name,
    )


def _map(codes: Points, others: Points) -> np.ndarray:
    x = (codes - codes.mean(axis=0)).astype(np.float64)
    y = (others - others.mean(axis=0)).astype(np.float64)
    ridge = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= len(x):
        return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    return x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y)
