"""What takes long is made once and kept in the run, in a folder of its weights."""

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.atlas import Atlas
from zatlas.core.errors import CannotWrite
from zatlas.store import atomic


@dataclass(frozen=True)
class Keep:
    """A folder of bytes by name; without a folder all is made anew each time."""

    folder: Path | None

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What is kept by this name; made, and kept from now on, if need be."""
        if self.folder is None:
            return make()
        path = self.folder / name
        try:
            return path.read_bytes()
        except OSError:
            data = make()
        with suppress(CannotWrite):  # a full disk makes the page slower, not impossible
            atomic.write_file(path, data)
        return data

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """The same of a value that JSON can hold."""
        return json.loads(self.get(name, lambda: atomic.as_json(make())))


def room_of(atlas: Atlas) -> Path:
    """The folder for what is made of a run's weights."""
    return atlas.room("site") / atlas.digest[:16]


def clear_earlier(room: Path) -> None:
    """Take away what was made of earlier weights."""
    for other in room.parent.iterdir() if room.parent.is_dir() else ():
        if other.is_dir() and other.name != room.name:
            shutil.rmtree(other, ignore_errors=True)
