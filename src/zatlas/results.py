"""What the methods of an `Atlas` return: a direction of the run, and its evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zatlas.core.arrays import ArrayLike, Latents
from zatlas.core.errors import UnknownName
from zatlas.directions import find, measure
from zatlas.directions.direction_report import DirectionReport
from zatlas.directions.layers import LayerRange
from zatlas.directions.types import Direction, renamed
from zatlas.figures.attribute_edits import edited_layers
from zatlas.figures.edits import MAX_STD, edit_path, edit_strip, pixel_change
from zatlas.figures.paths import LatentPath
from zatlas.locate import AnchorLike, default_anchors, locate_all
from zatlas.metrics.evaluation import EvaluationResult
from zatlas.metrics.metric import Metric
from zatlas.metrics.run_summary import Finding
from zatlas.metrics.titles import format_baseline, format_value, metric_title
from zatlas.models.classifier import Classifier
from zatlas.render.figure import Figure
from zatlas.render.html import card, html_table
from zatlas.report import write_report
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

STRIP_ROWS = 3  # images that a strip moves if none is named


@dataclass(frozen=True)
class RunDirection:
    """A direction of a run. A notebook shows images that are moved along it.

    Examples
    --------
    >>> direction = atlas.find_direction("left")
    >>> direction
    <RunDirection left>
    """

    workspace: Workspace
    direction: Direction

    def __repr__(self) -> str:
        return f"<RunDirection {self.name}>"

    def _repr_html_(self) -> str:
        score = self.direction.score
        auc = {} if score is None else {"AUC on held-out latents": score.auc}
        calls = ("direction.move(z, 2.0)", "direction.evaluate()", "direction.save()")
        figure = self.strip() if self.workspace.source.decodes else None
        return card(f"Direction {self.name}", auc, figure, calls)

    @property
    def name(self) -> str:
        """The name of the direction."""
        return self.direction.name

    def move(self, z: ArrayLike, amount: ArrayLike = 1.0) -> Latents:
        """Move latents along the direction.

        Parameters
        ----------
        z : array-like (n, dim)
            Latents, or one latent (dim,).
        amount : float or array (n,)
            Distance in standard deviations of the data along the direction.

        Returns
        -------
        array (n, dim)

        Examples
        --------
        >>> atlas.find_direction("left").move(atlas.latents(), 2.0).shape
        (30, 2)
        """
        return self.direction.move(z, amount)

    def in_layers(self, layers: LayerRange) -> "RunDirection":
        """Return the direction of a StyleGAN with its steps in some layers only, as a direction of w+.

        Parameters
        ----------
        layers : str, int or pair of int
            "coarse", "medium", "fine", "0-3", 3 or (0, 3).
        """
        return RunDirection(*edited_layers(self.workspace, self.direction, layers))

    def strip(self, *anchors: AnchorLike, reach: float = MAX_STD, columns: int = 7) -> Figure:
        """Draw images that are moved along the direction, a row for each anchor.

        Parameters
        ----------
        *anchors : str, int, Path or array (dim,)
            Names of latents, as for `Atlas.locate` (default: typical images).
        reach : float
            Largest distance to either side, in standard deviations.
        columns : int
            Images in a row.

        Examples
        --------
        >>> atlas.find_direction("left").strip("0", "below").save("left.png").name
        'left.png'
        """
        starts = locate_all(self.workspace, anchors) or default_anchors(self.workspace, STRIP_ROWS)
        settings: dict[str, Any] = {"measure": "mean pixel change", "reach": reach, "columns": columns}
        return edit_strip(self.workspace, self.direction, starts, pixel_change, **settings)

    def path(self, anchor: AnchorLike = "0", *, reach: float = MAX_STD) -> LatentPath:
        """Return the path along the direction through one latent, for images or a film.

        Parameters
        ----------
        anchor : str, int, Path or array (dim,)
            Name of the latent, as for `Atlas.locate`.
        reach : float
            Distance to either side, in standard deviations.

        Examples
        --------
        >>> atlas.find_direction("left").path("below").images(5).shape
        (5, 1, 8, 8)
        """
        return edit_path(self.workspace, self.direction, locate_all(self.workspace, [anchor])[0], reach)

    def evaluate(self, classifier: Classifier | None = None, *, seed: int = 0) -> DirectionReport:
        """Measure what the direction changes in decoded images, compared with shuffled labels.

        Parameters
        ----------
        classifier : Classifier
            Predicts the attributes of images (default: the one in the run, else probes of the latents).
        seed : int
            Random seed for the latents and the random directions (default 0).

        Returns
        -------
        DirectionReport
            Effect, side effects and usable range.

        Examples
        --------
        >>> report = atlas.find_direction("left").evaluate()
        >>> report.target
        'left'
        """
        return measure.evaluate_directions(self.workspace, [self.direction], classifier, seed=seed)[0]

    def save(self, name: str | None = None, report: DirectionReport | None = None) -> Path:
        """Save the direction in the run, with its report if one is given.

        Parameters
        ----------
        name : str
            Another name for it.
        report : DirectionReport
            The result of `evaluate`.

        Returns
        -------
        Path
            The file.

        Examples
        --------
        >>> atlas.find_direction("left").save("to the left").exists()
        True
        """
        direction = self.direction if name is None else renamed(self.direction, name)
        return find.store_of(self.workspace).save(direction, report)


class MetricTable(Mapping[str, Metric]):
    """The metrics of an evaluation by name. A notebook shows a table; pandas and polars read it.

    Examples
    --------
    >>> metrics = atlas.evaluate(["space"]).metrics
    >>> metrics["active_units"].value
    2.0
    >>> import pandas
    >>> pandas.DataFrame.from_arrow(metrics).columns[0]
    'name'
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in metrics}

    def __getitem__(self, name: str) -> Metric:
        if name not in self._metrics:
            raise UnknownName("metric of this evaluation", name, self._metrics)
        return self._metrics[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    def __repr__(self) -> str:
        lines = [f"{metric_title(metric):<40} {format_value(metric)}" for metric in self.values()]
        return "\n".join(lines) or "no metrics"

    def arrow(self) -> "pa.Table":
        """Return an Arrow table: name, group, value, error, unit, baseline, n and about.

        Examples
        --------
        >>> atlas.evaluate(["space"]).metrics.arrow().column_names[:3]
        ['name', 'group', 'value']
        """
        import pyarrow as pa

        columns = ("name", "group", "value", "error", "unit", "baseline", "n", "about")
        return pa.table({key: [getattr(metric, key) for metric in self.values()] for key in columns})

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def _repr_html_(self) -> str:
        return html_table(
            [
                {
                    "metric": metric_title(metric),
                    "value": format_value(metric),
                    "baseline": format_baseline(metric),
                    "description": metric.about,
                }
                for metric in self.values()
            ]
        )


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of a run. A notebook shows its metrics and findings.

    Examples
    --------
    >>> evaluation = atlas.evaluate(["space"])
    >>> "active_units" in evaluation.metrics
    True
    """

    workspace: Workspace
    result: EvaluationResult

    def __repr__(self) -> str:
        return "\n".join([self.result.about, repr(self.metrics), *(each.text for each in self.findings)])

    def _repr_html_(self) -> str:
        texts = [f"{each.text} {' '.join(s.text for s in each.suggestions)}" for each in self.findings]
        findings = html_table([{"finding": text} for text in texts])
        return f"<p>{escape(self.result.about)}</p>{self.metrics._repr_html_()}{findings if texts else ''}"

    @cached_property
    def metrics(self) -> MetricTable:
        """The metrics by name, as a table."""
        return MetricTable(self.result.metrics)

    @property
    def findings(self) -> Sequence[Finding]:
        """What limits the model, each with suggestions; empty if no check found a problem."""
        return self.result.findings

    def report(self, out: str | PathLike[str]) -> Path:
        """Write the metrics, findings and figures as one HTML page.

        Parameters
        ----------
        out : str or Path
            The file.

        Returns
        -------
        Path
            The file.

        Examples
        --------
        >>> atlas.evaluate(["space"]).report("report.html").name
        'report.html'
        """
        return write_report(self.workspace, self.result, Path(out))
