"""The live figures of the site: trains small models, and exports their data into build/live."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zatlas
from zatlas.demo import unpack

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "build" / "live"  # its content is copied into the site
RUNS = ROOT / "build" / "live-runs"
FACES_GAN = ROOT / "examples" / "articles" / "faces_gan"  # of examples/make_faces_gan.py

SHORT = {"training.batch": 128, "training.rate": 1e-3}  # for few epochs of few images
E1 = {"preset": "digits-e1", "epochs": 20}
PLANE = {"preset": "digits-e1", "dim": 2, "epochs": 40}
PLAIN = {"net.name": "mlp", "net.widths": [400], "net.activation": "relu"} | SHORT  # the nets of digits-e1
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "vae": ("digits", {"model": "vae"}),
    "mean-of-pixels": ("digits", {"model": "vae", "settings": {"model.reduction": "mean"}}),
    "auto-encoder": ("digits", {"model": "ae"}),
    "gan": ("digits", {"model": "gan", "dim": 16}),
    "gaussian": ("digits", {"model": "vae", "settings": {"model.likelihood": "gaussian"}}),
    "manifold": ("mnist-mini", {"preset": "manifold-c1", "epochs": 15, "settings": SHORT}),
    "conditional": ("mnist-mini", {"preset": "conditional-c6", "epochs": 15, "settings": SHORT}),
    "mnist-ae": ("mnist-mini", {"model": "ae", "dim": 2, "epochs": 40, "settings": PLAIN}),
    "mnist-2": ("mnist-mini", PLANE),
    "mnist-20": ("mnist-mini", E1),
    "clothes-2": ("fashion-mini", PLANE),
    "clothes-20": ("fashion-mini", E1),
}
EXPLORED = 2000  # points of the explorer in a page
DIGITS = [f"class:{digit}" for digit in range(10)]
CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"]
FIGURES: dict[str, tuple[Sequence[str], Sequence[str]]] = {  # data script: runs, anchors
    "digits": (["vae"], ["class:1", "class:7"]),
    "scale": (["vae", "mean-of-pixels"], ["class:0", "class:1"]),
    "gaps": (["auto-encoder", "vae"], ["class:0", "class:1"]),
    "gan": (["gan"], ["random:0", "random:5"]),
    "pixels": (["vae", "gaussian"], ["class:0", "class:1"]),
    "faces-gan": (["faces-gan"], ["random:0", "random:5"]),
    "faces-by-sex": (["faces-by-sex"], ["not Male", "Male"]),
    "manifold": (["manifold"], DIGITS),
    "conditional": (["conditional"], DIGITS),
    "mnist-gaps": (["mnist-ae", "mnist-2"], ["class:0", "class:1"]),
    "mnist-2-20": (["mnist-2", "mnist-20"], DIGITS),
    "mnist-20": (["mnist-20"], DIGITS),
    "clothes-2": (["clothes-2"], CLOTHES),
    "clothes-20": (["clothes-20"], CLOTHES),
}


def build() -> None:
    """Write what is missing. The figure of faces has the component and the runtime for all of them."""
    folder = SITE / "live"
    if not (folder / "faces").exists():
        zatlas.export(run_of("faces-vae"), folder / "faces", figure="walk", anchors=["0", "7"])
    if not (folder / "explorer.html").exists():
        zatlas.export(run_of("faces-gan"), folder / "explorer.html", points=EXPLORED)
    for name, (runs, anchors) in FIGURES.items():
        if not (folder / f"{name}.js").exists():
            zatlas.export([run_of(run) for run in runs], folder / f"{name}.js", anchors=anchors)


def run_of(name: str) -> Path:
    """Return the folder of a run; make it if there is none."""
    folder = RUNS / name
    if name == "faces-vae":
        return unpack(folder)
    if name == "faces-gan":
        return folder if folder.exists() else Path(shutil.copytree(FACES_GAN, folder))
    if name == "faces-by-sex":
        if not (folder / "charts").exists():
            zatlas.load(unpack(folder)).chart(supervise="Male")
        return folder
    if not (folder / "made.json").exists():
        data, settings = MODELS[name]
        zatlas.train(data, out=folder, verbose=False, **settings)
    return folder


if __name__ == "__main__":
    build()
