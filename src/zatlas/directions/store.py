"""The saved directions of a run: written with their reports, refused on other models, or transferred."""

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
from zatlas.models.generator import INPUT
from zatlas.models.safe_build import shape_of
from zatlas.store import direction_files
from zatlas.store.direction_files import SavedDirection

RIDGE = 1e-3  # of the latents' variance
MIN_PAIRED_LATENTS = 20  # images that both models of a transfer have encoded
LINEAR = "direction"  # the kind of file that holds a vector
DIMENSION_ARRAYS = ("vector", "step", "mean")  # arrays with one number per dimension
SCALE_ARRAYS = ("scale_amounts", "scale_std")


@dataclass(frozen=True)
class ModelIdentity:
    """The model that a direction was fitted to."""

    weights: str  # SHA-256
    shape: Any  # of its latents
    space: str = ""  # as in `DirectionStore`


@dataclass(frozen=True)
class DirectionDescription:
    """What a file stores of a direction, apart from its arrays and its model."""

    kind: str
    score: SeparationScore | None = None
    side_effects: Mapping[str, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""
    report: EffectMeasurement | None = None
    std: float = 1.0
    ridge: float = 0.0


@dataclass(frozen=True)
class DirectionStore:
    """The folder with a run's saved directions, and the identity of the run's model."""

    folder: Path
    digest: str  # SHA-256 of the model's weights
    shape: tuple[int, ...]  # of the model's latents
    space: str = ""  # the latent space of the folder, unless it is that of the model's input

    def save(
        self, direction: Direction, report: DirectionReport | None = None, *, overwrite: bool = False
    ) -> Path:
        """Write a direction, with its report if there is one, to a file of its own; return the path."""
        kind, arrays, settings = _to_arrays(direction)
        description = {
            **settings,
            "kind": kind,
            "score": None if direction.score is None else asdict(direction.score),
            "side_effects": dict(direction.side_effects),
            "facts": dict(direction.facts),
            "description": direction.description,
            "report": None if report is None else report.measured(),
            "model": {"weights": self.digest, "shape": list(self.shape), "space": self.space},
        }
        saved = SavedDirection(direction.name, arrays, description)
        return direction_files.save(self.folder, saved, replace=overwrite, space=self.space)

    def has(self, name: str) -> bool:
        """Whether a direction of this name is saved."""
        return direction_files.has(self.folder, name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.has(name)

    def load(self, name: str) -> Direction:
        """Return the direction that was saved under this name."""
        return self.restore(direction_files.load(self.folder, name))

    def report(self, name: str) -> DirectionReport | None:
        """Return the report that was saved with a direction; None if there is none."""
        saved = direction_files.load(self.folder, name)
        measured = _description(saved).report
        return None if measured is None else DirectionReport(**vars(measured), direction=self.restore(saved))

    def reports(self) -> dict[str, DirectionReport]:
        """Return all saved reports by the name of their direction."""
        result = {name: self.report(name) for name in direction_files.names(self.folder)}
        return {name: report for name, report in result.items() if report is not None}

    def all(self) -> list[Direction]:
        """Return every saved direction, by name."""
        return [self.load(name) for name in direction_files.names(self.folder)]

    def restore(self, saved: SavedDirection) -> Direction:
        """Return the direction of a file; BadRun if it was fitted to another model."""
        model = from_table(ModelIdentity, saved.description.get("model"), f"The file of {saved.name!r}")
        dim, own_dim = int(np.prod(shape_of(model.shape, Path(saved.name)))), int(np.prod(self.shape))
        if model.weights != self.digest:
            alike = ", though both have the same number of dimensions" if dim == own_dim else ""
            raise BadRun(
                f"{saved.name!r} was fitted to another model, with {dim} dimensions, and cannot be used with "
                f"this one{alike}. If both runs encode the same images, transfer it: "
                "zatlas directions take RUN FILE --other OTHER_RUN"
            )
        if model.space != self.space:
            own, other = (name or INPUT for name in (self.space, model.space))
            raise BadRun(
                f"{saved.name!r} was fitted in the latent space {other!r} of this model, and cannot be used "
                f"in {own!r}. Use it with --space {other} (in Python: atlas.space({other!r}))."
            )
        size = next((saved.arrays[key].size for key in DIMENSION_ARRAYS if key in saved.arrays), 0)
        if size != own_dim:
            raise Damaged(
                f"The file of {saved.name!r} holds {size} dimensions, and its model has {own_dim}. "
                "Find the direction again: zatlas directions find"
            )
        return direction_from(saved)


def direction_from(saved: SavedDirection) -> Direction:
    """The linear or nonlinear direction that a file describes."""
    arrays, stored = dict(saved.arrays), _description(saved)
    details: dict[str, Any] = {
        "score": stored.score,
        "side_effects": stored.side_effects,
        "facts": stored.facts,
        "description": stored.description,
    }
    if stored.kind == LINEAR:
        vector = arrays.get("vector", np.zeros(()))
        if vector.ndim != 1:
            raise Damaged(f"The file of {saved.name!r} does not hold a vector of finite numbers.")
        return LinearDirection(saved.name, vector, stored.std, **details)
    amounts, stds = (arrays.get(name) for name in SCALE_ARRAYS)
    try:
        vector_field = from_arrays(stored.kind, arrays, stored.ridge)
    except BadData as error:
        raise Damaged(f"The file of {saved.name!r} cannot be read: {error}") from error
    scale = None if amounts is None or stds is None else (amounts, stds)
    return FieldDirection(saved.name, vector_field, scale=scale, **details)


def _description(saved: SavedDirection) -> DirectionDescription:
    table = {key: value for key, value in saved.description.items() if key != "model"}
    return from_table(DirectionDescription, table, f"The file of {saved.name!r}")


def _to_arrays(direction: Direction) -> tuple[str, dict[str, np.ndarray], dict[str, Any]]:
    """The kind of a direction, its arrays, and the settings that restore it."""
    if isinstance(direction, LinearDirection):
        return LINEAR, {"vector": direction.vector}, {"std": direction.std}
    kind, arrays, ridge = to_arrays(direction.vector_field)
    if direction.scale is not None:
        arrays |= dict(zip(SCALE_ARRAYS, direction.scale, strict=True))
    return kind, arrays, {"ridge": ridge}


def transfer(direction: Direction, latents: Latents, others: Latents, *, seed: int = 0) -> LinearDirection:
    """The direction in another model, given the latents (n, d) and (n, e) of the same images in both.

    A ridge regression from one model's latents to the other's maps the step. The fact "unexplained" is
    the share of the other latents' variance that it misses on held-out images. The score and the side
    effects are not transferred.
    """
    scaled = in_std(direction)
    if isinstance(scaled, FieldDirection):
        raise NotSupported(
            f"{direction.name!r} is nonlinear, and only linear directions can be transferred to another "
            "model. Find it in the other run: zatlas directions find"
        )
    if len(latents) != len(others) or len(latents) < MIN_PAIRED_LATENTS:
        raise ShapeError(
            f"A transfer takes {MIN_PAIRED_LATENTS} images or more that both models have encoded, in "
            f"the same order; there are {len(latents)} and {len(others)}."
        )
    held_out = stream(seed, "carry").random(len(latents)) < HELD_OUT_SHARE
    fitted = _linear_map(latents[~held_out], others[~held_out])
    residual = others[held_out] - others[~held_out].mean(axis=0)
    residual = residual - (latents[held_out] - latents[~held_out].mean(axis=0)) @ fitted
    total = float(((others[held_out] - others[held_out].mean(axis=0)) ** 2).sum())
    unexplained = float((residual**2).sum()) / max(total, 1e-12)
    step = scaled.vector @ _linear_map(latents, others)
    norm = float(np.linalg.norm(step))
    if norm < 1e-6 or unexplained > 1:
        raise BadData(
            f"{direction.name!r} cannot be transferred: no linear map relates the two models' latents of the "
            f"same images (it misses {unexplained:.0%} of their variance)."
        )
    vector = (step / norm).astype(np.float32)
    return LinearDirection(
        direction.name,
        vector,
        std_along(vector, others),
        facts={**direction.facts, "transferred": True, "unexplained": unexplained},
        description=direction.description or direction.name,
    )


def _linear_map(latents: Latents, others: Latents) -> np.ndarray:
    """Ridge regression from centered latents (n, d) to (n, e): the matrix (d, e)."""
    x = (latents - latents.mean(axis=0)).astype(np.float64)
    y = (others - others.mean(axis=0)).astype(np.float64)
    ridge = RIDGE * len(x) * float(x.var(axis=0).mean()) + 1e-12
    if x.shape[1] <= len(x):
        return np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    return x.T @ np.linalg.solve(x @ x.T + ridge * np.eye(len(x)), y)
