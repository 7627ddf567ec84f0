"""What every metric, figure, importer and callback must do, which a small run shows."""

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from zatlas.api import import_model, load
from zatlas.core.registry import FIGURES, IMPORTERS, METRICS
from zatlas.core.requirements import accepted
from zatlas.figures.entry import entry_of
from zatlas.metrics.evaluation import GROUPS, evaluate
from zatlas.metrics.metric import Metric
from zatlas.render.theme import DARK, LIGHT
from zatlas.testing.samples import SEED, numpy_state, small_run
from zatlas.workspace import Workspace


def check_metric(name: str, run: Workspace | None = None) -> None:
    """Check a registered metric on a run; without one, on a small VAE of digits.

    Raises
    ------
    AssertionError
        With the rule that the metric breaks.
    """
    with TemporaryDirectory() as folder:
        run = run or small_run(Path(folder) / "run")
        measure = METRICS.get(name)
        state = numpy_state()
        first, second = (_metrics(measure(run, **accepted(measure, seed=SEED))) for _ in range(2))
        assert np.array_equal(state, numpy_state()), "The metric uses numpy's global generator."
        assert [m.name for m in first] == [m.name for m in second], "The same seed gives other metrics."
        for metric, other in zip(first, second, strict=True):
            same = metric.value == other.value or (math.isnan(metric.value) and math.isnan(other.value))
            assert same, f"{metric.name} is {metric.value:g}, then {other.value:g} with the same seed."
            assert metric.name.isidentifier(), f"{metric.name!r} is not a name such as mean_brightness."
            assert len(metric.about.split()) > 2, f"{metric.name} needs a description in `about`."
            assert metric.n >= 0 and (metric.error is None or metric.error >= 0), (
                f"{metric.name}: n or error."
            )
        if name not in GROUPS:
            result = evaluate(run, groups=[name])
            assert [m.name for m in result.metrics] == [m.name for m in first], "`evaluate` has others."


def check_figure(name: str, run: Workspace | None = None) -> None:
    """Check a registered figure on a run; without one, on a small VAE of digits.

    Raises
    ------
    AssertionError
        With the rule that the figure breaks.
    """
    figure = FIGURES.get(name)
    check_texts(figure)
    with TemporaryDirectory() as folder:
        run = run or small_run(Path(folder) / "run")
        assert isinstance(figure.applies(run), bool), "`applies` must return True or False."
        for theme in (LIGHT, DARK):
            entry = entry_of(name, figure, run, theme, set())
            for suffix in (".png", ".svg", ".pdf"):
                path = entry.draw(Path(folder) / f"figure{suffix}")
                assert path.stat().st_size, f"The figure has no {suffix} file."
        first, second = (entry.draw(Path(folder) / f"{n}.png").read_bytes() for n in range(2))
        assert first == second, "The figure differs when it is drawn again."


def check_texts(figure: Any) -> None:
    """Check the title, the section and the description of a figure."""
    for text in ("title", "section"):
        assert getattr(figure, text).strip(), f"The figure has no {text}."
    assert (figure.about or figure.theory).rstrip().endswith("."), "`about` must be a sentence."


def check_importer(name: str, source: Path | str, **options: Any) -> None:
    """Check a registered importer with a file or folder that it reads; options are of `import_model`.

    Raises
    ------
    AssertionError
        With the rule that the importer breaks.
    """
    plugin = IMPORTERS.get(name)
    importer = plugin() if isinstance(plugin, type) else plugin
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "empty").mkdir()
        (folder / "text.txt").write_text("no model", encoding="utf-8")
        others = [folder / "empty", folder / "text.txt"]
        taken = [path.name for path in others if importer.matches(path)]
        assert not taken, f"The importer also takes {', '.join(taken)}, which is not its format."
        assert importer.matches(Path(source)), f"The importer does not take {source}."
        atlas = import_model(source, folder / "run", device="cpu", verbose=False, **options)
        assert atlas.workspace.run.provenance()["imported"]["kind"] == name, (
            "Another importer read the source."
        )
        z = atlas.sample_latents(3, seed=SEED)
        images = atlas.decode(z)
        assert np.isfinite(images).all() and images.min() >= 0 and images.max() <= 1, (
            "Images must be numbers from 0 to 1: state `pixels` in the SourceInfo."
        )
        reopened = load(folder / "run", device="cpu").decode(z)
        assert np.array_equal(images, reopened), "The imported run decodes other images when it is opened."


def check_callback(name: str) -> None:
    """Check that a registered callback follows a training, and does not change its result.

    Raises
    ------
    AssertionError
        With the rule that the callback breaks.
    """
    with TemporaryDirectory() as folder:
        without = small_run(Path(folder) / "run")
        with_it = small_run(Path(folder) / "followed", callbacks=[name])
        first, second = (each.run.weights.read_bytes() for each in (without, with_it))
        assert first == second, "The training gives other weights with this callback."


def _metrics(result: Any) -> Sequence[Metric]:
    right = isinstance(result, Sequence) and all(isinstance(each, Metric) for each in result)
    assert right, "A metric returns a list of zatlas.metrics.metric.Metric."
    return result
