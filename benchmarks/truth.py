"""Whether directions of the shipped face model change what they name, by the shipped classifier.

python -m benchmarks.truth [--run FOLDER] [--faces 300] [--skip 0] [--seed 0]

For each of twelve attributes: the share of test faces whose prediction flips when the latent moves by three
std, and the mean change of the other predictions. Compared are the mean difference, the same orthogonal to
the others, the constrained direction (`zatlas directions find RUN labels --set method=constrained`), the
nonlinear direction (`method=local`) for the two attributes that no linear one flips, and the median
difference on a supervised chart (the share of twenty paths whose ends the classifier separates). The settings
of the constrained direction were chosen on the first 450 test faces; `--skip 450` measures on others.
"""

import argparse
from pathlib import Path

import numpy as np

from benchmarks.flip_rates import flip_rates
from benchmarks.shipped_faces import shipped_faces
from zatlas.directions.find import find_direction, find_directions
from zatlas.figures.attribute_edits import attribute
from zatlas.figures.catalogue import FACE_ATTRIBUTES
from zatlas.models.classifier import Classifier, load_classifier
from zatlas.workspace import Workspace

# Hair on the forehead or the chin can be darker or lighter than the skin: no linear direction changes
# these two attributes with every seed.
BENT = ("Bangs", "No_Beard")
HAIR = {"Gray_Hair", "Black_Hair", "Brown_Hair", "Blond_Hair"}


def others_of(name: str) -> list[str]:
    """The attributes that are independent of this one; hair has one colour."""
    return [other for other in FACE_ATTRIBUTES if other != name and not {name, other} <= HAIR]


def on_chart(workspace: Workspace, classifier: Classifier, name: str) -> tuple[float, float]:
    """Whether the classifier separates the ends of source A's path, and the change of other predictions."""
    ends = [attribute(workspace, name, method="chart", seed=seed).curves[0].sample(2) for seed in range(20)]
    read = classifier.predict(workspace.decode(np.concatenate(ends)))
    low, high = read[0::2], read[1::2]
    column = classifier.column(name)
    right = (low[:, column] < 0.5) & (high[:, column] > 0.5)
    aside = [classifier.column(other) for other in others_of(name)]
    return float(right.mean()), float(np.abs(high[:, aside] - low[:, aside]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with shipped_faces(given.run) as (workspace, classifier):
        report(workspace, load_classifier(classifier), given)


def report(workspace: Workspace, classifier: Classifier, given: argparse.Namespace) -> None:
    """The table of all twelve attributes."""
    z = workspace.latents("test")[given.skip : given.skip + given.faces]
    names = list(FACE_ATTRIBUTES)
    aimed = find_directions(
        workspace, "labels", names=names, method="constrained", orthogonal_to=names, seed=given.seed
    )
    local = find_directions(
        workspace, "labels", names=BENT, method="local", orthogonal_to=names, seed=given.seed
    )
    bent = {mode.name: mode for mode in local}
    heads = ("mean_difference", "orthogonal", "constrained", "local")
    print(f"| attribute | {' | '.join(f'{head}: there, back | others' for head in heads)} |", end="")
    print(" chart | others |")
    print("|---" * (2 * len(heads) + 3) + "|")
    for name, direction in zip(names, aimed, strict=True):
        straight = (
            find_direction(workspace, name),
            find_direction(workspace, name, orthogonal_to=others_of(name)),
        )
        labelled = []
        for one in (*straight, direction, bent.get(name)):
            if one is None:
                labelled.append(" | ")
                continue
            result = flip_rates(workspace.generator, classifier, z, one, name, others_of(name))
            labelled.append(f"{result.gained:.0%}, {result.lost:.0%} | {result.side_effect:.1%}")
        right, aside = on_chart(workspace, classifier, name)
        print(f"| {name} | {' | '.join(labelled)} | {right:.0%} | {aside:.1%} |", flush=True)


if __name__ == "__main__":
    main()
