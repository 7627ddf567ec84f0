"""Make the GAN of the article about faces: python make_faces_gan.py FOLDER [RUN]

Trains the GAN, unless RUN is given. Writes a run with 16-bit weights into FOLDER, and saves directions in it:
edits of images, and directions that raise the predictions of a classifier.
"""

import sys
from importlib.resources import as_file, files
from pathlib import Path

from make_faces_demo import CLASSIFIER, ship_model

import zatlas
from zatlas.models.classifier import load_classifier
from zatlas.store import atomic

DATA = "faces:count=6000,turned=false"
EDITS = ("zoom", "shift_x", "rotation", "brightness", "warmth")
SCORES = ("Eyeglasses", "Smiling")


def main(folder: str, run: str = "") -> None:
    out = Path(folder)
    trained = Path(run) if run else Path(f"{folder}-training")
    if not run:
        zatlas.train(DATA, model="gan", dim=32, size=32, out=trained)
    with atomic.folder(out, sealed=False, recorded=True) as side:
        ship_model(trained, side)
    gan = zatlas.load(out)
    with as_file(files("zatlas") / "shipped" / CLASSIFIER) as path:
        classifier = load_classifier(path)
    found = gan.find_directions("transform", settings={"names": EDITS})
    found += gan.find_directions("predictor", settings={"names": SCORES, "classifier": classifier})
    for direction in found:
        report = direction.evaluate(classifier)
        direction.save(report=report)
        print(direction.name, direction.direction.facts, report.summary(), sep="\n  ")


if __name__ == "__main__":
    main(*sys.argv[1:])
