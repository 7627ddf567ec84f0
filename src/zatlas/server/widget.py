"""The explorer as a notebook widget: its files and answers are messages of the kernel."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from starlette.websockets import WebSocket

from zatlas.core.arrays import ArrayLike, as_latents
from zatlas.server.access import AccessPolicy
from zatlas.server.app import Explorer
from zatlas.server.client import Client
from zatlas.server.messages import error_payload
from zatlas.server.serve import LoopDisplay, page
from zatlas.site.export import PLACEHOLDER
from zatlas.site.static import SINGLE_PAGE, page_files
from zatlas.workspace import Workspace

MARK = b'<meta name="zatlas" content="notebook">'  # in the page: its files come as messages


def _array(dtype: type, *shape: int) -> Any:
    """A trait that is an array in Python and a list in the page."""
    empty: np.ndarray = np.zeros(shape, dtype)
    form = {"to_json": lambda value, _: value.tolist(), "from_json": lambda value, _: np.array(value, dtype)}
    return traitlets.Any(empty).tag(sync=True, **form)


class ExplorerWidget(anywidget.AnyWidget):
    """The explorer in a notebook. `observe` calls a function when the selection or the pins change.

    selection: numbers of the images (k,) in the newest lasso. pins: pinned latents (n, d).
    active: 0, or 1 if they are of the second of two runs.
    """

    _esm = Path(__file__).with_suffix(".js")
    height = traitlets.Int(720).tag(sync=True)
    active = traitlets.Int(0).tag(sync=True)
    selection = _array(np.int64, 0)
    pins = _array(np.float32, 0, 0)

    def __init__(self, workspaces: Sequence[Workspace], height: int, story: str | None = None) -> None:
        super().__init__(height=height)
        self._workspaces = tuple(workspaces)
        self._explorer = Explorer(page(), AccessPolicy(frozenset()), compress=False, story=story)
        self._frames: dict[str, asyncio.Queue[dict[str, Any]]] = {}  # of each view
        self._clients: dict[str, asyncio.Task[None]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="zatlas-widget", daemon=True).start()
        self._display = LoopDisplay(self._explorer, self._loop)
        self._display.show_all(self._workspaces)
        self.on_msg(self._receive)

    def go_to(self, z: ArrayLike) -> None:
        """Show one latent (d,) of the active run in the large image and on the map."""
        (latent,) = as_latents(z, self._workspaces[self.active].dim)
        self.send({"kind": "go", "z": latent.tolist()})

    def close(self) -> None:
        """Close the widget and stop its threads."""
        super().close()
        self._display.stop_following()
        asyncio.run_coroutine_threadsafe(self._explorer.close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)

    def __repr__(self) -> str:
        return "<explorer>"

    def _receive(self, _: Any, message: dict[str, Any], buffers: Sequence[Any]) -> None:
        """Start to answer a message of the page, in the thread of the widget."""
        frame = bytes(buffers[0]) if buffers else b""
        self._loop.call_soon_threadsafe(self._handle, message, frame)

    def _handle(self, message: dict[str, Any], frame: bytes) -> None:
        kind, view = message["kind"], str(message["view"])
        if kind == "page":
            document = page_files()[SINGLE_PAGE].read_bytes().replace(PLACEHOLDER, MARK)
            self.send({"kind": "page", "view": view}, [document])
        elif kind == "file":
            self._loop.create_task(self._send_file(view, message["id"], str(message["url"])))
        elif kind == "connect":
            if view in self._clients:
                self._clients[view].cancel()
            self._clients[view] = self._loop.create_task(self._serve(view))
        elif view in self._frames:
            self._frames[view].put_nowait({"type": "websocket.receive", "bytes": frame})

    async def _send_file(self, view: str, id: int, url: str) -> None:
        content = {"kind": "file", "view": view, "id": id}
        try:
            file = await self._explorer.find(url)
        except Exception as error:
            self.send({**content, "error": error_payload(error)["message"]})
            return
        if file is None:
            self.send({**content, "error": f"There is no file {url}."})
        else:
            self.send(content, [file.data])

    async def _serve(self, view: str) -> None:
        """Answer the requests of a view until it connects again or is idle for too long."""
        frames = self._frames[view] = asyncio.Queue()

        async def send(message: Any) -> None:
            if message["type"] == "websocket.send":
                self.send({"kind": "answer", "view": view}, [message["bytes"]])

        frames.put_nowait({"type": "websocket.connect"})
        socket = WebSocket({"type": "websocket", "headers": []}, frames.get, send)
        await socket.accept()
        self.send({"kind": "opened", "view": view})
        await Client(socket, self._explorer).run()
        self.send({"kind": "closed", "view": view})
