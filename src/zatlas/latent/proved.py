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
    from zatlas.atlas import Atlas

USUAL = 256  # images by which a scorer's numbers are made comparable
READING = 500  # steps by which a net learns to read codes
NUMBERS = 4_000_000  # of codes that a direction is learnt again from

Draw = Callable[[int], tuple[Points, dict[str, Flags]]]


def trial_of(
    atlas: "Atlas",
    scorer: Scorer | None = None,
    *,
    label: int | None = None,
    bent: bool = False,
    seed: int = 0,
) -> Trial:
    """What ways of this run are tried on: the answers of a scorer, given or kept, else of its own encoder,
    else none. Where ways bend, a net reads the codes, because planes cannot tell what no plane parts.
    """
    answers = _answers(atlas, scorer or scorer_of(atlas), label, bent)
    return Trial(atlas.generator, atlas.cloud, atlas.density, answers, label, seed)


def proved(
    atlas: "Atlas",
    ways: Sequence[Way],
    scorer: Scorer | None = None,
    *,
    label: int | None = None,
    relearn: Relearn | None = None,
    seed: int = 0,
) -> list[Way]:
    """The same directions and ways that bend, with their proof; all are tried on the same points."""
    bent = any(map(bends, ways))
    trial = trial_of(atlas, scorer, label=label, bent=bent, seed=seed)
    proofs = prove(trial, ways, relearn=relearn)
    return [replace(one, proof=found) for one, found in zip(ways, proofs, strict=True)]


def again(
    atlas: "Atlas", names: Sequence[str], *, way: str, others: Sequence[str] = (), seed: int = 0
) -> Relearn:
    """How attributes' directions are learnt again from another draw of the codes, one by one."""
    draw = _draws(atlas, [*names, *others], seed)

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


def again_apart(atlas: "Atlas", names: Sequence[str], *, seed: int = 0) -> Relearn:
    """The same for directions that are found together."""
    draw = _draws(atlas, names, seed)
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


def _draws(atlas: "Atlas", names: Sequence[str], seed: int) -> Draw:
    codes = atlas.codes("train")
    table: Mapping[str, Flags] = {name: atlas.flags(name, codes.rows) for name in names}
    count = min(len(codes.points), max(NUMBERS // atlas.dim, 500))

    def draw(number: int) -> tuple[Points, dict[str, Flags]]:
        rows = stream(seed, "again", number).integers(len(codes.points), size=count)
        return codes.points[rows], {name: flags[rows] for name, flags in table.items()}

    return draw


def _answers(atlas: "Atlas", scorer: Scorer | None, label: int | None, bent: bool) -> Answers | None:
    if scorer is not None:
        chance = stream(0, "usual").permutation(len(atlas.cloud))[:USUAL]
        return by_scorer(scorer, atlas.decode(atlas.cloud[chance], label))
    if atlas.generator.encoder is None or not atlas.has_images:
        return None
    probes = atlas.probes()
    if not bent or not probes.names:
        return by_probes(atlas.generator, probes, label) if probes.names else None
    if "reading net" not in atlas._known:
        flags = atlas.attributes(atlas.codes("train").rows)
        table = np.stack([flags[name] for name in probes.names], axis=1)
        atlas._known["reading net"] = fit(atlas.points("train"), table, steps=READING)
    return by_net(atlas.generator, atlas._known["reading net"], probes.names, label)
