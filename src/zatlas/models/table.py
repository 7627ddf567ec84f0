"""The rows of `zatlas models`: each model family and net with its settings.

The rows of the built-in ones are in table.json, because importing them takes seconds: they need torch.
"""

import json
from importlib import resources
from typing import Any

from zatlas.core.registry import MODELS, NETS, Registry
from zatlas.core.settings import setting_types

Row = dict[str, str]
KINDS = {"model": MODELS, "net": NETS}


def rows() -> list[Row]:
    """Return a row for each family and net. Only those of other packages are imported."""
    stored = json.loads((resources.files("zatlas") / "models" / "table.json").read_text(encoding="utf-8"))
    built_in = {(row["kind"], row["name"]): row for row in stored}
    result = []
    for kind, registry in KINDS.items():
        others = [name for name in registry.names() if (kind, name) not in built_in]
        added = {(kind, name): row_of(kind, name, plugin) for name, plugin in registry.working(others)}
        usable = built_in | added
        result += [usable[kind, name] for name in registry.names() if (kind, name) in usable]
    return result


def built_in_rows() -> list[Row]:
    """Return the rows for table.json, from the classes themselves."""
    return [
        row_of(kind, name, registry.get(name))
        for kind, registry in KINDS.items()
        for name in _built_in(registry)
    ]


def row_of(kind: str, name: str, config: Any) -> Row:
    """Return the row of a family or net: its settings with their defaults, and its description."""
    defaults = config()
    settings = ", ".join(f"{key}={getattr(defaults, key)}" for key in setting_types(config))
    description = (config.__doc__ or "").partition("\n")[0]
    return {"kind": kind, "name": name, "settings": settings, "description": description}


def _built_in(registry: Registry) -> list[str]:
    return [name for name in registry.names() if registry.module_of(name).startswith("zatlas.")]
