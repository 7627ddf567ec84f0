"""Free memory, to refuse a file that needs too much before it is read."""

import os
import sys
from pathlib import Path

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

UNKNOWN_MEMORY = 1 << 62  # bytes, where the system does not say: nothing is refused


def free_memory() -> int:
    """Bytes of memory that this process can still take, as far as the system says."""
    sizes = [_installed()]
    available = [line for line in _lines("/proc/meminfo") if line.startswith("MemAvailable:")]
    sizes += [1024 * int(line.split()[1]) for line in available]
    limit, used = (_lines(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit and used and limit[0].isdecimal():
        sizes.append(int(limit[0]) - int(used[0]))
    most = process_limit("RLIMIT_AS")
    if most is not None and (pages := _lines("/proc/self/statm")):
        sizes.append(most - int(pages[0].split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return max(min(sizes), 0)


def process_limit(name: str) -> int | None:
    """The soft limit of this process, as "RLIMIT_AS"; None if there is none."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(getattr(resource, name))
    return None if soft == resource.RLIM_INFINITY else soft


def _installed() -> int:
    """Bytes of memory in this machine; on Windows, those that are free."""
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
