"""Files by their known URLs: each made once, when it is first asked for, and told by its digest."""

import asyncio
import gzip
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from zatlas.server.threads import Threads

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".txt": "text/plain; charset=utf-8",
}
COMPRESSED_TYPES = {".html", ".js", ".mjs", ".css", ".json", ".svg", ".wasm", ".txt"}  # gzip makes them small
MAX_BUILDS = 2  # files being made at the same time
BUILD_SECONDS = 600.0  # for one file

Build = Callable[[], bytes]


@dataclass(frozen=True)
class Asset:
    """What is sent for a URL."""

    data: bytes
    packed: bytes | None  # the same, compressed
    kind: str
    tag: str  # quoted, as HTTP has it


class AssetStore:
    """All files that there are. A URL is looked up in a dictionary; nothing else leads to a file."""

    def __init__(self, *, pack: bool) -> None:
        self.pack = pack  # worth it on a network, not within one machine
        self.known: dict[str, Build] = {}
        self.made: dict[str, asyncio.Task[Asset]] = {}
        self.threads = Threads("zatlas-files", BUILD_SECONDS, MAX_BUILDS)

    def put(self, files: Mapping[str, Build], *, instead: str | None = None) -> None:
        """Add files, in place of all those whose URLs begin like this."""
        gone = [url for url in self.known if instead is not None and url.startswith(instead)]
        for url in gone:
            del self.known[url]
        for url in (*gone, *files):
            self.made.pop(url, None)
        self.known.update(files)

    async def get(self, url: str) -> Asset | None:
        """The file of a URL; those who ask while it is being made wait for the same one."""
        make = self.known.get(url)
        if make is None:
            return None
        task = self.made.get(url)
        if task is None:
            task = self.made[url] = asyncio.create_task(self._make(url, make))
        try:
            return await asyncio.shield(task)
        except Exception:
            if self.made.get(url) is task:
                del self.made[url]  # it may go better the next time
            raise

    def close(self) -> None:
        """Make nothing more."""
        self.threads.close()

    async def _make(self, url: str, make: Build) -> Asset:
        return await self.threads.call(lambda: as_asset(url, make(), pack=self.pack), url)


def as_asset(url: str, data: bytes, *, pack: bool = False) -> Asset:
    """These bytes with all that HTTP says of them."""
    suffix = PurePosixPath(url).suffix
    packed = gzip.compress(data, 6) if pack and suffix in COMPRESSED_TYPES else None
    tag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    return Asset(data, packed, TYPES.get(suffix, "application/octet-stream"), tag)
