"""How much memory is free, so that a file that claims too much is refused before it is read."""

import os
import resource
from pathlib import Path


def free_memory() -> int:
    """Bytes of memory that this process can still take, as far as the system says."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    known = [line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    found += [1024 * int(line.split()[1]) for line in known]
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit[0].isdecimal():
        found.append(int(limit[0]) - int(used[0]))
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and (pages := _lines("/proc/self/statm")):
        found.append(most - int(pages[0].split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(min(found), 0)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # another system, or a process that may not look
        return []
