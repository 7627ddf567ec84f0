"""Arguments and training that the five scripts share."""

import argparse
from pathlib import Path
from typing import Any

from zatlas.create import resume, train
from zatlas.data.sources import parse_settings
from zatlas.workspace import Workspace


def arguments(description: str, data: str, **extra: dict[str, Any]) -> argparse.Namespace:
    """Return the parsed options of a script; `extra` adds options of its own."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("out", type=Path, help="folder for runs and figures")
    parser.add_argument("--data", default=data, help=f"images (default {data})")
    parser.add_argument("--epochs", type=int, help="number of epochs (default: that of the source)")
    parser.add_argument("--count", type=int, default=6000, help="number of drawn faces")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="TABLE.NAME=VALUE",
        help="change a setting of the preset, as training.rate=1e-3; repeatable",
    )
    for name, keywords in extra.items():
        parser.add_argument(f"--{name}", **keywords)
    result = parser.parse_args()
    result.settings = parse_settings(result.settings, "TABLE.NAME=VALUE", "training.rate=1e-3")
    result.out.mkdir(parents=True, exist_ok=True)
    return result


def trained(folder: Path, data: str, epochs: int | None, **keywords: Any) -> Workspace:
    """Train a run in this folder, or resume the one that is there."""
    if (folder / "made.json").exists():
        return resume(folder)
    return train(data, epochs=epochs, out=folder, **keywords)


def print_paths(*paths: Path) -> None:
    """Print the paths of figures."""
    for path in paths:
        print(path)
