"""A page's socket: what it asks is answered as soon as it is ready, and it cannot ask without bound."""

import asyncio
import math
from collections.abc import Mapping
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from zatlas.server.handlers import Reply, RunHandlers
from zatlas.server.messages import BadRequest, error_payload, pack, unpack
from zatlas.server.requests import MAX_LATENT_VALUES, Request, read_id, read_request

WAITING = 64  # asks of one client that may wait
IDLE_SECONDS = 3600.0  # without an ask
SEND_SECONDS = 20  # frames that are none, until the socket is closed
POLICY_VIOLATION, TRY_LATER, AWAY = 1008, 1013, 1001


class Host(Protocol):
    """What answers the requests of a client."""

    @property
    def handlers(self) -> Mapping[str, RunHandlers]: ...
    def disconnect(self, client: "Client") -> None: ...
    async def answer(self, client: "Client", request: Request) -> Reply: ...


class Client:
    """One socket and the asks of it that are being answered."""

    def __init__(self, socket: WebSocket, explorer: Host) -> None:
        self.socket, self.explorer = socket, explorer
        self.tasks: set[asyncio.Task[None]] = set()
        self.weight = 0  # bytes of the answers that it waits for
        self.mistakes = 0

    async def run(self) -> None:
        """Answer until the page goes, or until it has gone silent or mad."""
        try:
            while self.mistakes < SEND_SECONDS:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self.receive(message.get("bytes") or b"")
            await self.socket.close(POLICY_VIOLATION, "Too many frames that are none.")
        except TimeoutError:
            await self.socket.close(AWAY, "Nothing was asked for long.")
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # it went while it was being answered
        finally:
            self.explorer.disconnect(self)
            for task in self.tasks:
                task.cancel()

    async def receive(self, data: bytes) -> None:
        """Begin to answer one frame."""
        number = 0
        try:
            header, payload = unpack(data)
            number = read_id(header)
            request = read_request(header, payload)
            weight = self.queued_bytes(request)
        except Exception as error:
            self.mistakes += 1
            await self.send(number, error_reply(error))
            return
        self.mistakes = 0
        if len(self.tasks) >= WAITING or self.weight + weight > MAX_LATENT_VALUES:
            busy = BadRequest("busy", "Too many asks wait already.", "Wait for some of the answers.")
            await self.send(request.id, error_reply(busy))
            return
        self.weight += weight
        task = asyncio.create_task(self.answer(request, weight))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, request: Request, weight: int) -> None:
        """Answer, or say why not."""
        try:
            try:
                frame = framed(request.id, await self.explorer.answer(self, request))
            except Exception as error:
                frame = framed(request.id, error_reply(error))
            await self.socket.send_bytes(frame)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # nobody is there to be told
        finally:
            self.weight -= weight

    async def send(self, number: int, reply: Reply) -> None:
        """Send an answer, as soon as those before it have been taken."""
        await self.socket.send_bytes(framed(number, reply))

    def queued_bytes(self, request: Request) -> int:
        """Bytes of the images that it asks for; of too many, which are refused anyhow, none."""
        shown = self.explorer.handlers.get(request.run)
        n = request.fields.get("n")
        if shown is None or request.kind != "decode" or not isinstance(n, int):
            return 0
        size = max(n, 0) * math.prod(shown.shape)
        return size if size <= MAX_LATENT_VALUES else 0


def framed(number: int, reply: Reply) -> bytes:
    """The frame that answers the request of this number."""
    return pack({"id": number, **reply.header}, reply.payload)


def error_reply(error: Exception) -> Reply:
    """What a page is told that went wrong; `error` is the id of an unexpected one in the log."""
    words = error_payload(error)
    if "id" in words:
        words["error"] = words.pop("id")
    return Reply({"kind": "error", **words})
