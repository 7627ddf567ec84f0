"""Evaluate the directions of a run: by a classifier, or by the run's own encoder."""

from collections.abc import Mapping, Sequence

import numpy as np

from zatlas.core.seeds import stream
from zatlas.directions.direction_report import DirectionReport
from zatlas.directions.evaluate import Refit, evaluate
from zatlas.directions.evaluator import Evaluator, AttributePredictor, classifier_predictor, network_predictor, probe_predictor
from zatlas.directions.field_networks import AttributeNetwork, fit_network
from zatlas.directions.find import probes_of
from zatlas.directions.types import Direction, is_nonlinear
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator
from zatlas.workspace import Workspace

SAMPLE = 256  # images by which a classifier's numbers are made comparable
NETWORK_STEPS = 500  # training steps of the net that reads attributes from latents


def make_evaluator(
    workspace: Workspace,
    classifier: Classifier | None = None,
    *,
    label: int | None = None,
    nonlinear: bool = False,
    seed: int = 0,
) -> Evaluator:
    """What ways of this run are tried on: the answers of a scorer, given or kept, else of its own encoder,
    else none. Where ways bend, a net reads the codes, because planes cannot tell what no plane parts.
    """
    generator = workspace.generator.for_class(label)
    answers = _answers(workspace, generator, classifier or workspace.classifier, nonlinear)
    return Evaluator(generator, workspace.cloud, workspace.density, answers, seed)


def evaluate_directions(
    workspace: Workspace,
    directions: Sequence[Direction],
    classifier: Classifier | None = None,
    *,
    label: int | None = None,
    refit: Refit | None = None,
    saved: Mapping[str, DirectionReport] | None = None,
    seed: int = 0,
) -> list[DirectionReport]:
    """Return a report on each direction; all are measured at the same latents."""
    nonlinear = any(map(is_nonlinear, directions))
    evaluator = make_evaluator(workspace, classifier, label=label, nonlinear=nonlinear, seed=seed)
    return evaluate(evaluator, directions, refit=refit, saved=saved)


def _answers(
    workspace: Workspace, generator: Generator, classifier: Classifier | None, bent: bool
) -> AttributePredictor | None:
    if classifier is not None:
        chance = stream(0, "usual").permutation(len(workspace.cloud))[:SAMPLE]
        return classifier_predictor(classifier, generator.decode(workspace.cloud[chance]))
    if generator.encoder is None or not workspace.has_dataset:
        return None
    probes = probes_of(workspace)
    if not bent or not probes.names:
        return probe_predictor(generator, probes) if probes.names else None
    net = workspace.cache.get("attribute net", lambda: _attribute_net(workspace, probes.names))
    return network_predictor(generator, net, probes.names)


def _attribute_net(workspace: Workspace, names: Sequence[str]) -> AttributeNetwork:
    """A small net that reads these attributes from latents."""
    flags = workspace.attributes(workspace.table("train").rows)
    table = np.stack([flags[name] for name in names], axis=1)
    return fit_network(workspace.latents("train"), table, steps=NETWORK_STEPS)
