"""Ways that bend on disk: one safetensors file each, with the model that they are of; nothing is pickled."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadData, BadRun, NotSupported
from zatlas.latent.directions import Score
from zatlas.latent.steering.fields import Field, Layers, Straight, Uphill, Wind
from zatlas.latent.steering.steer import Steer
from zatlas.store import tensors
from zatlas.store.ways import check_name, file_of

FORMAT = 1
KEY = "zatlas-steer"  # of the metadata
PARTS = ("middle", "spread", *(f"weight {i}" for i in range(3)), *(f"offset {i}" for i in range(3)))

Arrays = dict[str, np.ndarray]


def keep(folder: Path, steer: Steer, model: str, *, over: bool = False) -> Path:
    """Write a way of this model (the digest of its weights) to a file named after it."""
    check_name(steer.name)
    path = folder / file_of(steer.name)
    if path.exists() and not over:
        raise BadData(
            f"A way named {steer.name!r} is kept already, in {path}. Choose another name."
        )
    kind, arrays, hold = _taken_apart(steer.lead)
    if steer.scale is not None:
        arrays |= {"asked": steer.scale[0], "spreads": steer.scale[1]}
    about = {
        "format": FORMAT,
        "name": steer.name,
        "kind": kind,
        "hold": hold,
        "model": model,
        "score": None if steer.score is None else asdict(steer.score),
        "side_effects": dict(steer.side_effects),
        "facts": dict(steer.facts),
    }
    text = json.dumps(about, sort_keys=True, default=float)
    return tensors.write(path, KEY, text, arrays)


def read(path: Path, model: str) -> Steer:
    """The way of such a file; refused if it is another model's."""
    about, arrays = tensors.read(path, KEY, "way to steer", FORMAT)
    if about["model"] != model:
        raise BadRun(
            f"{about['name']!r} was learnt in another model and means nothing in this one: learn it here."
        )
    scale = (arrays["asked"], arrays["spreads"]) if "asked" in arrays else None
    score = None if about["score"] is None else Score(**about["score"])
    lead = _put_together(about["kind"], arrays, about["hold"])
    return Steer(about["name"], lead, score, about["side_effects"], about["facts"], scale)


def _taken_apart(lead: Field) -> tuple[str, Arrays, float]:
    if isinstance(lead, Straight):
        return "straight", {"step": lead.step}, 0.0
    if isinstance(lead, Uphill):
        return "uphill", _arrays(lead.layers), lead.hold
    if isinstance(lead, Wind):
        return "wind", _arrays(lead.layers), 0.0
    raise NotSupported("Only fields of zatlas can be kept: a function of your own has no file.")


def _put_together(kind: str, arrays: Arrays, hold: float) -> Field:
    if kind == "straight":
        return Straight(arrays["step"])
    middle, spread, *rest = (arrays[name] for name in PARTS)
    first, second, last, *offsets = rest
    layers = Layers(middle, spread, (first, second, last), (offsets[0], offsets[1], offsets[2]))
    return Uphill(layers, hold) if kind == "uphill" else Wind(layers)


def _arrays(layers: Layers) -> Arrays:
    parts = (layers.middle, layers.spread, *layers.weights, *layers.offsets)
    return dict(zip(PARTS, parts, strict=True))
