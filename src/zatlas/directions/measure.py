"""Evaluate the directions of a run: by a classifier, or by the run's own encoder."""

from collections.abc import Mapping, Sequence

import numpy as np

from zatlas.core.seeds import stream
from zatlas.directions.cross_fitting import CrossFit, cross_fit
from zatlas.directions.direction_report import DirectionReport
from zatlas.directions.evaluate import Refit, evaluate
from zatlas.directions.evaluator import (
    MAX_STARTS,
    AttributePredictor,
    Evaluator,
    classifier_predictor,
    network_predictor,
    probe_predictor,
)
from zatlas.directions.field_networks import AttributeNetwork, fit_network
from zatlas.directions.find import probes_of
from zatlas.directions.label_fits import label_fits
from zatlas.directions.types import Direction, is_nonlinear
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator
from zatlas.workspace import Workspace

REFERENCE_IMAGES = 256  # images among whose values a classifier's numbers become quantiles
NETWORK_STEPS = 500  # training steps of the network that predicts attributes from latents


def make_evaluator(
    workspace: Workspace,
    classifier: Classifier | None = None,
    *,
    label: int | None = None,
    nonlinear: bool = False,
    samples: int = MAX_STARTS,
    seed: int = 0,
) -> Evaluator:
    """The evaluator of a run's directions.

    It predicts attributes by the given classifier, the run's own one, or the run's encoder with linear
    probes; if `nonlinear`, with a network, which also separates what no plane separates. A run without
    any of these is evaluated by the change of its images only.
    """
    generator = workspace.generator.for_class(label)
    predictor = _predictor(workspace, generator, classifier or workspace.classifier, nonlinear)
    return Evaluator(generator, workspace.cloud, workspace.density, predictor, seed, samples)


def evaluate_directions(
    workspace: Workspace,
    directions: Sequence[Direction],
    classifier: Classifier | None = None,
    *,
    label: int | None = None,
    refit: Refit | None = None,
    saved: Mapping[str, DirectionReport] | None = None,
    samples: int = MAX_STARTS,
    seed: int = 0,
) -> list[DirectionReport]:
    """Return a report on each direction; all are measured at the same latents, `samples` of them.

    Directions that a linear method fitted to labels are cross-fitted and compared with shuffled labels.
    """
    nonlinear = any(map(is_nonlinear, directions))
    evaluator = make_evaluator(
        workspace, classifier, label=label, nonlinear=nonlinear, samples=samples, seed=seed
    )
    evaluator.announce(len(directions))
    crossed: list[CrossFit | None] = [None] * len(directions)
    for fit in label_fits(workspace, directions, seed=seed) if evaluator.names else ():
        numbers = [i for i, each in enumerate(directions) if each.facts.get("method") == fit.method]
        for i, result in zip(
            numbers, cross_fit(evaluator, fit, [directions[i] for i in numbers]), strict=True
        ):
            crossed[i] = result
    return evaluate(evaluator, directions, refit=refit, saved=saved, cross_fits=crossed)


def _predictor(
    workspace: Workspace, generator: Generator, classifier: Classifier | None, nonlinear: bool
) -> AttributePredictor | None:
    if classifier is not None:
        rows = stream(0, "usual").permutation(len(workspace.cloud))[:REFERENCE_IMAGES]
        return classifier_predictor(classifier, generator.decode(workspace.cloud[rows]))
    if generator.encoder is None or not workspace.has_dataset:
        return None
    probes = probes_of(workspace)
    if not probes.names:
        return None
    if not nonlinear:
        return probe_predictor(generator, probes)
    network = workspace.cache.get("attribute network", lambda: _attribute_network(workspace, probes.names))
    return network_predictor(generator, network, probes.names)


def _attribute_network(workspace: Workspace, names: Sequence[str]) -> AttributeNetwork:
    """A network that predicts these attributes from latents."""
    flags = workspace.attributes(workspace.table("train").rows)
    table = np.stack([flags[name] for name in names], axis=1)
    return fit_network(workspace.latents("train"), table, steps=NETWORK_STEPS)
