"""What takes long is made once and kept in the run, in a folder of its weights."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.errors import CannotWrite, Damaged
from zatlas.store import atomic, digests, safe_paths
from zatlas.workspace import Workspace

RETRIES = "Remove this folder; it is made again."


@dataclass(frozen=True)
class PageCache:
    """A folder of bytes by name; without a folder all is made anew each time."""

    folder: Path | None

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """What is kept by this name; made, and kept from now on, if need be."""
        if self.folder is None:
            return make()
        path = safe_paths.path(self.folder, name)
        if safe_paths.is_file(path):
            return digests.read(path)
        data = make()
        with suppress(CannotWrite):  # a full disk makes the page slower, not impossible
            atomic.write_file(path, data)
        return data

    def json(self, name: str, make: Callable[[], Any]) -> Any:
        """The same of a value that JSON can hold."""
        try:
            return json.loads(self.get(name, lambda: atomic.as_json(make())))
        except (ValueError, RecursionError) as error:
            raise Damaged(f"{self.folder} does not hold a page. {RETRIES}") from error


def cache_folder(workspace: Workspace) -> Path:
    """The folder for what is made of a run's weights."""
    return safe_paths.path(workspace.folder("site"), workspace.digest[:16])


def remove_outdated(folder: Path) -> None:
    """Remove what was made of earlier weights: the files that zatlas recorded, and nothing else."""
    root = digests.root_of(folder / "entry.json")
    if root is None:
        return
    for path in digests.recorded_in(root, folder.parent):
        if not path.is_relative_to(safe_paths.path(root, digests.name_of(root, folder))):
            atomic.remove_file(path)
            with suppress(OSError):  # a folder that holds something else stays
                path.parent.rmdir()
                path.parent.parent.rmdir()
