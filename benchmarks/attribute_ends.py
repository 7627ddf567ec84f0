"""Whether an edit from "not A" to "A" begins and ends where it says, and how evenly the image changes.

python -m benchmarks.attribute_ends [--run FOLDER] [--seeds 100] [--strips 20]

For each attribute of the shipped faces and each of the methods `medians` and `chart` of `zatlas edit`: the
number of seeds for which the shipped classifier finds the attribute at the end that has it and not at the
other end. Then the largest step of a strip of ten images over its smallest step, as root mean square pixel
change: the median over the seeds of `--strips`, and the largest.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.shipped_faces import shipped_faces
from zatlas.core.arrays import Images
from zatlas.figures.attribute_edits import attribute
from zatlas.figures.catalogue import FACE_ATTRIBUTES
from zatlas.models.classifier import Classifier, load_classifier
from zatlas.workspace import Workspace

METHODS = ("medians", "chart")
FRAMES = 10  # of a strip


def ends_are_right(classifier: Classifier, images: Images, name: str) -> np.ndarray:
    """Whether the classifier finds the attribute in the second image of each pair, and not in the first."""
    found = classifier.predict(images)[:, classifier.column(name)] > 0.5
    return ~found[0::2] & found[1::2]


def unevenness(images: Images) -> float:
    """The largest step between two images of a strip over the smallest."""
    steps = np.sqrt(((images[1:] - images[:-1]) ** 2).mean(axis=(1, 2, 3)))
    return float(steps.max() / steps.min())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--strips", type=int, default=20)
    given = parser.parse_args()
    with shipped_faces(given.run) as (workspace, classifier):
        report(workspace, load_classifier(classifier), given.seeds, given.strips)


def report(workspace: Workspace, classifier: Classifier, seeds: int, strips: int) -> None:
    """Print the table of all attributes."""
    titles = ("right ends", "step ratio", "largest")
    columns = [f"{method}: {title}" for method in METHODS for title in titles]
    print(f"| attribute | {' | '.join(columns)} |")
    print("|---" * (1 + len(columns)) + "|")
    for name in FACE_ATTRIBUTES:
        cells = []
        for method in METHODS:
            paths = [attribute(workspace, name, method=method, seed=seed) for seed in range(seeds)]
            ends = workspace.decode(np.concatenate([path.latents(2) for path in paths]))
            ratios = [unevenness(path.images(FRAMES)) for path in paths[:strips]]
            right = ends_are_right(classifier, ends, name).sum()
            cells += [f"{right} of {seeds}", f"{np.median(ratios):.1f}", f"{max(ratios):.1f}"]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
