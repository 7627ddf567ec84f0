"""The other latent spaces of the runs on display: each opens when a page first requests its entry."""

import asyncio
from collections.abc import Callable

from zatlas.server.handlers import RunHandlers
from zatlas.server.threads import Threads
from zatlas.site import RunTree

OPEN_SECONDS = 600.0  # for the page of one space
Show = Callable[[RunTree, RunHandlers], None]


class OtherSpaces:
    """What opens the latent spaces that are not on display yet; `show` is called with each that opens."""

    def __init__(self, show: Show) -> None:
        self.show = show
        self.threads = Threads("zatlas-spaces", OPEN_SECONDS)
        self.offers: dict[str, tuple[RunTree, str]] = {}  # by the URL of the entry: a run, and its space
        self.opening: dict[str, asyncio.Task[None]] = {}

    def offer(self, tree: RunTree) -> None:
        """Offer the other spaces of a run instead of those of its earlier state."""
        self.withdraw(str(tree.entry["id"]))
        for space in tree.entry["spaces"]:
            if space["entry"] is not None:
                self.offers[space["entry"]] = tree, space["name"]

    def withdraw(self, id: str) -> None:
        """Offer no space of this run."""
        for url in [url for url in self.offers if url.startswith(f"data/{id}-")]:
            del self.offers[url]
            self.opening.pop(url, None)

    async def open(self, url: str) -> None:
        """Open the space of this URL if it is one; concurrent requests wait for the same one."""
        if url not in self.offers:
            return
        task = self.opening.get(url)
        if task is None:
            task = self.opening[url] = asyncio.create_task(self._open(url))
        try:
            await asyncio.shield(task)
        except Exception:
            if self.opening.get(url) is task:
                del self.opening[url]  # the next request tries again
            raise

    async def _open(self, url: str) -> None:
        tree, name = self.offers[url]
        opened, handlers = await self.threads.call(lambda: _opened(tree, name), url)
        if self.offers.get(url) == (tree, name):  # otherwise the run has changed meanwhile
            self.show(opened, handlers)

    async def close(self) -> None:
        """Start no more work."""
        tasks = list(self.opening.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.threads.close()


def _opened(tree: RunTree, name: str) -> tuple[RunTree, RunHandlers]:
    other = tree.in_space(name)
    return other, RunHandlers(other.workspace, other)
