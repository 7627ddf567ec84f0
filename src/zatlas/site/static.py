"""The built page that comes with the package."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from zatlas.core.errors import NotFound

SINGLE_PAGE = "single.html"  # the page as one file
INDEX_PAGE = "index.html"
FIGURE = "figure.js"  # the web component of a live figure


def page_files() -> Mapping[str, Traversable]:
    """The files of the page by URL."""
    root = files("zatlas") / "static"
    result = dict(_walk(root, "")) if root.is_dir() else {}
    if not {INDEX_PAGE, SINGLE_PAGE, FIGURE} <= set(result):
        raise NotFound(
            "This installation of zatlas has no page: it was installed from sources without building it. "
            "pip install builds it; in a checkout run: npm --prefix web ci && npm --prefix web run build"
        )
    return result


def explorer_files() -> Mapping[str, Traversable]:
    """The files of the explorer by URL, with the template of a page as one file."""
    return {url: file for url, file in page_files().items() if url != FIGURE}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        else:
            yield prefix + item.name, item
