"""One long piece of work in a daemon thread, so that a signal always reaches the main thread."""

import ctypes
import threading
from collections.abc import Callable

STOP_SECONDS = 1.0  # for the work to clean up after itself


class Stopped(BaseException):
    """The work is not wanted any more."""


class Background:
    """A function that runs in a thread. Python code in it can be stopped, a call of C cannot."""

    def __init__(self, do: Callable[[], None], name: str) -> None:
        self.do, self.over = do, threading.Event()
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def wait(self) -> None:
        """Wait for the end of the work; an error of it is raised here."""
        self.over.wait()
        if self.error is not None:
            raise self.error

    def stop(self) -> bool:
        """Stop the work where it is; whether its thread has ended."""
        if not self.over.is_set() and self.thread.ident is not None:
            number, error = ctypes.c_ulong(self.thread.ident), ctypes.py_object(Stopped)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(number, error)
        self.thread.join(STOP_SECONDS)
        return not self.thread.is_alive()

    def _run(self) -> None:
        try:
            self.do()
        except BaseException as error:
            self.error = error
        finally:
            self.over.set()
