"""Plugins by kind and name: built in, from an installed package, or registered by a running program.

A package adds one by a line of its `pyproject.toml`:

    [project.entry-points."zatlas.models"]
    my-model = "my_package.my_module:MyConfig"

A script or a notebook adds one for the running process: `zatlas.register("layout", "mine")(function)`.
docs/extending.md describes each kind.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, TypeVar

from zatlas.core.errors import BadData, BadPlugin, UnknownName, first_line
from zatlas.core.logs import LOG
from zatlas.core.requirements import missing_part

T = TypeVar("T")
OWN_PACKAGE = "zatlas"


@dataclass(frozen=True)
class Registry:
    """Plugins of one kind by name; an entry point is imported and checked when it is first used.

    `required` lists what a plugin must have, in the form of `core.requirements`.
    """

    kind: str
    group: str
    required: tuple[str, ...]
    _registered: dict[str, Any] = field(default_factory=dict, repr=False)
    _loaded: dict[str, Any] = field(default_factory=dict, repr=False)
    _warned: set[str] = field(default_factory=set, repr=False)

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        """The entry points by name. Of several with one name, zatlas's own is used."""
        result: dict[str, EntryPoint] = {}
        installed = _all_entry_points().select(group=self.group)
        points = [point for point in installed if not _is_in_current_folder(point)]
        for point in sorted(points, key=lambda p: (_package(p) != OWN_PACKAGE, _package(p))):
            first = result.setdefault(point.name, point)
            if _package(first) != _package(point):
                self._warn(
                    f"{_package(point)} {point.name}",
                    f"zatlas ignores the {self.kind} {point.name!r} of the package {_package(point)}: "
                    f"{_package(first)} has one of this name.",
                )
        return result

    def names(self) -> list[str]:
        """Every known name, sorted."""
        return sorted({*self._entry_points, *self._registered})

    def get(self, name: str) -> Any:
        """Return the plugin of this name; `BadPlugin` if it cannot be imported or lacks a part.

        The error for an unknown name lists similar ones.
        """
        if name in self._registered:
            return self._registered[name]
        if name not in self._entry_points:
            raise UnknownName(self.kind, name, self.names())
        if name not in self._loaded:
            self._loaded[name] = self._load(self._entry_points[name])
        return self._loaded[name]

    def working(self, names: Iterable[str] | None = None) -> Iterator[tuple[str, Any]]:
        """Yield the name and the plugin of each (of these) that can be used; warn once of each other one."""
        for name in self.names() if names is None else names:
            try:
                plugin = self.get(name)
            except BadPlugin as error:
                self._warn(name, str(error))
                continue
            yield name, plugin

    def warn_failed(self, name: str, error: Exception) -> None:
        """Say once, in one line, that a plugin failed and what it raised."""
        reason = f"{type(error).__name__}: {first_line(error)}"
        self._warn(name, f"zatlas leaves out {self.title(name)}, which failed: {reason}.")

    def add(self, name: str, plugin: Any) -> None:
        """Add a plugin for the running process; it replaces an earlier one that was added like this."""
        if name in self._entry_points:
            raise BadData(f"The {self.kind} {name!r} exists already. Choose another name.")
        self._check(plugin, f"The {self.kind} {name!r}")
        self._registered[name] = plugin

    def module_of(self, name: str) -> str:
        """The name of the module of a plugin of an installed package; "" for one of this process."""
        return "" if name in self._registered else self._entry_points[name].module

    def is_installed(self, name: str) -> bool:
        """Whether an installed package provides this plugin, so that other processes have it too."""
        return name in self._entry_points

    def is_built_in(self, name: str) -> bool:
        """Whether zatlas itself provides this plugin."""
        return self.is_installed(name) and _package(self._entry_points[name]) == OWN_PACKAGE

    def title(self, name: str, article: str = "the") -> str:
        """The kind, name and package of a plugin, for messages."""
        package = f" of the package {_package(self._entry_points[name])}" if self.is_installed(name) else ""
        return f"{article} {self.kind} {name!r}{package}"

    def _load(self, point: EntryPoint) -> Any:
        title = self.title(point.name, "The")
        try:
            plugin = point.load()
        except Exception as error:  # the module of a stranger can fail in any way
            raise BadPlugin(
                f"{title} cannot be imported: {type(error).__name__}: {first_line(error)}. Update or "
                f"uninstall the package {_package(point)}."
            ) from error
        self._check(plugin, title)
        return plugin

    def _check(self, plugin: Any, title: str) -> None:
        if missing := missing_part(plugin, self.required):
            raise BadPlugin(f"{title} {missing}. See docs/extending.md.")

    def _warn(self, key: str, text: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            LOG.warning(text)


def _is_in_current_folder(point: EntryPoint) -> bool:
    """Whether its package lies in the current folder, where somebody else may have put it."""
    try:
        current = Path.cwd().resolve()
    except FileNotFoundError:  # the folder was deleted
        return False
    return point.dist is not None and Path(str(point.dist.locate_file(""))).resolve() == current


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "unknown"


@cache
def _all_entry_points() -> Any:  # EntryPoints, from Python 3.12 on
    """The entry points of every installed package, read once: there may be hundreds of packages."""
    return entry_points()


DATASETS = Registry(
    "dataset",
    "zatlas.datasets",
    ("summary", "images", "size", "licence", "synthetic", "factors", "is_available()", "load(*, size)"),
)
MODELS = Registry("model", "zatlas.models", ("@settings", "NET", "TRAINING", "build(net, shape, classes)"))
NETS = Registry(
    "net", "zatlas.nets", ("@settings", "TRAINING", "encoder(shape, out, classes)", "decoder(shape, dim)")
)
LAYOUTS = Registry("layout", "zatlas.layouts", ("__call__(latents, labels, seed)",))
DIRECTION_METHODS = Registry(
    "direction method", "zatlas.direction_methods", ("__call__(generator, latents, *, seed)",)
)
IMPORTERS = Registry(
    "importer",
    "zatlas.importers",
    (
        "@new",
        "summary",
        "data_only",
        "matches(source)",
        "write(source, folder, options)",
        "load(files, settings, device)",
    ),
)
METRICS = Registry("metric", "zatlas.metrics", ("__call__(workspace, *, seed)",))
FIGURES = Registry(
    "figure",
    "zatlas.figures",
    ("title", "about", "section", "theory", "applies(workspace)", "draw(workspace, theme)"),
)
CALLBACKS = Registry(
    "callback",
    "zatlas.callbacks",
    (
        "@new",
        "on_train_start(run, recipe, images, learner)",
        "on_message(line)",
        "on_step_end(step, images, terms)",
        "on_epoch_end(row)",
        "on_test_end(result)",
        "on_train_end()",
    ),
)
REGISTRIES = {
    registry.kind: registry
    for registry in (
        *(DATASETS, MODELS, NETS, LAYOUTS, DIRECTION_METHODS),
        *(IMPORTERS, METRICS, FIGURES, CALLBACKS),
    )
}


def register(kind: str, name: str) -> Callable[[T], T]:
    """Add a plugin for the running process.

    Parameters
    ----------
    kind
        "dataset", "model", "net", "layout", "direction method", "importer", "metric", "figure" or "callback".
    name
        The name by which commands, recipes and functions then find it.

    Returns
    -------
    A decorator that returns what it decorates.

    Raises
    ------
    UnknownName
        If there is no such kind.
    BadPlugin
        If what is decorated lacks a part of its kind.
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
