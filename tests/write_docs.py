"""Writes the pages that are made from the code: `python -m tests.write_docs`, or `just docs`."""

import json
import os
import re
import tomllib
from contextlib import redirect_stdout, suppress
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Literal, get_args, get_origin
from unittest.mock import patch

import zatlas
from zatlas.cli import main
from zatlas.commands.overview import GROUPS
from zatlas.commands.registration import COMMANDS
from zatlas.core.registry import DATASETS, MODELS, NETS
from zatlas.core.settings import setting_types
from zatlas.models.table import built_in_rows
from zatlas.training.presets import description_of, presets
from zatlas.training.recipe import Training

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]


def commands() -> str:
    parts = [
        "# Commands",
        "Every command with its arguments. `just docs` writes this page from the code.",
        f"```\n{help_of()}\n```",
    ]
    for group in GROUPS:
        parts.append(f"## {group}")
        for name in [each.name for each in COMMANDS.values() if each.group == group]:
            parts += [f"### zatlas {name}", f"```\n{help_of(*name.split())}\n```"]
    return "\n\n".join(parts) + "\n"


def help_of(*words: str) -> str:
    """The help of a command as a terminal of 88 columns shows it."""
    wide = {"COLUMNS": "88", "NO_COLOR": "1"}
    with (
        patch.dict(os.environ, wide),
        redirect_stdout(TextIOWrapper(BytesIO(), "utf-8")) as page,
        suppress(SystemExit),
    ):
        main([*words, "--help"])
    page.seek(0)
    return "\n".join(line.rstrip() for line in page.read().strip().splitlines())


def recipes() -> str:
    parts = [
        "# Recipes",
        "Use this page to look up a setting. A recipe contains all settings of a training. `zatlas train` "
        "writes it into the run as `recipe.toml`. `--recipe FILE` starts from a recipe, `--preset NAME` from "
        "a built-in one, and `--set TABLE.NAME=VALUE` changes a setting. `just docs` generates this page.",
        "## [data]",
        "`source` is the argument of `zatlas train`, and `size` is `--size`. The other keys are options of "
        "the source ([datasets](datasets.md)).",
    ]
    for registry, table in ((MODELS, "model"), (NETS, "net")):
        for name in registry.names():
            kind = registry.get(name)
            key = "family" if table == "model" else "name"
            about = (kind.__doc__ or "").partition("\n")[0]
            parts += [f'## [{table}] {key} = "{name}"', about, table_of(kind)]
    parts += ["## [training]", table_of(Training)]
    parts += ["## Presets", presets_table()]
    return "\n\n".join(parts) + "\n"


def table_of(kind: type) -> str:
    words = comments(kind)
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    default = kind()
    for name, hint in setting_types(kind).items():
        result = words.get(name, "")
        if get_origin(hint) is Literal:
            choices = ", ".join(f"`{choice}`" for choice in get_args(hint))
            result = f"{result}: {choices}".lstrip(": ")
        lines.append(f"| `{name}` | `{written(getattr(default, name))}` | {result} |")
    return "\n".join(lines)


def written(value: object) -> str:
    """As one writes it in TOML."""
    return str(list(value)) if isinstance(value, tuple) else str(value).lower()


def comments(kind: type) -> dict[str, str]:
    """What stands behind each field in the source."""
    import inspect

    result = {}
    for line in inspect.getsource(kind).splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and name.isidentifier() and "  # " in rest:
            result[name] = rest.partition("  # ")[2]
    return result


def presets_table() -> str:
    lines = ["| name | images and model |", "|---|---|"]
    for name, path in presets().items():
        lines.append(f"| `{name}` | {description_of(path)} |")
    return "\n".join(lines)


def datasets() -> str:
    from zatlas.data.sources import loader, option_names

    parts = [
        "# Datasets",
        "Use this page to choose images for `zatlas train`. Options follow a colon, as in "
        "`faces:count=50000,correlated=true`, or go under `[data]` in a recipe. `just docs` generates the "
        "table.",
        "| name | content | images | size | licence | options |\n|---|---|---|---|---|---|",
    ]
    rows = []
    for name in DATASETS.names():
        source = DATASETS.get(name)
        options = ", ".join(f"`{option}`" for option in option_names(loader(name)))
        about = (source.summary, source.images, source.size, source.licence, options)
        rows.append(f"| `{name}` | " + " | ".join(about) + " |")
    parts[-1] += "\n" + "\n".join(rows)
    parts.append((DOCS / "_data.md").read_text().strip())
    return "\n\n".join(parts) + "\n"


def api() -> str:
    names = "\n".join(f"   {name}" for name in zatlas.__all__)
    return f"""# Python names

Every name of `import zatlas`. [Use zatlas from Python](python.md) shows how to use them together. Every
class and function has an example that a test runs. `just docs` writes this page from the code.

```{{eval-rst}}
.. currentmodule:: zatlas

.. autosummary::
   :toctree: api

{names}
```
"""


def floors() -> list[list[str]]:
    """The rooms of the source by floor, the highest first."""
    (contract,) = LINTER["contracts"]
    return [
        [folder.strip().removeprefix("zatlas.") for folder in layer.split("|")]
        for layer in contract["layers"]
    ]


def contributing() -> str:
    """CONTRIBUTING.md with its list of floors made anew from pyproject.toml."""
    rows = [
        f"  {number}. {', '.join(f'`{folder}`' for folder in rooms)}"
        for number, rooms in enumerate(floors(), 1)
    ]
    text = (ROOT / "CONTRIBUTING.md").read_text()
    begin, end = "<!-- floors: made by `just docs` -->\n", "<!-- end of floors -->"
    return re.sub(f"{begin}.*?{end}", begin + "\n".join(rows) + f"\n{end}", text, flags=re.DOTALL)


PAGES = {
    "api.md": api,
    "commands.md": commands,
    "recipes.md": recipes,
    "datasets.md": datasets,
    "../CONTRIBUTING.md": contributing,
    "../src/zatlas/models/table.json": lambda: json.dumps(built_in_rows(), indent=1) + "\n",
}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
