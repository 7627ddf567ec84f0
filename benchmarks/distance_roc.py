"""Whether the distance from the data separates latents inside the data from latents outside it.

python benchmarks/distance_roc.py [--root FOLDER] [--runs FOLDER] [--out FILE.png]

For each run and case: the median distance, the share above 2, and the area under the ROC curve of all cases
inside against all outside, beside that of the distance to the nearest latents alone. Inside are encoded
held-out images, samples of their posteriors, samples of the prior, and midpoints of arcs between those.
Outside are latents near the origin and midpoints of lines in many dimensions, the middle of a hole cut into
the latents in two, and held-out latents moved away from the center, beyond all others. The picture
shows the ROC curves of all runs together; both distances have the same threshold for all runs. Runs on MNIST
are trained on 4,000 images at first use; the faces are those of the shipped VAE.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sklearn.metrics import roc_auc_score

from mnist_file import mnist_npz
from zatlas.core.arrays import Latents, Values
from zatlas.core.seeds import stream
from zatlas.create import train
from zatlas.demo import unpack
from zatlas.latent.curves import lerp, slerp
from zatlas.latent.density import Density, Scale, density
from zatlas.latent.neighbors import nearest, nearest_others
from zatlas.latent.sampling import from_posterior
from zatlas.render.pixels import save
from zatlas.render.plot import lines
from zatlas.workspace import Workspace

COUNT = 500  # latents of each case
MANY = 8  # dimensions from which on the origin is far from the shell
MODELS = (("vae", 2, 15), ("vae", 16, 15), ("ae", 2, 15), ("ae", 16, 15), ("gan", 64, 6))
TRAIN, TEST = 4000, 1000  # images of MNIST


@dataclass(frozen=True)
class Case:
    """Latents with a known answer, and the data that they are compared with."""

    run: str
    name: str
    outside: bool
    z: Latents
    data: Density
    samples: Latents  # of the posteriors of the data

    @property
    def distance(self) -> Values:
        """The distance from the data."""
        return self.data.relative_distance(self.z)

    @property
    def neighbor_distance(self) -> Values:
        """The distance to the nearest latents: 1 is the median of the data, 2 its 99th percentile."""
        own = nearest_others(self.samples, 5)[1].mean(axis=1)
        return Scale.of(own)(nearest(self.z, self.samples, 5)[1].mean(axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with TemporaryDirectory() as temporary:
        folder = given.runs or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        cases = [case for workspace in workspaces(folder, given.root) for case in cases_of(workspace)]
        report(cases)
        if given.out:
            draw(cases, given.out)


def workspaces(folder: Path, root: str) -> list[Workspace]:
    """The shipped faces, and small models of MNIST, which are trained at first use."""
    images = folder / "mnist-4000.npz"
    if not images.exists():
        few_digits(Path(mnist_npz(root)), images)
    result = [Workspace.open(unpack(folder / "faces-vae"))]
    for model, dim, epochs in MODELS:
        out = folder / f"mnist-{model}-{dim}"
        if not (out / "made.json").exists():
            settings = {"training.preview": 0}
            train(images, model=model, dim=dim, epochs=epochs, out=out, settings=settings, verbose=False)
        result.append(Workspace.open(out))
    return result


def few_digits(source: Path, target: Path) -> None:
    """Write random images of MNIST to a file."""
    rng, arrays = np.random.default_rng(0), np.load(source)
    chosen = {part: rng.permutation(len(arrays[f"x_{part}"])) for part in ("train", "test")}
    rows = {"train": chosen["train"][:TRAIN], "test": chosen["test"][:TEST]}
    np.savez(
        target, **{f"{key}_{part}": arrays[f"{key}_{part}"][rows[part]] for key in "xy" for part in rows}
    )


def cases_of(workspace: Workspace) -> list[Case]:
    """The cases of one run."""
    inside, outside = {}, {}
    encoded = workspace.source.indexed
    if encoded:
        table = workspace.table("test")
        inside["held-out images"] = table.latents[:COUNT]
        if table.std is not None:
            inside["posterior samples"] = from_posterior(table.latents, table.std, seed=1)[:COUNT]
    if workspace.generator.space.prior != "none":
        z = workspace.generator.space.sample(2 * COUNT, seed=1)
        a, b, half = z[:COUNT], z[COUNT:], np.full((COUNT, 1), 0.5, np.float32)
        inside |= {"prior samples": a, "arc midpoints": slerp(a, b, half)}
        if workspace.density.coordinates.dim >= MANY:
            outside |= {"line midpoints": lerp(a, b, half), "near the origin": (0.1 * a).astype(np.float32)}
    latents = next(iter(inside.values()))
    center = workspace.density.coordinates.center.astype(np.float32)
    norms = np.linalg.norm(latents - center, axis=1, keepdims=True)
    outside["beyond all data"] = center + 2 * norms.max() * (latents - center) / norms
    samples = workspace.posterior_samples("train") if encoded else workspace.cloud
    result = [
        Case(workspace.name, name, answer, z, workspace.density, samples)
        for answer, group in ((False, inside), (True, outside))
        for name, z in group.items()
    ]
    return result if workspace.dim > 2 else [*result, *holes(workspace)]


def holes(workspace: Workspace, count: int = 10) -> list[Case]:
    """The latents without those in a circle that holds a tenth of them, and its inner half."""
    table, rng = workspace.table("train"), stream(0, "holes")
    result = []
    for center in table.latents[rng.choice(len(table), count, replace=False)]:
        away = np.linalg.norm(table.latents - center, axis=1)
        radius = np.quantile(away, 0.1)
        left = away > radius
        data = density(table.latents[left], None if table.std is None else table.std[left])
        within = rng.standard_normal((COUNT // count, 2)).astype(np.float32)
        within /= np.linalg.norm(within, axis=1, keepdims=True)
        within *= (0.5 * radius * np.sqrt(rng.random((len(within), 1)))).astype(np.float32)
        samples = workspace.posterior_samples("train")[left]
        result.append(Case(workspace.name, "in a hole", True, center + within, data, samples))
    return result


def report(cases: list[Case]) -> None:
    """Print the distances of each case, and the areas under the ROC curves."""
    print("| run | latents | answer | median distance | above 2 | neighbors alone | above 2 |")
    print("|---|---|---|---|---|---|---|")
    for run, name in dict.fromkeys((case.run, case.name) for case in cases):
        same = [case for case in cases if (case.run, case.name) == (run, name)]
        texts = []
        for values in (scores(same, "distance"), scores(same, "neighbor_distance")):
            texts += [f"{np.median(values):.2f}", f"{(values > 2).mean():.0%}"]
        print(f"| {run} | {name} | {'outside' if same[0].outside else 'inside'} | {' | '.join(texts)} |")
    print("\n| run | area under the ROC curve | neighbors alone |\n|---|---|---|")
    for run in [*dict.fromkeys(case.run for case in cases), "all"]:
        chosen = [case for case in cases if run in (case.run, "all")]
        areas = [roc_auc_score(answers(chosen), scores(chosen, kind)) for kind in KINDS]
        print(f"| {run} | {areas[0]:.3f} | {areas[1]:.3f} |", flush=True)


KINDS = {"distance": "distance from the data", "neighbor_distance": "distance to the nearest latents alone"}


def scores(cases: list[Case], kind: str) -> Values:
    """The distances of all latents of these cases."""
    return np.concatenate([getattr(case, kind) for case in cases])


def answers(cases: list[Case]) -> np.ndarray:
    """Whether each latent of these cases is outside the data."""
    return np.concatenate([np.full(len(case.z), case.outside) for case in cases])


def draw(cases: list[Case], out: Path) -> None:
    """Draw the ROC curves of all runs together."""
    share = np.linspace(0, 1, 201)
    outside = answers(cases)
    series, marks = {}, {}
    for kind, title in KINDS.items():
        values = scores(cases, kind)
        limits = np.quantile(values[~outside], 1 - share)
        series[title] = np.array([(values[outside] > limit).mean() for limit in limits])
        if kind == "distance":
            marks["distance 2"] = float((values[~outside] > 2).mean())
    runs = len({case.run for case in cases})
    figure = lines(
        share,
        series,
        axes=("share of latents inside the data that are called outside", "share of those outside"),
        title=f"Latents inside and outside the data, {runs} runs",
        marks=marks,
    )
    print(save(figure, out))


if __name__ == "__main__":
    main()
