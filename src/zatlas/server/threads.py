"""Daemon threads that call functions for the event loop, each call with a timeout.

A call that times out keeps its thread until it returns, and a new thread takes its place. Unlike the
threads of `concurrent.futures`, these never delay the end of the process.
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
    """A call did not return in time."""


class Thread:
    """A daemon thread that makes one call after the other until it gets None."""

    def __init__(self, name: str) -> None:
        self.calls: SimpleQueue[Call | None] = SimpleQueue()
        self.busy = False
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def start(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        """Call this function; the future gets its result."""
        self.busy = True
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.calls.put((function, future))
        return future

    def end(self) -> None:
        """End after the current call."""
        self.calls.put(None)

    def _run(self) -> None:
        while (call := self.calls.get()) is not None:
            function, future = call
            result: Any = None
            error: BaseException | None = None
            try:
                result = function()
            except BaseException as raised:
                error = raised
            self.busy = False
            with suppress(RuntimeError):  # the loop is closed
                future.get_loop().call_soon_threadsafe(_settle, future, result, error)
            del call, function, future, result, error  # free the result before the next call


class Threads:
    """At most `count` calls at the same time, each with a timeout of `seconds`."""

    def __init__(self, name: str, seconds: float, count: int = 1) -> None:
        self.name, self.seconds = name, seconds
        self.slots = asyncio.Semaphore(count)
        self.idle: list[Thread] = []
        self.active: list[Thread] = []
        self.timed_out: dict[Hashable, Thread] = {}  # by key

    async def call(self, function: Callable[[], Any], key: Hashable = None) -> Any:
        """The function's result; raises `CallTimeout`, also while an earlier call with the key still runs."""
        self._check(key)
        async with self.slots:
            self._check(key)
            thread = self.idle.pop() if self.idle else Thread(self.name)
            self.active.append(thread)
            future = thread.start(function)
            try:
                done, _ = await asyncio.wait({future}, timeout=self.seconds)
            except asyncio.CancelledError:
                thread.end()
                raise
            if not done:
                thread.end()
                self.timed_out[key] = thread
                raise CallTimeout(f"This took longer than {self.seconds:g} seconds, so the server gave up.")
            self.active.remove(thread)
            self.idle.append(thread)
            return future.result()

    def close(self) -> None:
        """End the idle threads."""
        for thread in self.idle:
            thread.end()
        self.idle.clear()

    @property
    def busy(self) -> bool:
        """Whether a call is still running, even one that timed out."""
        return any(thread.busy for thread in self.active)

    def _check(self, key: Hashable) -> None:
        thread = self.timed_out.get(key)
        if thread is None:
            return
        if thread.busy:
            raise CallTimeout("An earlier call has not returned yet. Try again later.")
        del self.timed_out[key]
        self.active.remove(thread)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    """Set the result, unless the future was cancelled."""
    if future.done():
        return
    if error is None:
        future.set_result(result)
    elif isinstance(error, Exception) and not isinstance(error, StopIteration):
        future.set_exception(error)
    else:  # a future accepts neither SystemExit nor StopIteration
        future.set_exception(RuntimeError(f"The call raised {type(error).__name__}."))
