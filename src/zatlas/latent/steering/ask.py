"""Steering an atlas: a method by its name, given what it takes of what the atlas knows."""

from collections.abc import Mapping
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.core.registry import STEERING
from zatlas.latent.steering.decoding import told
from zatlas.latent.steering.steer import Learn, Way

if TYPE_CHECKING:
    from zatlas.atlas import Atlas

GIVEN = {"generator", "points", "seed", "show"}  # by the atlas and by all callers
NEEDED = {
    "scorer": "a scorer: train one with `zatlas scorer train`, or bring any function of images",
    "plus": "examples of what there is to be more of",
}


def steer(
    atlas: "Atlas",
    method: str,
    *,
    label: int | None = None,
    seed: int = 0,
    show: bool = False,
    **settings: Any,
) -> list[Way]:
    """The ways that a method finds in an atlas: around its codes, or its samples where it has none.

    A method that goes by `flags` is given the classes and attributes of the codes.
    """
    learn: Learn = STEERING.get(method)
    takes = {name: p for name, p in signature(learn).parameters.items() if name not in GIVEN}
    for name in settings:
        if name not in takes:
            raise UnknownName(f"setting of {method}", name, takes)
    if "flags" in takes and "flags" not in settings:
        settings = {"flags": _flags(atlas), **settings}
    _check(method, takes, settings)
    generator = told(atlas.generator, label)
    return learn(generator, atlas.cloud, **settings, seed=seed, show=show)


def _flags(atlas: "Atlas") -> Mapping[str, Any]:
    if not atlas.coded:
        raise NotSupported(
            f"Nothing is known of the points of {atlas.name}, so they have no labels to go by. Take "
            "assessor with a scorer, transform, closed_form, principal or unsupervised."
        )
    return atlas.attributes(atlas.codes("train").rows)


def _check(method: str, takes: Mapping[str, Parameter], settings: Mapping[str, Any]) -> None:
    for name, parameter in takes.items():
        if parameter.default is Parameter.empty and name not in settings:
            raise BadRecipe(f"The way to steer {method!r} needs {NEEDED.get(name, name)}.")
