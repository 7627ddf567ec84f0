"""What the five scripts share: their arguments, and runs that are trained once."""

import argparse
from pathlib import Path
from typing import Any

from zatlas.create import resume, train
from zatlas.data.sources import parse_settings
from zatlas.workspace import Workspace


def arguments(about: str, data: str, **more: dict[str, Any]) -> argparse.Namespace:
    """Where to, on which images, and how long; and what more a script asks."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("out", type=Path, help="folder of the runs and the pictures")
    parser.add_argument("--data", default=data, help=f"images; {data} if nothing is said")
    parser.add_argument("--epochs", type=int, help="instead of the source's own number")
    parser.add_argument("--count", type=int, default=6000, help="faces, where they are drawn")
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="TABLE.NAME=VALUE",
        help="change any setting of the preset, as training.rate=1e-3; may be given again",
    )
    for name, how in more.items():
        parser.add_argument(f"--{name}", **how)
    result = parser.parse_args()
    result.settings = parse_settings(result.settings, "TABLE.NAME=VALUE", "training.rate=1e-3")
    result.out.mkdir(parents=True, exist_ok=True)
    return result


def trained(folder: Path, data: str, epochs: int | None, **words: Any) -> Workspace:
    """The run in this folder: new, or gone on with."""
    if (folder / "made.json").exists():
        return resume(folder)
    return train(data, epochs=epochs, out=folder, **words)


def print_paths(*paths: Path) -> None:
    """Print the paths of figures."""
    for path in paths:
        print(path)
