"""Six ways from a place on a chart to a code: how true, how sharp, how smooth and how fast each is.

python benchmarks/chart_inverse.py [--root FOLDER] [--codes 20000] [--repeats 5]

A 784-512-64 VAE is trained on MNIST for a moment; umap-learn lays its codes, and every way inverts
that one chart, at 225 places drawn evenly where it has data.

place error: a place's code is sent back to the chart and its distance from the place is taken, as
a share of the chart's diagonal. Each way back favours some inverse - `Chart.forward` reads the
same neighbours as ours, umap-learn's `transform` descends on the same loss as umap-learn's - so both
are shown, and with them the place of the nearest real code, which is of neither: that one is the
common measure.
rebuilt: squared error of held-out images that went to the chart and back, over that of images that
were only encoded and decoded. sharp: mean slope of the decoded places, over that of decoded codes.
jump: how far the code moves when the place moves by 0.2 % of the diagonal, over a code's norm.

A second table inverts a chart of draws from the prior, which is all that a GAN has: how long the
codes are and how sharp their images, over those of the draws.
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

Direction = Callable[[np.ndarray], np.ndarray]
PLACES = 225


@dataclass(frozen=True)
class Ground:
    """What every way is measured on."""

    net: Generator
    chart: Chart
    places: np.ndarray
    held: np.ndarray  # images that the chart has not seen
    back: dict[str, Direction]  # the ways from a code to the chart


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", default="")
    parser.add_argument("--codes", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    umap = umap_learn()
    net, latents, held = trained(mnist_npz(given.root).parent, given.codes)
    print(f"umap-learn lays {len(latents):,} codes of {latents.shape[1]} coordinates", file=sys.stderr)
    model = umap.UMAP(n_neighbors=25, min_dist=0.1).fit(latents)
    chart = Chart(latents, np.ascontiguousarray(model.embedding_, np.float32))
    back: dict[str, Direction] = {
        "nearest": lambda z: chart.positions[nearest(z, latents, 1)[0][:, 0]],
        "forward": chart.forward,
        "transform": lambda z: np.asarray(model.transform(z)),
    }
    ground = Ground(net, chart, some_places(chart), held, back)
    print(f"{'':26}  place error, % (median, 9 in 10)              rebuilt  sharp   jump       ms")
    print(f"{'':26}" + "".join(f"{name:>15}" for name in back))
    result = {}
    for name, direction in ways(chart, model).items():
        print(f"  {name}", file=sys.stderr)
        result[name] = measured(ground, direction, 1 if name == "umap-learn" else given.repeats)
        print(row(name, result[name]))
    ours, theirs = result["Chart.inverse"], result["umap-learn"]
    print(f"time, umap-learn / zatlas: {theirs['ms'] / ours['ms']:,.0f}")
    prior_table(net)
    for name in back:
        ratio = ours[name][0] / max(theirs[name][0], 1e-9)
        print(f"place error by {name}, zatlas / umap-learn: {ratio:.2f}")


def prior_table(net: Generator) -> None:
    """The lengths of codes and the sharpness of images on a chart of the prior, way by way."""
    chart = make_chart(net.space.sample(5000, seed=0))
    places, real = some_places(chart), chart.latents[:2000]
    print(f"{'a chart of the prior':26}  length   sharp")
    for name, direction in ways(chart, None).items():
        z = as_codes(direction(places))
        long = float(np.linalg.norm(z, axis=1).mean() / np.linalg.norm(real, axis=1).mean())
        print(f"{name:26}{long:8.2f}{slope(net.decode(z)) / slope(net.decode(real)):8.2f}")


def ways(chart: Chart, model: Any) -> dict[str, Direction]:
    """Every way from places to codes that was thought of; umap-learn's where its model is given."""
    latents, places = chart.latents, chart.positions

    def weighted(xy: np.ndarray) -> np.ndarray:
        """The mean of the neighbours, its norm as it comes."""
        index, far = nearest(xy, places, 9)
        weight = np.maximum(1 - far / far[:, -1:], 1e-6) ** 2
        return np.einsum("nk,nkd->nd", weight / weight.sum(1, keepdims=True), latents[index])

    def plane(xy: np.ndarray) -> np.ndarray:
        """A plane fitted to 50 neighbours."""
        index, far = nearest(xy, places, 50)
        weight = np.maximum(1 - far / far[:, -1:], 1e-6) ** 2
        terms = np.concatenate([np.ones((*index.shape, 1)), places[index] - xy[:, None]], axis=2)
        left = np.einsum("nki,nkj,nk->nij", terms, terms, weight) + np.diag([0, 1e-3, 1e-3])
        right = np.einsum("nki,nkd,nk->nid", terms, latents[index], weight)
        return np.linalg.solve(left, right)[:, 0]

    theirs = {} if model is None else {"umap-learn": model.inverse_transform}
    return {
        **theirs,
        "nearest code": lambda xy: latents[nearest(xy, places, 1)[0][:, 0]],
        "weighted mean": weighted,
        "plane of 50 neighbours": plane,
        "net (128, 128)": regressor(chart),
        "Chart.inverse": chart.inverse,
    }


def regressor(chart: Chart) -> Direction:
    """A small net from places to codes."""
    from sklearn.neural_network import MLPRegressor

    low, wide = chart.positions.mean(0), chart.positions.std(0)
    net = MLPRegressor(hidden_layer_sizes=(128, 128), max_iter=20, random_state=0)
    net.fit((chart.positions - low) / wide, chart.latents)
    return lambda xy: net.predict((xy - low) / wide)


def measured(ground: Ground, direction: Direction, repeats: int) -> dict:
    """All that is told of one way; the first call, which may compile something, is not timed."""
    chart, places = ground.chart, ground.places
    size = float(np.linalg.norm(chart.box[1] - chart.box[0]))
    z = as_codes(direction(places))
    seconds = []
    for _ in range(repeats):
        begun = perf_counter()
        direction(places)
        seconds.append(perf_counter() - begun)
    result: dict = {"ms": 1000 * median(seconds)}
    for name, back in ground.back.items():
        missed = 100 * np.linalg.norm(back(z) - places, axis=1) / size
        result[name] = (float(np.median(missed)), float(np.quantile(missed, 0.9)))
    net, held = ground.net, ground.held
    there = net.encode(held)
    lost = np.square(net.decode(as_codes(direction(chart.transform(there)))) - held).mean()
    result["rebuilt"] = float(lost / np.square(net.decode(there) - held).mean())
    result["sharp"] = slope(net.decode(z)) / slope(net.decode(chart.latents[:2000]))
    step = np.random.default_rng(1).normal(size=places.shape)
    step *= 0.002 * size / np.linalg.norm(step, axis=1, keepdims=True)
    moved = np.linalg.norm(as_codes(direction((places + step).astype(np.float32))) - z, axis=1)
    result["jump"] = float(np.median(moved) / np.median(np.linalg.norm(chart.latents, axis=1)))
    return result


def row(name: str, result: dict) -> str:
    """One line of the table."""
    errors = "".join(
        f"{result[key][0]:8.2f} {result[key][1]:6.2f}" for key in ("nearest", "forward", "transform")
    )
    rest = f"{result['rebuilt']:9.2f} {result['sharp']:6.2f} {result['jump']:6.2f}"
    return f"{name:26}{errors}{rest} {result['ms']:10,.2f}"


def slope(images: np.ndarray) -> float:
    """Mean difference between pixels side by side."""
    return float(np.abs(np.diff(images, axis=2)).mean() + np.abs(np.diff(images, axis=3)).mean())


def some_places(chart: Chart) -> np.ndarray:
    """Places drawn evenly over the box and kept where the chart has data."""
    drawn = np.random.default_rng(0).uniform(*chart.box, (50 * PLACES, 2)).astype(np.float32)
    return drawn[chart.covers(drawn)][:PLACES]


def trained(root: Path, count: int) -> tuple[Generator, np.ndarray, np.ndarray]:
    """A net, the codes of so many images, and images to hold out."""
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


def as_codes(z: np.ndarray) -> np.ndarray:
    """As zatlas' own nets take them."""
    return np.ascontiguousarray(z, np.float32)


def umap_learn() -> Any:
    """umap-learn, from an environment of its own where this one does not hold it."""
    python = environment("umap-learn", "umap-learn==0.5.12")
    site.addsitedir(str(next(python.parent.parent.glob("lib/python*/site-packages"))))
    import umap

    return umap


if __name__ == "__main__":
    main()
