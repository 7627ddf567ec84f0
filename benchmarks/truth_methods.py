"""Whether ways to steer do what they say on drawn faces, method by method, judged by the shipped scorer.

python -m benchmarks.truth_methods [--run FOLDER] [--faces 300] [--second FILE] [--epochs 4]

For each of twelve attributes: the share of test faces whose answer turns when they are moved by three
spreads (there: of those without it; back: of those with it), and the mean change of the scorer's other
answers. Labels are the truth of the drawings. The assessor goes by a second scorer, taught here with
another seed or read from a file; the judge has no part in learning. Beside them is the source's way, from
median to median on a supervised chart, as in `benchmarks/truth.py`.
"""

import argparse
from dataclasses import replace
from importlib.resources import as_file, files
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from benchmarks.truth import on_chart, others_of
from zatlas.demo import unpack
from zatlas.directions.evaluate import Flips, flips
from zatlas.directions.find import find_directions
from zatlas.directions.types import Direction, FieldDirection
from zatlas.gallery import FACE_ATTRIBUTES
from zatlas.models.scorer import Scorer, save_scorer
from zatlas.models.scorers import load_scorer
from zatlas.training.scoring import train_scorer
from zatlas.workspace import Workspace

METHODS = {
    "mean_difference": ("labels", {"method": "mean_difference"}),
    "linear without others": ("labels", {"method": "linear"}),
    "local": ("labels", {"method": "local"}),
    "assessor": ("assessor", {"method": "linear"}),
    "assessor local": ("assessor", {"method": "local"}),
}
ENOUGH, ASIDE = 0.9, 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--faces", type=int, default=300)
    parser.add_argument("--second", type=Path)
    parser.add_argument("--epochs", type=int, default=4)
    given = parser.parse_args()
    shipped = files("zatlas") / "shipped"
    with TemporaryDirectory() as folder, as_file(shipped) as here:
        workspace = Workspace.open(given.run or unpack(Path(folder) / "faces-vae"))
        judge = load_scorer(here / "faces-scorer.safetensors")
        report(workspace, judge, second(workspace, given.second, given.epochs), given.faces)


def second(workspace: Workspace, path: Path | None, epochs: int) -> Scorer:
    """The scorer that may be learnt from: not the judge."""
    if path is not None and path.exists():
        return load_scorer(path)
    found = train_scorer(workspace.dataset, list(FACE_ATTRIBUTES), seed=1, epochs=epochs)
    if path is not None:
        save_scorer(path, found)
    return found


def ways_of(workspace: Workspace, name: str, method: str, scorer: Scorer) -> Direction:
    """What a method finds for an attribute, the others held where it can hold them."""
    kind, settings = METHODS[method]
    if method != "mean_difference":
        settings = {**settings, "without": others_of(name)}
    if kind == "assessor":
        settings = {**settings, "scorer": scorer}
    return find_directions(workspace, kind, names=[name], **settings)[0]


def tell(found: Flips) -> str:
    """There, back and aside; in bold what is good on all counts."""
    words = f"{found.there:.0%}, {found.back:.0%} | {found.aside:.1%}"
    return f"**{words.replace(' | ', '** | **')}**" if good(found) else words


def good(found: Flips) -> bool:
    """Nine turns in ten, and less than a tenth of the others."""
    return found.flips >= ENOUGH and found.aside < ASIDE


def report(workspace: Workspace, judge: Scorer, scorer: Scorer, faces: int) -> None:
    """The table of all twelve."""
    z = workspace.latents("test")[:faces]
    heads = " | ".join(f"{method}: there, back | others" for method in METHODS)
    print(f"| attribute | {heads} | chart | others |")
    print("|---" * (2 * len(METHODS) + 3) + "|")
    spent, reached = dict.fromkeys(METHODS, 0.0), {}
    for name in FACE_ATTRIBUTES:
        told = []
        for method in METHODS:
            begun = perf_counter()
            way = ways_of(workspace, name, method, scorer)
            spent[method] += perf_counter() - begun
            if isinstance(way, FieldDirection):  # by spreads, as all others, rather than by its own scale
                way = replace(way, scale=None)
            found = flips(workspace.generator, judge, z, way, name, others_of(name))
            reached.setdefault(name, []).append(good(found))
            told.append(tell(found))
        right, aside = on_chart(workspace, judge, name)
        print(f"| {name} | {' | '.join(told)} | {right:.0%} | {aside:.1%} |", flush=True)
    print(f"\nSeconds an attribute: { {m: round(s / len(FACE_ATTRIBUTES), 1) for m, s in spent.items()} }")
    missing = [name for name, ok in reached.items() if not any(ok)]
    print(f"Without a method that turns 90 % at less than 10 % aside: {missing or 'none'}.")


if __name__ == "__main__":
    main()
