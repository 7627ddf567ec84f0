"""Rows of a large mapped file, read without mapping them.

A page that is touched brings its neighbours into this process's memory, up to megabytes of them, so
that a shuffled epoch would soon hold the whole file. Reading leaves them in the system's cache.
"""

import os
import threading
import weakref

import numpy as np

from zatlas.core.arrays import Pixels, Rows
from zatlas.core.errors import CannotRead, Damaged

PREADV = "preadv" in dir(os)  # not on Windows


class RowReader:
    """Reads any rows of a memory-mapped array from its file."""

    def __init__(self, mapped: np.memmap) -> None:
        self.shape, self.offset = mapped.shape[1:], mapped.offset
        self.length = mapped[0].nbytes
        assert mapped.filename is not None and mapped.dtype == np.uint8
        self.file = mapped.filename
        self.handle = os.open(mapped.filename, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.lock = threading.Lock()  # of the position in the file, where there is no preadv
        weakref.finalize(self, os.close, self.handle)

    def read(self, rows: Rows) -> Pixels:
        """These rows, in this order."""
        result = np.empty((len(rows), *self.shape), np.uint8)
        flat = result.reshape(-1).data
        places = (rows.astype(np.int64) * self.length + self.offset).tolist()
        for number, place in enumerate(places):
            part = flat[number * self.length : (number + 1) * self.length]
            try:
                count = self._read_into(part, place)
            except OSError as error:
                raise CannotRead(
                    f"The cached images in {self.file} cannot be read: {error.strerror}. Nothing was "
                    "changed. Give the same command again when the disk answers."
                ) from error
            if count != self.length:
                raise Damaged(
                    f"The cached images in {self.file} are cut short at row {rows[number]}. Give the "
                    "same command again: they are then read again from their source."
                )
        return result

    def _read_into(self, part: memoryview, place: int) -> int:
        """Fill a buffer from this position of the file; the number of bytes that were read."""
        if PREADV:
            return os.preadv(self.handle, [part], place)
        with self.lock:
            os.lseek(self.handle, place, os.SEEK_SET)
            data = os.read(self.handle, len(part))
        part[: len(data)] = data
        return len(data)
