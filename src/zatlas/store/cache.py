"""Values that are made once each, however many threads ask for them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock, RLock
from typing import Any, TypeVar

T = TypeVar("T")


class Cache:
    """Values by key. Each key has a lock of its own, so two threads make two values at the same time."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._locks: dict[str, AbstractContextManager[Any]] = {}
        self._lock = Lock()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value of this key; call `make` for it if there is none. Other threads wait for it.

        A `make` that raises leaves no value, so that the next caller tries again.
        """
        if key in self._values:
            value: T = self._values[key]
            return value
        with self.lock(key):
            if key not in self._values:
                self._values[key] = make()
            value = self._values[key]
            return value

    def set(self, key: str, value: Any) -> None:
        """Put a value in place of the one that is there."""
        with self.lock(key):
            self._values[key] = value

    def lock(self, key: str) -> AbstractContextManager[Any]:
        """Return the lock of this key, for work that leaves a file and no value."""
        with self._lock:
            return self._locks.setdefault(key, RLock())
