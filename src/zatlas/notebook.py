"""The explorer in a notebook: a widget, or a frame with a server of this process or with the page itself."""

import atexit
import html
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Union

from zatlas.core.errors import BadRecipe
from zatlas.core.extras import is_installed
from zatlas.core.live_output import in_notebook
from zatlas.server.serve import Server, max_request_bytes
from zatlas.site.export import export
from zatlas.site.story import read_story
from zatlas.site.tree import IDS
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    from zatlas.server.widget import ExplorerWidget

MIN_HEIGHT, MAX_HEIGHT = 200, 4000  # pixels

PageKey = tuple[str | None, ...]  # of what a page shows: the same key, the same page

_servers: dict[tuple[str | None, tuple[PageKey, ...]], Server] = {}  # by the story and the pages of the runs


class ExplorerFrame:
    """A frame with the explorer, as a notebook displays it."""

    def __init__(self, source: str, height: int, server: Server | None = None) -> None:
        self.source, self.height, self.server = source, height, server

    @property
    def url(self) -> str | None:
        """The address of the page, which also opens in a browser tab; None for an inline page."""
        return None if self.server is None else self.server.url

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{self.height}px;border:0"
        return f'<iframe {self.source} style="{style}" allow="fullscreen"></iframe>'

    def __repr__(self) -> str:
        return f"<explorer at {self.url}>" if self.url else "<explorer>"

    def close(self) -> None:
        """Stop the server, which empties the frame."""
        for key, server in list(_servers.items()):
            if server is self.server:
                del _servers[key]
                server.close()


ExplorerView = Union[ExplorerFrame, "ExplorerWidget"]


def show(
    *workspaces: Workspace, inline: bool = False, height: int = 720, story: str | PathLike[str] | None = None
) -> ExplorerView:
    """The explorer of one run, or of two side by side: a widget in a notebook, or without anywidget a frame.

    inline: put the page with its data into the notebook, so that it needs no kernel. height: in pixels.
    story: file of a story that the page opens with. Later frames of the same runs, in the same latent spaces,
    and of the same story share a server.
    The page follows runs that are being trained.
    """
    if not 1 <= len(workspaces) <= len(IDS):
        raise BadRecipe(f"The explorer shows one run or two side by side, not {len(workspaces)}.")
    if not MIN_HEIGHT <= height <= MAX_HEIGHT:
        raise BadRecipe(f"A frame is {MIN_HEIGHT} to {MAX_HEIGHT} pixels high, not {height}.")
    if inline:
        return ExplorerFrame(f'srcdoc="{html.escape(inline_page(workspaces, story))}"', height)
    markdown = None if story is None else read_story(story)
    if in_notebook() and is_installed("notebook"):
        from zatlas.server.widget import ExplorerWidget

        return ExplorerWidget(workspaces, height, markdown)
    key = (markdown, tuple(page_key(workspace) for workspace in workspaces))
    if key not in _servers:
        server = Server(max_request_bytes(workspaces), port=0, framed=True, story=markdown)
        try:
            server.show_all(workspaces)
        except BaseException:
            server.close()
            raise
        _servers[key] = server
    server = _servers[key]
    return ExplorerFrame(f'src="{server.url}"', height, server)


def page_key(workspace: Workspace) -> PageKey:
    """What the page of a run depends on; the page of a run that is being trained follows its model."""
    training = workspace.run.lock_holder is not None
    model = (None, None) if training else (workspace.digest, workspace.data[1])
    return str(workspace.run.folder.resolve()), workspace.space, *model


def inline_page(workspaces: tuple[Workspace, ...], story: str | PathLike[str] | None = None) -> str:
    """The HTML of the page with its data and its model."""
    with TemporaryDirectory(prefix="zatlas-") as folder:
        return export(workspaces, Path(folder) / "page.html", story=story).read_text(encoding="utf-8")


@atexit.register
def _close_all() -> None:
    for server in _servers.values():
        server.close()
