"""The server's one application: files by their URLs, the manifest as it is now, and the socket."""

import asyncio
import functools
from collections.abc import Callable, Mapping
from typing import Any, cast

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from zatlas.server.asks import Ask
from zatlas.server.blank import Tree
from zatlas.server.client import TRY_LATER, Client
from zatlas.server.frames import BadAsk, status_of, told
from zatlas.server.guard import Guard
from zatlas.server.lanes import Decodes, Decoding, Errands, Lane, Work
from zatlas.server.shelf import File, Make, Shelf, as_file
from zatlas.server.shown import Reply, Shown, pixels_reply
from zatlas.site import RunTree, manifest

MANIFEST = "data/manifest.json"
SOCKET = "socket"
MOST_CLIENTS = 200
CHUNK = 64 << 10  # bytes that are sent at a time, so that a slow reader holds no more
MODEL_SECONDS = 30.0  # for one call of a model
SLOW_SECONDS = 600.0  # for a chart of very many points, or a geodesic
LANES = {
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

    def __init__(self, page: Mapping[str, Make], guard: Guard, *, pack: bool) -> None:
        self.guard = guard
        self.shelf = Shelf(pack=pack)
        self.shelf.put(page)
        self.trees: dict[str, Tree] = {}
        self.shown: dict[str, Shown] = {}
        self.clients: set[Client] = set()
        self.lanes: dict[tuple[str, str], Lane[Any]] = {}
        self.works: set[asyncio.Task[None]] = set()
        self.ready = asyncio.Event()
        self.contents: File | None = None  # the manifest

    # What is shown

    def show(self, tree: Tree, shown: Shown | None) -> None:
        """Show a run, or show it as it is now; without its model as long as it has none."""
        name = str(tree.entry["id"])
        self.trees[name] = tree
        self.shelf.put(tree.files, instead=f"data/{name}/")
        self.shown.pop(name, None)
        if shown is not None:
            self.shown[name] = shown
        self.contents = None

    def say(self, name: str, **words: Any) -> None:
        """Change what the manifest says of a run."""
        self.trees[name].entry.update(words)
        self.contents = None

    def lane(self, run: str, name: str) -> Lane[Any]:
        """The lane of this name for this run, which works as long as the server does."""
        lane = self.lanes.get((run, name))
        if lane is None:
            kind = Decodes if name == "decoder" else Errands
            lane = kind(f"{run}-{name}", SECONDS.get(name, SLOW_SECONDS))
            self.lanes[run, name] = lane
            self.works.add(asyncio.get_running_loop().create_task(lane.run()))
        return lane

    @property
    def busy(self) -> bool:
        """Whether a thread still works, for a call that was given up too."""
        return any(lane.threads.busy for lane in self.lanes.values()) or self.shelf.threads.busy

    async def close(self) -> None:
        """Begin nothing more."""
        self.shelf.close()
        for task in (*self.works, *self.shelf.made.values()):
            task.cancel()
        await asyncio.gather(*self.works, *self.shelf.made.values(), return_exceptions=True)
        for lane in self.lanes.values():
            lane.close()

    # Who asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.converse(WebSocket(scope, receive, send))
        else:
            await self.respond(scope, receive, send)

    async def converse(self, socket: WebSocket) -> None:
        """One page's socket, from the greeting to the end."""
        known = self.guard.refusal(socket.scope) is None and self.guard.knows(socket.scope)
        if not known or socket.scope["path"] != f"/{SOCKET}":
            await socket.close()  # before it is accepted: the answer is 403
            return
        await socket.accept()
        if len(self.clients) >= MOST_CLIENTS:
            await socket.close(TRY_LATER, "Too many pages are open.")
            return
        client = Client(socket, self)
        self.clients.add(client)
        await client.talk()

    def forget(self, client: Client) -> None:
        """Do nothing more for a client that has gone."""
        self.clients.discard(client)
        for lane in self.lanes.values():
            lane.forget(client)

    async def answer(self, client: Client, ask: Ask) -> Reply:
        """The answer to an ask, when it is its turn."""
        shown = self.shown.get(ask.run)
        if shown is None:
            raise unknown(ask, self.trees)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        lane = self.lane(ask.run, LANES.get(ask.kind, "quick"))
        if ask.kind == "decode":
            points = shown.to_decode(ask)
            lane.add(Decoding(client, ask.stream, future, shown.decoder, *points))
            pixels = await future
            return DROPPED if pixels is None else pixels_reply(pixels)
        do: Callable[[], Any] = functools.partial(shown.answer, ask)
        if ask.kind == "chart":
            do = functools.partial(shown.chart, ask)
        lane.add(Work(client, ask.stream, future, do, ask.kind))
        found = await future
        if found is None:
            return DROPPED
        if ask.kind == "chart":
            reply, files = found
            self.shelf.put(files)
            return reply
        return found

    # What is served

    async def respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The answer to one request."""
        try:
            found: Response | File | None = self.barred(scope)
            if found is None:
                found = await self.find(scope["path"].removeprefix("/") or "index.html")
        except Exception as error:
            found = JSONResponse(told(error), status_of(error))
        if isinstance(found, File):
            await self.send(found, scope, send)
            return
        response = found or refused(404, "not-found", "There is no such file here.")
        response.headers.update(self.guard.headers())
        await response(scope, receive, send)

    def barred(self, scope: Scope) -> Response | None:
        """The answer to whom no file is given."""
        headers = Headers(scope=scope)
        if (why := self.guard.refusal(scope)) is not None:
            return refused(403, "refused", why)
        if scope["method"] not in ("GET", "HEAD"):
            found = refused(405, "method", "Files are only read here.")
            found.headers.update({"allow": "GET, HEAD", "connection": "close"})
            return found
        if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
            found = refused(413, "body", "A request for a file has no body.")
            found.headers["connection"] = "close"
            return found
        if self.guard.enters(scope):
            told_once = {"set-cookie": self.guard.set_cookie(), "refresh": "0; url=./"}
            return Response(ENTERED, 200, told_once, "text/html; charset=utf-8")
        if not self.guard.knows(scope):
            return refused(403, "refused", "Open the link that zatlas explore printed; it works once.")
        return None

    async def find(self, url: str) -> File | None:
        """The file of a URL. The manifest waits until there is something to show."""
        if url != MANIFEST:
            return await self.shelf.get(url)
        await self.ready.wait()
        if self.contents is None:
            # Of a tree, the manifest has but its entry, which a run without weights has too.
            trees = cast(list[RunTree], [self.trees[name] for name in sorted(self.trees)])
            self.contents = as_file(url, manifest(trees, SOCKET), pack=self.shelf.pack)
        return self.contents

    async def send(self, file: File, scope: Scope, send: Send) -> None:
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


def unknown(ask: Ask, trees: Mapping[str, Tree]) -> BadAsk:
    """Why there is no model of this name."""
    if ask.run in trees:
        return BadAsk("no-weights", "This run has no weights yet.", "Wait for its first epoch.")
    return BadAsk("unknown-run", "No run of that id is shown.", f"There is {', '.join(trees)}.")


def refused(status: int, code: str, message: str) -> Response:
    """An answer that says why there is none."""
    return JSONResponse({"code": code, "message": message, "hint": ""}, status)
