"""The cache of a page's files, in a folder of the run that belongs to its weights."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.errors import CannotWrite, Damaged
from zatlas.store import atomic, digests, safe_paths
from zatlas.workspace import Workspace

REMEDY = "Remove this folder; zatlas makes it again."


@dataclass(frozen=True)
class PageCache:
    """Files by name in a folder; without a folder, nothing is cached."""

    folder: Path | None

    def get(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The cached content of this name; makes and saves it if there is none."""
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
        """The same for a value that JSON can store."""
        try:
            return json.loads(self.get(name, lambda: atomic.as_json(make())))
        except (ValueError, RecursionError) as error:
            raise Damaged(f"{self.folder} does not hold a page. {REMEDY}") from error


def cache_folder(workspace: Workspace) -> Path:
    """The folder for the files computed from a run's weights."""
    return safe_paths.path(workspace.folder("site"), workspace.digest[:16])


def remove_outdated(folder: Path) -> None:
    """Remove the files computed from earlier weights: only those that zatlas recorded."""
    root = digests.root_of(folder / "entry.json")
    if root is None:
        return
    for path in digests.recorded_in(root, folder.parent):
        if not path.is_relative_to(safe_paths.path(root, digests.name_of(root, folder))):
            atomic.remove_file(path)
            with suppress(OSError):  # a folder that holds something else stays
                path.parent.rmdir()
                path.parent.parent.rmdir()
