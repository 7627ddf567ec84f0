"""Figures of a sweep: each metric over the varied setting, and a table of samples of every run."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import Images
from zatlas.render.canvas import Canvas
from zatlas.render.pixels import save
from zatlas.render.plot_style import SMALL, WORD, paper
from zatlas.render.sheet import sheet
from zatlas.render.theme import LIGHT, Theme
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIDE = 3  # samples of a run, across and down
EDGE = 1  # pixels between them
LOG_SCALE_FROM = 8.0  # ratio of the largest to the smallest value from which the axis is logarithmic
FAILED_GREY = 0.5  # grey level of a failed run
METRIC_TITLES = {"elbo": "ELBO (nats)", "ssim": "structural similarity", "seconds": "training (s)"}

Settings = Mapping[str, Any]
Varied = Mapping[str, Sequence[Any]]
SweepRun = tuple[str, Settings, Mapping[str, float]]  # name of a run, its varied settings, its metrics


def draw_sweep(folder: Path, varied: Varied, runs: Sequence[SweepRun], *, theme: Theme = LIGHT) -> list[Path]:
    """Draw `sweep.png`, if a setting varies and a run has metrics, and `samples.png`."""
    paths = []
    if varied and any(numbers for _, _, numbers in runs):
        paths.append(save(metric_plots(varied, runs, theme=theme), folder / "sweep.png"))
    finished = {name: folder / name for name, _, numbers in runs if numbers}
    if finished:
        paths.append(save(sample_table(varied, runs, finished, theme=theme), folder / "samples.png"))
    return paths


def metric_plots(varied: Varied, runs: Sequence[SweepRun], *, theme: Theme = LIGHT) -> "Figure":
    """A plot for each metric over the first numeric setting, with a line per combination of the others."""
    across_key = _horizontal(varied)
    names = [name for name in _names(runs) if name != "epochs"]
    across = min(len(names), 3)
    down = -(-len(names) // across)
    title = f"Metrics on the test images, by {_setting_title(across_key)}"
    figure, plots = paper((4.2 * across, 3.2 * down + 0.9), title, theme, down, across)
    for plot, name in zip(plots, names, strict=False):
        _lines(plot, name, across_key, varied, runs, theme)
    handles, labels = plots[0].get_legend_handles_labels()
    if len(labels) > 1:
        figure.legend(
            handles,
            labels,
            loc="outside lower left",
            ncols=min(len(labels), 4),
            frameon=False,
            labelcolor=theme.ink,
            fontsize=WORD,
        )
    for plot in plots[len(names) :]:
        plot.set_visible(False)
    return figure


def sample_table(
    varied: Varied, runs: Sequence[SweepRun], folders: Mapping[str, Path], *, theme: Theme = LIGHT
) -> Canvas:
    """Samples of each run: a column per value of one setting, a row per combination of the others."""
    key = _horizontal(varied) if varied else ""
    heads = [f"{_setting_title(key)} {_value_text(value)}" for value in varied[key]] if key else []
    rows = list(dict.fromkeys(_other_settings(settings, key) for _, settings, _ in runs))
    cells = {
        (_other_settings(settings, key), _value_text(settings[key]) if key else ""): _montage(
            Workspace.open(folders[name])
        )
        for name, settings, _ in runs
        if name in folders
    }
    shape = tuple(np.max([cell.shape for cell in cells.values()], axis=0))
    columns = [_value_text(value) for value in varied[key]] if key else [""]
    positions = [(row, column) for row in rows for column in columns]
    images = np.stack([_resized(cells.get(position), shape) for position in positions])
    return sheet(
        images,
        len(columns),
        rows=rows if any(rows) else (),
        heads=heads,
        theme=theme,
        title="Samples of each run",
        note="Grey: the run failed." if len(cells) < len(positions) else "",
        dim=np.array([position not in cells for position in positions]),
    )


def _lines(plot: "Axes", name: str, key: str, varied: Varied, runs: Sequence[SweepRun], theme: Theme) -> None:
    """Plot one metric: a line over the setting for each combination of the others."""
    values = list(varied[key])
    numeric = all(_number(value) for value in values)
    order = sorted(values) if numeric else values
    at = {_value_text(value): float(value) if numeric else float(i) for i, value in enumerate(order)}
    groups = list(dict.fromkeys(_other_settings(settings, key) for _, settings, _ in runs))
    for i, group in enumerate(groups):
        latents = sorted(
            (at[_value_text(settings[key])], numbers[name])
            for _, settings, numbers in runs
            if _other_settings(settings, key) == group and name in numbers
        )
        if latents:
            x, y = zip(*latents, strict=True)
            color = theme.palette[i % len(theme.palette)]
            plot.plot(x, y, color=color, marker="o", markersize=5, linewidth=1.8, label=group)
    if numeric and min(order) > 0 and max(order) / min(order) >= LOG_SCALE_FROM:
        plot.set_xscale("log")
    plot.minorticks_off()
    plot.set_xticks(list(at.values()), list(at), fontsize=SMALL)
    plot.margins(x=0.08, y=0.12)
    plot.set_title(METRIC_TITLES.get(name, name), fontsize=WORD, loc="left", color=theme.ink)
    plot.set_xlabel(_setting_title(key), fontsize=WORD, color=theme.pale)


def _montage(workspace: Workspace) -> Images:
    """A few samples as one image (c, h, w)."""
    n = SIDE * SIDE
    kinds = len(workspace.generator.classes)
    labels = np.arange(n) % kinds if kinds else None
    images = workspace.decode(sample_latents(workspace, n, seed=0), None, labels)
    edged = ((0, 0), (0, 0), (0, EDGE), (0, EDGE))
    images = np.pad(images, edged, constant_values=1)
    _, channels, high, wide = images.shape
    tiled = images.reshape(SIDE, SIDE, channels, high, wide).transpose(2, 0, 3, 1, 4)
    return tiled.reshape(channels, SIDE * high, SIDE * wide)[:, :-EDGE, :-EDGE]


def _resized(image: Images | None, shape: Sequence[int]) -> Images:
    """The image in this shape (c, h, w), with enlarged pixels; grey if there is none."""
    channels, high, wide = shape
    if image is None:
        return np.full((channels, high, wide), FAILED_GREY, np.float32)
    down, across = (np.arange(n) * old // n for n, old in zip((high, wide), image.shape[1:], strict=True))
    return np.broadcast_to(image[:, down][:, :, across], (channels, high, wide))


def _horizontal(varied: Varied) -> str:
    """The setting on the horizontal axis: the first with numeric values, else the first."""
    return next((k for k, values in varied.items() if all(map(_number, values))), next(iter(varied)))


def _names(runs: Sequence[SweepRun]) -> list[str]:
    return list(dict.fromkeys(name for _, _, numbers in runs for name in numbers))


def _other_settings(settings: Settings, key: str) -> str:
    others = [
        f"{_setting_title(name)} {_value_text(value)}" for name, value in settings.items() if name != key
    ]
    return ", ".join(others)


def _setting_title(key: str) -> str:
    """The title of a setting; "training" stays, because its rate is not the rate (KL) of a VAE."""
    table, _, name = key.rpartition(".")
    return (f"{table} {name}" if table == "training" else name).replace("_", " ")


def _value_text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return " x ".join(map(_value_text, value))
    return str(value)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
