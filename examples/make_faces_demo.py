"""Make the shipped face model and classifier: python make_faces_demo.py FOLDER [RUN]

Trains the preset faces-demo, unless RUN is given. Writes to FOLDER the run `faces-vae` with 16-bit weights,
and `faces-classifier.safetensors`.
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

PRESET, MODEL, CLASSIFIER = "faces-demo", "faces-vae", "faces-classifier.safetensors"
COPIED = ("recipe.toml", "metrics.jsonl", "data_report.json")
MACHINE_KEYS = {"system", "processor", "threads", "processes"}  # left out of made.json
TRAINING_FACES = {"count": 60_000, "seed": 1}  # not the faces that the model was trained on
EPOCHS = 8
# Attributes of few pixels at 64x64, and those that others such as `Black_Hair` already cover.
EXCLUDED = {"Arched_Eyebrows", "Big_Nose", "Bushy_Eyebrows", "Young", "age", "hair_colour"}
EXCLUDED |= {"brow_arch", "brow_thickness", "eye_colour", "nose_size"}
EXCLUDED |= {"background_hue", "clothes_hue"}  # circular, so no single number predicts them


def ship_model(run: Path, folder: Path) -> None:
    """Copy the files that zatlas needs to open a run, with 16-bit weights."""
    for name in COPIED:
        atomic.write_file(folder / name, (run / name).read_bytes())
    origin = json.loads((run / "made.json").read_bytes())
    saved = {key: value for key, value in origin.items() if key not in MACHINE_KEYS}
    atomic.write_file(folder / "made.json", atomic.as_json(saved))
    description, model = load_weights(run / "weights.safetensors")
    halves = {name: tensor.half() for name, tensor in model.state_dict().items()}
    save_weights(folder / "weights.safetensors", description, halves)


def ship_classifier(path: Path) -> None:
    """Train a classifier of drawn faces, save it, and print its metrics on held-out faces."""
    images = sources.load("faces", **TRAINING_FACES)
    names = [name for name in images.attributes if name not in EXCLUDED]
    save_classifier(path, train_classifier(images, names, epochs=EPOCHS), half=True)
    for name, result in evaluate_classifier(load_classifier(path), images).items():
        print(f"{name:20} {result.measure:8} {result.value:.3f}")


def main(folder: str, run: str = "") -> None:
    out = Path(folder)
    trained = Path(run) if run else train("faces", preset=PRESET).run.folder
    ship_model(trained, out / MODEL)
    ship_classifier(out / CLASSIFIER)
    for path in [*sorted((out / MODEL).iterdir()), out / CLASSIFIER]:
        print(f"{path.stat().st_size:>9,} bytes  {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
