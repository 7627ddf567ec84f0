"""Directions as a page's sliders read them: unit vectors with proof, probes, and planes to stay on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from zatlas.atlas import Atlas
from zatlas.core.arrays import Flags, Points
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.latent import directions
from zatlas.latent.attributes import pretty
from zatlas.latent.directions import Direction, Score
from zatlas.latent.probes import Probes, fit_probes
from zatlas.site.draw import Draw
from zatlas.site.numbers import plain, single

MOST = 60  # classes and attributes
PRINCIPAL = 8
NUMBERS = 4_000_000  # of the codes that directions are learnt from
FEWEST, MOST_CODES = 2000, 20_000


@dataclass(frozen=True)
class Ways:
    """What the manifest says of the directions, and the vectors that it leaves to files."""

    told: Mapping[str, Any]
    vectors: np.ndarray
    normals: np.ndarray
    weights: np.ndarray

    def site(self, folder: str) -> dict[str, Any]:
        """What the manifest says of them."""
        urls = {name: f"{folder}/{name}.f32" for name in ("vectors", "normals", "weights")}
        return {**urls, **self.told}

    def files(self) -> dict[str, Callable[[], bytes]]:
        """The vectors' files."""
        return {
            "vectors.f32": lambda: single(self.vectors),
            "normals.f32": lambda: single(self.normals),
            "weights.f32": lambda: single(self.weights),
        }


def ways(atlas: Atlas, drawn: Draw, *, light: bool = False) -> Ways:
    """Directions of classes, attributes and greatest spread; the last alone if it is to be quick."""
    quick = light or not drawn.real
    points, table = (drawn.points, {}) if quick else _examples(atlas)
    found, normals = _learnt(points, table)
    probes = fit_probes(points, {way.name: table[way.name] for way in found})
    main = directions.principal(points, PRINCIPAL)
    kept = [] if light else [way for way in atlas.directions() if way.name not in table]
    found = [directions.measured(way, points, {}, probes) for way in (*found, *kept, *main)]
    whole = float(points.var(axis=0).sum()) or 1.0
    names = {way.name for way in kept}
    told = {
        "list": [_site(atlas, way, whole, kept=way.name in names) for way in found],
        "probes": [
            {"name": name, "offset": offset}
            for name, offset in zip(probes.names, plain(probes.offsets), strict=True)
        ],
    }
    vectors = np.stack([way.vector for way in found])
    return Ways(told, vectors, _rows(normals, probes), probes.weights.T)


def _examples(atlas: Atlas) -> tuple[Points, dict[str, Flags]]:
    """Codes of the training part, a fair draw of very many, and what is true of each."""
    codes = atlas.codes("train")
    rows, points = codes.rows, codes.points
    most = int(np.clip(NUMBERS // points.shape[1], FEWEST, MOST_CODES))
    if len(rows) > most:
        some = np.sort(stream(0, "ways").choice(len(rows), most, replace=False))
        rows, points = rows[some], points[some]
    return points, dict(list(atlas.attributes(rows).items())[:MOST])


def _learnt(
    points: Points, table: Mapping[str, Flags]
) -> tuple[list[Direction], dict[str, np.ndarray]]:
    """The directions that can be learnt, and the normals of their planes."""
    found, normals = [], {}
    for name, flags in table.items():
        try:
            way = directions.learn(points, flags, name)
            normals[name] = directions.normal(points, flags, name).vector
        except BadData:
            continue  # too few examples, or no difference
        found.append(way)
    return found, normals


def _rows(normals: Mapping[str, np.ndarray], probes: Probes) -> np.ndarray:
    chosen = [normals[name] for name in probes.names]
    return np.array(chosen, np.float32).reshape(len(chosen), probes.weights.shape[0])


def _site(atlas: Atlas, way: Direction, whole: float, *, kept: bool) -> dict[str, Any]:
    known = atlas.has_images and atlas.images.labels is not None
    names = atlas.images.classes if known else ()
    principal = way.name.startswith("principal ") and way.score is None
    kind = "principal" if principal else "class" if way.name in names else "attribute"
    proof = way.proof
    ends = {} if proof is None else {"range": [round(proof.low, 2), round(proof.high, 2)]}
    return {
        **ends,
        "name": way.name,
        "title": pretty(way.name).capitalize() if principal else pretty(way.name),
        "kind": "saved" if kept else kind,
        "spread": plain(way.spread)[0],
        "score": _score(way.score),
        "share": plain(way.spread**2 / whole)[0] if principal else None,
        "effects": {name: round(effect, 4) for name, effect in way.side_effects.items()},
    }


def _score(score: Score | None) -> dict[str, float] | None:
    if score is None:
        return None
    ends = {"area": score.area, "low": score.low, "high": score.high, "chance": score.chance}
    return {name: round(value, 4) for name, value in ends.items()}
