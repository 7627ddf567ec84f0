"""A long function in a daemon thread, so that a signal always reaches the main thread."""

import ctypes
import threading
from collections.abc import Callable

STOP_SECONDS = 1.0  # for the function to clean up
CHECK_SECONDS = 1.0  # between two checks for a signal: a wait without an end hears none on Windows


class Stopped(BaseException):
    """Raised in the thread to stop it."""


class Background:
    """A function that runs in a thread. Its Python code can be stopped, a call into C cannot."""

    def __init__(self, function: Callable[[], None], name: str) -> None:
        self.function, self.ended = function, threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def wait(self) -> None:
        """Wait for the end, and raise the function's error."""
        while not self.ended.wait(CHECK_SECONDS):
            pass
        if self.error is not None:
            raise self.error

    def stop(self) -> bool:
        """Stop the function; returns whether its thread has ended."""
        if not self.ended.is_set() and self.thread.ident is not None:
            number, error = ctypes.c_ulong(self.thread.ident), ctypes.py_object(Stopped)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, error)
        self.thread.join(STOP_SECONDS)
        return not self.thread.is_alive()

    def _run(self) -> None:
        try:
            self.function()
        except BaseException as error:
            self.error = error
        finally:
            self.ended.set()
