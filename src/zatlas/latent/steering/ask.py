"""Steering an atlas: a method by its name, given what it takes of what the atlas knows."""

from collections.abc import Mapping
from functools import cache
from inspect import Parameter, signature
from typing import TYPE_CHECKING, Any

from zatlas.core.errors import BadRecipe, NotSupported, UnknownName, ZatlasError
from zatlas.core.registry import STEERING
from zatlas.core.seeds import stream
from zatlas.latent.attributes import key_of
from zatlas.latent.proof import Relearn
from zatlas.latent.steering.decoding import told
from zatlas.latent.steering.steer import Learn, Way

if TYPE_CHECKING:
    from zatlas.atlas import Atlas

GIVEN = {"generator", "points", "seed", "show"}  # by the atlas and by all callers
AGAIN = 3  # times ways are learnt again: each takes as long as the first
# Ways of these are numbered, so that nothing says which is which, or made of points picked by hand.
ONCE = ("principal", "closed_form", "unsupervised", "examples")
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
    learn, settings = _asked(atlas, method, settings)
    return learn(told(atlas.generator, label), atlas.cloud, **settings, seed=seed, show=show)


def again(
    atlas: "Atlas", method: str, *, label: int | None = None, seed: int = 0, **settings: Any
) -> Relearn | None:
    """How a method's ways are learnt again from other draws of the points; None where they cannot be."""
    learn, settings = _asked(atlas, method, settings)
    if method in ONCE:
        return None
    generator, points = told(atlas.generator, label), atlas.cloud

    @cache
    def ways(number: int) -> dict[str, Way]:
        rows = stream(seed, "again", number).integers(len(points), size=len(points))
        drawn = dict(settings)
        if "flags" in drawn:
            drawn["flags"] = {name: flags[rows] for name, flags in drawn["flags"].items()}
        try:
            return {way.name: way for way in learn(generator, points[rows], **drawn, seed=seed)}
        except ZatlasError:
            return {}  # this draw has too few of something

    def relearn(known: Way, number: int) -> Way | None:
        return ways(number).get(known.name) if number < AGAIN else None

    return relearn


def _asked(atlas: "Atlas", method: str, settings: Mapping[str, Any]) -> tuple[Learn, dict[str, Any]]:
    """The method, and its settings with what it takes of what is known of the codes."""
    learn: Learn = STEERING.get(method)
    takes = {name: p for name, p in signature(learn).parameters.items() if name not in GIVEN}
    for name in settings:
        if name not in takes:
            raise UnknownName(f"setting of {method}", name, takes)
    whole = dict(settings)
    if "flags" in takes and "flags" not in whole:
        whole |= _named(atlas, settings)
    _check(method, takes, whole)
    return learn, whole


def _flags(atlas: "Atlas") -> Mapping[str, Any]:
    if not atlas.coded:
        raise NotSupported(
            f"Nothing is known of the points of {atlas.name}, so they have no labels to go by. Take "
            "assessor with a scorer, transform, closed_form, principal or unsupervised."
        )
    return atlas.attributes(atlas.codes("train").rows)


def _named(atlas: "Atlas", settings: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the codes, and the names in the settings as these flags are known by."""
    flags = dict(_flags(atlas))
    found: dict[str, Any] = {"flags": flags}
    for setting in ("names", "without"):
        if not (texts := settings.get(setting)):
            continue
        found[setting] = tuple(text if text in flags else key_of(atlas.images, text) for text in texts)
        for key in found[setting]:
            if key not in flags:
                flags[key] = atlas.flags(key, atlas.codes("train").rows)
    return found


def _check(method: str, takes: Mapping[str, Parameter], settings: Mapping[str, Any]) -> None:
    for name, parameter in takes.items():
        if parameter.default is Parameter.empty and name not in settings:
            raise BadRecipe(f"The way to steer {method!r} needs {NEEDED.get(name, name)}.")
