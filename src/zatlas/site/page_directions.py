"""Ways as a page's sliders read them: unit vectors or fields, with proof, probes, and planes to stay on."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Latents, Values
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.directions import estimate as directions
from zatlas.directions.direction_report import DirectionReport, effect_text, summary_text
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import ARRAY_NAMES, to_arrays
from zatlas.directions.find import store_of
from zatlas.directions.probes import Probes, fit_probes
from zatlas.directions.types import Direction, FieldDirection, LinearDirection, SeparationScore, in_std
from zatlas.latent.attributes import pretty, properties
from zatlas.site.direction_ranges import Range, ranges
from zatlas.site.quantize import plain, single
from zatlas.site.subset import PageSubset
from zatlas.workspace import Workspace

MAX_DIRECTIONS = 60  # classes and attributes
PRINCIPAL = 8
NUMBERS = 4_000_000  # of the codes that directions are learnt from
FEWEST, MOST_CODES = 2000, 20_000
FIELD_STARTS = 500  # codes that tell where a way that bends leads on the mean


@dataclass(frozen=True)
class PageDirections:
    """What the manifest says of the directions, and the vectors that it leaves to files."""

    reports: Mapping[str, Any]
    vectors: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    fields: Mapping[str, np.ndarray]  # of those that bend, by their files' names

    def site(self, folder: str) -> dict[str, Any]:
        """What the manifest says of them."""
        urls = {name: f"{folder}/{name}.f32" for name in ("vectors", "normals", "weights")}
        listed = [
            {**direction, "bends": {**direction["bends"], "url": f"{folder}/{direction['bends']['url']}"}}
            if "bends" in direction
            else direction
            for direction in self.reports["list"]
        ]
        return {**urls, **self.reports, "list": listed}

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The vectors' files."""
        return {
            "vectors.f32": lambda: single(self.vectors),
            "normals.f32": lambda: single(self.normals),
            "weights.f32": lambda: single(self.weights),
            **{name: partial(single, field) for name, field in self.fields.items()},
        }


def page_directions(workspace: Workspace, drawn: PageSubset, *, light: bool = False) -> PageDirections:
    """Ways of classes, attributes and greatest spread, and what is kept; few if it is to be quick."""
    quick = light or not drawn.real
    latents, table = (drawn.latents, {}) if quick else _examples(workspace)
    fitted, normals = _learnt(latents, table)
    probes = fit_probes(latents, {way.name: table[way.name] for way in fitted})
    saved = [] if light else [way for way in store_of(workspace).all() if way.name not in table]
    reports = {} if light else store_of(workspace).reports()
    reports = {name: report for name, report in reports.items() if name not in table}
    main = _renamed(
        directions.principal_directions(latents, PRINCIPAL), {*table, *(way.name for way in saved)}
    )
    result: list[Direction] = [in_std(direction) for direction in (*fitted, *saved)]
    ends: list[Range | None] = [None] * (len(result) + len(main))
    if not light:
        ends[: len(result)] = ranges(workspace, latents, result, probes, reports)
    result = [directions.with_side_effects(way, latents, {}, probes) for way in (*result, *main)]
    whole = float(latents.var(axis=0).sum()) or 1.0
    kinds = dict.fromkeys(table, "attribute") | _class_kinds(workspace)
    kinds |= {way.name: "saved" for way in saved} | {way.name: "principal" for way in main}
    vectors = [_heading(way, latents) for way in result]
    files = {way.name: f"field-{i}.f32" for i, way in enumerate(result)}
    told = {
        "list": [
            {
                **_site(way, std_along(vector, latents), whole, kinds[way.name]),
                **({} if (report := reports.get(way.name)) is None else {"proof": _proof(report)}),
                **({} if end is None else {"range": [round(one, 2) for one in end]}),
                **({"bends": _bends(way, files[way.name])} if isinstance(way, FieldDirection) else {}),
            }
            for way, vector, end in zip(result, vectors, ends, strict=True)
        ],
        "probes": [
            {"name": name, "offset": offset}
            for name, offset in zip(probes.names, plain(probes.offsets), strict=True)
        ],
    }
    fields = {files[way.name]: _numbers(way) for way in result if isinstance(way, FieldDirection)}
    return PageDirections(told, np.stack(vectors), _rows(normals, probes), probes.weights.T, fields)


def _examples(workspace: Workspace) -> tuple[Latents, dict[str, Flags]]:
    """Codes of the training part, a fair draw of very many, and what is true of each."""
    table = workspace.table("train")
    rows, latents = table.rows, table.latents
    most = int(np.clip(NUMBERS // latents.shape[1], FEWEST, MOST_CODES))
    if len(rows) > most:
        some = np.sort(stream(0, "ways").choice(len(rows), most, replace=False))
        rows, latents = rows[some], latents[some]
    return latents, dict(list(workspace.attributes(rows).items())[:MAX_DIRECTIONS])


def _learnt(
    latents: Latents, table: Mapping[str, Flags]
) -> tuple[list[LinearDirection], dict[str, np.ndarray]]:
    """The directions that can be learnt, and the normals of their planes."""
    result, normals = [], {}
    for name, flags in table.items():
        try:
            direction = directions.fit_direction(latents, flags, name)
            normals[name] = directions.plane_normal(latents, flags, name).vector
        except BadData:
            continue  # too few examples, or no difference
        result.append(direction)
    return result, normals


def _rows(normals: Mapping[str, np.ndarray], probes: Probes) -> np.ndarray:
    chosen = [normals[name] for name in probes.names]
    return np.array(chosen, np.float32).reshape(len(chosen), probes.weights.shape[0])


def _renamed(main: Sequence[LinearDirection], taken: Container[str]) -> list[LinearDirection]:
    """The principal directions, none of them by the name of a class or a saved direction."""
    return [replace(one, name=f"the {one.name}") if one.name in taken else one for one in main]


def _class_kinds(workspace: Workspace) -> dict[str, str]:
    """The classes by the names that their flags have."""
    result = properties(workspace.dataset) if workspace.has_dataset else {}
    return {key: "class" for key, name in result.items() if name.kind == "class"}


def _site(direction: Direction, along: float, whole: float, kind: str) -> dict[str, Any]:
    principal = kind == "principal"
    std = direction.std if isinstance(direction, LinearDirection) else along
    return {
        **({"meant": direction.description} if direction.description else {}),
        "name": direction.name,
        "title": pretty(direction.name).capitalize() if principal else pretty(direction.name),
        "kind": kind,
        "spread": plain(std)[0],
        "score": _score(direction.score),
        "share": plain(std**2 / whole)[0] if principal else None,
        "effects": {name: round(effect, 4) for name, effect in direction.side_effects.items()},
    }


def _heading(direction: Direction, latents: Latents) -> Values:
    """Where a way leads, of one that bends on the mean, as a unit vector."""
    if isinstance(direction, LinearDirection):
        return direction.vector
    some = latents[:FIELD_STARTS]
    mean = (direction.move(some, 1.0) - some).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _bends(direction: FieldDirection, url: str) -> dict[str, Any]:
    """What a page must know of a field beside its numbers."""
    kind, arrays, hold = to_arrays(direction.vector_field)
    sizes = [arrays["mean"].size, *(arrays[f"offset {i}"].size for i in range(3))]
    return {"url": url, "field": kind, "sizes": sizes, "hold": hold}


def _numbers(direction: FieldDirection) -> np.ndarray:
    """A field's arrays, one after the other in the order of their names in `fields.PARTS`."""
    arrays = to_arrays(direction.vector_field)[1]
    return np.concatenate([arrays[name].ravel() for name in ARRAY_NAMES])


def _proof(proof: DirectionReport) -> dict[str, Any]:
    return {
        "real": proof.effect.significant,
        "times": effect_text(proof.effect),
        "words": summary_text(proof),
    }


def _score(score: SeparationScore | None) -> dict[str, float] | None:
    if score is None:
        return None
    ends = {"area": score.auc, "low": score.low, "high": score.high, "chance": score.random_limit}
    return {name: round(value, 4) for name, value in ends.items()}
