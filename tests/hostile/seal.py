"""A stranger who changes a run writes digests that fit; this does the same."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

DIGESTS = "digests.jsonl"


def record_changes(run: Path, changed: Iterable[Path]) -> None:
    """Add a line to the run's digests for each file that was changed."""
    book = run / DIGESTS
    if book.is_symlink() or not book.is_file():
        return
    lines = []
    for path in changed:
        if path.is_symlink() or not path.is_file() or path == book:
            continue
        state = path.stat()
        lines.append(
            json.dumps(
                {
                    "file": path.relative_to(run).as_posix(),
                    "size": state.st_size,
                    "mtime": state.st_mtime_ns,
                    "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
                }
            )
        )
    with book.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
