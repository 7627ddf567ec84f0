"""Steering by labels: directions of attributes that are known of the points, and ways that bend."""

from collections.abc import Mapping, Sequence

import numpy as np

from zatlas.core.arrays import Flags, Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions import estimate as directions
from zatlas.directions.estimate import ESTIMATORS, HELD_OUT_SHARE, check_flags, separation_score, mean_difference, std_along
from zatlas.directions.field_networks import RIDGE, STEPS, GradientField, fit_network
from zatlas.directions.fit.constrained import fit_constrained
from zatlas.directions.layers import LayerRange, layer_subset
from zatlas.directions.types import Direction, FieldDirection, LinearDirection, SeparationScore
from zatlas.models.generator import Generator

AIMED, LOCAL = "aimed", "local"
MIN_RARE = 0.01  # of the points; what two attributes are less often, they are never


def fit(
    generator: Generator,
    latents: Latents,
    *,
    flags: Mapping[str, Flags],
    names: Sequence[str] = (),
    method: str = "mean_difference",
    orthogonal_to: Sequence[str] | None = None,
    ridge: float = RIDGE,
    steps: int = STEPS,
    layers: LayerRange = "",
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """A way for each of these attributes, or for all: linear (mean_difference,
    median_difference, linear, aimed) or local.

    Straight ways are those of InterFaceGAN, with the planes of the attributes in `without` at right
    angles; Shen et al. 2020, https://arxiv.org/abs/1907.10786. An aimed way is the straight one that
    turns what a small net reads of most points, three spreads away, while it reads the others as before
    (of those in `without`, or of all, the ones that can change alone). A local way is learnt anew at
    each point: the slope of what such a net reads, the slopes of other attributes taken out softly (all
    that can change alone, if none is named). It goes where an attribute has no single direction, as
    hair that is darker or lighter than the skin; Tzelepis et al. 2021, https://arxiv.org/abs/2109.13357.
    """
    for name in (*names, *(orthogonal_to or ())):
        if name not in flags:
            raise UnknownName("attribute of these points", name, flags)
    if method not in (*ESTIMATORS, AIMED, LOCAL):
        raise UnknownName("method to fit a direction", method, (*ESTIMATORS, AIMED, LOCAL))
    wanted = list(names or flags)
    for name in wanted:
        check_flags(flags[name], name)
    part = layer_subset(generator.space, layers)
    if method == LOCAL:
        if layers != "":
            raise NotSupported(
                "A local way moves all layers: take method=mean_difference, median_difference, linear or "
                "aimed."
            )
        held = {
            name: list(separable_attributes(flags, name) if orthogonal_to is None else orthogonal_to)
            for name in wanted
        }
        return _local(latents, flags, held, ridge, steps, seed, show)
    some = part.select(latents)
    if method == AIMED:
        beside = {name: _beside(flags, name, orthogonal_to) for name in wanted}
        result = _aimed(some, flags, beside, steps, seed, show)
        return [part.embed(one, latents) for one in result]
    straight: list[Direction] = []
    for name in wanted:
        others = [
            directions.plane_normal(some, flags[other], other) for other in orthogonal_to or () if other != name
        ]
        way_of = directions.fit_direction(some, flags[name], name, method=method, others=others, seed=seed)
        straight.append(part.embed(way_of, latents))
    return straight


def separable_attributes(flags: Mapping[str, Flags], name: str) -> list[str]:
    """The attributes that are true and false of points both with and without this one."""
    result = []
    for other, theirs in flags.items():
        both = [((flags[name] == a) & (theirs == b)).mean() for a in (0, 1) for b in (0, 1)]
        if other != name and min(both) >= MIN_RARE:
            result.append(other)
    return result


def _beside(flags: Mapping[str, Flags], name: str, without: Sequence[str] | None) -> Sequence[str]:
    """What is to stay as it is: of these, or of all, what can change alone."""
    return [other for other in separable_attributes(flags, name) if without is None or other in without]


def _aimed(
    latents: Latents,
    flags: Mapping[str, Flags],
    held: Mapping[str, Sequence[str]],
    steps: int,
    seed: int,
    show: bool,
) -> list[LinearDirection]:
    """A direction for each name, with those that are held; some points are kept for the score."""
    read = list(flags)
    table = np.stack([flags[name] for name in read], axis=1)
    out = stream(seed, "local").random(len(latents)) < HELD_OUT_SHARE
    mine = latents[~out]
    layers = fit_network(mine, table[~out], steps=steps, seed=seed, show=show)
    result: list[LinearDirection] = []
    for name, others in held.items():
        has, columns = flags[name], [read.index(each) for each in (name, *others)]
        start = mean_difference(latents, has)
        vector = fit_constrained(layers.select(columns), mine, has[~out], start, seed=seed)
        score = _score(latents[out] @ vector, has[out])
        result.append(LinearDirection(name, vector, std_along(vector, latents), score))
    return result


def _local(
    latents: Latents,
    flags: Mapping[str, Flags],
    held: Mapping[str, Sequence[str]],
    hold: float,
    steps: int,
    seed: int,
    show: bool,
) -> list[Direction]:
    """A way for each name, with those that are held; one net reads all that is known, another is tested."""
    read = list(flags)  # more than is held: what is learnt of one attribute helps with others
    table = np.stack([flags[name] for name in read], axis=1)
    out = stream(seed, "local").random(len(latents)) < HELD_OUT_SHARE
    tested = fit_network(latents[~out], table[~out], steps=steps, seed=seed, show=show)
    layers = fit_network(latents, table, steps=steps, seed=seed, show=show)
    result: list[Direction] = []
    for name in held:
        others = [other for other in held[name] if other != name]
        columns = [read.index(each) for each in (name, *others)]
        score = _score(tested(latents[out])[:, columns[0]], flags[name][out])
        result.append(FieldDirection(name, GradientField(layers.select(columns), hold), score))
    return result


def _score(readings: np.ndarray, flags: Flags) -> SeparationScore | None:
    """How well points that had no part in the learning are told apart; chance as for ranks without order."""
    has = int(flags.sum())
    lacks = len(flags) - has
    if not has or not lacks:
        return None
    chance = 0.5 + 1.96 * float(np.sqrt((has + lacks + 1) / (12 * has * lacks)))
    return separation_score(readings, flags, chance)
