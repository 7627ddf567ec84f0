"""SIGINT and SIGTERM noticed: the first asks to stop at the next step, the second stops at once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop:
    """Which signal came, if one did."""

    def __init__(self) -> None:
        self.signal = 0

    def __bool__(self) -> bool:
        return self.signal != 0


@contextmanager
def noticed() -> Iterator[Stop]:
    """Within the block, a first signal is only noted; after it they mean what they meant before.

    Only the main thread can do so; elsewhere nothing is changed.
    """
    stop, owner = Stop(), os.getpid()

    def note(number: int, frame: FrameType | None) -> None:
        if stop or os.getpid() != owner:  # a forked worker has no run to save
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.signal = number

    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
