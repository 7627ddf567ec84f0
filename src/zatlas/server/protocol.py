"""The HTTP and WebSocket protocols of uvicorn, with deadlines for slow clients."""

import asyncio
from typing import Any

import h11
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

MAX_HEAD_BYTES = 8 << 10  # of a request's line and headers
MAX_HEADERS = 64
HEAD_SECONDS = 10.0  # for a request's head, from its first byte, or from the start of the connection
REPLY_SECONDS = 600.0  # for a response
PING_SECONDS = 20.0  # between two pings of a WebSocket, and for each pong
RECEIVE_SECONDS = 30.0  # for the client to read what was sent
IDLE_SECONDS = 30  # between two requests of a connection
MAX_CONNECTIONS = 400


class Http(H11Protocol):
    """An HTTP connection with limits on the size, the duration and the number of requests."""

    deadline: asyncio.TimerHandle | None = None
    waiting_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._set_deadline(HEAD_SECONDS)
        if len(self.connections) > MAX_CONNECTIONS:
            # Close the connection that has waited longest rather than the new one.
            others = [connection for connection in self.connections if isinstance(connection, Http)]
            min(others, key=lambda connection: connection.waiting_since).transport.abort()

    def data_received(self, data: bytes) -> None:
        was_busy = self._busy()
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._clear_deadline()
        elif self._busy():
            if not was_busy:
                self._set_deadline(REPLY_SECONDS)
        elif self.deadline is None:
            self._set_deadline(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_deadline()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._clear_deadline()
        self.waiting_since = self.loop.time()
        super().on_response_complete()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Pass on only requests that the WebSocket protocol accepts."""
        valid = event.method == b"GET" and event.http_version == b"1.1"
        if not valid or len(self.headers) > MAX_HEADERS:
            self.send_400_response("Invalid WebSocket request received.")
            return
        super().handle_websocket_upgrade(event)

    def send_400_response(self, msg: str) -> None:
        """Send status 400; close the connection if a response has begun."""
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            self.transport.abort()

    def _busy(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self.waiting_since = self.loop.time()
        self.deadline = self.loop.call_later(seconds, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None


class Socket(WebSocketsSansIOProtocol):
    """A WebSocket whose client must read in time. Pings limit the duration of an incomplete message."""

    read_deadline: asyncio.TimerHandle | None = None

    async def send(self, message: ASGISendEvent) -> None:
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.read_deadline = self.loop.call_later(RECEIVE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        if self.read_deadline is not None:
            self.read_deadline.cancel()
            self.read_deadline = None
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()
        super().connection_lost(exc)


def settings(max_message_bytes: int) -> dict[str, Any]:
    """The settings of uvicorn: limits on everything, and no log."""
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
        "h11_max_incomplete_event_size": MAX_HEAD_BYTES,
        "timeout_keep_alive": IDLE_SECONDS,
        "timeout_graceful_shutdown": 1,
        "ws_max_size": max_message_bytes,
        "ws_per_message_deflate": False,  # a few bytes could expand to gigabytes
        "ws_ping_interval": PING_SECONDS,
        "ws_ping_timeout": PING_SECONDS,
    }
