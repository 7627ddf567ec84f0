"""Free memory, so that a file that needs more is refused before it is read."""

import os
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

UNKNOWN_MEMORY = 1 << 62  # bytes, where the system does not say: nothing is refused


def free_memory() -> int:
    """Return the bytes of memory that this process can still allocate, as far as the system says."""
    sizes = [_installed()]
    available = [line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    sizes += [1024 * int(line.split()[1]) for line in available]
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit[0].isdecimal():
        sizes.append(int(limit[0]) - int(used[0]))
    limit_bytes = process_limit("RLIMIT_AS")
    if limit_bytes is not None and (pages := _lines("/proc/self/statm")):
        sizes.append(limit_bytes - int(pages[0].split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(min(sizes), 0)


def process_limit(name: str) -> int | None:
    """Return a soft limit of this process, as "RLIMIT_AS"; None if there is none."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(getattr(resource, name))
    return None if soft == resource.RLIM_INFINITY else soft


def _installed() -> int:
    """Return the bytes of memory of this machine; on Windows, the free ones."""
    if sys.platform == "win32":
        return _available_on_windows()
    sysconf = getattr(os, "sysconf", None)
    return UNKNOWN_MEMORY if sysconf is None else int(sysconf("SC_PAGE_SIZE") * sysconf("SC_PHYS_PAGES"))


if sys.platform == "win32":
    import ctypes

    def _available_on_windows() -> int:
        # MEMORYSTATUSEX: two 32-bit numbers (length, load), then total memory, free memory and more.
        status = (ctypes.c_uint64 * 8)()
        ctypes.cast(status, ctypes.POINTER(ctypes.c_uint32))[0] = ctypes.sizeof(status)
        if not ctypes.WinDLL("kernel32").GlobalMemoryStatusEx(ctypes.byref(status)):
            return UNKNOWN_MEMORY
        return int(status[2])


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:  # another system, or no permission
        return []
