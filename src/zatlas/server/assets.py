"""The files of the server by URL; each is made on first request, and its ETag is a digest."""

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
COMPRESSED_TYPES = {".html", ".js", ".mjs", ".css", ".json", ".svg", ".wasm", ".txt"}  # for gzip
MAX_BUILDS = 2  # files made at the same time
BUILD_SECONDS = 600.0  # for one file

Build = Callable[[], bytes]


@dataclass(frozen=True)
class Asset:
    """The content of a URL, with its HTTP headers."""

    data: bytes
    compressed: bytes | None
    content_type: str
    etag: str  # with quotes


class AssetStore:
    """All files of the server, in a dictionary: no URL is resolved on the file system."""

    def __init__(self, *, compress: bool) -> None:
        self.compress = compress  # useful on a network, not within one machine
        self.builds: dict[str, Build] = {}
        self.assets: dict[str, asyncio.Task[Asset]] = {}
        self.threads = Threads("zatlas-files", BUILD_SECONDS, MAX_BUILDS)

    def put(self, files: Mapping[str, Build], *, replace: str | None = None) -> None:
        """Add files; `replace` is the URL prefix of files to remove."""
        removed = [url for url in self.builds if replace is not None and url.startswith(replace)]
        for url in removed:
            del self.builds[url]
        for url in (*removed, *files):
            self.assets.pop(url, None)
        self.builds.update(files)

    def renew(self, url: str) -> None:
        """Make the file of a URL again at the next request."""
        self.assets.pop(url, None)

    async def get(self, url: str) -> Asset | None:
        """The file of a URL, or None; concurrent requests wait for the same result."""
        make = self.builds.get(url)
        if make is None:
            return None
        task = self.assets.get(url)
        if task is None:
            task = self.assets[url] = asyncio.create_task(self._make(url, make))
        try:
            return await asyncio.shield(task)
        except Exception:
            if self.assets.get(url) is task:
                del self.assets[url]  # the next request tries again
            raise

    def close(self) -> None:
        """Start no more work."""
        self.threads.close()

    async def _make(self, url: str, make: Build) -> Asset:
        return await self.threads.call(lambda: as_asset(url, make(), compress=self.compress), url)


def as_asset(url: str, data: bytes, *, compress: bool = False) -> Asset:
    """The content of a URL with its HTTP headers."""
    suffix = PurePosixPath(url).suffix
    compressed = gzip.compress(data, 6) if compress and suffix in COMPRESSED_TYPES else None
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    return Asset(data, compressed, TYPES.get(suffix, "application/octet-stream"), etag)
