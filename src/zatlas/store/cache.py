"""A cache that computes each value once, even if several threads request it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Lock, RLock
from typing import Any, TypeVar

T = TypeVar("T")


class Cache:
    """Values by key. Each key has its own lock, so different values can be computed at the same time."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}
        self._locks: dict[str, AbstractContextManager[Any]] = {}
        self._lock = Lock()

    def __reduce__(self) -> tuple[type["Cache"], tuple[()]]:
        """A copy is empty, so that pickles stay small."""
        return Cache, ()

    def get(self, key: str, make: Callable[[], T]) -> T:
        """Return the value of this key; call `make` if there is none, while other threads wait.

        If `make` raises, nothing is stored, and the next caller tries again.
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
        """Replace the value of this key."""
        with self.lock(key):
            self._values[key] = value

    def lock(self, key: str) -> AbstractContextManager[Any]:
        """Return the lock of this key, for work that writes a file instead of a value."""
        with self._lock:
            return self._locks.setdefault(key, RLock())
