"""Effects and side effects of the methods that find directions, on drawn faces.

python -m benchmarks.truth_methods [--run FOLDER] [--faces 300] [--second FILE] [--epochs 4]

For each of twelve attributes: the share of test faces whose prediction changes when they move by three std
(add: faces without it; remove: faces with it), and the mean change of the other predictions. Labels are
the true factors. The predictor uses a second classifier, trained here with another seed or read from a
file; the measuring classifier is not used to fit. The last columns are source A's method, from median to
median on a supervised chart, as in `benchmarks/truth.py`.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from benchmarks.flip_rates import FlipRates, flip_rates
from benchmarks.shipped_faces import shipped_faces
from benchmarks.truth import on_chart, others_of
from zatlas.directions.find import find_directions
from zatlas.directions.types import Direction, FieldDirection
from zatlas.figures.catalogue import FACE_ATTRIBUTES
from zatlas.models.classifier import Classifier, save_classifier
from zatlas.models.external_classifiers import open_classifier
from zatlas.training.classifier_training import train_classifier
from zatlas.workspace import Workspace

METHODS = {
    "mean_difference": ("labels", {"method": "mean_difference"}),
    "linear, orthogonal": ("labels", {"method": "linear"}),
    "local": ("labels", {"method": "local"}),
    "predictor": ("predictor", {"method": "linear"}),
    "predictor local": ("predictor", {"method": "local"}),
}
ENOUGH, ASIDE = 0.9, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--second", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    with shipped_faces(given.run) as (workspace, classifier):
        judge = open_classifier(classifier)
        report(workspace, judge, second(workspace, given.second, given.epochs), given.faces)


def second(workspace: Workspace, path: Path | None, epochs: int) -> Classifier:
    """The classifier that predictors are fitted to; not the measuring one."""
    if path is not None and path.exists():
        return open_classifier(path)
    result = train_classifier(workspace.dataset, list(FACE_ATTRIBUTES), seed=1, epochs=epochs)
    if path is not None:
        save_classifier(path, result)
    return result


def direction_of(workspace: Workspace, name: str, method: str, classifier: Classifier) -> Direction:
    """The direction of a method for an attribute, with the other attributes held if possible."""
    kind, settings = METHODS[method]
    if method != "mean_difference":
        settings = {**settings, "orthogonal_to": others_of(name)}
    if kind == "predictor":
        settings = {**settings, "classifier": classifier}
    return find_directions(workspace, kind, names=[name], **settings)[0]


def tell(result: FlipRates) -> str:
    """There, back and aside; in bold what is good on all counts."""
    words = f"{result.gained:.0%}, {result.lost:.0%} | {result.side_effect:.1%}"
    return f"**{words.replace(' | ', '** | **')}**" if good(result) else words


def good(result: FlipRates) -> bool:
    """Nine turns in ten, and less than a tenth of the others."""
    return result.mean >= ENOUGH and result.side_effect < ASIDE


def report(workspace: Workspace, judge: Classifier, classifier: Classifier, faces: int) -> None:
    """The table of all twelve attributes."""
    z = workspace.latents("test")[:faces]
    heads = " | ".join(f"{method}: there, back | others" for method in METHODS)
    print(f"| attribute | {heads} | chart | others |")
    print("|---" * (2 * len(METHODS) + 3) + "|")
    spent, reached = dict.fromkeys(METHODS, 0.0), {}
    for name in FACE_ATTRIBUTES:
        labelled = []
        for method in METHODS:
            begun = perf_counter()
            direction = direction_of(workspace, name, method, classifier)
            spent[method] += perf_counter() - begun
            if isinstance(
                direction, FieldDirection
            ):  # amounts in std, like all others, instead of its own unit
                direction = replace(direction, scale=None)
            result = flip_rates(workspace.generator, judge, z, direction, name, others_of(name))
            reached.setdefault(name, []).append(good(result))
            labelled.append(tell(result))
        right, aside = on_chart(workspace, judge, name)
        print(f"| {name} | {' | '.join(labelled)} | {right:.0%} | {aside:.1%} |", flush=True)
    print(f"\nSeconds an attribute: { {m: round(s / len(FACE_ATTRIBUTES), 1) for m, s in spent.items()} }")
    missing = [name for name, ok in reached.items() if not any(ok)]
    print(f"Without a method that changes 90 % with side effects below 10 %: {missing or 'none'}.")


if __name__ == "__main__":
    main()
