"""Runs side by side: auto-encoder against VAE, VAE against conditional VAE, two sizes of one."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.errors import BadRun
from zatlas.core.seeds import stream
from zatlas.directions.probes import accuracy
from zatlas.figures import file_name
from zatlas.figures.sheets import manifold, reconstruction_sheet
from zatlas.latent.density import FEW, gap
from zatlas.metrics.distances import frechet
from zatlas.metrics.features import feature_tables, image_batches, principal_pixels
from zatlas.metrics.sample_quality import cycle_classes, held_out_and_training
from zatlas.render.canvas import Canvas
from zatlas.render.pixels import save
from zatlas.render.plot import clouds
from zatlas.render.sheet import blocks
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_IMAGES = 2000  # images and samples that figures are taken from


@dataclass(frozen=True)
class RunComparison:
    """Figures of a run by which it is compared with others."""

    run: str
    family: str
    axes: int
    reconstruction: float  # root mean square of the pixels' error on test images
    gap: float | None  # in a few axes: share of the prior's mass where codes are ten times rarer than samples
    gap_error: float | None
    samples: float  # Frechet distance of samples in principal pixels, over that of real images
    probe: float | None  # accuracy of a linear probe for the label, on held-out codes
    chance: float | None  # accuracy of always saying the most frequent label


def compare_run(workspace: Workspace, *, seed: int = 0, prior: str = "own") -> RunComparison:
    """Measure a run: how well it rebuilds, how much of its prior is empty, how far its samples are off.

    The samples are of its own prior, or of one that was fitted to the codes.
    """
    codes = workspace.codes("test")
    rows = codes.rows[:MAX_IMAGES]
    real = workspace.images.images(rows)
    labels = workspace.labels(rows)
    rebuilt = workspace.generator.decode(codes.points[: len(rows)], labels)
    error = float(np.sqrt(((rebuilt - real) ** 2).mean()))
    share, uncertain = None, None
    if workspace.dim <= FEW:
        share, uncertain = gap(workspace.drawn("train", seed=seed), workspace.generator.space, seed=seed)
    told, guess = _probe(workspace, seed)
    return RunComparison(
        workspace.name,
        workspace.description.family,
        workspace.dim,
        error,
        share,
        uncertain,
        _sample_distance(workspace, seed, prior),
        told,
        guess,
    )


def draw_comparison(
    workspaces: Sequence[Workspace], folder: Path, *, theme: Theme = LIGHT
) -> tuple[list[Path], list[RunComparison]]:
    """Draw runs of the same images side by side into a folder (B1, C7, D1, E2), and measure them."""
    if len({workspace.images.fingerprint for workspace in workspaces}) > 1:
        names = ", ".join(f"{workspace.name} ({workspace.images.name})" for workspace in workspaces)
        raise BadRun(f"Only runs of the same images can be compared; these are not: {names}.")
    measured = [compare_run(workspace) for workspace in workspaces]
    pictures = comparison(workspaces, measured, theme=theme)
    paths = [save(picture, folder / f"{name}.png") for name, picture in pictures.items()]
    table = atomic.write_file(folder / "figures.json", atomic.as_json(as_table(measured)))
    return [*paths, table], measured


def comparison(
    workspaces: Sequence[Workspace], measured: Sequence[RunComparison], *, theme: Theme = LIGHT
) -> dict[str, "Canvas | Figure"]:
    """Codes, samples and reconstructions of several runs, and in two axes the decoded planes."""
    places = {}
    for workspace, name in zip(workspaces, unique_names(workspaces), strict=True):
        codes = workspace.codes("test")
        flat = codes.points
        if workspace.dim != 2:
            flat = workspace.chart("pca").places
        places[name] = (flat[:MAX_IMAGES], workspace.labels(codes.rows[:MAX_IMAGES]))
    notes = {name: comparison_note(f) for name, f in zip(places, measured, strict=True)}
    named = ("first axis", "second axis")
    scatter = clouds(
        places,
        workspaces[0].images.classes,
        title="Codes of the same test images",
        axes=named,
        notes=notes,
        theme=theme,
    )
    groups = {
        name: workspace.decode(sample_latents(workspace, 36, seed=1), None, cycle_classes(workspace, 36))
        for name, workspace in zip(places, workspaces, strict=True)
    }
    found: dict[str, Canvas | Figure] = {
        "codes": scatter,
        "samples": blocks(groups, 6, title="Samples of each", theme=theme),
        "reconstructions": reconstruction_sheet(workspaces, theme=theme),
    }
    for name, workspace in zip(places, workspaces, strict=True):
        if workspace.dim == 2:
            found[f"manifold-{file_name(name)}"] = manifold(workspace, by="range", theme=theme)
    return found


def unique_names(workspaces: Sequence[Workspace]) -> list[str]:
    """A name for each run; those that are called alike are numbered."""
    names = [workspace.name for workspace in workspaces]
    return [f"{name} ({i + 1})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def comparison_note(figures: RunComparison) -> str:
    """The figures of a run in a line or two."""
    parts = [
        f"rebuilding error {figures.reconstruction:.3f}",
        f"samples {figures.samples:.1f}x as far off as real images",
    ]
    if figures.gap is not None and figures.gap_error is not None:
        parts.insert(1, f"gaps {figures.gap:.1%} ± {1.96 * figures.gap_error:.1%}")
    if figures.probe is not None:
        parts.append(f"probe {figures.probe:.0%} (chance {figures.chance:.0%})")
    return "\n".join(parts)


def as_table(measured: Sequence[RunComparison]) -> list[dict[str, object]]:
    """The figures of several runs as rows."""
    return [asdict(row) for row in measured]


def _probe(workspace: Workspace, seed: int) -> tuple[float | None, float | None]:
    """How much a plane can tell of the label from z: the class has left a conditional model's codes."""
    codes = workspace.codes("train")
    labels = workspace.labels(codes.rows)
    if labels is None or len(np.unique(labels)) < 2:
        return None, None
    rng = stream(seed, "probe")
    some = rng.permutation(len(codes))[: 4 * MAX_IMAGES]
    held = rng.random(len(some)) < 0.3
    mine = labels[some]
    guess = float((mine[held] == np.bincount(mine[~held]).argmax()).mean())
    return accuracy(codes.points[some], mine, held), guess


def _sample_distance(workspace: Workspace, seed: int, prior: str) -> float:
    """Frechet distance of samples to real images over that of other real images, in principal pixels.

    `zatlas score` measures it in the features of a net, which takes longer.
    """
    rows = held_out_and_training(workspace.images, MAX_IMAGES, seed=seed)
    if len(rows[0]) < 3:
        return float("nan")
    features = principal_pixels(workspace.images)
    real, other = (feature_tables(image_batches(workspace.images, part), features)[0] for part in rows)
    z = sample_latents(workspace, len(real), seed=seed, prior=prior)
    made = feature_tables(workspace.generator.stream(z, cycle_classes(workspace, len(z))), features)[0]
    return frechet(made, real) / max(frechet(other, real), 1e-12)
