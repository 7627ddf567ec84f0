"""One WebSocket: requests are answered as soon as possible, up to a limit of pending ones."""

import asyncio
import math
from collections.abc import Mapping
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from zatlas.server.handlers import Reply, RunHandlers
from zatlas.server.messages import BadRequest, error_payload, pack, unpack
from zatlas.server.requests import MAX_ANSWER_BYTES, Request, read_id, read_request

MAX_PENDING = 64  # requests of one client
IDLE_SECONDS = 3600.0  # without a request, until the socket is closed
MAX_MISTAKES = 20  # invalid frames in a row, until the socket is closed
POLICY_VIOLATION, TRY_LATER, AWAY = 1008, 1013, 1001


class Host(Protocol):
    """The application that answers the requests of a client."""

    @property
    def handlers(self) -> Mapping[str, RunHandlers]: ...
    def disconnect(self, client: "Client") -> None: ...
    async def answer(self, client: "Client", request: Request) -> Reply: ...


class Client:
    """One WebSocket and its pending requests."""

    def __init__(self, socket: WebSocket, explorer: Host) -> None:
        self.socket, self.explorer = socket, explorer
        self.tasks: set[asyncio.Task[None]] = set()
        self.pending_bytes = 0  # of the expected answers
        self.mistakes = 0

    async def run(self) -> None:
        """Answer until the page disconnects, is idle for too long, or sends too many invalid frames."""
        try:
            while self.mistakes < MAX_MISTAKES:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self.receive(message.get("bytes") or b"")
            await self.socket.close(POLICY_VIOLATION, "Too many invalid frames.")
        except TimeoutError:
            await self.socket.close(AWAY, "The connection was idle.")
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # the page disconnected
        finally:
            self.explorer.disconnect(self)
            for task in self.tasks:
                task.cancel()

    async def receive(self, data: bytes) -> None:
        """Start to answer one frame."""
        number = 0
        try:
            header, payload = unpack(data)
            number = read_id(header)
            request = read_request(header, payload)
            size = self.answer_bytes(request)
        except Exception as error:
            self.mistakes += 1
            await self.send(number, error_reply(error))
            return
        self.mistakes = 0
        if len(self.tasks) >= MAX_PENDING or self.pending_bytes + size > MAX_ANSWER_BYTES:
            busy = BadRequest("busy", "Too many requests are pending.", "Wait for some of the answers.")
            await self.send(request.id, error_reply(busy))
            return
        self.pending_bytes += size
        task = asyncio.create_task(self.answer(request, size))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, request: Request, size: int) -> None:
        """Send the answer, or the error."""
        try:
            try:
                frame = framed(request.id, await self.explorer.answer(self, request))
            except Exception as error:
                frame = framed(request.id, error_reply(error))
            await self.socket.send_bytes(frame)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # the page disconnected
        finally:
            self.pending_bytes -= size

    async def send(self, number: int, reply: Reply) -> None:
        """Send an answer after those before it."""
        await self.socket.send_bytes(framed(number, reply))

    def answer_bytes(self, request: Request) -> int:
        """Bytes of the requested images; 0 for too many, which are refused later."""
        handlers = self.explorer.handlers.get(request.run)
        n = request.fields.get("n")
        if handlers is None or request.kind != "decode" or not isinstance(n, int):
            return 0
        size = max(n, 0) * math.prod(handlers.shape)
        return size if size <= MAX_ANSWER_BYTES else 0


def framed(number: int, reply: Reply) -> bytes:
    """The frame of an answer."""
    return pack({"id": number, **reply.header}, reply.payload)


def error_reply(error: Exception) -> Reply:
    """The answer for an error; `error` is the id of an unexpected one in the log."""
    payload = error_payload(error)
    if "id" in payload:
        payload["error"] = payload.pop("id")
    return Reply({"kind": "error", **payload})
