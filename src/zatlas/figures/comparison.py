"""Figures and metrics that compare runs on the same images."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from zatlas.core.errors import BadRun
from zatlas.core.seeds import stream
from zatlas.directions.probes import accuracy
from zatlas.figures import file_name
from zatlas.figures.sheets import manifold, reconstruction_sheet
from zatlas.latent.density import MAX_GAP_DIM, prior_gap
from zatlas.metrics.distances import frechet
from zatlas.metrics.features import feature_tables, image_batches, principal_pixels
from zatlas.metrics.sample_quality import cycle_classes, held_out_and_training
from zatlas.models.decoding_time import announce_decoding
from zatlas.render.figure import Figure
from zatlas.render.pixels import save
from zatlas.render.plot import clouds
from zatlas.render.sheet import blocks
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace

MAX_IMAGES = 2000  # images and samples that are measured
SHOWN_IMAGES = 300  # about, in the figures of a run


@dataclass(frozen=True)
class RunComparison:
    """Metrics that compare a run with others."""

    run: str
    family: str
    dim: int
    reconstruction: float  # root mean square pixel error on test images
    gap: float | None  # few dimensions only: share of the prior's mass with almost no latents
    gap_error: float | None
    samples: float  # Frechet distance of samples over that of real images, in principal components
    probe: float | None  # accuracy of a linear probe for the label, on held-out latents
    most_frequent: float | None  # accuracy of always predicting the most frequent label


def compare_run(
    workspace: Workspace, *, seed: int = 0, prior: str = "model", samples: int = MAX_IMAGES
) -> RunComparison:
    """Measure reconstruction error, empty share of the prior, sample distance and a linear probe.

    Samples come from the model's prior, or from one that was fitted to the latents. Errors are measured on
    at most `samples` images, and as many samples.
    """
    table = workspace.table("test")
    rows = table.rows[:samples]
    real = workspace.dataset.images(rows)
    labels = workspace.labels(rows)
    rebuilt = workspace.generator.decode(table.latents[: len(rows)], labels)
    error = float(np.sqrt(((rebuilt - real) ** 2).mean()))
    share, uncertain = None, None
    if workspace.dim <= MAX_GAP_DIM:
        latents = workspace.posterior_samples("train", seed=seed)
        share, uncertain = prior_gap(latents, workspace.generator.space, seed=seed)
    accuracy_of_probe, most_frequent = _probe(workspace, seed)
    return RunComparison(
        workspace.name,
        workspace.description.family,
        workspace.dim,
        error,
        share,
        uncertain,
        _sample_distance(workspace, seed, prior, samples),
        accuracy_of_probe,
        most_frequent,
    )


def draw_comparison(
    workspaces: Sequence[Workspace], folder: Path, *, samples: int = MAX_IMAGES, theme: Theme = LIGHT
) -> tuple[list[Path], list[RunComparison]]:
    """Draw figures that compare runs of the same images into a folder (B1, C7, D1, E2), and measure them."""
    if len({workspace.dataset.fingerprint for workspace in workspaces}) > 1:
        names = ", ".join(f"{workspace.name} ({workspace.dataset.name})" for workspace in workspaces)
        raise BadRun(f"Only runs of the same images can be compared; these are not: {names}.")
    for workspace in workspaces:
        images, labels = 2 * samples + SHOWN_IMAGES, cycle_classes(workspace, 8)
        task = f"Decoding images of {workspace.name}"
        announce_decoding(task, images, workspace.generator, workspace.cloud, labels=labels)
    measured = [compare_run(workspace, samples=samples) for workspace in workspaces]
    figures = comparison(workspaces, measured, theme=theme)
    paths = [save(figure, folder / f"{name}.png") for name, figure in figures.items()]
    table = atomic.write_file(folder / "comparison.json", atomic.as_json(as_table(measured)))
    return [*paths, table], measured


def comparison(
    workspaces: Sequence[Workspace], measured: Sequence[RunComparison], *, theme: Theme = LIGHT
) -> dict[str, Figure]:
    """Latents, samples and reconstructions of several runs, and grids of those with two dimensions."""
    charts = {}
    for workspace, name in zip(workspaces, unique_names(workspaces), strict=True):
        table = workspace.table("test")
        flat = table.latents
        if workspace.dim != 2:
            flat = workspace.chart("pca").positions
        charts[name] = (flat[:MAX_IMAGES], workspace.labels(table.rows[:MAX_IMAGES]))
    notes = {name: comparison_note(f) for name, f in zip(charts, measured, strict=True)}
    named = ("first dimension", "second dimension")
    scatter = clouds(
        charts,
        workspaces[0].dataset.classes,
        title="Latents of the same test images",
        axes=named,
        notes=notes,
        theme=theme,
    )
    groups = {
        name: workspace.decode(sample_latents(workspace, 36, seed=1), cycle_classes(workspace, 36))
        for name, workspace in zip(charts, workspaces, strict=True)
    }
    figures: dict[str, Figure] = {
        "latents": scatter,
        "samples": blocks(groups, 6, title="Samples of each", theme=theme),
        "reconstructions": reconstruction_sheet(workspaces, theme=theme),
    }
    for name, workspace in zip(charts, workspaces, strict=True):
        if workspace.dim == 2:
            figures[f"manifold-{file_name(name)}"] = manifold(workspace, by="range", theme=theme)
    return figures


def unique_names(workspaces: Sequence[Workspace]) -> list[str]:
    """A name for each run; equal names get a number."""
    names = [workspace.name for workspace in workspaces]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def comparison_note(run: RunComparison) -> str:
    """The metrics of a run as a short text."""
    parts = [
        f"reconstruction error {run.reconstruction:.3f}",
        f"samples {run.samples:.1f}x the Frechet distance of real images",
    ]
    if run.gap is not None and run.gap_error is not None:
        parts.insert(1, f"empty prior {run.gap:.1%} ± {1.96 * run.gap_error:.1%}")
    if run.probe is not None:
        parts.append(f"probe {run.probe:.0%} (most frequent {run.most_frequent:.0%})")
    return "\n".join(parts)


def as_table(measured: Sequence[RunComparison]) -> list[dict[str, object]]:
    """The metrics of several runs as rows."""
    return [asdict(row) for row in measured]


def _probe(workspace: Workspace, seed: int) -> tuple[float | None, float | None]:
    """Accuracy of a linear probe for the label, and of the most frequent label; None without labels."""
    table = workspace.table("train")
    labels = workspace.labels(table.rows)
    if labels is None or len(np.unique(labels)) < 2:
        return None, None
    rng = stream(seed, "probe")
    rows = rng.permutation(len(table))[: 4 * MAX_IMAGES]
    held_out = rng.random(len(rows)) < 0.3
    subset = labels[rows]
    most_frequent = float((subset[held_out] == np.bincount(subset[~held_out]).argmax()).mean())
    return accuracy(table.latents[rows], subset, held_out), most_frequent


def _sample_distance(workspace: Workspace, seed: int, prior: str, count: int) -> float:
    """Frechet distance of samples to real images over that of other real images, in principal components.

    The evaluation of a run uses the features of a network, which takes longer.
    """
    rows = held_out_and_training(workspace.dataset, count, seed=seed)
    if len(rows[0]) < 3:
        return float("nan")
    features = principal_pixels(workspace.dataset)
    real, other = (feature_tables(image_batches(workspace.dataset, part), features)[0] for part in rows)
    z = sample_latents(workspace, len(real), seed=seed, prior=prior)
    generated = feature_tables(
        workspace.generator.decode_batches(z, cycle_classes(workspace, len(z))), features
    )[0]
    return frechet(generated, real) / max(frechet(other, real), 1e-12)
