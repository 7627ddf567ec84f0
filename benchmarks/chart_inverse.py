"""Six methods that map a chart position to a latent: their error, sharpness, smoothness and time.

python benchmarks/chart_inverse.py [--root FOLDER] [--latents 20000] [--repeats 5]

A 784-512-64 VAE is trained briefly on MNIST. umap-learn lays out its latents, and every method inverts
this chart at 225 random positions inside the data.

position error: the latent of a position is mapped back to the chart; the distance to the position is a
share of the chart's diagonal. Each forward method favours one inverse: `Chart.transform` uses the same
neighbours as zatlas, and umap-learn's `transform` the same loss as umap-learn. Both are shown. The third,
the position of the nearest real latent, favours neither and is the common measure. reconstruction: squared
error of held-out images that were mapped to the chart and back, divided by that of images that were only
encoded and decoded. sharpness: mean image gradient at the positions, divided by that of decoded latents.
jump: change of the latent for a step of 0.2 % of the diagonal, divided by the latent's norm.

A second table inverts a chart of prior samples, the only data of a GAN: the norm of the latents and the
sharpness of their images, divided by those of the samples.
"""

import argparse
import site
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from common import environment
from mnist_file import mnist_npz
from zatlas.data import sources
from zatlas.latent.chart import Chart, make_chart
from zatlas.latent.neighbors import nearest
from zatlas.models.description import generator, load_weights
from zatlas.models.generator import Generator
from zatlas.training.loop import fit
from zatlas.training.recipe import make_recipe

Map = Callable[[np.ndarray], np.ndarray]
POSITIONS = 225


@dataclass(frozen=True)
class Ground:
    """Data and models that every method is measured on."""

    net: Generator
    chart: Chart
    positions: np.ndarray
    held: np.ndarray  # held-out images
    back: dict[str, Map]  # methods from a latent to the chart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--latents", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    umap = umap_learn()
    net, latents, held = trained(mnist_npz(given.root).parent, given.latents)
    print(f"umap-learn lays out {len(latents):,} latents of {latents.shape[1]} coordinates", file=sys.stderr)
    model = umap.UMAP(n_neighbors=25, min_dist=0.1).fit(latents)
    chart = Chart(latents, np.ascontiguousarray(model.embedding_, np.float32))
    back: dict[str, Map] = {
        "nearest": lambda z: chart.positions[nearest(z, latents, 1)[0][:, 0]],
        "Chart.transform": chart.transform,
        "transform": lambda z: np.asarray(model.transform(z)),
    }
    ground = Ground(net, chart, random_positions(chart), held, back)
    print(f"{'':26}  position error, % (median, p90)               recons.  sharp   jump       ms")
    print(f"{'':26}" + "".join(f"{name:>15}" for name in back))
    result = {}
    for name, mapping in methods(chart, model).items():
        print(f"  {name}", file=sys.stderr)
        result[name] = measured(ground, mapping, 1 if name == "umap-learn" else given.repeats)
        print(row(name, result[name]))
    ours, theirs = result["Chart.inverse_transform"], result["umap-learn"]
    print(f"time, umap-learn / zatlas: {theirs['ms'] / ours['ms']:,.0f}")
    prior_table(net)
    for name in back:
        ratio = ours[name][0] / max(theirs[name][0], 1e-9)
        print(f"position error by {name}, zatlas / umap-learn: {ratio:.2f}")


def prior_table(net: Generator) -> None:
    """Norm of the latents and sharpness of the images on a chart of the prior, for each method."""
    chart = make_chart(net.space.sample(5000, seed=0))
    positions, real = random_positions(chart), chart.latents[:2000]
    print(f"{'a chart of the prior':26}  length   sharp")
    for name, mapping in methods(chart, None).items():
        z = as_latents(mapping(positions))
        long = float(np.linalg.norm(z, axis=1).mean() / np.linalg.norm(real, axis=1).mean())
        print(f"{name:26}{long:8.2f}{gradient(net.decode(z)) / gradient(net.decode(real)):8.2f}")


def methods(chart: Chart, model: Any) -> dict[str, Map]:
    """Every method by name; umap-learn's if its model is given."""
    latents, positions = chart.latents, chart.positions

    def weighted(xy: np.ndarray) -> np.ndarray:
        """The mean of the neighbours without correction of its norm."""
        index, far = nearest(xy, positions, 9)
        weight = np.maximum(1 - far / far[:, -1:], 1e-6) ** 2
        return np.einsum("nk,nkd->nd", weight / weight.sum(1, keepdims=True), latents[index])

    def plane(xy: np.ndarray) -> np.ndarray:
        """A plane fitted to 50 neighbours."""
        index, far = nearest(xy, positions, 50)
        weight = np.maximum(1 - far / far[:, -1:], 1e-6) ** 2
        terms = np.concatenate([np.ones((*index.shape, 1)), positions[index] - xy[:, None]], axis=2)
        left = np.einsum("nki,nkj,nk->nij", terms, terms, weight) + np.diag([0, 1e-3, 1e-3])
        right = np.einsum("nki,nkd,nk->nid", terms, latents[index], weight)
        return np.linalg.solve(left, right)[:, 0]

    theirs = {} if model is None else {"umap-learn": model.inverse_transform}
    return {
        **theirs,
        "nearest latent": lambda xy: latents[nearest(xy, positions, 1)[0][:, 0]],
        "weighted mean": weighted,
        "plane of 50 neighbours": plane,
        "network (128, 128)": regressor(chart),
        "Chart.inverse_transform": chart.inverse_transform,
    }


def regressor(chart: Chart) -> Map:
    """A small network from positions to latents."""
    from sklearn.neural_network import MLPRegressor

    low, wide = chart.positions.mean(0), chart.positions.std(0)
    net = MLPRegressor(hidden_layer_sizes=(128, 128), max_iter=20, random_state=0)
    net.fit((chart.positions - low) / wide, chart.latents)
    return lambda xy: net.predict((xy - low) / wide)


def measured(ground: Ground, mapping: Map, repeats: int) -> dict:
    """All measures of one method; the first call, which may compile, is not timed."""
    chart, positions = ground.chart, ground.positions
    size = float(np.linalg.norm(chart.box[1] - chart.box[0]))
    z = as_latents(mapping(positions))
    seconds = []
    for _ in range(repeats):
        begun = perf_counter()
        mapping(positions)
        seconds.append(perf_counter() - begun)
    result: dict = {"ms": 1000 * median(seconds)}
    for name, back in ground.back.items():
        missed = 100 * np.linalg.norm(back(z) - positions, axis=1) / size
        result[name] = (float(np.median(missed)), float(np.quantile(missed, 0.9)))
    net, held = ground.net, ground.held
    there = net.encode(held)
    lost = np.square(net.decode(as_latents(mapping(chart.transform(there)))) - held).mean()
    result["rebuilt"] = float(lost / np.square(net.decode(there) - held).mean())
    result["sharp"] = gradient(net.decode(z)) / gradient(net.decode(chart.latents[:2000]))
    step = np.random.default_rng(1).normal(size=positions.shape)
    step *= 0.002 * size / np.linalg.norm(step, axis=1, keepdims=True)
    moved = np.linalg.norm(as_latents(mapping((positions + step).astype(np.float32))) - z, axis=1)
    result["jump"] = float(np.median(moved) / np.median(np.linalg.norm(chart.latents, axis=1)))
    return result


def row(name: str, result: dict) -> str:
    """One line of the table."""
    errors = "".join(
        f"{result[key][0]:8.2f} {result[key][1]:6.2f}" for key in ("nearest", "Chart.transform", "transform")
    )
    rest = f"{result['rebuilt']:9.2f} {result['sharp']:6.2f} {result['jump']:6.2f}"
    return f"{name:26}{errors}{rest} {result['ms']:10,.2f}"


def gradient(images: np.ndarray) -> float:
    """Mean absolute difference of neighbouring pixels."""
    return float(np.abs(np.diff(images, axis=2)).mean() + np.abs(np.diff(images, axis=3)).mean())


def random_positions(chart: Chart) -> np.ndarray:
    """Random positions of the box where the chart has data."""
    samples = np.random.default_rng(0).uniform(*chart.box, (50 * POSITIONS, 2)).astype(np.float32)
    return samples[chart.covers(samples)][:POSITIONS]


def trained(root: Path, count: int) -> tuple[Generator, np.ndarray, np.ndarray]:
    """A network, the latents of its training images, and held-out images."""
    images = sources.load("mnist", root=str(root))
    recipe = make_recipe(
        {
            "data": {"source": "mnist", "root": str(root)},
            "model": {"dim": 64},
            "net": {"name": "mlp", "widths": [512]},
            "training": {"epochs": 3, "preview": 0},
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        run = fit(recipe, images, Path(folder) / "run")
        net = generator(*load_weights(run.weights))
    latents = net.encode(images.images(images.rows("train")[:count]))
    return net, latents, images.images(images.rows("test")[:500])


def as_latents(z: np.ndarray) -> np.ndarray:
    """A contiguous float32 array, as the networks need."""
    return np.ascontiguousarray(z, np.float32)


def umap_learn() -> Any:
    """umap-learn, from its own environment if this one does not have it."""
    python = environment("umap-learn", "umap-learn==0.5.12")
    site.addsitedir(str(next(python.parent.parent.glob("lib/python*/site-packages"))))
    import umap

    return umap


if __name__ == "__main__":
    main()
