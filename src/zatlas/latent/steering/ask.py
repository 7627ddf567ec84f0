"""Steering a workspace: a method by its name, given what it takes of what the workspace knows."""

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
    from zatlas.workspace import Workspace

GIVEN = {"generator", "points", "seed", "show"}  # by the workspace and by all callers
AGAIN = 3  # times ways are learnt again: each takes as long as the first
# Ways of these are numbered, so that nothing says which is which, or made of points picked by hand.
ONCE = ("principal", "closed_form", "unsupervised", "examples")
NEEDED = {
    "scorer": "a scorer: train one with `zatlas scorer train`, or bring any function of images",
    "plus": "examples of what there is to be more of",
}


def steer(
    workspace: "Workspace",
    method: str,
    *,
    label: int | None = None,
    seed: int = 0,
    show: bool = False,
    **settings: Any,
) -> list[Way]:
    """The ways that a method finds in a workspace: around its codes, or its samples where it has none.

    A method that goes by `flags` is given the classes and attributes of the codes.
    """
    learn, settings = _asked(workspace, method, settings)
    return learn(told(workspace.generator, label), workspace.cloud, **settings, seed=seed, show=show)


def again(
    workspace: "Workspace", method: str, *, label: int | None = None, seed: int = 0, **settings: Any
) -> Relearn | None:
    """How a method's ways are learnt again from other draws of the points; None where they cannot be."""
    learn, settings = _asked(workspace, method, settings)
    if method in ONCE:
        return None
    generator, points = told(workspace.generator, label), workspace.cloud

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


def _asked(workspace: "Workspace", method: str, settings: Mapping[str, Any]) -> tuple[Learn, dict[str, Any]]:
    """The method, and its settings with what it takes of what is known of the codes."""
    learn: Learn = STEERING.get(method)
    takes = {name: p for name, p in signature(learn).parameters.items() if name not in GIVEN}
    for name in settings:
        if name not in takes:
            raise UnknownName(f"setting of {method}", name, takes)
    whole = dict(settings)
    if "flags" in takes and "flags" not in whole:
        whole |= _named(workspace, settings)
    _check(method, takes, whole)
    return learn, whole


def _flags(workspace: "Workspace") -> Mapping[str, Any]:
    if not workspace.coded:
        raise NotSupported(
            f"Nothing is known of the points of {workspace.name}, so they have no labels to go by. Take "
            "assessor with a scorer, transform, closed_form, principal or unsupervised."
        )
    return workspace.attributes(workspace.codes("train").rows)


def _named(workspace: "Workspace", settings: Mapping[str, Any]) -> dict[str, Any]:
    """The flags of the codes, and the names in the settings as these flags are known by."""
    flags = dict(_flags(workspace))
    found: dict[str, Any] = {"flags": flags}
    for setting in ("names", "without"):
        if not (texts := settings.get(setting)):
            continue
        found[setting] = tuple(text if text in flags else key_of(workspace.images, text) for text in texts)
        for key in found[setting]:
            if key not in flags:
                flags[key] = workspace.flags(key, workspace.codes("train").rows)
    return found


def _check(method: str, takes: Mapping[str, Parameter], settings: Mapping[str, Any]) -> None:
    for name, parameter in takes.items():
        if parameter.default is Parameter.empty and name not in settings:
            raise BadRecipe(f"The way to steer {method!r} needs {NEEDED.get(name, name)}.")
