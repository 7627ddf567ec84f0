"""Locks of open files by the operating system, on POSIX (`flock`) and on Windows (`msvcrt.locking`).

The system releases a lock when its process ends. Where there are no locks, `lock` raises an
OSError with ENOSYS, and callers do without.
"""

import errno
import os
import sys

if sys.platform == "win32":
    import msvcrt

    OFFSET = 1 << 30  # a byte that is locked on Windows cannot be read, so it lies behind the content

    def lock(handle: int, *, shared: bool = False, wait: bool = False) -> None:
        """Lock an open file; BlockingIOError where another process holds the lock."""
        os.lseek(handle, OFFSET, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            if shared:  # Windows has no shared locks here: trying is enough
                os.lseek(handle, OFFSET, os.SEEK_SET)
                msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)
        except OSError as error:
            if error.errno in (errno.EACCES, errno.EDEADLK):
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from None
            raise
        finally:
            os.lseek(handle, 0, os.SEEK_SET)

else:
    try:
        import fcntl
    except ImportError:
        fcntl = None  # type: ignore[assignment]

    def lock(handle: int, *, shared: bool = False, wait: bool = False) -> None:
        """Lock an open file; BlockingIOError where another process holds the lock."""
        if fcntl is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)


def is_alive(process: int) -> bool:
    """Return whether a process with this id is running on this machine."""
    if sys.platform == "win32":
        return _is_alive_on_windows(process)
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


if sys.platform == "win32":
    # os.kill(process, 0) would send Ctrl-C on Windows.
    import ctypes

    QUERY, RUNNING, ACCESS_DENIED = 0x1000, 259, 5

    def _is_alive_on_windows(process: int) -> bool:
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.OpenProcess.restype = ctypes.c_void_p
        handle = kernel.OpenProcess(QUERY, False, process & 0xFFFFFFFF)
        if not handle:
            return ctypes.get_last_error() == ACCESS_DENIED
        status = ctypes.c_ulong()
        kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(status))
        kernel.CloseHandle(ctypes.c_void_p(handle))
        return status.value == RUNNING
