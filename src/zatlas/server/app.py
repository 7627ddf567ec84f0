"""The server's one application: files by their URLs, the manifest as it is now, and the socket."""

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from zatlas.server.access import AccessPolicy
from zatlas.server.assets import Asset, AssetStore, Build, as_asset
from zatlas.server.client import TRY_LATER, Client
from zatlas.server.handlers import Reply, RunHandlers, pixels_reply
from zatlas.server.messages import BadRequest, error_payload, status_of
from zatlas.server.placeholder import Tree
from zatlas.server.queues import DecodeScheduler, Decoding, Task, TaskScheduler, WorkQueue
from zatlas.server.requests import Request
from zatlas.site import RunTree, manifest

MANIFEST = "data/manifest.json"
SOCKET = "socket"
MAX_CLIENTS = 200
CHUNK = 64 << 10  # bytes that are sent at a time, so that a slow reader holds no more
MODEL_SECONDS = 30.0  # for one call of a model
SLOW_SECONDS = 600.0  # for a chart of very many points, or a geodesic
QUEUES = {
    "decode": "decoder",
    "encode": "encoder",
    "geodesic": "geodesics",
    "chart": "charts",
}  # others are quick
SECONDS = {"decoder": MODEL_SECONDS, "encoder": MODEL_SECONDS, "quick": MODEL_SECONDS}
ENTERED = b"<!doctype html><title>zatlas</title><p><a href='./'>Go on</a></p>"


class Explorer:
    """What is shown, to whom, and the lanes in which it is worked for them.

    Each run has lanes of its own, so that a model that never returns holds up no other run.
    """

    def __init__(self, page: Mapping[str, Build], guard: AccessPolicy, *, pack: bool) -> None:
        self.guard = guard
        self.shelf = AssetStore(pack=pack)
        self.shelf.put(page)
        self.trees: dict[str, Tree] = {}
        self.handlers: dict[str, RunHandlers] = {}
        self.clients: set[Client] = set()
        self.lanes: dict[tuple[str, str], WorkQueue[Any]] = {}
        self.works: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        self.contents: Asset | None = None  # the manifest

    # What is shown

    def show(self, tree: Tree, shown: RunHandlers | None) -> None:
        """Show a run, or show it as it is now; without its model as long as it has none."""
        name = str(tree.entry["id"])
        self.trees[name] = tree
        self.shelf.put(tree.files, instead=f"data/{name}/")
        self.handlers.pop(name, None)
        if shown is not None:
            self.handlers[name] = shown
        self.contents = None

    def send_notice(self, name: str, **words: Any) -> None:
        """Change what the manifest says of a run."""
        self.trees[name].entry.update(words)
        self.contents = None

    def queue(self, run: str, name: str) -> WorkQueue[Any]:
        """The lane of this name for this run, which works as long as the server does."""
        queue = self.lanes.get((run, name))
        if queue is None:
            kind = DecodeScheduler if name == "decoder" else TaskScheduler
            queue = kind(f"{run}-{name}", SECONDS.get(name, SLOW_SECONDS))
            self.lanes[run, name] = queue
            self.works.add(asyncio.get_running_loop().create_task(queue.run()))
        return queue

    @property
    def busy(self) -> bool:
        """Whether a thread still works, for a call that was given up too."""
        return any(queue.threads.busy for queue in self.lanes.values()) or self.shelf.threads.busy

    async def close(self) -> None:
        """Begin nothing more."""
        self.shelf.close()
        for task in (*self.works, *self.shelf.made.values()):
            task.cancel()
        await asyncio.gather(*self.works, *self.shelf.made.values(), return_exceptions=True)
        for queue in self.lanes.values():
            queue.close()

    # Who asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.handle_socket(WebSocket(scope, receive, send))
        else:
            await self.respond(scope, receive, send)

    async def handle_socket(self, socket: WebSocket) -> None:
        """One page's socket, from the greeting to the end."""
        known = self.guard.refusal(socket.scope) is None and self.guard.knows(socket.scope)
        if not known or socket.scope["path"] != f"/{SOCKET}":
            await socket.close()  # before it is accepted: the answer is 403
            return
        await socket.accept()
        if len(self.clients) >= MAX_CLIENTS:
            await socket.close(TRY_LATER, "Too many pages are open.")
            return
        client = Client(socket, self)
        self.clients.add(client)
        await client.run()

    def disconnect(self, client: Client) -> None:
        """Do nothing more for a client that has gone."""
        self.clients.discard(client)
        for queue in self.lanes.values():
            queue.forget(client)

    async def answer(self, client: Client, request: Request) -> Reply:
        """The answer to an ask, when it is its turn."""
        shown = self.handlers.get(request.run)
        if shown is None:
            raise unknown(request, self.trees)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        queue = self.queue(request.run, QUEUES.get(request.kind, "quick"))
        if request.kind == "decode":
            latents = shown.to_decode(request)
            queue.add(Decoding(client, request.stream, future, shown.decoder, *latents))
            pixels = await future
            return DROPPED if pixels is None else pixels_reply(pixels)
        do: Callable[[], Any] = functools.partial(shown.answer, request)
        if request.kind == "chart":
            do = functools.partial(shown.chart, request)
        queue.add(Task(client, request.stream, future, do, request.kind))
        result = await future
        if result is None:
            return DROPPED
        if request.kind == "chart":
            reply, files = result
            self.shelf.put(files)
            return reply
        return result

    # What is served

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer to one request."""
        try:
            result: Response | Asset | None = self.refusal(scope)
            if result is None:
                result = await self.find(scope["path"].removeprefix("/") or "index.html")
        except Exception as error:
            result = JSONResponse(error_payload(error), status_of(error))
        if isinstance(result, Asset):
            await self.send(result, scope, send)
            return
        response = result or refused(404, "not-found", "There is no such file here.")
        response.headers.update(self.guard.headers())
        await response(scope, receive, send)

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to whom no file is given."""
        headers = Headers(scope=scope)
        if (why := self.guard.refusal(scope)) is not None:
            return refused(403, "refused", why)
        if scope["method"] not in ("GET", "HEAD"):
            result = refused(405, "method", "Files are only read here.")
            result.headers.update({"allow": "GET, HEAD", "connection": "close"})
            return result
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            result = refused(413, "body", "A request for a file has no body.")
            result.headers["connection"] = "close"
            return result
        if self.guard.enters(scope):
            told_once = {"set-cookie": self.guard.set_cookie(), "refresh": "0; url=./"}
            return Response(ENTERED, 200, told_once, "text/html; charset=utf-8")
        if not self.guard.knows(scope):
            return refused(403, "refused", "Open the link that zatlas explore printed; it works once.")
        return None

    async def find(self, url: str) -> Asset | None:
        """The file of a URL. The manifest waits until there is something to show."""
        if url != MANIFEST:
            return await self.shelf.get(url)
        await self.ready.wait()
        if self.contents is None:
            # Of a tree, the manifest has but its entry, which a run without weights has too.
            trees = cast(list[RunTree], [self.trees[name] for name in sorted(self.trees)])
            self.contents = as_asset(url, manifest(trees, SOCKET), pack=self.shelf.pack)
        return self.contents

    async def send(self, file: Asset, scope: Scope, send: Send) -> None:
        """Send a file, piece by piece; only its head, if that is asked or it is known already."""
        asked = Headers(scope=scope)
        packed = file.packed is not None and "gzip" in asked.get("accept-encoding", "")
        data = file.packed if file.packed is not None and packed else file.data
        lasting = scope["path"].startswith("/assets/")  # named by what they hold
        headers = {
            **self.guard.headers(),
            "content-type": file.kind,
            "etag": file.tag,
            "cache-control": "private, max-age=31536000, immutable" if lasting else "no-cache",
        }
        if file.packed is not None:
            headers["vary"] = "accept-encoding"
        if packed:
            headers["content-encoding"] = "gzip"
        known = file.tag in asked.get("if-none-match", "")
        if not known:
            headers["content-length"] = str(len(data))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        status = 304 if known else 200
        await send({"type": "http.response.start", "status": status, "headers": raw})
        if not known and scope["method"] == "GET":
            for start in range(0, len(data), CHUNK):
                piece = memoryview(data)[start : start + CHUNK]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


DROPPED = Reply({"kind": "dropped"})


def unknown(request: Request, trees: Mapping[str, Tree]) -> BadRequest:
    """Why there is no model of this name."""
    if request.run in trees:
        return BadRequest("no-weights", "This run has no weights yet.", "Wait for its first epoch.")
    return BadRequest("unknown-run", "No run of that id is shown.", f"There is {', '.join(trees)}.")


def refused(status: int, code: str, message: str) -> Response:
    """An answer that says why there is none."""
    return JSONResponse({"code": code, "message": message, "hint": ""}, status)
