"""The built page that comes with the package."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from zatlas.core.errors import NotFound

SINGLE_PAGE = "single.html"  # the page as one file
INDEX_PAGE = "index.html"


def page_files() -> Mapping[str, Traversable]:
    """The files of the page by URL."""
    root = files("zatlas") / "static"
    result = dict(_walk(root, "")) if root.is_dir() else {}
    if INDEX_PAGE not in result or SINGLE_PAGE not in result:
        raise NotFound(
            "This installation of zatlas has no page: it was installed from sources without building it. "
            "pip install builds it; in a checkout run: npm --prefix web ci && npm --prefix web run build"
        )
    return result


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        if item.is_dir():
            yield from _walk(item, f"{prefix}{item.name}/")
        else:
            yield prefix + item.name, item
