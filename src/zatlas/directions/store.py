"""Ways on disk, straight and bent: kept with their proof, refused on another model, carried over."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadData, BadRun, Damaged, NotSupported, ShapeError
from zatlas.core.parsing import from_table
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import DirectionReport, EffectMeasurement
from zatlas.directions.estimate import HELD_OUT_SHARE, std_along
from zatlas.directions.field_networks import from_arrays, to_arrays
from zatlas.directions.types import Direction, FieldDirection, LinearDirection, SeparationScore, in_std
from zatlas.models.safe_build import shape_of
from zatlas.store import direction_files
from zatlas.store.direction_files import SavedDirection

RIDGE = 1e-3  # of the codes' variance
MIN_PAIRED_LATENTS = 20  # images that two models have in common
LINEAR = "direction"  # the kind of file that is a vector
DIMENSION_KIND = ("vector", "step", "middle")  # arrays with a number for each axis


@dataclass(frozen=True)
class ModelIdentity:
    """The model that a direction was found in."""

    weights: str  # its SHA-256
    shape: Any  # of its latents


@dataclass(frozen=True)
class DirectionDescription:
    """What a file says of a direction, besides its arrays and its model."""

    kind: str
    score: SeparationScore | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    report: EffectMeasurement | None = None
    std: float = 1.0
    hold: float = 0.0


@dataclass(frozen=True)
class DirectionStore:
    """The model that ways belong to, and the folder that keeps them."""

    folder: Path
    digest: str  # of its weights
    shape: tuple[int, ...]  # of its points

    def save(
        self, direction: Direction, report: DirectionReport | None = None, *, over: bool = False
    ) -> Path:
        """Write a direction to a file of its own, with the report on it if there is one."""
        kind, arrays, rest = _taken_apart(direction)
        told = {
            **rest,
            "kind": kind,
            "score": None if direction.score is None else asdict(direction.score),
            "side_effects": dict(direction.side_effects),
            "facts": dict(direction.facts),
            "description": direction.description,
            "report": None if report is None else report.measured(),
            "model": {"weights": self.digest, "shape": list(self.shape)},
        }
        return direction_files.save(self.folder, SavedDirection(direction.name, arrays, told), replace=over)

    def has(self, name: str) -> bool:
        """Whether a way was kept under this name."""
        return direction_files.has(self.folder, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has(name)

    def load(self, name: str) -> Direction:
        """Return the direction that was saved under this name."""
        return self.own(direction_files.load(self.folder, name))

    def report(self, name: str) -> DirectionReport | None:
        """Return the report that was saved with a direction; None if there is none."""
        saved = direction_files.load(self.folder, name)
        measured = _described(saved).report
        return None if measured is None else DirectionReport(**vars(measured), direction=self.own(saved))

    def reports(self) -> dict[str, DirectionReport]:
        """Return all saved reports by the name of their direction."""
        result = {name: self.report(name) for name in direction_files.names(self.folder)}
        return {name: report for name, report in result.items() if report is not None}

    def all(self) -> list[Direction]:
        """Return every saved direction, by name."""
        return [self.load(name) for name in direction_files.names(self.folder)]

    def own(self, saved: SavedDirection) -> Direction:
        """What a file holds as a way of this model; refused if it is another's."""
        model = from_table(ModelIdentity, saved.description.get("model"), f"The file of {saved.name!r}")
        axes, own = int(np.prod(shape_of(model.shape, Path(saved.name)))), int(np.prod(self.shape))
        if model.weights != self.digest:
            alike = " though its space has as many axes" if axes == own else ""
            raise BadRun(
                f"{saved.name!r} was found in another model, with {axes} axes, and means nothing in "
                f"this one{alike}. If both runs encode the same images, carry it over: "
                "zatlas saved RUN --take FILE --other RUN"
            )
        size = next((saved.arrays[key].size for key in DIMENSION_KIND if key in saved.arrays), 0)
        if size != own:
            raise Damaged(f"The file of {saved.name!r} holds {size} axes, and its model has {own}.")
        return direction_from(saved)


def direction_from(saved: SavedDirection) -> Direction:
    """The direction, or the way that bends, that a file describes."""
    arrays, told = dict(saved.arrays), _described(saved)
    known: dict[str, Any] = {
        "score": told.score,
        "side_effects": told.side_effects,
        "facts": told.facts,
        "description": told.description,
    }
    if told.kind == LINEAR:
        vector = arrays.get("vector", np.zeros(()))
        if vector.ndim != 1:
            raise Damaged(f"The file of {saved.name!r} does not hold a vector of finite numbers.")
        return LinearDirection(saved.name, vector, told.std, **known)
    scale = (arrays["asked"], arrays["spreads"]) if {"asked", "spreads"} <= arrays.keys() else None
    try:
        lead = from_arrays(told.kind, arrays, told.hold)
    except BadData as error:
        raise Damaged(f"The file of {saved.name!r} cannot be read: {error}") from error
    return FieldDirection(saved.name, lead, scale=scale, **known)


def _described(saved: SavedDirection) -> DirectionDescription:
    table = {key: value for key, value in saved.description.items() if key != "model"}
    return from_table(DirectionDescription, table, f"The file of {saved.name!r}")


def _taken_apart(direction: Direction) -> tuple[str, dict[str, np.ndarray], dict[str, Any]]:
    """The kind of a way, its arrays, and what else its file tells."""
    if isinstance(direction, LinearDirection):
        return LINEAR, {"vector": direction.vector}, {"std": direction.std}
    kind, arrays, hold = to_arrays(direction.vector_field)
    if direction.scale is not None:
        arrays |= {"asked": direction.scale[0], "spreads": direction.scale[1]}
    return kind, arrays, {"hold": hold}


def transfer(way: Direction, latents: Latents, others: Latents, *, seed: int = 0) -> LinearDirection:
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
    if len(latents) != len(others) or len(latents) < MIN_PAIRED_LATENTS:
        raise ShapeError(
            f"Carrying a direction over takes {MIN_PAIRED_LATENTS} images or more that both models have encoded, in "
            f"the same order; there are {len(latents)} and {len(others)}."
        )
    held = stream(seed, "carry").random(len(latents)) < HELD_OUT_SHARE
    tried = _map(latents[~held], others[~held])
    missed = others[held] - others[~held].mean(axis=0)
    missed = missed - (latents[held] - latents[~held].mean(axis=0)) @ tried
    whole = float(((others[held] - others[held].mean(axis=0)) ** 2).sum())
    error = float((missed**2).sum()) / max(whole, 1e-12)
    step = direction.vector @ _map(latents, others)
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
        description=direction.description or direction.name,
    )


def _map(latents: Latents, others: Latents) -> np.ndarray:
    x = (latents - latents.mean(axis=0)).astype(np.float64)
    y = (others - others.mean(axis=0)).astype(np.float64)
    ridge = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= len(x):
        return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    return x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y)
