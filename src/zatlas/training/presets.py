"""The recipes that zatlas ships with, found without importing torch."""

from importlib import resources
from pathlib import Path


def presets() -> dict[str, Path]:
    """Return the paths of the recipes of the package, by name."""
    folder = Path(str(resources.files("zatlas") / "presets"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def description_of(path: Path) -> str:
    """Return the first line of a recipe, which says what it trains."""
    return path.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ")
