"""A page's socket: what it asks is answered as soon as it is ready, and it cannot ask without bound."""

import asyncio
import math
from collections.abc import Mapping
from typing import Protocol

from starlette.websockets import WebSocket, WebSocketDisconnect

from zatlas.server.asks import LARGEST, Ask, read_ask, read_id
from zatlas.server.frames import BadAsk, pack, told, unpack
from zatlas.server.shown import Reply, Shown

WAITING = 64  # asks of one client that may wait
IDLE_SECONDS = 3600.0  # without an ask
PATIENCE = 20  # frames that are none, until the socket is closed
POLICY_VIOLATION, TRY_LATER, AWAY = 1008, 1013, 1001


class Host(Protocol):
    """What answers the requests of a client."""

    @property
    def shown(self) -> Mapping[str, Shown]: ...
    def forget(self, client: "Client") -> None: ...
    async def answer(self, client: "Client", ask: Ask) -> Reply: ...


class Client:
    """One socket and the asks of it that are being answered."""

    def __init__(self, socket: WebSocket, explorer: Host) -> None:
        self.socket, self.explorer = socket, explorer
        self.tasks: set[asyncio.Task[None]] = set()
        self.weight = 0  # bytes of the answers that it waits for
        self.mistakes = 0

    async def talk(self) -> None:
        """Answer until the page goes, or until it has gone silent or mad."""
        try:
            while self.mistakes < PATIENCE:
                async with asyncio.timeout(IDLE_SECONDS):
                    message = await self.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                await self.take(message.get("bytes") or b"")
            await self.socket.close(POLICY_VIOLATION, "Too many frames that are none.")
        except TimeoutError:
            await self.socket.close(AWAY, "Nothing was asked for long.")
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # it went while it was being answered
        finally:
            self.explorer.forget(self)
            for task in self.tasks:
                task.cancel()

    async def take(self, data: bytes) -> None:
        """Begin to answer one frame."""
        number = 0
        try:
            header, payload = unpack(data)
            number = read_id(header)
            ask = read_ask(header, payload)
            weight = self.weigh(ask)
        except Exception as error:
            self.mistakes += 1
            await self.send(number, error_reply(error))
            return
        self.mistakes = 0
        if len(self.tasks) >= WAITING or self.weight + weight > LARGEST:
            busy = BadAsk("busy", "Too many asks wait already.", "Wait for some of the answers.")
            await self.send(ask.id, error_reply(busy))
            return
        self.weight += weight
        task = asyncio.create_task(self.answer(ask, weight))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def answer(self, ask: Ask, weight: int) -> None:
        """Answer, or say why not."""
        try:
            try:
                frame = framed(ask.id, await self.explorer.answer(self, ask))
            except Exception as error:
                frame = framed(ask.id, error_reply(error))
            await self.socket.send_bytes(frame)
        except (WebSocketDisconnect, RuntimeError, OSError):
            return  # nobody is there to be told
        finally:
            self.weight -= weight

    async def send(self, number: int, reply: Reply) -> None:
        """Send an answer, as soon as those before it have been taken."""
        await self.socket.send_bytes(framed(number, reply))

    def weigh(self, ask: Ask) -> int:
        """Bytes of the images that it asks for; of too many, which are refused anyhow, none."""
        shown = self.explorer.shown.get(ask.run)
        n = ask.said.get("n")
        if shown is None or ask.kind != "decode" or not isinstance(n, int):
            return 0
        size = max(n, 0) * math.prod(shown.shape)
        return size if size <= LARGEST else 0


def framed(number: int, reply: Reply) -> bytes:
    """The frame that answers the request of this number."""
    return pack({"id": number, **reply.header}, reply.payload)


def error_reply(error: Exception) -> Reply:
    """What a page is told that went wrong; `error` is the id of an unexpected one in the log."""
    words = told(error)
    if "id" in words:
        words["error"] = words.pop("id")
    return Reply({"kind": "error", **words})
