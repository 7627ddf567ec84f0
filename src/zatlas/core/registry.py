"""Registries of models, nets, datasets and methods. Built-in ones and plugins are entry points.

A package adds a model, a net or a dataset by one line of its `pyproject.toml`:

    [project.entry-points."zatlas.models"]
    my-model = "my_package.my_module:MyModel"
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from zatlas.core.errors import UnknownName


@dataclass(frozen=True)
class Registry:
    """Objects of one kind by name, imported on first use."""

    kind: str
    group: str

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._points)

    def get(self, name: str) -> Any:
        """Return the object of this name; `UnknownName`, with the closest name, if it does not exist."""
        if name not in self._points:
            raise UnknownName(self.kind, name, self._points)
        return self._points[name].load()


DATASETS = Registry("dataset", "zatlas.datasets")
MODELS = Registry("model", "zatlas.models")
NETS = Registry("net", "zatlas.nets")
LAYOUTS = Registry("layout", "zatlas.layouts")
STEERING = Registry("direction method", "zatlas.steering")
