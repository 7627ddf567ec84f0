"""Time and memory of the methods that find directions.

python benchmarks/find_directions.py [--samples 100000] [--run FOLDER]

closed_form and principal use a decoder like that of many GANs of faces (100-512-256-128-64-3, transposed
convolutions, 64x64); random weights take the same time as trained ones. principal runs in its own process
for each number of samples, to measure its peak memory. transform and predictor use the shipped face model.
"""

import argparse
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from benchmarks.common import peak_memory, timed
from benchmarks.shipped_faces import shipped_faces
from zatlas.core.space import Space
from zatlas.directions.find import find_directions
from zatlas.directions.fit import closed_form, principal
from zatlas.models.external_classifiers import open_classifier
from zatlas.models.generator import Generator
from zatlas.workspace import Workspace

WIDTHS = (100, 512, 256, 128, 64, 3)


class Faces(nn.Module):
    """The decoder of a DCGAN."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, (wide, narrow) in enumerate(pairwise(WIDTHS)):
            step, edge = (2, 1) if i else (1, 0)
            layers += [nn.ConvTranspose2d(wide, narrow, 4, step, edge, bias=False)]
            last = i == len(WIDTHS) - 2
            layers += [nn.Tanh()] if last else [nn.BatchNorm2d(narrow), nn.ReLU()]
        self.layers = nn.Sequential(*layers)

    def decode(self, z: torch.Tensor, y: torch.Tensor | None) -> torch.Tensor:
        return (self.layers(z) + 1) / 2


def gan() -> Generator:
    torch.manual_seed(0)
    return Generator(Space((WIDTHS[0], 1, 1)), Faces().eval().decode)


def alone(of: str, samples: int) -> None:
    """Run principal once; print its seconds and the peak memory of this process."""
    generator = gan()
    latents = generator.space.sample(2000, seed=0)
    seconds = timed(lambda: principal.fit(generator, latents, source=of, samples=samples, show=False))
    peak = peak_memory()
    print(json.dumps({"seconds": seconds, "peak": peak}))


def in_turn(of: str, samples: int) -> dict:
    words = [sys.executable, "-m", "benchmarks.find_directions", "--alone", of, "--samples", str(samples)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--alone")
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.samples)
        return
    generator = gan()
    latents = generator.space.sample(2000, seed=0)
    print("| what | seconds | peak MiB |\n|---|---|---|")
    for of in closed_form.SOURCES:
        seconds = timed(lambda of=of: closed_form.fit(generator, latents, source=of))
        print(f"| closed_form of {of}, 100 dimensions, 64x64 | {seconds:.2f} | |", flush=True)
    for of in ("samples", "layer"):
        for samples in (given.samples // 10, given.samples):
            result = in_turn(of, samples)
            labelled = f"{result['seconds']:.1f} | {result['peak']:,.0f}"
            print(f"| principal of {of}, {samples:,} samples | {labelled} |", flush=True)
    with shipped_faces(given.run) as (workspace, classifier):
        on_faces(workspace, classifier)


def on_faces(workspace: Workspace, classifier: Path) -> None:
    """The methods that decode while they fit, on the face model."""
    _ = workspace.cloud
    smile = {"classifier": open_classifier(classifier), "names": ["Smiling"]}
    runs = {
        "transform of brightness": ("transform", {"names": ["brightness"]}),
        "transform of brightness, nonlinear": ("transform", {"names": ["brightness"], "method": "net"}),
        "predictor of Smiling": ("predictor", smile),
        "predictor of Smiling, nonlinear": ("predictor", {**smile, "method": "local"}),
        "labels of Bangs, nonlinear": ("labels", {"names": ["Bangs"], "method": "local"}),
        "unsupervised, 8 directions": ("unsupervised", {}),
    }
    for output, (method, settings) in runs.items():
        seconds = timed(lambda m=method, s=settings: find_directions(workspace, m, **s))
        print(f"| {output} | {seconds:.1f} | |", flush=True)


if __name__ == "__main__":
    main()
