"""Plots: clouds of points coloured by class, and the curves of a training."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import Labels, Plane
from zatlas.store import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Ten colours that stay apart for the colour-blind in pairs that touch, and print in grey.
PALETTE = (
    "#4477aa", "#ee6677", "#228833", "#b8a12f", "#66ccee",
    "#aa3377", "#8a8a8a", "#ee7733", "#004488", "#9a5b3c",
)  # fmt: skip
INK = "#222222"


def cloud(
    places: Plane,
    labels: Labels | None,
    classes: Sequence[str],
    *,
    title: str,
    axes: tuple[str, str],
) -> "Figure":
    """Points by class, each class named where most of it is."""
    figure, plot = _paper((7.5, 7.0), title)
    size = float(np.clip(9000 / max(len(places), 1), 2.5, 22))
    kinds = range(len(classes)) if labels is not None and classes else [None]
    for kind in kinds:
        mine = places if kind is None or labels is None else places[labels == kind]
        if len(mine):
            colour = PALETTE[(kind or 0) % len(PALETTE)]
            plot.scatter(mine[:, 0], mine[:, 1], s=size, color=colour, alpha=0.55, linewidths=0)
    if labels is not None:
        _name_classes(plot, places, labels, classes)
    plot.set_xlabel(axes[0])
    plot.set_ylabel(axes[1])
    plot.set_aspect("equal", adjustable="datalim")
    return figure


def curves(rows: Sequence[Mapping[str, Any]], *, title: str) -> "Figure":
    """Every term over the epochs: on the images trained on, and on those held out."""
    from matplotlib.ticker import MaxNLocator

    names = sorted({key.partition("/")[2] for row in rows for key in row if "/" in key}, key=_order)
    if all(row.get("train/loss", 0) == -row.get("train/elbo", 1) for row in rows):
        names.remove("loss")  # the same curve upside down
    across = min(len(names), 3)
    down = -(-len(names) // across)
    figure, plots = _grid(down, across, title)
    for plot, name in zip(plots, names, strict=False):
        for part, colour, word in (
            ("train", PALETTE[0], "trained on"),
            ("valid", PALETTE[1], "held out"),
        ):
            found = [
                (row["epoch"], row[f"{part}/{name}"]) for row in rows if f"{part}/{name}" in row
            ]
            if found:
                x, y = zip(*found, strict=True)
                plot.plot(x, y, color=colour, label=word, marker="." if len(x) < 3 else "")
        plot.set_title(name.replace("_", " ").replace("/", ": "), fontsize=11, loc="left")
        plot.set_xlabel("epoch")
        plot.xaxis.set_major_locator(MaxNLocator(integer=True))
    plots[0].legend(frameon=False)
    for plot in plots[len(names) :]:
        plot.set_visible(False)
    return figure


def save_plot(figure: "Figure", path: Path) -> Path:
    """Write a plot in the format that the name ends in: png, svg or pdf."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lstrip(".") or "png", dpi=144)
    return atomic.write_file(path, buffer.getvalue())


def _name_classes(plot: "Axes", places: Plane, labels: Labels, classes: Sequence[str]) -> None:
    """The name at the median of its points: no legend to look to and fro."""
    from matplotlib.patheffects import withStroke

    if len(classes) > 30:
        return
    for kind, name in enumerate(classes):
        mine = places[labels == kind]
        if len(mine):
            x, y = np.median(mine, axis=0)
            halo = [withStroke(linewidth=3.5, foreground="white")]
            plot.text(
                x, y, name, ha="center", va="center", fontsize=12, fontweight="bold",
                color=PALETTE[kind % len(PALETTE)], path_effects=halo,
            )  # fmt: skip


def _paper(size: tuple[float, float], title: str) -> tuple["Figure", "Axes"]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    plot = figure.add_subplot()
    _plain(plot)
    plot.set_title(title, fontsize=14, loc="left", color=INK)
    return figure, plot


def _grid(down: int, across: int, title: str) -> tuple["Figure", list["Axes"]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * across, 3.2 * down + 0.5), layout="constrained")
    plots = [figure.add_subplot(down, across, i + 1) for i in range(down * across)]
    for plot in plots:
        _plain(plot)
    figure.suptitle(title, fontsize=14, x=0.01, ha="left", color=INK)
    return figure, plots


def _plain(plot: "Axes") -> None:
    for side in ("top", "right"):
        plot.spines[side].set_visible(False)
    plot.tick_params(labelsize=9, color="#999999")
    plot.grid(color="#eeeeee", zorder=0)
    plot.set_axisbelow(True)


def _order(name: str) -> tuple[int, str]:
    first = ("elbo", "loss", "distortion", "rate", "ssim")
    return (first.index(name) if name in first else len(first), name)
