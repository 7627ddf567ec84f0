"""A long function in a daemon thread, so that a signal always reaches the main thread."""

import threading
from collections.abc import Callable

CHECK_SECONDS = 1.0  # between two checks for a signal: a wait without an end hears none on Windows


class Background:
    """A function that runs in a thread."""

    def __init__(self, function: Callable[[], None], name: str) -> None:
        self.function = function
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def wait(self) -> None:
        """Wait for the end, and raise the function's error."""
        while not self.ended_within(CHECK_SECONDS):
            pass
        if self.error is not None:
            raise self.error

    def ended_within(self, seconds: float) -> bool:
        """Whether the function ends within this time."""
        self.thread.join(seconds)
        return not self.thread.is_alive()

    def _run(self) -> None:
        try:
            self.function()
        except BaseException as error:
            self.error = error
