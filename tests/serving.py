"""A client of the explorer's server for tests: WebSocket, HTTP requests and raw bytes."""

import json
import socket
import struct
from functools import partial
from http.client import HTTPConnection
from urllib.parse import urlsplit

import numpy as np
from websockets.sync.client import connect

PAGE = {
    "index.html": b"<!doctype html><title>page</title><script type=module src=assets/app.js></script>",
    "assets/app.js": b"export {};" * 100,
    "runtime/some.wasm": b"\0asm",
    "runtime/some.mjs": b"export {};",
}
FILES = {url: partial(bytes, data) for url, data in PAGE.items()}


class Page:
    """The WebSocket of one page."""

    def __init__(self, url, run="a"):
        parts = urlsplit(url)
        self.run, self.number = run, 0
        self.connection = connect(
            f"ws://{parts.netloc}/socket", origin=f"http://{parts.netloc}", compression=None, max_size=None
        )

    def __enter__(self):
        self.socket = self.connection.__enter__()
        return self

    def __exit__(self, *error):
        self.connection.__exit__(*error)

    def send(self, kind, payload=b"", **fields):
        """Send a request and return its id."""
        self.number += 1
        header = {"id": self.number, "run": self.run, "kind": kind, **fields}
        self.socket.send(frame(header, payload))
        return self.number

    def receive(self):
        """The next answer and its payload."""
        data = self.socket.recv(timeout=30)
        (length,) = struct.unpack_from("<I", data)
        answer, payload = json.loads(data[4 : 4 + length]), data[4 + length :]
        if answer["kind"] == "images":
            return answer, np.frombuffer(payload, np.uint8).reshape(answer["shape"])
        if answer["kind"] == "latents":
            return answer, np.frombuffer(payload, "<f4").reshape(answer["shape"])
        return answer, payload

    def request(self, kind, payload=b"", **fields):
        """Send a request and wait for its answer."""
        number = self.send(kind, payload, **fields)
        answer, result = self.receive()
        assert answer["id"] == number
        return answer, result


def frame(header, payload=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + payload


def get(url, path="/", method="GET", body=None, **headers):
    """Status, headers and body of one request."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
    try:
        renamed = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, renamed)
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def raw(url, data):
    """The response to these bytes, until the connection is closed or idle."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        result = b""
        try:
            connection.sendall(data)
            while chunk := connection.recv(65536):
                result += chunk
        except OSError:
            pass
    return result
