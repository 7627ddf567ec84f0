"""How much memory is free, so that a file that claims too much is refused before it is read."""

import os
import sys
from pathlib import Path


def available() -> int:
    """Bytes that this process may still take: the system's free memory, or less by its own limit."""
    found = _of_system()
    if sys.platform != "win32":
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            found = min(found, soft)
    return found


def _of_system() -> int:
    table = Path("/proc/meminfo")
    if table.exists():
        lines = dict(line.split(":", 1) for line in table.read_text().splitlines())
        return int(lines["MemAvailable"].split()[0]) << 10
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 40  # not known
