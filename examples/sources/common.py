"""What the five scripts share: their arguments, and runs that are trained once."""

import argparse
from pathlib import Path
from typing import Any

from zatlas.atlas import Atlas
from zatlas.start import resume, train


def arguments(about: str, data: str) -> argparse.Namespace:
    """Where to, on which images, and how long."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("out", type=Path, help="folder of the runs and the pictures")
    parser.add_argument("--data", default=data, help=f"images; {data} if nothing is said")
    parser.add_argument("--epochs", type=int, help="instead of the source's own number")
    parser.add_argument("--count", type=int, default=6000, help="faces, where they are drawn")
    found = parser.parse_args()
    found.out.mkdir(parents=True, exist_ok=True)
    return found


def trained(folder: Path, data: str, epochs: int | None, **words: Any) -> Atlas:
    """The run in this folder: new, or gone on with."""
    if (folder / "made.json").exists():
        return resume(folder)
    return train(data, epochs=epochs, out=folder, **words)


def told(*paths: Path) -> None:
    """Say where the pictures are."""
    for path in paths:
        print(path)
