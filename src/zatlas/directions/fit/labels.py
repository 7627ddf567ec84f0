"""Directions of labelled attributes: linear, or as the gradient of a network that predicts them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from zatlas.core.arrays import Flags, Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.estimate import (
    ESTIMATORS,
    HELD_OUT_SHARE,
    check_flags,
    fit_direction,
    mean_difference,
    plane_normal,
    rank_score,
    std_along,
)
from zatlas.directions.field_networks import RIDGE, STEPS, GradientField, fit_network
from zatlas.directions.fit.constrained import fit_constrained
from zatlas.directions.layers import LayerRange, layer_subset
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.generator import Generator

CONSTRAINED, LOCAL = "constrained", "local"
METHODS = (*ESTIMATORS, CONSTRAINED, LOCAL)
MIN_SHARE = 0.01  # of the latents: rarer combinations of two attributes count as impossible


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
    """A direction for each of these attributes, by default for all.

    Linear methods: mean_difference, median_difference and linear, with the planes of `orthogonal_to`
    projected out as in InterFaceGAN (Shen et al. 2020, https://arxiv.org/abs/1907.10786). "constrained" is
    the vector that flips a network's prediction for most latents at three std, and keeps its predictions
    of the attributes in `orthogonal_to`, or else of all that can vary independently.

    `local` is nonlinear: at each latent the gradient of such a network, with the gradients of the other
    attributes projected out (with a ridge). Use it for attributes without a single direction, such as
    hair that is darker or lighter than the skin; Tzelepis et al. 2021, https://arxiv.org/abs/2109.13357.
    """
    for name in (*names, *(orthogonal_to or ())):
        if name not in flags:
            raise UnknownName("attribute of these latents", name, flags)
    if method not in METHODS:
        raise UnknownName("method to fit a direction", method, METHODS)
    targets = list(names or flags)
    for name in targets:
        check_flags(flags[name], name)
    subset = layer_subset(generator.space, layers)
    if method == LOCAL:
        if layers != "":
            raise NotSupported(
                "The method local moves all layers: take method=mean_difference, median_difference, linear "
                "or constrained."
            )
        fixed = {
            name: list(separable_attributes(flags, name) if orthogonal_to is None else orthogonal_to)
            for name in targets
        }
        return _local(latents, flags, fixed, ridge, steps, seed, show)
    selected = subset.select(latents)
    if method == CONSTRAINED:
        fixed = {name: _separable(flags, name, orthogonal_to) for name in targets}
        result = _constrained(selected, flags, fixed, steps, seed, show)
        return [subset.embed(direction, latents) for direction in result]
    directions: list[Direction] = []
    for name in targets:
        others = [
            plane_normal(selected, flags[other], other) for other in orthogonal_to or () if other != name
        ]
        direction = fit_direction(selected, flags[name], name, method=method, others=others, seed=seed)
        if layers != "":
            direction = replace(direction, facts={**direction.facts, "layers": layers})
        directions.append(subset.embed(direction, latents))
    return directions


def separable_attributes(flags: Mapping[str, Flags], name: str) -> list[str]:
    """The attributes that occur both with and without this one, and are absent both with and without it."""
    result = []
    for other, values in flags.items():
        shares = [((flags[name] == a) & (values == b)).mean() for a in (0, 1) for b in (0, 1)]
        if other != name and min(shares) >= MIN_SHARE:
            result.append(other)
    return result


def _separable(flags: Mapping[str, Flags], name: str, names: Sequence[str] | None) -> list[str]:
    """The separable attributes among `names`, or all of them if `names` is None."""
    return [other for other in separable_attributes(flags, name) if names is None or other in names]


def _constrained(
    latents: Latents,
    flags: Mapping[str, Flags],
    fixed: Mapping[str, Sequence[str]],
    steps: int,
    seed: int,
    show: bool,
) -> list[LinearDirection]:
    """A direction for each name in `fixed`, which lists the attributes that it keeps, with its score."""
    columns = list(flags)
    table = np.stack([flags[name] for name in columns], axis=1)
    held_out = stream(seed, "local").random(len(latents)) < HELD_OUT_SHARE
    fitted = latents[~held_out]
    network = fit_network(fitted, table[~held_out], steps=steps, seed=seed, show=show)
    result: list[LinearDirection] = []
    for name, others in fixed.items():
        values, selected = flags[name], network.select([columns.index(each) for each in (name, *others)])
        start = mean_difference(latents, values)
        vector = fit_constrained(selected, fitted, values[~held_out], start, seed=seed)
        score = rank_score(latents[held_out] @ vector, values[held_out])
        result.append(LinearDirection(name, vector, std_along(vector, latents), score))
    return result


def _local(
    latents: Latents,
    flags: Mapping[str, Flags],
    fixed: Mapping[str, Sequence[str]],
    ridge: float,
    steps: int,
    seed: int,
    show: bool,
) -> list[Direction]:
    """A direction for each name in `fixed`; a second network, fitted to a part of the latents, gives the
    score on the rest."""
    columns = list(flags)  # all attributes, because fitting them together improves each
    table = np.stack([flags[name] for name in columns], axis=1)
    held_out = stream(seed, "local").random(len(latents)) < HELD_OUT_SHARE
    scored = fit_network(latents[~held_out], table[~held_out], steps=steps, seed=seed, show=show)
    predictions = scored(latents[held_out])
    network = fit_network(latents, table, steps=steps, seed=seed, show=show)
    result: list[Direction] = []
    for name, others in fixed.items():
        indices = [columns.index(each) for each in (name, *(other for other in others if other != name))]
        score = rank_score(predictions[:, indices[0]], flags[name][held_out])
        result.append(FieldDirection(name, GradientField(network.select(indices), ridge), score))
    return result
