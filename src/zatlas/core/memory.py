"""Free memory, to refuse a file that needs too much before it is read."""

import os
import resource
from pathlib import Path


def free_memory() -> int:
    """Return the bytes of memory that this process can still use, as the system reports them."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    available = [line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    limits += [1024 * int(line.split()[1]) for line in available]
    quota, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if quota and used and quota[0].isdecimal():
        limits.append(int(quota[0]) - int(used[0]))
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY and (pages := _lines("/proc/self/statm")):
        limits.append(most - int(pages[0].split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(min(limits), 0)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # another system, or no permission
        return []
