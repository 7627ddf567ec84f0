"""The usable range of each slider of a page, measured on a few decoded images."""

from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.seeds import stream
from zatlas.directions.direction_report import MAX_AMOUNT, DirectionReport
from zatlas.directions.evaluate import usable_range
from zatlas.directions.evaluator import AttributePredictor, Evaluator, classifier_predictor, probe_predictor
from zatlas.directions.probes import Probes
from zatlas.directions.types import Direction
from zatlas.latent.density import Density, density
from zatlas.models.classifier import Classifier
from zatlas.workspace import Workspace

MAX_PIXELS = 1500 * 64 * 64  # decoded in total
MIN_LATENTS, MAX_LATENTS = 3, 32  # moved along each direction
DENSITY_LATENTS = 2000  # that describe where the data is
STANDARDIZATION_IMAGES = 64  # by which a classifier's outputs are standardized

Range = tuple[float, float]


def ranges(
    workspace: Workspace,
    latents: Latents,
    directions: Sequence[Direction],
    probes: Probes,
    reports: Mapping[str, DirectionReport],
) -> list[Range | None]:
    """The amounts, in standard deviations, between which each direction still moves its attribute.

    A report gives the range of an evaluated direction. All others are measured on the same few latents: by
    the run's classifier, otherwise by probes of the encoded images, otherwise by the distance from the data.
    None if the time allows too few images.
    """
    measured = [reports.get(direction.name) for direction in directions]
    result = [None if report is None else (report.low, report.high) for report in measured]
    missing = [number for number, limits in enumerate(result) if limits is None]
    if not workspace.source.decodes or not missing:
        return result
    images = most_images(workspace)
    count = min(images // (2 * MAX_AMOUNT * len(missing)), MAX_LATENTS)
    if count < MIN_LATENTS:
        return result
    readout = _readout(workspace, latents, probes, workspace.classifier)
    evaluator = Evaluator(workspace.generator.for_class(), latents, _density(workspace), readout, 0, count)
    for number in missing:
        result[number] = usable_range(evaluator, directions[number])
    return result


def most_images(workspace: Workspace) -> int:
    """The largest number of images that are decoded for the ranges; 0 for images that are too large."""
    images = MAX_PIXELS // prod(workspace.description.shape[1:])
    return images if images >= 2 * MAX_AMOUNT * MIN_LATENTS else 0


def _density(workspace: Workspace) -> Density:
    """The density of a few of the latents, which is fast to search."""
    table = workspace.chart_table("train")
    count = min(DENSITY_LATENTS, len(table.latents))
    rows = np.sort(stream(0, "ranges").choice(len(table.latents), count, replace=False))
    return density(table.latents[rows], None if table.std is None else table.std[rows])


def _readout(
    workspace: Workspace, latents: Latents, probes: Probes, classifier: Classifier | None
) -> AttributePredictor | None:
    if classifier is not None:
        return classifier_predictor(classifier, workspace.decode(latents[:STANDARDIZATION_IMAGES]))
    if workspace.generator.encoder is None or not probes.names:
        return None
    return probe_predictor(workspace.generator.for_class(), probes)
