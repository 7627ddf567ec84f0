"""Metrics of a chart: neighborhoods, covered area, and round trips through its inverse."""

from collections.abc import Callable

import numpy as np

from zatlas.core.arrays import Latents, Rows
from zatlas.core.seeds import derive, stream
from zatlas.core.shell import shell_command
from zatlas.latent.chart import Chart, make_chart, trustworthiness
from zatlas.latent.landmarks import MAX_CHARTED, landmarks
from zatlas.latent.layouts import DEFAULT_LAYOUT
from zatlas.latent.saved_charts import ChartRequest
from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.metrics.run_summary import Finding, RunSummary, Suggestion
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

MAX_LATENTS = 3000  # latents of a chart that is fitted for these metrics only
MAX_RANKED = 1000  # latents whose neighbors are ranked
FOLDS = 10  # jackknife folds
GRID_SIDE = 64  # positions along each side of the chart
MIN_TRUST_GAIN = 0.1  # of the trustworthiness over that of random positions, for a chart that says something
ROUND_TRIPS = 1000  # positions and latents for round trips


def chart_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """Metrics of the run's default chart; an empty list if it has too few latents."""
    chart = default_chart(workspace, seed=seed)
    if len(chart.latents) < 3 * FOLDS:
        return []
    on = f"on the {chart.layout} chart of {len(chart.latents):,} latents"
    return [
        *_neighborhoods(chart, on, seed),
        _coverage(chart, on, workspace, seed),
        *_round_trips(chart, on, workspace, seed),
    ]


def chart_findings(run: RunSummary) -> list[Finding]:
    """The finding that the chart says nothing, if it is hardly more trustworthy than random positions."""
    trust, random = run.value("trustworthiness"), run.baseline("trustworthiness")
    if not trust < random + MIN_TRUST_GAIN:
        return []
    return [
        Finding(
            "uninformative chart",
            f"Neighbors on the chart are neighbors in the data hardly more often than at random: the "
            f"trustworthiness is {trust:.2f}, and that of random positions {random:.2g}. Positions on this "
            "chart mean nothing.",
            ("trustworthiness", "continuity"),
            (Suggestion("Try another layout.", shell_command("chart", run.folder, "--layout", "grid_tsne")),),
        )
    ]


def default_chart(workspace: Workspace, *, seed: int = 0) -> Chart:
    """The chart that the run is shown by; for very many latents without a saved chart, one of a sample."""
    points = workspace.chart_table("test").latents
    latents = points[landmarks(len(points), MAX_CHARTED)]
    if workspace.dim <= 2 or len(latents) <= MAX_LATENTS or workspace.source.kind == "sample":
        return workspace.chart()
    for path in sorted(workspace.folder("charts").glob(f"{DEFAULT_LAYOUT}-*.safetensors")):
        chart = Chart.load(path)
        default = ChartRequest(DEFAULT_LAYOUT).has_parameters(chart.parameters)
        if default and np.array_equal(chart.latents, latents):
            return chart
    rows = np.sort(stream(seed, "charted").permutation(len(latents))[:MAX_LATENTS])
    return make_chart(latents[rows], seed=seed)


def continuity(chart: Chart, max_rows: int = MAX_RANKED) -> float:
    """How far neighbors in the latent space are neighbors on the chart: trustworthiness reversed.

    Venna and Kaski 2001, https://doi.org/10.1007/3-540-44668-0_68
    """
    return trustworthiness(chart.positions, chart.compared, max_samples=max_rows)


def box_coverage(chart: Chart, grid: int = GRID_SIDE) -> float:
    """The share of the chart's box near its latents; elsewhere the inverse extrapolates."""
    steps = (np.arange(grid, dtype=np.float32) + 0.5) / grid * 2 - 1
    positions = np.stack([axis.ravel() for axis in np.meshgrid(steps, steps)], axis=1)
    return float(chart.covers(chart.denormalised(positions)).mean())


def position_round_trip(chart: Chart, count: int = ROUND_TRIPS, *, seed: int = 0) -> np.ndarray:
    """Distance from a covered position to the position of its latent, in diagonals of the box."""
    sampled = stream(seed, "positions").uniform(-1, 1, (20 * count, 2)).astype(np.float32)
    positions = chart.denormalised(sampled)
    positions = positions[chart.covers(positions)][:count]
    diagonal = float(np.linalg.norm(chart.box[1] - chart.box[0]))
    return np.linalg.norm(chart.transform(chart.inverse_transform(positions)) - positions, axis=1) / diagonal


def latent_round_trip(chart: Chart, latents: Latents) -> np.ndarray:
    """Distance from a latent to the latent of its position, relative to the mean distance to the center."""
    usual = float(np.linalg.norm(chart.latents - chart.center, axis=1).mean())
    back = chart.inverse_transform(chart.transform(latents))
    return np.linalg.norm(back - latents, axis=1) / max(usual, 1e-12)


def jackknife_error(statistic: Callable[[Rows], float], n: int, *, seed: int = 0) -> float:
    """The jackknife standard error of a statistic of n rows, leaving out a tenth of them at a time.

    A bootstrap would repeat rows, which would then be each other's neighbors.
    Efron 1982, https://doi.org/10.1137/1.9781611970319
    """
    order = stream(seed, "left out").permutation(n)
    values = np.array([statistic(np.sort(order[np.arange(n) % FOLDS != i])) for i in range(FOLDS)])
    return float(np.sqrt((FOLDS - 1) / FOLDS * np.square(values - values.mean()).sum()))


def _neighborhoods(chart: Chart, on: str, seed: int) -> list[Metric]:
    """Trustworthiness and continuity, on a sample of the latents."""
    rows = np.sort(stream(seed, "ranked").permutation(len(chart.latents))[:MAX_RANKED])

    def metric(name: str, measure: Callable[[Chart], float], about: str) -> Metric:
        def of(sample: Rows) -> float:
            return measure(Chart(chart.compared[rows[sample]], chart.positions[rows[sample]]))

        text = f"how far {about}, for the 15 nearest"
        error = jackknife_error(of, len(rows), seed=seed)
        return Metric(
            name,
            "charts",
            of(np.arange(len(rows))),
            text,
            len(rows),
            error,
            "",
            "higher",
            0.5,
            "random layout",
        )

    near, alike = "are neighbors in the latent space", "neighbors in the latent space"
    if chart.features is not None:
        near, alike = "decode to images that look alike", "samples whose images look alike"
    return [
        metric("trustworthiness", lambda chart: chart.trustworthiness, f"neighbors {on} {near}"),
        metric("continuity", continuity, f"{alike} are neighbors {on}"),
    ]


def _coverage(chart: Chart, on: str, workspace: Workspace, seed: int) -> Metric:
    latents = _others(workspace, seed)
    parts = {"box": box_coverage(chart)}
    if latents is not None:
        parts["other latents"] = float(chart.covers(chart.transform(latents)).mean())
    about = f"share of the box near latents, {on}; elsewhere the inverse extrapolates"
    return Metric("box_coverage", "charts", parts["box"], about, GRID_SIDE**2, unit="share", parts=parts)


def _round_trips(chart: Chart, on: str, workspace: Workspace, seed: int) -> list[Metric]:
    away, latents = position_round_trip(chart, seed=seed), _others(workspace, seed)
    if not len(away):  # all latents are equal, so the chart has no area
        return []
    value, error = mean_and_error(away)
    parts = {"position to latent to position": value}
    about = f"distance from a position to the position of its latent {on}, in diagonals of the box"
    if chart.features is None:  # images that look alike have unrelated latents
        back = latent_round_trip(chart, chart.latents[:ROUND_TRIPS] if latents is None else latents)
        parts["latent to position to latent"] = float(back.mean())
        about += (
            "; and distance from a latent to the latent of its position, relative to the mean distance to "
            "the center"
        )
    lossless = "a lossless chart"
    return [
        Metric(
            "round_trip", "charts", value, about, len(away), error, "diagonals", "lower", 0.0, lossless, parts
        )
    ]


def _others(workspace: Workspace, seed: int) -> Latents | None:
    """Latents that the chart was not fitted to, if there are any."""
    if not workspace.source.decodes and not workspace.source.indexed:
        return None
    if not workspace.source.indexed:
        return sample_latents(workspace, ROUND_TRIPS, seed=derive(seed, "other latents"))
    latents = workspace.table("train").latents
    return latents[stream(seed, "other latents").permutation(len(latents))[:ROUND_TRIPS]]
