"""Whether a process is still running."""

import os
import sys


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
