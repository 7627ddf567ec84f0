"""Datasets, models, nets, layouts and direction methods by name, built in or added by a plugin.

A package adds one by a line of its `pyproject.toml`:

    [project.entry-points."zatlas.models"]
    my-model = "my_package.my_module:MyConfig"

A script or a notebook adds one for the running process: `zatlas.register("layout", "mine")(function)`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from zatlas.core.errors import BadData, UnknownName

T = TypeVar("T")


@dataclass(frozen=True)
class Registry:
    """Plugins of one kind by name; an entry point is imported when it is first used."""

    kind: str
    group: str
    _registered: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in _all_entry_points().select(group=self.group)}

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted({*self._entry_points, *self._registered})

    def get(self, name: str) -> Any:
        """Return the plugin of this name; the error for an unknown name lists similar ones."""
        if name in self._registered:
            return self._registered[name]
        if name not in self._entry_points:
            raise UnknownName(self.kind, name, self.names())
        return self._entry_points[name].load()

    def add(self, name: str, plugin: Any) -> None:
        """Add a plugin for the running process; it replaces an earlier one that was added like this."""
        if name in self._entry_points:
            raise BadData(f"The {self.kind} {name!r} exists already. Choose another name.")
        self._registered[name] = plugin

    def module_of(self, name: str) -> str:
        """The name of the module of a plugin of an installed package; "" for one of this process."""
        return "" if name in self._registered else self._entry_points[name].module

    def is_installed(self, name: str) -> bool:
        """Whether an installed package provides this plugin, so that other processes have it too."""
        return name in self._entry_points


@cache
def _all_entry_points() -> Any:  # EntryPoints, from Python 3.12 on
    """The entry points of every installed package, read once: there may be hundreds of packages."""
    return entry_points()


DATASETS = Registry("dataset", "zatlas.datasets")
MODELS = Registry("model", "zatlas.models")
NETS = Registry("net", "zatlas.nets")
LAYOUTS = Registry("layout", "zatlas.layouts")
DIRECTION_METHODS = Registry("direction method", "zatlas.direction_methods")
REGISTRIES = {registry.kind: registry for registry in (DATASETS, MODELS, NETS, LAYOUTS, DIRECTION_METHODS)}


def register(kind: str, name: str) -> Callable[[T], T]:
    """Add a dataset, model, net, layout or direction method for the running process.

    Parameters
    ----------
    kind
        "dataset", "model", "net", "layout" or "direction method".
    name
        The name by which commands, recipes and functions then find it.

    Returns
    -------
    A decorator that returns what it decorates.

    Raises
    ------
    UnknownName
        If there is no such kind.
    BadData
        If an installed plugin has this name.

    Examples
    --------
    >>> import numpy as np
    >>> import zatlas
    >>> @zatlas.register("layout", "first-two")
    ... def first_two(latents, labels, seed):
    ...     return np.ascontiguousarray(latents[:, :2])
    """
    if kind not in REGISTRIES:
        raise UnknownName("kind of plugin", kind, REGISTRIES)

    def add(plugin: T) -> T:
        REGISTRIES[kind].add(name, plugin)
        return plugin

    return add
