"""Ways as a page's sliders read them: unit vectors or fields, with proof, probes, and planes to stay on."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from zatlas.core.arrays import Flags, Points, Values
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.directions import estimate as directions
from zatlas.directions.estimate import std_along
from zatlas.directions.fields import PARTS, taken_apart
from zatlas.directions.find import store_of
from zatlas.directions.probes import Probes, fit_probes
from zatlas.directions.report import DirectionReport, times_text, words
from zatlas.directions.types import Direction, FieldDirection, LinearDirection, Score, in_std
from zatlas.latent.attributes import pretty, properties
from zatlas.site.draw import Draw
from zatlas.site.numbers import plain, single
from zatlas.site.ranges import Range, ranges
from zatlas.workspace import Workspace

MOST = 60  # classes and attributes
PRINCIPAL = 8
NUMBERS = 4_000_000  # of the codes that directions are learnt from
FEWEST, MOST_CODES = 2000, 20_000
HEADED = 500  # codes that tell where a way that bends leads on the mean


@dataclass(frozen=True)
class Ways:
    """What the manifest says of the directions, and the vectors that it leaves to files."""

    told: Mapping[str, Any]
    vectors: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    fields: Mapping[str, np.ndarray]  # of those that bend, by their files' names

    def site(self, folder: str) -> dict[str, Any]:
        """What the manifest says of them."""
        urls = {name: f"{folder}/{name}.f32" for name in ("vectors", "normals", "weights")}
        listed = [
            {**way, "bends": {**way["bends"], "url": f"{folder}/{way['bends']['url']}"}}
            if "bends" in way
            else way
            for way in self.told["list"]
        ]
        return {**urls, **self.told, "list": listed}

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The vectors' files."""
        return {
            "vectors.f32": lambda: single(self.vectors),
            "normals.f32": lambda: single(self.normals),
            "weights.f32": lambda: single(self.weights),
            **{name: partial(single, field) for name, field in self.fields.items()},
        }


def ways(workspace: Workspace, drawn: Draw, *, light: bool = False) -> Ways:
    """Ways of classes, attributes and greatest spread, and what is kept; few if it is to be quick."""
    quick = light or not drawn.real
    points, table = (drawn.points, {}) if quick else _examples(workspace)
    learnt, normals = _learnt(points, table)
    probes = fit_probes(points, {way.name: table[way.name] for way in learnt})
    kept = [] if light else [way for way in store_of(workspace).all() if way.name not in table]
    reports = {} if light else store_of(workspace).reports()
    reports = {name: report for name, report in reports.items() if name not in table}
    main = _renamed(directions.principal(points, PRINCIPAL), {*table, *(way.name for way in kept)})
    found: list[Direction] = [in_std(way) for way in (*learnt, *kept)]
    ends: list[Range | None] = [None] * (len(found) + len(main))
    if not light:
        ends[: len(found)] = ranges(workspace, points, found, probes, reports)
    found = [directions.measured(way, points, {}, probes) for way in (*found, *main)]
    whole = float(points.var(axis=0).sum()) or 1.0
    kinds = dict.fromkeys(table, "attribute") | _class_kinds(workspace)
    kinds |= {way.name: "saved" for way in kept} | {way.name: "principal" for way in main}
    vectors = [_heading(way, points) for way in found]
    files = {way.name: f"field-{i}.f32" for i, way in enumerate(found)}
    told = {
        "list": [
            {
                **_site(way, std_along(vector, points), whole, kinds[way.name]),
                **({} if (report := reports.get(way.name)) is None else {"proof": _proof(report)}),
                **({} if end is None else {"range": [round(one, 2) for one in end]}),
                **({"bends": _bends(way, files[way.name])} if isinstance(way, FieldDirection) else {}),
            }
            for way, vector, end in zip(found, vectors, ends, strict=True)
        ],
        "probes": [
            {"name": name, "offset": offset}
            for name, offset in zip(probes.names, plain(probes.offsets), strict=True)
        ],
    }
    fields = {files[way.name]: _numbers(way) for way in found if isinstance(way, FieldDirection)}
    return Ways(told, np.stack(vectors), _rows(normals, probes), probes.weights.T, fields)


def _examples(workspace: Workspace) -> tuple[Points, dict[str, Flags]]:
    """Codes of the training part, a fair draw of very many, and what is true of each."""
    codes = workspace.table("train")
    rows, points = codes.rows, codes.points
    most = int(np.clip(NUMBERS // points.shape[1], FEWEST, MOST_CODES))
    if len(rows) > most:
        some = np.sort(stream(0, "ways").choice(len(rows), most, replace=False))
        rows, points = rows[some], points[some]
    return points, dict(list(workspace.attributes(rows).items())[:MOST])


def _learnt(
    points: Points, table: Mapping[str, Flags]
) -> tuple[list[LinearDirection], dict[str, np.ndarray]]:
    """The directions that can be learnt, and the normals of their planes."""
    found, normals = [], {}
    for name, flags in table.items():
        try:
            way = directions.fit_direction(points, flags, name)
            normals[name] = directions.normal(points, flags, name).vector
        except BadData:
            continue  # too few examples, or no difference
        found.append(way)
    return found, normals


def _rows(normals: Mapping[str, np.ndarray], probes: Probes) -> np.ndarray:
    chosen = [normals[name] for name in probes.names]
    return np.array(chosen, np.float32).reshape(len(chosen), probes.weights.shape[0])


def _renamed(main: Sequence[LinearDirection], taken: Container[str]) -> list[LinearDirection]:
    """The principal directions, none of them by the name of a class or a saved direction."""
    return [replace(one, name=f"the {one.name}") if one.name in taken else one for one in main]


def _class_kinds(workspace: Workspace) -> dict[str, str]:
    """The classes by the names that their flags have."""
    found = properties(workspace.dataset) if workspace.has_dataset else {}
    return {key: "class" for key, name in found.items() if name.kind == "class"}


def _site(way: Direction, along: float, whole: float, kind: str) -> dict[str, Any]:
    principal = kind == "principal"
    spread = way.std if isinstance(way, LinearDirection) else along
    return {
        **({"meant": way.meant} if way.meant else {}),
        "name": way.name,
        "title": pretty(way.name).capitalize() if principal else pretty(way.name),
        "kind": kind,
        "spread": plain(spread)[0],
        "score": _score(way.score),
        "share": plain(spread**2 / whole)[0] if principal else None,
        "effects": {name: round(effect, 4) for name, effect in way.side_effects.items()},
    }


def _heading(way: Direction, points: Points) -> Values:
    """Where a way leads, of one that bends on the mean, as a unit vector."""
    if isinstance(way, LinearDirection):
        return way.vector
    some = points[:HEADED]
    mean = (way.move(some, 1.0) - some).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _bends(way: FieldDirection, url: str) -> dict[str, Any]:
    """What a page must know of a field beside its numbers."""
    kind, arrays, hold = taken_apart(way.lead)
    sizes = [arrays["middle"].size, *(arrays[f"offset {i}"].size for i in range(3))]
    return {"url": url, "field": kind, "sizes": sizes, "hold": hold}


def _numbers(way: FieldDirection) -> np.ndarray:
    """A field's arrays, one after the other in the order of their names in `fields.PARTS`."""
    arrays = taken_apart(way.lead)[1]
    return np.concatenate([arrays[name].ravel() for name in PARTS])


def _proof(proof: DirectionReport) -> dict[str, Any]:
    return {"real": proof.effect.real, "times": times_text(proof.effect), "words": words(proof)}


def _score(score: Score | None) -> dict[str, float] | None:
    if score is None:
        return None
    ends = {"area": score.area, "low": score.low, "high": score.high, "chance": score.chance}
    return {name: round(value, 4) for name, value in ends.items()}
