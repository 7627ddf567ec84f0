"""The server of a process: it starts on a free port, shows runs, and stops without a trace."""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import uvicorn

from zatlas.core.errors import ZatlasError
from zatlas.server.access import LOOPBACK, access_policy, is_loopback
from zatlas.server.app import Explorer
from zatlas.server.assets import Build
from zatlas.server.handlers import RunHandlers
from zatlas.server.placeholder import Tree
from zatlas.server.protocol import settings
from zatlas.server.requests import max_message_bytes
from zatlas.site import RunTree, run_tree
from zatlas.site.static import SINGLE_PAGE, page_files
from zatlas.site.tree import MAX_POINTS
from zatlas.workspace import Workspace

CLOSE_SECONDS = 1.7  # until a server that does not stop is left to the end of the process
PORTS = range(8420, 8430)  # tried first, so that an address that was kept leads here again
Files = Mapping[str, Build]

IDS = "ab"  # of the runs, in their order


class CannotServe(ZatlasError):
    """No server can be started as it was asked for."""


class Server:
    """A server in a thread of its own. What it shows is told by `show`; `begin` lets pages in."""

    def __init__(
        self,
        largest: int,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        framed: bool = False,
        token: bool = False,
        files: Files | None = None,
    ) -> None:
        files = page() if files is None else files
        self.listener = listen(host, port)
        self.port = self.listener.getsockname()[1]
        names = names_of(host)
        known = {*names, *LOOPBACK}
        guard = access_policy(known, self.port, open_to=host, framed=framed, token=token)
        link = f"?token={guard.link}" if guard.link else ""
        self.url = f"http://{names[0]}:{self.port}/{link}"
        self.explorer = Explorer(files, guard, pack=not is_loopback(host))
        config = uvicorn.Config(self.explorer, **settings(largest))
        self.server = uvicorn.Server(config)
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, name="zatlas-server", daemon=True)
        self.thread.start()

    def show(self, tree: Tree, workspace: Workspace | None) -> None:
        """Show a run as it is now; one without weights has no workspace."""
        shown = RunHandlers(workspace, tree) if workspace is not None and isinstance(tree, RunTree) else None
        self.call_soon(self.explorer.show, tree, shown)

    def say(self, name: str, **words: Any) -> None:
        """Change what the manifest says of a run."""
        self.call_soon(partial(self.explorer.send_notice, name, **words))

    def begin(self) -> None:
        """Let pages have the manifest: all runs are shown."""
        self.call_soon(self.explorer.ready.set)

    def call_soon(self, do: Callable[..., None], *given: Any) -> None:
        """Let the server's own thread do this, unless the server is closed."""
        try:
            self.loop.call_soon_threadsafe(do, *given)
        except RuntimeError:
            if not self.loop.is_closed():
                raise

    def close(self) -> bool:
        """Stop; connected pages are notified. Whether no thread works any more."""
        self.server.should_exit = True
        self.thread.join(CLOSE_SECONDS)
        return not self.thread.is_alive() and not self.explorer.busy

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._serve())
        finally:
            self.loop.close()

    async def _serve(self) -> None:
        try:
            await self.server.serve(sockets=[self.listener])
        finally:
            await self.explorer.close()


@contextmanager
def serving(
    workspaces: Sequence[Workspace],
    *,
    port: int | None = 0,
    points: int | None = None,
    framed: bool = False,
    files: Files | None = None,
) -> Iterator[Server]:
    """A server of these runs, as long as the block lasts."""
    server = Server(max_request_bytes(workspaces), port=port, framed=framed, files=files)
    try:
        for name, workspace in zip(IDS, workspaces, strict=False):
            tree = run_tree(workspace, name, max_points=points or MAX_POINTS, tiled=points is None)
            server.show(tree, workspace)
        server.begin()
        yield server
    finally:
        server.close()


def max_request_bytes(workspaces: Sequence[Workspace]) -> int:
    """Bytes of the largest message that a page of these runs has reason to send."""
    return max(max_message_bytes(workspace.dim, workspace.description.shape) for workspace in workspaces)


def page() -> Files:
    """The built page: every file by its URL, but the one that is for exports alone."""
    return {url: file.read_bytes for url, file in page_files().items() if url != SINGLE_PAGE}


def listen(host: str, port: int | None) -> socket.socket:
    """A socket at this port; at the first free one, if none is said."""
    if port is not None and not 0 <= port < 1 << 16:
        raise CannotServe(f"There is no port {port}; ports go from 0 to 65535.")
    wanted = [*PORTS, 0] if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in wanted:
        try:
            return socket.create_server((host, number), family=family, backlog=256)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number != wanted[-1]:
                continue
            raise CannotServe(_why_not(host, number, error)) from None
    raise CannotServe(f"There is no free port at {host}.")


def _why_not(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Leave --port out to find a free one."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} is kept for the system. Take one above 1023, or leave --port out."
    return f"This machine has no address {host!r} to listen at: {error.strerror or error}."


def names_of(host: str) -> list[str]:
    """The names under which a server at this address is asked for, the best known first."""
    if host not in ("0.0.0.0", "::", ""):
        return [f"[{host}]" if ":" in host else host]
    own = socket.gethostname()
    names = [own, socket.getfqdn()]
    with suppress(OSError):  # a machine whose own name leads nowhere
        names += sorted({str(one[4][0]) for one in socket.getaddrinfo(own, None)})
    return list(dict.fromkeys(f"[{name}]" if ":" in name else name for name in names))
