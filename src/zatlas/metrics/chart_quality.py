"""Metrics of a chart: neighborhoods, covered area, and round trips through its inverse."""

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.seeds import derive, stream
from zatlas.latent.chart import Chart, make_chart
from zatlas.latent.landmarks import MAX_CHARTED, landmarks
from zatlas.latent.layouts import DEFAULT_LAYOUT
from zatlas.latent.saved_charts import ChartRequest
from zatlas.latent.trust import NEIGHBORS, trust_of_each
from zatlas.metrics.metric import Metric, mean_and_error
from zatlas.metrics.run_summary import Finding, RunSummary, Suggestion
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

MAX_LATENTS = 3000  # latents of a chart that is fitted for these metrics only
MIN_CHARTED = 30  # fewer latents have no neighborhoods
GRID_SIDE = 64  # positions along each side of the chart
MIN_TRUST_GAIN = 0.1  # of the trustworthiness over that of random positions, for a chart that says something
ROUND_TRIPS = 1000  # positions and latents for round trips


def chart_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """Metrics of the run's default chart; an empty list if it has too few latents."""
    chart = default_chart(workspace, seed=seed)
    if len(chart.latents) < MIN_CHARTED:
        return []
    on = f"on the {chart.layout} chart of {len(chart.latents):,} latents"
    return [
        *_neighborhoods(chart, on),
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
            (Suggestion("Try another layout.", run.command("chart", run.folder, "--layout", "grid_tsne")),),
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


def _neighborhoods(chart: Chart, on: str) -> list[Metric]:
    """Trustworthiness and continuity, with the neighbors of some latents ranked among all."""
    near, alike = "are neighbors in the latent space", "neighbors in the latent space"
    if chart.features is not None:
        near, alike = "decode to images that look alike", "samples whose images look alike"
    about = {"trustworthiness": f"neighbors {on} {near}", "continuity": f"{alike} are neighbors {on}"}
    pairs = (chart.compared, chart.positions), (chart.positions, chart.compared)
    metrics = []
    for (name, text), pair in zip(about.items(), pairs, strict=True):
        each = trust_of_each(*pair)
        value, error = mean_and_error(each)
        text = f"how far {text}, for the {NEIGHBORS} nearest"
        metrics.append(
            Metric(
                name,
                "charts",
                value,
                text,
                len(each),
                error,
                better="higher",
                baseline=0.5,
                baseline_name="random layout",
            )
        )
    return metrics


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
