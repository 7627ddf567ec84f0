"""The live figures of the site: trains small models, and exports their data into build/live."""

from pathlib import Path
from typing import Any

import zatlas
from zatlas.demo import unpack

BUILD = Path(__file__).resolve().parents[1] / "build"
SITE = BUILD / "live"  # its content is copied into the site
RUNS = BUILD / "live-runs"

MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "vae": ("digits", {"model": "vae"}),
    "mean-of-pixels": ("digits", {"model": "vae", "settings": {"model.reduction": "mean"}}),
    "auto-encoder": ("digits", {"model": "ae"}),
    "gan": ("digits", {"model": "gan", "dim": 16}),
}
FIGURES = {  # data script: runs, anchors
    "digits": (["vae"], ["class:1", "class:7"]),
    "scale": (["vae", "mean-of-pixels"], ["class:0", "class:1"]),
    "gaps": (["auto-encoder", "vae"], ["class:0", "class:1"]),
    "gan": (["gan"], ["random:0", "random:5"]),
}


def build() -> None:
    """Write what is missing. The figure of faces has the component and the runtime for all of them."""
    folder = SITE / "live"
    if not (folder / "faces").exists():
        zatlas.export(unpack(RUNS / "faces-vae"), folder / "faces", figure="walk", anchors=["0", "7"])
    for name, (runs, anchors) in FIGURES.items():
        if not (folder / f"{name}.js").exists():
            zatlas.export([run_of(run) for run in runs], folder / f"{name}.js", anchors=anchors)


def run_of(name: str) -> Path:
    """Return the folder of a run; train it if there is none."""
    folder = RUNS / name
    if not (folder / "made.json").exists():
        data, settings = MODELS[name]
        zatlas.train(data, out=folder, verbose=False, **settings)
    return folder


if __name__ == "__main__":
    build()
