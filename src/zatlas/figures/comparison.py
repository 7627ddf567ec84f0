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
from zatlas.metrics.latent_gaps import Estimate, decoded_images, latent_gaps
from zatlas.metrics.sample_quality import cycle_classes
from zatlas.models.decoding_time import announce_decoding
from zatlas.render.figure import Figure
from zatlas.render.pixels import save
from zatlas.render.plot import clouds
from zatlas.render.sheet import blocks
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace

MAX_IMAGES = 2000  # images that are measured and drawn
SHOWN_IMAGES = 300  # about, in the figures of a run
EXPLANATION = (
    "Range unlike any image: share of latents from anywhere in the range of the latents that decode to an "
    "image farther from every reconstruction than 99% of reconstructions are from each other. "
    "Length of straight paths: through the decoded images between test images of different classes, over "
    "the distance of the ends. Samples / reconstructions: Frechet distance of samples to real images, over "
    "that of reconstructions; all samples are from a normal distribution fitted to the latents. "
    "Overlap of classes: share of the nearest latents that have another class, among posterior samples."
)


@dataclass(frozen=True)
class RunComparison:
    """Metrics that compare a run with others."""

    run: str
    family: str
    dim: int
    reconstruction: float  # root mean square pixel error on test images
    empty: Estimate  # share of the latents' range that decodes to images unlike reconstructions
    detour: Estimate | None  # length of straight paths in decoded images, over the distance of their ends
    samples: Estimate | None  # Frechet distance of samples to real images, over that of reconstructions
    overlap: Estimate | None  # share of the nearest posterior samples that have another class
    probe: float | None  # accuracy of a linear probe for the label, on held-out latents
    most_frequent: float | None  # accuracy of always predicting the most frequent label


def compare_run(workspace: Workspace, *, samples: int = MAX_IMAGES, seed: int = 0) -> RunComparison:
    """Measure reconstruction error, emptiness of the latent space, and a linear probe.

    At most `samples` images of each kind are decoded.
    """
    table = workspace.table("test")
    rows = table.rows[:samples]
    real = workspace.dataset.images(rows)
    rebuilt = workspace.generator.decode(table.latents[: len(rows)], workspace.conditions(rows))
    error = float(np.sqrt(((rebuilt - real) ** 2).mean()))
    gaps = latent_gaps(workspace, samples=samples, seed=seed)
    probe, most_frequent = _probe(workspace, seed)
    return RunComparison(
        workspace.name,
        workspace.description.family,
        workspace.dim,
        error,
        gaps.empty,
        gaps.detour,
        gaps.samples,
        gaps.overlap,
        probe,
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
        images, labels = samples + decoded_images(samples) + SHOWN_IMAGES, cycle_classes(workspace, 8)
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
        note=f"{verdict(measured)}\n{EXPLANATION}",
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


def comparison_rows(measured: Sequence[RunComparison], names: Sequence[str]) -> list[dict[str, str]]:
    """A row for each metric, with a column for each run, and 95% intervals."""
    rows = [
        {"metric": "reconstruction error"} | _column(names, [f"{r.reconstruction:.3g}" for r in measured])
    ]
    for measure in MEASURES:
        texts = [measure.text(run) for run in measured]
        rows.append({"metric": measure.title} | _column(names, texts))
    probes = ["" if run.probe is None else f"{run.probe:.3g}" for run in measured]
    return [*rows, {"metric": "linear probe for the label"} | _column(names, probes)]


def verdict(measured: Sequence[RunComparison]) -> str:
    """What the metrics show about an auto-encoder against a VAE with as many dimensions; "" without both.

    A metric shows a difference if it exceeds 1.96 standard errors.
    """
    for plain in measured:
        for other in measured:
            if (plain.family, other.family, other.dim) == ("ae", "vae", plain.dim):
                return _verdict(plain, other)
    return ""


@dataclass(frozen=True)
class Measure:
    """A metric of emptiness: its names, and its sign."""

    field: str
    title: str
    finding: str  # what is true of an auto-encoder beside a VAE
    sign: int  # 1 if the auto-encoder's value is larger
    share: bool = False

    def estimate(self, run: RunComparison) -> Estimate | None:
        """The value of a run."""
        value: Estimate | None = getattr(run, self.field)
        return value

    def text(self, run: RunComparison) -> str:
        """The value of a run with its 95% interval."""
        estimate = self.estimate(run)
        if estimate is None:
            return ""
        if self.share:
            return f"{estimate.value:.1%} ± {1.96 * estimate.error:.1%}"
        return f"{estimate.value:.2f} ± {1.96 * estimate.error:.2f}"

    def is_shown(self, plain: RunComparison, other: RunComparison) -> bool:
        """Whether the difference of two runs has the sign, beyond its error."""
        a, b = self.estimate(plain), self.estimate(other)
        return (
            a is not None
            and b is not None
            and (self.sign * (a.value - b.value) > 1.96 * float(np.hypot(a.error, b.error)))
        )


MEASURES = (
    Measure("empty", "range unlike any image", "more of the range decodes to unlike images", 1, share=True),
    Measure("detour", "length of straight paths", "straight paths are longer", 1),
    Measure("samples", "samples / reconstructions", "samples are less realistic", 1),
    Measure("overlap", "overlap of classes", "the classes overlap less", -1, share=True),
)


def comparison_note(run: RunComparison) -> str:
    """The metrics of a run as a short text."""
    parts = [f"reconstruction error {run.reconstruction:.3f}"]
    parts += [f"{measure.title} {measure.text(run)}" for measure in MEASURES if measure.text(run)]
    if run.probe is not None:
        parts.append(f"probe {run.probe:.0%} (most frequent {run.most_frequent:.0%})")
    return "\n".join(parts)


def as_table(measured: Sequence[RunComparison]) -> list[dict[str, object]]:
    """The metrics of several runs as rows."""
    return [asdict(row) for row in measured]


def _column(names: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
    return dict(zip(names, texts, strict=True))


def _verdict(plain: RunComparison, other: RunComparison) -> str:
    findings = [m.finding for m in MEASURES if m.is_shown(plain, other)]
    measured = [m for m in MEASURES if None not in (m.estimate(plain), m.estimate(other))]
    missing = [m.title for m in measured if not m.is_shown(plain, other)]
    result = f"In {plain.run}, compared with {other.run}: {'; '.join(findings)}." if findings else ""
    if missing:
        result += f" These images show no such difference in: {', '.join(missing)}."
    return result.strip()


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
