"""Steering by labels: directions of attributes that are known of the points, and ways that bend."""

from collections.abc import Mapping, Sequence

import numpy as np

from zatlas.core.arrays import Flags, Points
from zatlas.core.errors import UnknownName
from zatlas.core.seeds import stream
from zatlas.latent import directions
from zatlas.latent.directions import HELD_OUT, WAYS, Score, check_flags, interval
from zatlas.latent.steering.fields import HOLD, STEPS, Layers, Uphill, fit
from zatlas.latent.steering.steer import Steer, Way
from zatlas.models.generator import Generator

LOCAL = "local"
RARE = 0.01  # of the points; what two attributes are less often, they are never


def learn(
    generator: Generator,
    points: Points,
    *,
    flags: Mapping[str, Flags],
    names: Sequence[str] = (),
    way: str = "means",
    without: Sequence[str] | None = None,
    hold: float = HOLD,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = False,
) -> list[Way]:
    """A way for each of these attributes, or for all: straight by means, medians or linear, or local.

    Straight ways are those of InterFaceGAN, with the planes of the attributes in `without` at right
    angles; Shen et al. 2020, https://arxiv.org/abs/1907.10786. A local way is learnt anew at each point:
    the slope of what a small net reads from codes, the slopes of other attributes taken out softly (all
    that can change alone, if none is named). It goes where an attribute has no single direction, as
    hair that is darker or lighter than the skin; Tzelepis et al. 2021, https://arxiv.org/abs/2109.13357.
    """
    for name in (*names, *(without or ())):
        if name not in flags:
            raise UnknownName("attribute of these points", name, flags)
    if way not in (*WAYS, LOCAL):
        raise UnknownName("way to learn a direction", way, (*WAYS, LOCAL))
    wanted = list(names or flags)
    for name in wanted:
        check_flags(flags[name], name)
    if way == LOCAL:
        held = {name: list(alone(flags, name) if without is None else without) for name in wanted}
        return _local(points, flags, held, hold, steps, seed, show)
    found: list[Way] = []
    for name in wanted:
        others = [
            directions.normal(points, flags[other], other)
            for other in without or ()
            if other != name
        ]
        found.append(directions.learn(points, flags[name], name, way=way, others=others, seed=seed))
    return found


def alone(flags: Mapping[str, Flags], name: str) -> list[str]:
    """The attributes that are true and false of points both with and without this one."""
    found = []
    for other, theirs in flags.items():
        both = [((flags[name] == a) & (theirs == b)).mean() for a in (0, 1) for b in (0, 1)]
        if other != name and min(both) >= RARE:
            found.append(other)
    return found


def _local(
    points: Points,
    flags: Mapping[str, Flags],
    held: Mapping[str, Sequence[str]],
    hold: float,
    steps: int,
    seed: int,
    show: bool,
) -> list[Way]:
    """A way for each name, with those that are held; one net reads all that is known, another is tested."""
    read = list(flags)  # more than is held: what is learnt of one attribute helps with others
    table = np.stack([flags[name] for name in read], axis=1)
    out = stream(seed, "local").random(len(points)) < HELD_OUT
    tested = fit(points[~out], table[~out], steps=steps, seed=seed, show=show)
    layers = fit(points, table, steps=steps, seed=seed, show=show)
    found: list[Way] = []
    for name in held:
        others = [other for other in held[name] if other != name]
        columns = [read.index(each) for each in (name, *others)]
        score = _score(tested, points[out], flags[name][out], columns[0])
        found.append(Steer(name, Uphill(layers.only(columns), hold), score))
    return found


def _score(layers: Layers, points: Points, flags: Flags, column: int) -> Score | None:
    """How well the net reads points that it was not taught; chance as for ranks without order."""
    has = int(flags.sum())
    lacks = len(flags) - has
    if not has or not lacks:
        return None
    chance = 0.5 + 1.96 * float(np.sqrt((has + lacks + 1) / (12 * has * lacks)))
    return interval(layers(points)[:, column], flags, chance)
