"""Names for things that can be added: built-ins come through the same door as plugins, entry points.

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
    """Things of one kind by name, imported only when they are asked for."""

    kind: str
    group: str

    @cached_property
    def _points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group=self.group)}

    def names(self) -> list[str]:
        """Every known name, in order."""
        return sorted(self._points)

    def get(self, name: str) -> Any:
        """The thing of that name; an unknown one is answered with the nearest known."""
        if name not in self._points:
            raise UnknownName(self.kind, name, self._points)
        return self._points[name].load()


DATASETS = Registry("dataset", "zatlas.datasets")
MODELS = Registry("model", "zatlas.models")
NETS = Registry("net", "zatlas.nets")
LAYOUTS = Registry("layout", "zatlas.layouts")
STEERING = Registry("way to steer", "zatlas.steering")
