"""Read rows of a large memory-mapped file with system calls instead of the mapping.

Each access to a mapping loads neighbouring pages into the memory of the process, so that a shuffled epoch
would load the complete file. Reading leaves them in the system's cache.
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
        self.lock = threading.Lock()  # of the file position, without preadv
        weakref.finalize(self, os.close, self.handle)

    def read(self, rows: Rows) -> Pixels:
        """Return these rows, in this order."""
        result = np.empty((len(rows), *self.shape), np.uint8)
        flat = result.reshape(-1).data
        offsets = (rows.astype(np.int64) * self.length + self.offset).tolist()
        for number, offset in enumerate(offsets):
            part = flat[number * self.length : (number + 1) * self.length]
            try:
                count = self._read_into(part, offset)
            except OSError as error:
                raise CannotRead(
                    f"The cached images in {self.file} cannot be read: {error.strerror}. Nothing was "
                    "changed. Repeat the command when the disk works again."
                ) from error
            if count != self.length:
                raise Damaged(
                    f"The cached images in {self.file} are cut short at row {rows[number]}. Repeat the "
                    "command to read them again from their source."
                )
        return result

    def _read_into(self, part: memoryview, offset: int) -> int:
        """Fill a buffer from this offset of the file; return the number of bytes read."""
        if PREADV:
            return os.preadv(self.handle, [part], offset)
        with self.lock:
            os.lseek(self.handle, offset, os.SEEK_SET)
            data = os.read(self.handle, len(part))
        part[: len(data)] = data
        return len(data)
