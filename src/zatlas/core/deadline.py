"""Call models from files with a deadline, since they are programs and may never return.

Each call runs in a worker thread. The caller waits in short intervals, so that Python handles signals.
After the deadline the call may still run in its thread; `leave` ends the process without waiting for it.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from queue import SimpleQueue
from typing import Any, TypeVar

from zatlas.core.errors import DeadlineExceeded, Interrupted

# An import decodes a few rows; a model that needs two minutes for them is too slow to explore. Later a
# batch may be 256 large images on a busy machine without a GPU.
IMPORT_SECONDS, CALL_SECONDS = 120.0, 600.0  # seconds for one call
CHECK_SECONDS = 0.1  # seconds between two checks of the deadline
GRACE_SECONDS = 2.0  # seconds for a program to stop by itself

T = TypeVar("T")

_seconds: ContextVar[float] = ContextVar("seconds", default=0.0)  # 0 for CALL_SECONDS
_idle: list["_Worker"] = []
_running: set["_Job"] = set()
_leaving = threading.Event()


class _Job:
    """One call, its result or error, and a lock that is released at its end."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function
        self.result: Any = None
        self.error: BaseException | None = None
        self.done = threading.Lock()
        self.done.acquire()

    def run(self) -> None:
        try:
            self.result = self.function()
        except BaseException as error:  # raised again where the caller waits
            self.error = error


class _Worker(threading.Thread):
    """A thread that runs one job after the other."""

    def __init__(self) -> None:
        super().__init__(name="zatlas-program", daemon=True)
        self.jobs: SimpleQueue[_Job] = SimpleQueue()

    def run(self) -> None:
        while True:
            job = self.jobs.get()
            job.run()
            _running.discard(job)
            _idle.append(self)
            job.done.release()
            del job  # else its result would live until the next one


def call_with_deadline(function: Callable[[], T], name: str, stop: Callable[[], Any] | None = None) -> T:
    """Call a function in a worker thread, and return its result.

    Raises `DeadlineExceeded`, with this `name`, after the deadline. `stop` then asks the function to end.
    """
    job, seconds = _Job(function), _seconds.get() or CALL_SECONDS
    until = time.monotonic() + seconds
    try:
        worker = _free()
        _running.add(job)
        worker.jobs.put(job)
        while not job.done.acquire(timeout=CHECK_SECONDS):
            if _leaving.is_set():
                raise Interrupted(f"zatlas stops, and {name} has not finished.", signal.SIGTERM)
            if time.monotonic() > until:
                raise DeadlineExceeded(
                    f"{name} has run for {seconds:g} seconds without a result, so it was stopped. It "
                    "may be an endless program. Use a faster model."
                )
    except BaseException:
        if stop is not None:
            stop()
            job.done.acquire(timeout=GRACE_SECONDS)
        raise
    if job.error is not None:
        raise job.error
    result: T = job.result
    return result


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Set the deadline of each call in this thread to this many seconds inside the block."""
    before = _seconds.set(seconds)
    try:
        yield
    finally:
        _seconds.reset(before)


def exit_process(status: int) -> int:
    """Return the exit status; if a program still runs, end the process with it at once."""
    if not _running:
        return status
    _leaving.set()  # threads that wait for a program stop waiting
    until = time.monotonic() + GRACE_SECONDS
    with suppress(BaseException):  # a second signal ends this wait too
        while _running and time.monotonic() < until:
            time.sleep(CHECK_SECONDS / 2)
    _leaving.clear()
    if _running:
        with suppress(OSError, ValueError):  # closed streams
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    return status


def _free() -> _Worker:
    try:
        return _idle.pop()
    except IndexError:
        worker = _Worker()
        worker.start()
        return worker
