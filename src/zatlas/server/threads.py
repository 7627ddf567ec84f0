"""Daemon threads that call functions for the event loop, each call with a deadline.

A call that misses its deadline keeps its thread until it returns, and a new thread takes the place.
The threads never hold up the end of the process, as those of `concurrent.futures` do.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from zatlas.core.errors import ZatlasError

Call = tuple[Callable[[], Any], asyncio.Future[Any]]


class CallTimeout(ZatlasError):
    """A call did not return in time, so it gets no answer."""


class Thread:
    """One daemon thread, which calls what it is given until it is given nothing."""

    def __init__(self, name: str) -> None:
        self.calls: SimpleQueue[Call | None] = SimpleQueue()
        self.busy = False
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def begin(self, do: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call this function; the future gets its result."""
        self.busy = True
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.calls.put((do, future))
        return future

    def end(self) -> None:
        """End after the call that runs now, if one does."""
        self.calls.put(None)

    def _run(self) -> None:
        while (call := self.calls.get()) is not None:
            do, future = call
            result: Any = None
            error: BaseException | None = None
            try:
                result = do()
            except BaseException as raised:
                error = raised
            self.busy = False
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del call, do, future, result, error  # no result stays in memory until the next call


class Threads:
    """At most `count` calls at the same time; each takes at most `seconds`."""

    def __init__(self, name: str, seconds: float, count: int = 1) -> None:
        self.name, self.seconds = name, seconds
        self.places = asyncio.Semaphore(count)
        self.idle: list[Thread] = []
        self.begun: list[Thread] = []  # with a call
        self.overdue: dict[Hashable, Thread] = {}  # by what was called

    async def call(self, do: Callable[[], Any], key: Hashable = None) -> Any:
        """The function's result, or `Overdue`. While a late call of a key runs, no other begins."""
        self._refuse(key)
        async with self.places:
            self._refuse(key)
            thread = self.idle.pop() if self.idle else Thread(self.name)
            self.begun.append(thread)
            future = thread.begin(do)
            try:
                done, _ = await asyncio.wait({future}, timeout=self.seconds)
            except asyncio.CancelledError:
                thread.end()
                raise
            if not done:
                thread.end()
                self.overdue[key] = thread
                raise CallTimeout(f"This took longer than {self.seconds:g} seconds and was given up.")
            self.begun.remove(thread)
            self.idle.append(thread)
            return future.result()

    def close(self) -> None:
        """Begin nothing more, and end the threads."""
        for thread in self.idle:
            thread.end()
        self.idle.clear()

    @property
    def busy(self) -> bool:
        """Whether a call still runs, one that was given up included."""
        return any(thread.busy for thread in self.begun)

    def _refuse(self, key: Hashable) -> None:
        late = self.overdue.get(key)
        if late is None:
            return
        if late.busy:
            raise CallTimeout("An earlier call has not returned yet, so no new one begins. Try later.")
        del self.overdue[key]
        self.begun.remove(late)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """Give the result to whoever still waits."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future takes neither an exit nor a StopIteration
        future.set_exception(RuntimeError(f"The call raised {type(error).__name__}."))
