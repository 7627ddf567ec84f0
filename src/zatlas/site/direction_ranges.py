"""How far each slider of a page can be moved: measured on few decoded images, so that it takes no time."""

from collections.abc import Mapping, Sequence
from math import prod

from zatlas.core.arrays import Latents
from zatlas.directions.direction_report import MAX_AMOUNT, DirectionReport
from zatlas.directions.evaluate import usable_range
from zatlas.directions.evaluator import AttributePredictor, Evaluator, classifier_predictor, probe_predictor
from zatlas.directions.probes import Probes
from zatlas.directions.types import Direction
from zatlas.latent.density import density
from zatlas.models.classifier import Classifier
from zatlas.workspace import Workspace

PIXELS = 1500 * 64 * 64  # that are decoded in all
FEWEST, MOST = 3, 32  # codes that are moved along each way
NEAR_PIXELS = 2000  # codes that say where the data is
DEFAULT_RANGE = 64  # images by which a scorer's numbers are made comparable

Range = tuple[float, float]


def ranges(
    workspace: Workspace,
    latents: Latents,
    ways: Sequence[Direction],
    probes: Probes,
    reports: Mapping[str, DirectionReport],
) -> list[Range | None]:
    """The spreads between which each way still moves what it means, as its proof would say it.

    Of a proved one from its proof. The others are tried on the same few codes: read by the run's
    scorer, else by the probes of the images encoded again, else by how far the image goes. None where
    too little can be decoded in that time.
    """
    known = [reports.get(direction.name) for direction in ways]
    result = [None if report is None else (report.low, report.high) for report in known]
    missing = [number for number, ends in enumerate(result) if ends is None]
    if not workspace.source.decodes or not missing:
        return result
    images = PIXELS // prod(workspace.description.shape[1:])
    count = min(images // (2 * MAX_AMOUNT * len(missing)), MOST)
    if count < FEWEST:
        return result
    answers = _answers(workspace, latents, probes, workspace.classifier)
    near = density(latents[:NEAR_PIXELS])
    trial = Evaluator(workspace.generator.for_class(), latents, near, answers, 0, count)
    for number in missing:
        result[number] = usable_range(trial, ways[number])
    return result


def _answers(
    workspace: Workspace, latents: Latents, probes: Probes, classifier: Classifier | None
) -> AttributePredictor | None:
    if classifier is not None:
        return classifier_predictor(classifier, workspace.decode(latents[:DEFAULT_RANGE]))
    if workspace.generator.encoder is None or not probes.names:
        return None
    return probe_predictor(workspace.generator.for_class(), probes)
