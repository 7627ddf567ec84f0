"""Read rows of a large memory-mapped file with system calls instead of the mapping.

Each access to a mapping loads neighbouring pages into the memory of the process, so that a shuffled epoch
would load the complete file. Reading leaves them in the system's cache.
"""

import os
import weakref

import numpy as np

from zatlas.core.arrays import Pixels, Rows
from zatlas.core.errors import CannotRead, Damaged
from zatlas.core.system import SYSTEM


class RowReader:
    """Reads any rows of a memory-mapped array from its file."""

    def __init__(self, mapped: np.memmap) -> None:
        self.shape, self.offset = mapped.shape[1:], mapped.offset
        self.length = mapped[0].nbytes
        assert mapped.filename is not None and mapped.dtype == np.uint8
        self.file = mapped.filename
        self.handle = SYSTEM.open_file(mapped.filename, os.O_RDONLY)
        weakref.finalize(self, os.close, self.handle)

    def read(self, rows: Rows) -> Pixels:
        """Return these rows, in this order."""
        result = np.empty((len(rows), *self.shape), np.uint8)
        flat = result.reshape(-1).data
        offsets = (rows.astype(np.int64) * self.length + self.offset).tolist()
        for number, offset in enumerate(offsets):
            part = flat[number * self.length : (number + 1) * self.length]
            try:
                count = SYSTEM.read_at(self.handle, part, offset)
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
