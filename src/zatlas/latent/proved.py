"""Ways of a run with their proof: what its images are asked, and how they are learnt again."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from zatlas.core.arrays import Flags, Points
from zatlas.core.seeds import stream
from zatlas.latent.basis import alone
from zatlas.latent.directions import WAYS, Direction, normal, without
from zatlas.latent.proof import Relearn, prove
from zatlas.latent.readings import scorer_of
from zatlas.latent.steering.fields import fit
from zatlas.latent.steering.steer import Way, bends
from zatlas.latent.trial import Answers, Trial, by_net, by_probes, by_scorer
from zatlas.models.scorer import Scorer

if TYPE_CHECKING:
    from zatlas.workspace import Workspace

USUAL = 256  # images by which a scorer's numbers are made comparable
READING = 500  # steps by which a net learns to read codes
NUMBERS = 4_000_000  # of codes that a direction is learnt again from

Draw = Callable[[int], tuple[Points, dict[str, Flags]]]


def trial_of(
    workspace: "Workspace",
    scorer: Scorer | None = None,
    *,
    label: int | None = None,
    bent: bool = False,
    seed: int = 0,
) -> Trial:
    """What ways of this run are tried on: the answers of a scorer, given or kept, else of its own encoder,
    else none. Where ways bend, a net reads the codes, because planes cannot tell what no plane parts.
    """
    answers = _answers(workspace, scorer or scorer_of(workspace), label, bent)
    return Trial(workspace.generator, workspace.cloud, workspace.density, answers, label, seed)


def proved(
    workspace: "Workspace",
    ways: Sequence[Way],
    scorer: Scorer | None = None,
    *,
    label: int | None = None,
    relearn: Relearn | None = None,
    seed: int = 0,
) -> list[Way]:
    """The same directions and ways that bend, with their proof; all are tried on the same points."""
    bent = any(map(bends, ways))
    trial = trial_of(workspace, scorer, label=label, bent=bent, seed=seed)
    proofs = prove(trial, ways, relearn=relearn)
    return [replace(one, proof=found) for one, found in zip(ways, proofs, strict=True)]


def again(
    workspace: "Workspace", names: Sequence[str], *, way: str, others: Sequence[str] = (), seed: int = 0
) -> Relearn:
    """How attributes' directions are learnt again from another draw of the codes, one by one."""
    draw = _draws(workspace, [*names, *others], seed)

    def relearn(known: Way, number: int) -> Way | None:
        name = known.meant or known.name
        if name not in names:
            return None
        points, flags = draw(number)
        held = [other for other in others if other != name]
        if not all(0 < flags[one].sum() < len(points) for one in (name, *held)):
            return None  # so rare that this draw has none of it
        vector = WAYS[way](points, flags[name])
        found = Direction(name, (vector / np.linalg.norm(vector)).astype(np.float32))
        planes = [normal(points, flags[other], other) for other in held]
        return without(found, planes, points)

    return relearn


def again_apart(workspace: "Workspace", names: Sequence[str], *, seed: int = 0) -> Relearn:
    """The same for directions that are found together."""
    draw = _draws(workspace, names, seed)
    drawn: dict[int, np.ndarray] = {}

    def relearn(known: Way, number: int) -> Way | None:
        if known.meant not in names:
            return None
        if number not in drawn:
            points, flags = draw(number)
            table = np.stack([flags[name] for name in names], axis=1)
            if table.all(axis=0).any() or not table.any(axis=0).all():
                return None  # so rare that this draw has none of it
            drawn[number] = alone(points, table)
        return Direction(known.name, drawn[number][list(names).index(known.meant)])

    return relearn


def _draws(workspace: "Workspace", names: Sequence[str], seed: int) -> Draw:
    codes = workspace.codes("train")
    table: Mapping[str, Flags] = {name: workspace.flags(name, codes.rows) for name in names}
    count = min(len(codes.points), max(NUMBERS // workspace.dim, 500))

    def draw(number: int) -> tuple[Points, dict[str, Flags]]:
        rows = stream(seed, "again", number).integers(len(codes.points), size=count)
        return codes.points[rows], {name: flags[rows] for name, flags in table.items()}

    return draw


def _answers(workspace: "Workspace", scorer: Scorer | None, label: int | None, bent: bool) -> Answers | None:
    if scorer is not None:
        chance = stream(0, "usual").permutation(len(workspace.cloud))[:USUAL]
        return by_scorer(scorer, workspace.decode(workspace.cloud[chance], label))
    if workspace.generator.encoder is None or not workspace.has_images:
        return None
    probes = workspace.probes()
    if not bent or not probes.names:
        return by_probes(workspace.generator, probes, label) if probes.names else None
    if "reading net" not in workspace._known:
        flags = workspace.attributes(workspace.codes("train").rows)
        table = np.stack([flags[name] for name in probes.names], axis=1)
        workspace._known["reading net"] = fit(workspace.points("train"), table, steps=READING)
    return by_net(workspace.generator, workspace._known["reading net"], probes.names, label)
