"""Signals noticed: the first asks to stop at the next step, a second SIGINT or SIGTERM stops at once.

SIGHUP comes when the terminal is closed or the connection ends, and may then come several times.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

HANGUP: int | None = getattr(signal, "SIGHUP", None)  # not on every platform


class Stop:
    """Which signal came, if one did."""

    def __init__(self) -> None:
        self.signal, self.since = 0, 0.0

    def hear(self, number: int) -> None:
        """Note the first one, and when it was."""
        if number and not self:
            self.signal, self.since = number, time.monotonic()

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def noticed(echo: float = 0.0) -> Iterator[Stop]:
    """Within the block, a first signal is only noted; after it they mean what they meant before.

    A second one within `echo` seconds is the first again: a launcher passes on what all have heard.
    Only the main thread can do so; elsewhere nothing is changed.
    """
    stop, owner = Stop(), os.getpid()

    def note(number: int, frame: FrameType | None) -> None:
        if stop and (number == HANGUP or time.monotonic() - stop.since < echo):
            return
        if stop or os.getpid() != owner:  # a forked worker has no run to save
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.hear(number)

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in _heard()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard() -> list[int]:
    """The signals to notice; a hangup that is ignored already, as below nohup, stays so."""
    if HANGUP is None or signal.getsignal(HANGUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, HANGUP]
