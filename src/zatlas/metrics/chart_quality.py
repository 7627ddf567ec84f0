"""Can a run's chart be believed? Neighbours kept, ground covered, and the way there and back."""

from collections.abc import Callable

import numpy as np

from zatlas.core.arrays import Points, Rows
from zatlas.core.seeds import derive, stream
from zatlas.latent.chart import Chart, make, trustworthiness
from zatlas.latent.landmarks import CHARTED, landmarks
from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

MAX_LATENTS = 3000  # codes of a chart that is made for this alone
MAX_RANKED = 1000  # codes whose neighbours are ranked
FOLDS = 10  # of them that are left out in turn
GRID_SIDE = 64  # places a side of the box
ROUND_TRIPS = 1000  # places and codes that go there and back


def chart_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """What the run's usual chart keeps of the space, and where it can be trusted."""
    chart = default_chart(workspace, seed=seed)
    if len(chart.points) < 3 * FOLDS:
        return []
    on = f"on the {chart.layout} chart of {len(chart.points):,} codes"
    return [*_kept(chart, on, seed), _covered(chart, on, workspace, seed), *_back(chart, on, workspace, seed)]


def default_chart(workspace: Workspace, *, seed: int = 0) -> Chart:
    """The chart that the run is shown by; where none is kept of very many codes, one of some of them."""
    points = workspace.mapped("test").points
    codes = points[landmarks(len(points), CHARTED)]
    if workspace.dim <= 2 or len(codes) <= MAX_LATENTS:
        return workspace.chart()
    for path in sorted(workspace.folder("charts").glob("umap-*.safetensors")):
        kept = Chart.load(path)
        if not kept.made.get("labels") and np.array_equal(kept.points, codes):
            return kept
    some = np.sort(stream(seed, "charted").permutation(len(codes))[:MAX_LATENTS])
    return make(codes[some], seed=seed)


def continuity(chart: Chart, most: int = MAX_RANKED) -> float:
    """How far neighbours in the space are neighbours on the chart too: trustworthiness the other way.

    Venna and Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68
    """
    return trustworthiness(chart.places, chart.points, most=most)


def box_coverage(chart: Chart, grid: int = GRID_SIDE) -> float:
    """The share of the chart's box that lies among its codes; elsewhere a place's code is a guess."""
    steps = (np.arange(grid, dtype=np.float32) + 0.5) / grid * 2 - 1
    places = np.stack([axis.ravel() for axis in np.meshgrid(steps, steps)], axis=1)
    return float(chart.covers(chart.at(places)).mean())


def position_round_trip(chart: Chart, count: int = ROUND_TRIPS, *, seed: int = 0) -> np.ndarray:
    """How far from a place its code falls, for places on covered ground, in diagonals of the box."""
    drawn = stream(seed, "places").uniform(-1, 1, (20 * count, 2)).astype(np.float32)
    places = chart.at(drawn)
    places = places[chart.covers(places)][:count]
    diagonal = float(np.linalg.norm(chart.box[1] - chart.box[0]))
    return np.linalg.norm(chart.forward(chart.inverse(places)) - places, axis=1) / diagonal


def latent_round_trip(chart: Chart, codes: Points) -> np.ndarray:
    """How far from a code that of its place is, over how far codes are from their mean."""
    usual = float(np.linalg.norm(chart.points - chart.middle, axis=1).mean())
    back = chart.inverse(chart.forward(codes))
    return np.linalg.norm(back - codes, axis=1) / max(usual, 1e-12)


def jackknife_error(statistic: Callable[[Rows], float], n: int, *, seed: int = 0) -> float:
    """The standard error of a statistic of n rows, by leaving out a tenth of them in turn.

    Unlike draws with replacement, this makes no rows alike, which would be each other's neighbours.
    Efron 1982, https://doi.org/10.1137/1.9781611970319
    """
    order = stream(seed, "left out").permutation(n)
    found = np.array([statistic(np.sort(order[np.arange(n) % FOLDS != i])) for i in range(FOLDS)])
    return float(np.sqrt((FOLDS - 1) / FOLDS * np.square(found - found.mean()).sum()))


def _kept(chart: Chart, on: str, seed: int) -> list[Metric]:
    """Neighbours here and there, of a sample of the codes."""
    rows = np.sort(stream(seed, "ranked").permutation(len(chart.points))[:MAX_RANKED])

    def metric(name: str, measure: Callable[[Chart], float], about: str) -> Metric:
        def of(some: Rows) -> float:
            return measure(Chart(chart.points[rows[some]], chart.places[rows[some]]))

        said = f"how far {about} too, of the nearest 15"
        error = jackknife_error(of, len(rows), seed=seed)
        return Metric(
            name, "charts", of(np.arange(len(rows))), said, len(rows), error, "", "higher", 0.5, "chance"
        )

    return [
        metric("trustworthiness", lambda one: one.trust, f"neighbours {on} are neighbours in the space"),
        metric("continuity", continuity, f"neighbours in the space are neighbours {on}"),
    ]


def _covered(chart: Chart, on: str, workspace: Workspace, seed: int) -> Metric:
    codes = _others(workspace, seed)
    parts = {"the box": box_coverage(chart)}
    if codes is not None:
        parts["other codes"] = float(chart.covers(chart.forward(codes)).mean())
    about = f"share of the box with codes around, {on}; elsewhere the code of a place is a guess"
    return Metric("box_coverage", "charts", parts["the box"], about, GRID_SIDE**2, unit="share", parts=parts)


def _back(chart: Chart, on: str, workspace: Workspace, seed: int) -> list[Metric]:
    away, codes = position_round_trip(chart, seed=seed), _others(workspace, seed)
    if not len(away):  # all codes are one, and so is the ground
        return []
    value, error = mean_and_error(away)
    back = latent_round_trip(chart, chart.points[:ROUND_TRIPS] if codes is None else codes)
    parts = {"place to code to place": value, "code to place to code": float(back.mean())}
    about = (
        f"how far from a place its code falls {on}, in diagonals of the box; and how far from a code that "
        "of its place is, over how far codes are from their mean"
    )
    lossless = "a chart that loses nothing"
    return [
        Metric(
            "round_trip", "charts", value, about, len(away), error, "diagonals", "lower", 0.0, lossless, parts
        )
    ]


def _others(workspace: Workspace, seed: int) -> Points | None:
    """Codes that the chart was not made of, where there are any."""
    if workspace.given is not None and not workspace.coded:
        return None
    if not workspace.coded:
        return sample_latents(workspace, ROUND_TRIPS, seed=derive(seed, "other codes"))
    codes = workspace.codes("train").points
    return codes[stream(seed, "other codes").permutation(len(codes))[:ROUND_TRIPS]]
