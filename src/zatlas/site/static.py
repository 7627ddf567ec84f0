"""The built page that comes with the package: the same files whoever serves or copies them."""

from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from zatlas.core.errors import NotFound

SINGLE_PAGE = "single.html"  # the page as one file, for an export as one file
INDEX_PAGE = "index.html"


def page_files() -> Mapping[str, Traversable]:
    """The files of the page by their URLs."""
    root = files("zatlas") / "static"
    result = dict(_walk(root, "")) if root.is_dir() else {}
    if INDEX_PAGE not in result or SINGLE_PAGE not in result:
        raise NotFound(
            "This zatlas has no page to show: it was installed from sources without building it. "
            "pip install builds it; in a checkout run: npm --prefix web ci && npm --prefix web run build"
        )
    return result


def _walk(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    for one in folder.iterdir():
        if one.is_dir():
            yield from _walk(one, f"{above}{one.name}/")
        else:
            yield above + one.name, one
