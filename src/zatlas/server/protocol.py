"""HTTP and WebSocket as uvicorn speaks them, with deadlines for those who speak slowly."""

import asyncio
from typing import Any

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

HEAD_BYTES = 8 << 10  # of a request's line and headers
HEAD_FIELDS = 64
HEAD_SECONDS = 10.0  # for a request's head, from its first byte; for the first one, from the greeting
REPLY_SECONDS = 600.0  # for an answer, as fast as it is read
PING_SECONDS = 20.0  # between two pings of a socket, and for the answer to each
RECEIVE_SECONDS = 30.0  # for what was sent to be taken, so that more can be
IDLE_SECONDS = 30  # between two requests of a connection
MAX_CONNECTIONS = 400


class Http(H11Protocol):
    """One connection: its heads are small and come in time, and there are never too many."""

    deadline: asyncio.TimerHandle | None = None
    since = 0.0  # when it came to wait for what it waits for now

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._within(HEAD_SECONDS)
        if len(self.connections) > MAX_CONNECTIONS:
            # Who has kept us waiting longest goes: rather that one than the one that has just come.
            plain = [one for one in self.connections if isinstance(one, Http)]
            min(plain, key=lambda one: one.since).transport.abort()

    def data_received(self, data: bytes) -> None:
        had = self._busy()
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._rest()
        elif self._busy():
            if not had:
                self._within(REPLY_SECONDS)
        elif self.deadline is None:
            self._within(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._rest()
        self.since = self.loop.time()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Only what the other protocol can read is handed on to it."""
        plain = event.method == b"GET" and event.http_version == b"1.1"
        if not plain or len(self.headers) > HEAD_FIELDS:
            self.send_400_response("Invalid WebSocket request received.")
            return
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Say that this was no request; where nothing can be said any more, hang up."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _within(self, seconds: float) -> None:
        self._rest()
        self.since = self.loop.time()
        self.deadline = self.loop.call_later(seconds, self.transport.abort)

    def _rest(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class Socket(WebSocketsSansIOProtocol):
    """One socket: what is sent is taken in time. (Who is asked to answer a ping cannot be in the
    middle of a message for long.)
    """

    taking: asyncio.TimerHandle | None = None

    async def send(self, message: ASGISendEvent) -> None:
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.taking = self.loop.call_later(RECEIVE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self.taking is not None:
            self.taking.cancel()
            self.taking = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()
        super().connection_lost(exc)


def settings(longest: int) -> dict[str, Any]:
    """What uvicorn is told, so that nothing is unbounded and it keeps quiet."""
    return {
        "http": Http,
        "ws": Socket,
        "loop": "asyncio",
        "lifespan": "off",
        "interface": "asgi3",
        "log_config": None,
        "log_level": "critical",
        "access_log": False,
        "proxy_headers": False,
        "server_header": False,
        "h11_max_incomplete_event_size": HEAD_BYTES,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": 1,
        "ws_max_size": longest,
        "ws_per_message_deflate": False,  # a few bytes would become gigabytes
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
    }
