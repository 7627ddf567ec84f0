"""Plots of a training: the terms of the loss over the epochs."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zatlas.core.errors import UnknownName
from zatlas.render.figure import Plot
from zatlas.render.plot_style import WORD, paper
from zatlas.render.theme import LIGHT, Theme

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def loss_curves(
    rows: Sequence[Mapping[str, Any]],
    *,
    title: str,
    term: str | None = None,
    theme: Theme = LIGHT,
    ax: "Axes | None" = None,
) -> Plot:
    """Draw the terms of the loss over the epochs, on the training and the validation images.

    Only the term of this name is drawn if there is one, and only the first with `ax`.
    """
    from matplotlib.ticker import MaxNLocator

    names = sorted({key.partition("/")[2] for row in rows for key in row if "/" in key}, key=_order)
    if not names or (term is not None and term not in names):
        raise UnknownName("term of the loss", term or "loss", names)
    if term is not None or ax is not None:
        names = [term or names[0]]
    elif all(row.get("train/loss", 0) == -row.get("train/elbo", 1) for row in rows):
        names.remove("loss")  # the same curve upside down
    across = min(len(names), 3)
    down = -(-len(names) // across)
    figure, plots = paper((4.2 * across, 3.2 * down + 0.5), title, theme, down, across, ax)
    for plot, name in zip(plots, names, strict=False):
        for part, colour, word in (
            ("train", theme.palette[0], "training"),
            ("valid", theme.palette[1], "validation"),
        ):
            pairs = [(row["epoch"], row[f"{part}/{name}"]) for row in rows if f"{part}/{name}" in row]
            if pairs:
                x, y = zip(*pairs, strict=True)
                plot.plot(x, y, color=colour, label=word, marker="." if len(x) < 3 else "")
        label = name.replace("_", " ").replace("/", ": ")
        plot.set_title(label, fontsize=WORD, loc="left", color=theme.ink, parse_math=False)
        plot.set_xlabel("epoch", color=theme.pale)
        plot.xaxis.set_major_locator(MaxNLocator(integer=True))
    plots[0].legend(frameon=False, labelcolor=theme.ink)
    for plot in plots[len(names) :]:
        plot.set_visible(False)
    return Plot(figure)


def _order(name: str) -> tuple[int, str]:
    first = ("elbo", "loss", "distortion", "rate", "ssim")
    return (first.index(name) if name in first else len(first), name)
