"""Optional packages: each extra of `pip install "zatlas[...]"` adds one to the default installation."""

from importlib.util import find_spec

from zatlas.core.errors import NotSupported
from zatlas.core.shell import quote

PACKAGES = {
    "hub": "datasets",
    "notebook": "anywidget",
    "ray": "ray",
    "sql": "duckdb",
    "umap": "umap",
    "video": "av",
}


def is_installed(extra: str) -> bool:
    """Whether the package of an extra can be imported."""
    return find_spec(PACKAGES[extra]) is not None


def require(extra: str, purpose: str) -> None:
    """Raise `NotSupported`, which says what to install for this purpose, if the package is missing."""
    if not is_installed(extra):
        raise NotSupported(f"{purpose} needs the package {PACKAGES[extra]}: {install_command(extra)}")


def install_command(extra: str) -> str:
    """Return the command that installs an extra, for the shell of this system."""
    return f"pip install {quote(f'zatlas[{extra}]')}"
