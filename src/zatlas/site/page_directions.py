"""Directions as a page's sliders read them: vectors or fields, reports, probes, hyperplane normals."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.directions import estimate
from zatlas.directions.default_names import unnamed_directions
from zatlas.directions.direction_report import DirectionReport, effect_text, summary_text
from zatlas.directions.field_networks import ARRAY_NAMES, GradientField, to_arrays
from zatlas.directions.find import store_of
from zatlas.directions.probes import Probes, fit_probes
from zatlas.directions.types import Direction, FieldDirection, LinearDirection, SeparationScore, in_std
from zatlas.latent.attributes import pretty, properties
from zatlas.site.direction_ranges import Range, ranges
from zatlas.site.quantize import plain, single
from zatlas.site.subset import PageSubset
from zatlas.workspace import Workspace

MAX_DIRECTIONS = 60  # of classes and attributes
PRINCIPAL = 8  # directions that need no labels: principal components or closed-form directions
MAX_NUMBERS = 4_000_000  # of all latents that directions are fitted to
MIN_LATENTS, MAX_LATENTS = 2000, 20_000
FIELD_STARTS = 500  # latents over which the step of a nonlinear direction is averaged


@dataclass(frozen=True)
class PageDirections:
    """The manifest entries of the directions, and the arrays that are written to files."""

    entries: list[dict[str, Any]]
    probes: list[dict[str, Any]]
    vectors: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    fields: Mapping[str, np.ndarray]  # of nonlinear directions, by file name

    def site(self, folder: str) -> dict[str, Any]:
        """Their entry in the manifest."""
        urls = {name: f"{folder}/{name}.f32" for name in ("vectors", "normals", "weights")}
        entries = [
            {**entry, "field": {**entry["field"], "url": f"{folder}/{entry['field']['url']}"}}
            if "field" in entry
            else entry
            for entry in self.entries
        ]
        return {**urls, "list": entries, "probes": self.probes}

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The arrays by file name."""
        return {
            "vectors.f32": lambda: single(self.vectors),
            "normals.f32": lambda: single(self.normals),
            "weights.f32": lambda: single(self.weights),
            **{name: partial(single, field) for name, field in self.fields.items()},
        }


def page_directions(workspace: Workspace, subset: PageSubset, *, light: bool = False) -> PageDirections:
    """Directions of classes and attributes, saved ones, and some that need no labels; few if `light`."""
    quick = light or not subset.has_images
    latents, flags = (subset.latents, {}) if quick else _examples(workspace)
    fitted, normals = _fit(latents, flags)
    probes = fit_probes(latents, {direction.name: flags[direction.name] for direction in fitted})
    saved, reports = ([], {}) if light else _saved(workspace, flags)
    taken = {*flags, *(direction.name for direction in saved)}
    closed = workspace.source.kind == "sample" and not light
    fit = partial(unnamed_directions, workspace) if closed else estimate.principal_directions
    principal = _renamed(fit(latents, PRINCIPAL), taken)
    result: list[Direction] = [in_std(direction) for direction in (*fitted, *saved)]
    limits: list[Range | None] = [None] * (len(result) + len(principal))
    if not light:
        limits[: len(result)] = ranges(workspace, latents, result, probes, reports)
    result = [
        estimate.with_side_effects(direction, latents, {}, probes) for direction in (*result, *principal)
    ]
    variance = float(latents.var(axis=0).sum()) or 1.0
    kinds = dict.fromkeys(flags, "attribute") | _class_kinds(workspace)
    kinds |= {direction.name: "saved" for direction in saved}
    kinds |= {item.name: "closed_form" if item.facts else "principal" for item in principal}
    vectors = [_unit_vector(direction, latents) for direction in result]
    files = {direction.name: f"field-{i}.f32" for i, direction in enumerate(result)}
    entries = [
        {
            **_entry(direction, estimate.std_along(vector, latents), variance, kinds[direction.name]),
            **({"report": _report(reports[direction.name])} if direction.name in reports else {}),
            **({} if limit is None else {"range": [round(end, 2) for end in limit]}),
            **({"field": _field(direction, files)} if isinstance(direction, FieldDirection) else {}),
        }
        for direction, vector, limit in zip(result, vectors, limits, strict=True)
    ]
    offsets = zip(probes.names, plain(probes.offsets), strict=True)
    listed = [{"name": name, "offset": offset} for name, offset in offsets]
    fields = {files[item.name]: _numbers(item) for item in result if isinstance(item, FieldDirection)}
    return PageDirections(
        entries, listed, np.stack(vectors), _rows(normals, probes), probes.weights.T, fields
    )


def _examples(workspace: Workspace) -> tuple[Latents, dict[str, Flags]]:
    """Latents of the training split, at most a uniform sample, and the flags of each."""
    table = workspace.table("train")
    rows, latents = table.rows, table.latents
    limit = int(np.clip(MAX_NUMBERS // latents.shape[1], MIN_LATENTS, MAX_LATENTS))
    if len(rows) > limit:
        chosen = np.sort(stream(0, "directions").choice(len(rows), limit, replace=False))
        rows, latents = rows[chosen], latents[chosen]
    return latents, dict(list(workspace.attributes(rows).items())[:MAX_DIRECTIONS])


def _fit(latents: Latents, flags: Mapping[str, Flags]) -> tuple[list[LinearDirection], dict[str, np.ndarray]]:
    """The directions that can be fitted, and the normals of their hyperplanes."""
    result, normals = [], {}
    for name, values in flags.items():
        try:
            direction = estimate.fit_direction(latents, values, name)
            normals[name] = estimate.plane_normal(latents, values, name).vector
        except BadData:
            continue  # too few examples, or no difference
        result.append(direction)
    return result, normals


def _saved(workspace: Workspace, names: Container[str]) -> tuple[list[Direction], dict[str, DirectionReport]]:
    """The saved directions and reports, except for those that the page fits itself."""
    store = store_of(workspace)
    directions = [direction for direction in store.all() if direction.name not in names]
    return directions, {name: report for name, report in store.reports().items() if name not in names}


def _rows(normals: Mapping[str, np.ndarray], probes: Probes) -> np.ndarray:
    chosen = [normals[name] for name in probes.names]
    return np.array(chosen, np.float32).reshape(len(chosen), probes.weights.shape[0])


def _renamed(principal: Sequence[LinearDirection], taken: Container[str]) -> list[LinearDirection]:
    """These directions, none with the name of another direction."""
    return [replace(item, name=f"the {item.name}") if item.name in taken else item for item in principal]


def _class_kinds(workspace: Workspace) -> dict[str, str]:
    """The kind "class" for each class, by the name of its flags."""
    result = properties(workspace.dataset) if workspace.has_dataset else {}
    return {key: "class" for key, name in result.items() if name.kind == "class"}


def _entry(direction: Direction, std_along: float, variance: float, kind: str) -> dict[str, Any]:
    principal, unnamed = kind == "principal", kind in ("principal", "closed_form")
    std = direction.std if isinstance(direction, LinearDirection) else std_along
    return {
        **({"description": direction.description} if direction.description else {}),
        "name": direction.name,
        "title": pretty(direction.name).capitalize() if unnamed else pretty(direction.name),
        "kind": kind,
        "std": plain(std)[0],
        "score": _score(direction.score),
        "explained_variance": plain(std**2 / variance)[0] if principal else None,
        "effects": {name: round(effect, 4) for name, effect in direction.side_effects.items()},
    }


def _unit_vector(direction: Direction, latents: Latents) -> Values:
    """The direction's vector; of a nonlinear one, its normalized mean step."""
    if isinstance(direction, LinearDirection):
        return direction.vector
    starts = latents[:FIELD_STARTS]
    step = (direction.move(starts, 1.0) - starts).mean(axis=0)
    return (step / max(float(np.linalg.norm(step)), 1e-12)).astype(np.float32)


def _field(direction: FieldDirection, files: Mapping[str, str]) -> dict[str, Any]:
    """The settings of a field, and the name of the file of its numbers."""
    _, arrays, ridge = to_arrays(direction.vector_field)
    kind = "gradient" if isinstance(direction.vector_field, GradientField) else "vector"
    sizes = [arrays[ARRAY_NAMES[0]].size, *(arrays[f"offset {i}"].size for i in range(3))]
    return {"url": files[direction.name], "kind": kind, "sizes": sizes, "ridge": ridge}


def _numbers(direction: FieldDirection) -> np.ndarray:
    """A field's arrays, one after the other in the order of `ARRAY_NAMES`."""
    arrays = to_arrays(direction.vector_field)[1]
    return np.concatenate([arrays[name].ravel() for name in ARRAY_NAMES])


def _report(report: DirectionReport) -> dict[str, Any]:
    effect = report.effect
    return {"significant": effect.significant, "ratio": effect_text(effect), "text": summary_text(report)}


def _score(score: SeparationScore | None) -> dict[str, float] | None:
    if score is None:
        return None
    values = {"auc": score.auc, "low": score.low, "high": score.high, "random_limit": score.random_limit}
    return {name: round(value, 4) for name, value in values.items()}
