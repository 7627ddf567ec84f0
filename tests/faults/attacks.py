"""Hostile requests by kind: each takes the server's name and a source of chance, and gives back what came."""

import json
import random
import re
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from tests.serving import frame

PATIENCE = 0.5  # seconds for the next piece of an answer
GOALS = ("etc/passwd", "secret.txt", "run/recipe.toml", "weights.safetensors", "proc/self/environ")
STARTS = ("/", "/assets/", "/runtime/", "/data/", "/data/a/", "//", "/./", "/socket/", "/static/")
UPS = ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "%252e%252e%252f", "....//", "..;/")
UPS += ("%c0%ae%c0%ae/", "..%00/", "%2e%2e%5c", "..%c0%af", ".%2e/", "%uff0e%uff0e/")
BEGINNINGS = (b"", b"G", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ")
VALUES: tuple[Any, ...] = (-1, 0, 1, 2, 7, 10**6, 2**31, 2**63, 10**30, 0.5, None, True, "1", [], {})
VALUES += ("x" * 300, [1, 2], ["a"], {"n": 1}, "../../etc/passwd", "<script>", "\0", "\ud800")


def length_of(head: bytes) -> int:
    """How long the body is, by the head of an answer."""
    result = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return int(result[1]) if result else 0


def urls_in(value: Any) -> Iterator[str]:
    """Everything in the manifest that is a file's URL."""
    if isinstance(value, str) and value.startswith("data/"):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from urls_in(one)


def talk(name: str, *pieces: bytes) -> bytes:
    """What comes back to these bytes."""
    host, port = name.split(":")
    result = b""
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=10) as one:
        for piece in pieces:
            one.sendall(piece)
        one.settimeout(PATIENCE)
        while piece := one.recv(1 << 16):
            result += piece
            if result.startswith(b"HTTP/1.1 4") and b"\r\n\r\n" in result:
                break  # whatever more there is, it is refused
    return result


def request(
    name: str, path: str | bytes = "/", method: str = "GET", *fields: str, body: bytes = b""
) -> bytes:
    """A request as text."""
    target = path if isinstance(path, bytes) else path.encode("utf-8", "surrogateescape")
    lines = [f"Host: {name}", "Connection: close", *fields]
    head = method.encode() + b" " + target + b" HTTP/1.1\r\n"
    return head + "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n" + body


def traversal(name: str, rng: random.Random) -> bytes:
    ups = "".join(rng.choice(UPS) for _ in range(rng.randint(1, 12)))
    path = rng.choice(STARTS) + ups + rng.choice(GOALS)
    if rng.random() < 0.2:
        path = "".join(f"%{byte:02x}" for byte in path.encode())
    if rng.random() < 0.2:
        path = f"http://{name}{path}"
    return talk(name, request(name, path + rng.choice(("", "?x", "#x", "%00.html", "/"))))


def unknown_file(name: str, rng: random.Random) -> bytes:
    letters = "".join(chr(rng.randint(1, 0x2FFF)) for _ in range(rng.randint(1, 40)))
    return talk(name, request(name, "/" + quote(letters)))


def bad_host(name: str, rng: random.Random) -> bytes:
    port = name.split(":")[1]
    others = ("evil.example", f"evil.example:{port}", "", "127.0.0.1", "127.0.0.1:1", f"[::1]:{port}x")
    host = rng.choice((*others, f"{name}.evil.example", f"{name}@evil.example", f"0:{port}", "*"))
    return talk(name, request(host))


def bad_origin(name: str, rng: random.Random) -> bytes:
    others = ("null", "http://evil.example", f"https://{name}", f"http://{name}.evil", "file://", "")
    origin = f"Origin: {rng.choice(others)}"
    if rng.random() < 0.5:
        return talk(name, request(name, "/data/manifest.json", "GET", origin))
    return talk(name, request(name, "/socket", "GET", *UPGRADE, origin))


def large_head(name: str, rng: random.Random) -> bytes:
    size = rng.choice((8_000, 9_000, 70_000, 1_000_000))
    if rng.random() < 0.3:
        return talk(name, request(name, "/" + "a" * size))
    return talk(name, request(name, "/", "GET", "X-A: " + "a" * size))


def many_fields(name: str, rng: random.Random) -> bytes:
    count = rng.choice((65, 200, 1000, 20_000))
    fields = [f"x{i}: " for i in range(count)]
    return talk(name, request(name, rng.choice(("/", "/socket")), "GET", *UPGRADE, *fields))


def bodies(name: str, rng: random.Random) -> bytes:
    method = rng.choice(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"))
    size = rng.choice((1, 100_000, 3_000_000))
    if rng.random() < 0.3:
        chunk = b"ffffffffffffffff\r\n" if rng.random() < 0.5 else b"5\r\nhello\r\n" * 1000
        return talk(name, request(name, "/", method, "Transfer-Encoding: chunked", body=chunk))
    claimed = rng.choice((size, 10**15))
    return talk(name, request(name, "/", method, f"Content-Length: {claimed}", body=bytes(size)))


def malformed(name: str, rng: random.Random) -> bytes:
    good = request(name)
    texts = (
        rng.randbytes(rng.randint(1, 2000)),
        b"\r\n" * rng.randint(1, 3000),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(100),
        good.replace(b"HTTP/1.1", rng.choice((b"HTTP/9.9", b"HTTP/1.", b"", b"HTTP/0.9"))),
        good.replace(b"GET", rng.choice((b"get", b"G\0T", b"", b"GET GET", b"A" * 5000))),
        good.replace(b"Host", rng.choice((b"Host ", b" Host", b"Ho\0st", b"Host:Host", b""))),
        good.replace(b"\r\n", b"\n"),
        good.replace(b"\r\n\r\n", b"\r\nHost: evil.example\r\n\r\n"),
        good.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
        good.replace(b"\r\n\r\n", b"\r\nContent-Length: -1\r\n\r\n"),
        good[: rng.randint(1, len(good) - 1)] + b"\xff\xfe" + good[-30:],
        good.replace(b"close", b"keep-alive") * rng.randint(2, 30),
        b"\x16\x03\x01\x02\x00\x01\x00" + rng.randbytes(200),  # how TLS begins
    )
    return talk(name, rng.choice(texts))


def half_open(name: str, rng: random.Random) -> bytes:
    host, port = name.split(":")
    with suppress(OSError):
        one = socket.create_connection((host, int(port)), timeout=10)
        with suppress(OSError):
            one.sendall(request(name)[: rng.randint(0, 60)])
        if rng.random() < 0.7:  # cut off rather than closed
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()
    return b""


UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==",
)


def greeting(name: str) -> bytes:
    """How a good page begins its socket."""
    fields = "".join(f"{one}\r\n" for one in (*UPGRADE, f"Origin: http://{name}"))
    return f"GET /socket HTTP/1.1\r\nHost: {name}\r\n{fields}\r\n".encode()


def bad_greeting(name: str, rng: random.Random) -> bytes:
    fields = [one for one in UPGRADE if rng.random() < 0.7]
    fields.append(f"Origin: http://{name}")
    fields += rng.choice(
        ([], ["Sec-WebSocket-Key: x"], ["Sec-WebSocket-Version: 8"], ["Sec-WebSocket-Key: " + "x" * 6000])
    )
    fields += rng.choice(
        ([], ["Sec-WebSocket-Extensions: permessage-deflate; x=1"], ["Cookie: " + ";" * 900])
    )
    complete = request(name, "/socket", rng.choice(("GET", "GET", "POST", "HEAD")), *fields)
    complete = complete.replace(b"Connection: close\r\n", b"", 1)
    return talk(name, complete.replace(b"1.1", rng.choice((b"1.1", b"1.0")), 1))


def message(payload: bytes, opcode: int = 2, *, end: bool = True, masked: bool = True) -> bytes:
    """A frame of WebSocket, masked by zeros."""
    first, size, mask = opcode | (0x80 if end else 0), len(payload), 0x80 if masked else 0
    if size < 126:
        head = bytes([first, mask | size])
    elif size < 1 << 16:
        head = bytes([first, mask | 126]) + struct.pack(">H", size)
    else:
        head = bytes([first, mask | 127]) + struct.pack(">Q", size)
    return head + (bytes(4) if masked else b"") + payload


def bad_frames(name: str, rng: random.Random) -> bytes:
    texts = (
        rng.randbytes(rng.randint(1, 500)),
        message(b"hello", rng.randint(3, 7)),
        message(b"hello", masked=False),
        b"\x82\xff" + struct.pack(">Q", 2**62) + bytes(4),
        message(b"x" * 200, 9),
        message(b"x", 9, end=False),
        message(b"x", 0),
        message(b"x", 2, end=False) + message(b"y", 2),
        message(b"\xff\xfe", 1),
        message(b"\x03", 8) + message(b"more"),
        message(struct.pack(">H", rng.choice((0, 999, 1005, 5000))) + b"\xff", 8),
        message(b"", 2, end=False) * rng.randint(1, 500),
        message(bytes(rng.choice((1, 100, 3_000_000)))),
        bytes([0xF2, 0x85]) + bytes(9),
    )
    return talk(name, greeting(name), *rng.choices(texts, k=rng.randint(1, 3)))


def bad_asks(name: str, rng: random.Random) -> bytes:
    kinds = ("decode", "encode", "geodesic", "neighbors", "image", "latent", "chart", "exec", None, 3)
    keys = ("id", "run", "kind", "stream", "n", "k", "row", "label", "labels", "layout", "by")
    asks = []
    for number in range(rng.randint(1, 20)):
        output: dict[str, Any] = {"id": number, "run": "a", "kind": rng.choice(kinds)}
        for key in rng.sample(keys, rng.randint(0, 4)):
            output[key] = rng.choice(VALUES)
        special = struct.pack("<2f", *(rng.choice((float("nan"), float("inf"), 1e38, 0)),) * 2)
        payload = rng.choice((b"", special, special * 2, rng.randbytes(64), bytes(70_000)))
        asks.append(message(frame(json.dumps(output).encode("utf-8", "replace"), payload)))
    return talk(name, greeting(name), *asks)


def bad_text(name: str, rng: random.Random) -> bytes:
    texts = (
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"id":' + b"9" * 50_000 + b"}",
        b'{"id":1e999}',
        b'"' + b"\\u0000" * 8000 + b'"',
        b'{"id":NaN}',
        b"\xff" * 100,
        b"{}" * 100,
        b'{"a":1,' * 5000,
        b'{"id":1,"run":"a","kind":"latent","row":-0}',
    )
    text = rng.choice(texts)
    length = rng.choice((len(text), len(text), 0, 2**32 - 1, 3))
    return talk(name, greeting(name), message(struct.pack("<I", length) + text))


def flood(name: str, rng: random.Random) -> bytes:
    """Many large asks, whose answers nobody takes."""
    host, port = name.split(":")
    n = rng.choice((1, 500, 4096))
    payload = struct.pack("<2f", 0.1, 0.2) * n
    header = {"id": 1, "run": "a", "kind": "decode", "n": n}
    ask = message(frame(json.dumps(header).encode(), payload))
    with suppress(OSError), socket.create_connection((host, int(port)), timeout=1) as one:
        one.sendall(greeting(name))
        for _ in range(rng.randint(1, 100)):
            one.sendall(ask)
    return b""


KINDS: dict[str, Callable[[str, random.Random], bytes]] = {
    "traversal": traversal,
    "unknown file": unknown_file,
    "bad host": bad_host,
    "bad origin": bad_origin,
    "large head": large_head,
    "many fields": many_fields,
    "body": bodies,
    "malformed": malformed,
    "half open": half_open,
    "bad greeting": bad_greeting,
    "bad frames": bad_frames,
    "bad asks": bad_asks,
    "bad text": bad_text,
    "flood": flood,
    "slow": half_open,  # begun by who remembers them
}
