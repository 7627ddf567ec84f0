"""The server in a thread: it starts on a free port, shows runs, and stops."""

import asyncio
import errno
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import uvicorn

from zatlas.core.errors import ZatlasError
from zatlas.server.access import LOOPBACK, access_policy, is_loopback
from zatlas.server.app import Explorer
from zatlas.server.assets import Build
from zatlas.server.follow import FollowedRun, follow_run
from zatlas.server.handlers import RunHandlers
from zatlas.server.placeholder import Tree
from zatlas.server.protocol import settings
from zatlas.server.requests import max_message_bytes
from zatlas.site import RunTree, run_tree
from zatlas.site.other_spaces import largest_dim
from zatlas.site.static import explorer_files
from zatlas.site.tree import IDS, MAX_POINTS
from zatlas.workspace import Workspace

CLOSE_SECONDS = 1.7  # to wait for the server to stop
PORTS = range(8420, 8430)  # tried first, so that bookmarks stay valid
Files = Mapping[str, Build]


class CannotServe(ZatlasError):
    """The server cannot use this address."""


class LoopDisplay:
    """Shows runs in an explorer whose event loop runs in another thread, and follows their trainings."""

    def __init__(self, explorer: Explorer, loop: asyncio.AbstractEventLoop) -> None:
        self.explorer, self.loop = explorer, loop
        self.followed: list[FollowedRun] = []

    def show(self, tree: Tree, workspace: Workspace | None) -> None:
        """Show the current state of a run; `workspace` is None while it has no weights."""
        handlers = None
        if workspace is not None and isinstance(tree, RunTree):
            handlers = RunHandlers(workspace, tree)
        self.call_soon(self.explorer.show, tree, handlers)

    def update(self, id: str, **values: Any) -> None:
        """Update values of a run's entry in the manifest."""
        self.call_soon(partial(self.explorer.update, id, **values))

    def begin(self) -> None:
        """Release the manifest, after all runs are shown."""
        self.call_soon(self.explorer.ready.set)

    def follow(self, runs: Iterable[FollowedRun]) -> None:
        """Show the changes of these runs until `stop_following`."""
        for run in runs:
            self.followed.append(run)
            run.start(self)

    def show_all(self, workspaces: Sequence[Workspace]) -> None:
        """Show one run or two, release the manifest, and follow those that are being trained."""
        for id, workspace in zip(IDS, workspaces, strict=False):
            self.show(run_tree(workspace, id), workspace)
        self.begin()
        runs = (
            follow_run(workspace.run.folder, id, run_tree, workspace.space)
            for id, workspace in zip(IDS, workspaces, strict=False)
        )
        self.follow(run for run in runs if run.training_now)

    def stop_following(self) -> None:
        """Let the threads end that follow runs."""
        for run in self.followed:
            run.stopped.set()

    def call_soon(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the thread of the event loop, unless the loop is closed."""
        try:
            self.loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            if not self.loop.is_closed():
                raise


class Server(LoopDisplay):
    """A server in its own thread. `show` adds or replaces a run; `begin` releases the manifest."""

    def __init__(
        self,
        max_message_bytes: int,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        framed: bool = False,
        token: bool = False,
        files: Files | None = None,
        story: str | None = None,
    ) -> None:
        files = page() if files is None else files
        self.listener = listen(host, port)
        self.port = self.listener.getsockname()[1]
        names = names_of(host)
        access = access_policy({*names, *LOOPBACK}, self.port, host=host, framed=framed, token=token)
        query = f"?token={access.link_token}" if access.link_token else ""
        self.url = f"http://{names[0]}:{self.port}/{query}"
        explorer = Explorer(files, access, compress=not is_loopback(host), story=story)
        super().__init__(explorer, asyncio.new_event_loop())
        config = uvicorn.Config(self.explorer, **settings(max_message_bytes))
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self._run, name="zatlas-server", daemon=True)
        self.thread.start()

    def close(self) -> bool:
        """Stop and notify connected pages; returns whether all threads have ended."""
        self.stop_following()
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
    story: str | None = None,
) -> Iterator[Server]:
    """A context manager with a server of these runs; `story` is the text of a story."""
    server = Server(max_request_bytes(workspaces), port=port, framed=framed, files=files, story=story)
    try:
        for id, workspace in zip(IDS, workspaces, strict=False):
            tree = run_tree(workspace, id, max_points=points or MAX_POINTS, tiled=points is None)
            server.show(tree, workspace)
        server.begin()
        yield server
    finally:
        server.close()


def max_request_bytes(workspaces: Sequence[Workspace]) -> int:
    """The size of the largest valid request of a page of these runs."""
    return max(max_message_bytes(largest_dim(each), each.description.shape) for each in workspaces)


def page() -> Files:
    """The files of the built page by URL, with the template of a page as one file."""
    return {url: file.read_bytes for url, file in explorer_files().items()}


def listen(host: str, port: int | None) -> socket.socket:
    """A socket at this port, or at the first free one if `port` is None."""
    if port is not None and not 0 <= port < 1 << 16:
        raise CannotServe(f"There is no port {port}; ports go from 0 to 65535.")
    candidates = [*PORTS, 0] if port is None else [port]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in candidates:
        try:
            return socket.create_server((host, number), family=family, backlog=256)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and number != candidates[-1]:
                continue
            raise CannotServe(_listen_error(host, number, error)) from None
    raise CannotServe(f"There is no free port at {host}.")


def _listen_error(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} is in use by another program. Choose another, or none to use a free one."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Port {port} is reserved for the system. Choose one above 1023, or none."
    return f"This machine has no address {host!r}: {error.strerror or error}."


def names_of(host: str) -> list[str]:
    """The host names of a server at this address; the first one is for its URL."""
    if host not in ("0.0.0.0", "::", ""):
        return [f"[{host}]" if ":" in host else host]
    hostname = socket.gethostname()
    names = [hostname, socket.getfqdn()]
    with suppress(OSError):  # the machine cannot resolve its own name
        names += sorted({str(info[4][0]) for info in socket.getaddrinfo(hostname, None)})
    return list(dict.fromkeys(f"[{name}]" if ":" in name else name for name in names))
