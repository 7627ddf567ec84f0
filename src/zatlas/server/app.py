"""The application of the server: files by URL, the current manifest, and the WebSocket."""

import asyncio
import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from zatlas.latent.timeline_file import FOLDER, saved_timelines
from zatlas.server.access import AccessPolicy
from zatlas.server.assets import Asset, AssetStore, Build, as_asset
from zatlas.server.client import TRY_LATER, Client
from zatlas.server.handlers import Reply, RunHandlers, pixels_reply
from zatlas.server.messages import BadRequest, error_payload, status_of
from zatlas.server.placeholder import Tree
from zatlas.server.queues import DecodeScheduler, Decoding, Task, TaskScheduler, WorkQueue
from zatlas.server.requests import Request
from zatlas.server.spaces import OtherSpaces
from zatlas.site import RunTree, manifest
from zatlas.site.space_files import entry_file

MANIFEST = "data/manifest.json"
SOCKET = "socket"
WRITTEN = "data/written.json"  # lists the files, as in an export
MAX_CLIENTS = 200
CHUNK = 64 << 10  # bytes sent at a time, so that a slow client holds little memory
MODEL_SECONDS = 30.0  # for one call of a model
SLOW_SECONDS = 600.0  # for a chart of very many points, or a geodesic
QUEUES = {"encode": "encoder", "geodesic": "geodesics", "chart": "charts"}  # others: quick
DECODERS = ("decoder", "coarse")  # previews do not wait for complete images
SECONDS = {
    "decoder": MODEL_SECONDS,
    "coarse": MODEL_SECONDS,
    "encoder": MODEL_SECONDS,
    "quick": MODEL_SECONDS,
}
REDIRECT = b"<!doctype html><title>zatlas</title><p><a href='./'>Open the explorer</a></p>"
DROPPED = Reply({"kind": "dropped"})


class Explorer:
    """The runs on display, their clients, and the queues of their requests.

    Each run has its own queues, so that a model that never returns does not block other runs.
    """

    def __init__(
        self, page: Mapping[str, Build], access: AccessPolicy, *, compress: bool, story: str | None = None
    ) -> None:
        self.access, self.story = access, story
        self.assets = AssetStore(compress=compress)
        self.assets.put(page)
        self.trees: dict[str, Tree] = {}
        self.handlers: dict[str, RunHandlers] = {}
        self.spaces = OtherSpaces(self.show_space)
        self.clients: set[Client] = set()
        self.queues: dict[tuple[str, str], WorkQueue[Any]] = {}
        self.workers: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        self.manifest: Asset | None = None

    # Runs

    def show(self, tree: Tree, handlers: RunHandlers | None) -> None:
        """Show a run, or its new state; `handlers` is None while it has no weights."""
        id = str(tree.entry["id"])
        self.trees[id] = tree
        self.assets.put({}, replace=f"data/{id}-")  # its other latent spaces
        for other in [name for name in self.handlers if name == id or name.startswith(f"{id}-")]:
            del self.handlers[other]
        self.assets.put(tree.files, replace=f"data/{id}/")
        self.spaces.withdraw(id)
        if handlers is not None:
            self.handlers[id] = handlers
            self.spaces.offer(handlers.tree)
        self.manifest = None

    def show_space(self, tree: RunTree, handlers: RunHandlers) -> None:
        """Serve another latent space of a run, whose entry is a file of its own."""
        id = str(tree.entry["id"])
        self.assets.put({**tree.files, f"data/{id}/entry.json": partial(entry_file, tree)})
        self.handlers[id] = handlers

    def update(self, id: str, **values: Any) -> None:
        """Update values of a run's entry in the manifest."""
        self.trees[id].entry.update(values)
        self.manifest = None

    def queue(self, run: str, name: str) -> WorkQueue[Any]:
        """The queue of this name for this run; starts it on first use."""
        queue = self.queues.get((run, name))
        if queue is None:
            kind = DecodeScheduler if name in DECODERS else TaskScheduler
            queue = kind(f"{run}-{name}", SECONDS.get(name, SLOW_SECONDS))
            self.queues[run, name] = queue
            self.workers.add(asyncio.get_running_loop().create_task(queue.run()))
        return queue

    @property
    def busy(self) -> bool:
        """Whether a thread is still running, even for a call that timed out."""
        threads = [queue.threads for queue in self.queues.values()]
        return any(each.busy for each in (*threads, self.assets.threads, self.spaces.threads))

    async def close(self) -> None:
        """Start no more work."""
        self.assets.close()
        await self.spaces.close()
        tasks = (*self.workers, *self.assets.assets.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for queue in self.queues.values():
            queue.close()

    # The WebSocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.handle_socket(WebSocket(scope, receive, send))
        else:
            await self.respond(scope, receive, send)

    async def handle_socket(self, socket: WebSocket) -> None:
        """Serve one page's WebSocket until it is closed."""
        allowed = self.access.refusal(socket.scope) is None and self.access.has_cookie(socket.scope)
        if not allowed or socket.scope["path"] != f"/{SOCKET}":
            await socket.close()  # before it is accepted: status 403
            return
        await socket.accept()
        if len(self.clients) >= MAX_CLIENTS:
            await socket.close(TRY_LATER, "Too many pages are open.")
            return
        client = Client(socket, self)
        self.clients.add(client)
        await client.run()

    def disconnect(self, client: Client) -> None:
        """Drop the jobs of a client."""
        self.clients.discard(client)
        for queue in self.queues.values():
            queue.forget(client)

    async def answer(self, client: Client, request: Request) -> Reply:
        """The answer to a request, after its turn in a queue."""
        handlers = self.handlers.get(request.run)
        if handlers is None:
            raise unknown_run(request, self.trees)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if request.kind == "decode":
            coarse = request.fields.get("coarse") is True
            decoder = handlers.coarse if coarse else handlers.decoder
            queue = self.queue(request.run, "coarse" if coarse else "decoder")
            queue.add(Decoding(client, request.stream, future, decoder, *handlers.decoder_inputs(request)))
            pixels = await future
            return DROPPED if pixels is None else pixels_reply(pixels)
        queue = self.queue(request.run, QUEUES.get(request.kind, "quick"))
        handle: Callable[[Request], Any] = handlers.chart if request.kind == "chart" else handlers.answer
        queue.add(Task(client, request.stream, future, partial(handle, request), request.kind))
        result = await future
        if result is None:
            return DROPPED
        if request.kind == "chart":
            result, files = result
            self.assets.put(files)
        if request.kind == "timeline":
            handlers.tree.entry["timelines"] = saved_timelines(handlers.workspace.folder(FOLDER))
            self.manifest = None
            self.assets.renew(f"data/{request.run}/entry.json")
        return cast(Reply, result)

    # Files

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        try:
            result: Response | Asset | None = self.refusal(scope)
            if result is None:
                result = await self.find(scope["path"].removeprefix("/") or "index.html")
        except Exception as error:
            result = JSONResponse(error_payload(error), status_of(error))
        if isinstance(result, Asset):
            await self.send(result, scope, send)
            return
        response = result or refused(404, "not-found", "There is no such file.")
        response.headers.update(self.access.headers())
        await response(scope, receive, send)

    def refusal(self, scope: Scope) -> Response | None:
        """The response to a request that gets no file; None for all others."""
        headers = Headers(scope=scope)
        if (reason := self.access.refusal(scope)) is not None:
            return refused(403, "refused", reason)
        if scope["method"] not in ("GET", "HEAD"):
            result = refused(405, "method", "This server only sends files.")
            result.headers.update({"allow": "GET, HEAD", "connection": "close"})
            return result
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            result = refused(413, "body", "A request for a file has no body.")
            result.headers["connection"] = "close"
            return result
        if self.access.redeem_link(scope):
            once = {"set-cookie": self.access.set_cookie(), "refresh": "0; url=./"}
            return Response(REDIRECT, 200, once, "text/html; charset=utf-8")
        if not self.access.has_cookie(scope):
            return refused(403, "refused", "Open the link that zatlas explore printed; it works once.")
        return None

    async def find(self, url: str) -> Asset | None:
        """The file of a URL. The manifest waits until there is something to show."""
        if url == WRITTEN:
            names = json.dumps(sorted(self.assets.builds)).encode()
            return as_asset(url, names, compress=self.assets.compress)
        if url != MANIFEST:
            await self.spaces.open(url)
            return await self.assets.get(url)
        await self.ready.wait()
        if self.manifest is None:
            # The manifest needs only the entry of a tree, which a run without weights has too.
            trees = cast(list[RunTree], [self.trees[id] for id in sorted(self.trees)])
            self.manifest = as_asset(url, manifest(trees, SOCKET, self.story), compress=self.assets.compress)
        return self.manifest

    async def send(self, file: Asset, scope: Scope, send: Send) -> None:
        """Send a file in chunks; only its headers for HEAD, or if the browser has it already."""
        request = Headers(scope=scope)
        compressed = file.compressed is not None and "gzip" in request.get("accept-encoding", "")
        data = file.compressed if file.compressed is not None and compressed else file.data
        immutable = scope["path"].startswith("/assets/")  # their names contain a hash
        headers = {
            **self.access.headers(),
            "content-type": file.content_type,
            "etag": file.etag,
            "cache-control": "private, max-age=31536000, immutable" if immutable else "no-cache",
        }
        if file.compressed is not None:
            headers["vary"] = "accept-encoding"
        if compressed:
            headers["content-encoding"] = "gzip"
        unchanged = file.etag in request.get("if-none-match", "")
        if not unchanged:
            headers["content-length"] = str(len(data))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        status = 304 if unchanged else 200
        await send({"type": "http.response.start", "status": status, "headers": raw})
        if not unchanged and scope["method"] == "GET":
            for start in range(0, len(data), CHUNK):
                chunk = memoryview(data)[start : start + CHUNK]
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def unknown_run(request: Request, trees: Mapping[str, Tree]) -> BadRequest:
    """The error for a run without handlers."""
    if request.run in trees:
        return BadRequest("no-weights", "This run has no weights yet.", "Wait for its first epoch.")
    return BadRequest("unknown-run", "No run with that id is on display.", f"Ids: {', '.join(trees)}.")


def refused(status: int, code: str, message: str) -> Response:
    """An error response."""
    return JSONResponse({"code": code, "message": message, "hint": ""}, status)
