"""Stop training by a signal: the first ends it after the current step, a second SIGINT or SIGTERM at once.

SIGHUP comes when the terminal closes or the connection ends, and may come several times.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from zatlas.core.system import SYSTEM

ECHO = 5.0  # seconds in which a launcher may repeat a signal that all processes received


class StopSignal:
    """The first stop signal that came; false if none did."""

    def __init__(self) -> None:
        self.signal, self.since = 0, 0.0

    def record(self, number: int) -> None:
        """Record the first signal and its time. Later ones, and 0, change nothing."""
        if number and not self:
            self.signal, self.since = number, time.monotonic()

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def catch_signals(echo: float = 0.0) -> Iterator[StopSignal]:
    """Record the first signal inside the block instead of ending the process; restore the handlers after it.

    A second signal within `echo` seconds counts as the first: a launcher forwards signals that all
    processes received. Outside the main thread, where Python allows no handlers, this does nothing.
    """
    stop, owner = StopSignal(), os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        if stop and (number == SYSTEM.hangup or time.monotonic() - stop.since < echo):
            return
        if stop or os.getpid() != owner:  # a forked worker has no run to save
            SYSTEM.end_by_signal(number)
        stop.record(number)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, handle) for number in SYSTEM.stop_signals()}
    try:
        yield stop
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
