"""Make the face model and the scorer that come along: python make_faces_demo.py FOLDER [RUN]

Trains by the preset faces-demo, unless a RUN of it is there, and leaves in FOLDER `faces-vae`, a run
of half its size that zatlas opens as any other, and `faces-classifier.safetensors`.
"""

import json
import sys
from pathlib import Path

from zatlas.create import train
from zatlas.data import sources
from zatlas.models.classifier import load_classifier, save_classifier
from zatlas.models.description import load_weights, save_weights
from zatlas.store import atomic
from zatlas.training.classifier_training import evaluate_classifier, train_classifier

PRESET, MODEL, SCORER = "faces-demo", "faces-vae", "faces-classifier.safetensors"
COPIED = ("recipe.toml", "metrics.jsonl", "data_report.json")
OF_THE_MACHINE = {"system", "processor", "threads", "processes"}  # of no use elsewhere
TAUGHT = {"count": 60_000, "seed": 1}  # other faces than those that the model knows
EPOCHS = 8
# What takes but a few pixels of 64x64, and what `Black_Hair` and the like tell as well.
NOT_READ = {"Arched_Eyebrows", "Big_Nose", "Bushy_Eyebrows", "Young", "age", "hair_colour"}
NOT_READ |= {"brow_arch", "brow_thickness", "eye_colour", "nose_size"}
NOT_READ |= {"background_hue", "clothes_hue"}  # go round in a circle: no number tells them


def ship_model(run: Path, folder: Path) -> None:
    """What a run needs to be opened, with weights of two bytes."""
    for name in COPIED:
        atomic.write_file(folder / name, (run / name).read_bytes())
    made = json.loads((run / "made.json").read_bytes())
    saved = {key: value for key, value in made.items() if key not in OF_THE_MACHINE}
    atomic.write_file(folder / "made.json", atomic.as_json(saved))
    description, model = load_weights(run / "weights.safetensors")
    halves = {name: tensor.half() for name, tensor in model.state_dict().items()}
    save_weights(folder / "weights.safetensors", description, halves)


def ship_scorer(path: Path) -> None:
    """A scorer of what can be seen of a drawn face, and how well it reads those it has not seen."""
    images = sources.load("faces", **TAUGHT)
    names = [name for name in images.attributes if name not in NOT_READ]
    save_classifier(path, train_classifier(images, names, epochs=EPOCHS), half=True)
    for name, result in evaluate_classifier(load_classifier(path), images).items():
        print(f"{name:20} {result.measure:8} {result.value:.3f}")


def main(folder: str, run: str = "") -> None:
    out = Path(folder)
    trained = Path(run) if run else train("faces", preset=PRESET).run.folder
    ship_model(trained, out / MODEL)
    ship_scorer(out / SCORER)
    for path in [*sorted((out / MODEL).iterdir()), out / SCORER]:
        print(f"{path.stat().st_size:>9,} bytes  {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
