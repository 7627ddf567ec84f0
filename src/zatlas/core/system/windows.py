"""Windows. Names of its functions and constants are those of its documentation."""

import ctypes
import os
import platform
import re
import signal
import subprocess
import threading
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from zatlas.core.system.base import System

WINDOWS: Any = ctypes  # its part for Windows is not declared on other systems
SIGNALS: Any = signal
UNKNOWN_MEMORY = 1 << 62  # bytes, where the system does not say: nothing is refused
REPLACE_TRIES, REPLACE_PAUSE = 10, 0.1  # of a replacement while a reader has the file open; seconds
PROCESS_QUERY_LIMITED_INFORMATION, STILL_ACTIVE, ERROR_ACCESS_DENIED = 0x1000, 259, 5
IDLE_PRIORITY_CLASS, THREAD_PRIORITY_LOWEST = 0x40, -2
CREATE_NEW_PROCESS_GROUP = 0x200
JobObjectExtendedLimitInformation = 9
JOB_OBJECT_LIMIT_PROCESS_TIME, JOB_OBJECT_LIMIT_PROCESS_MEMORY = 0x2, 0x100
PLAIN = re.compile(r"[\w.:/\\=+-]+", re.ASCII)  # what no shell of Windows changes
EXPANDED = re.compile("[`$\u201c-\u201e]")  # in quotation marks of PowerShell; it takes “ for a mark, too


class MEMORYSTATUSEX(ctypes.Structure):
    """Memory of the machine."""

    _fields_ = (
        ("dwLength", ctypes.c_uint32),
        ("dwMemoryLoad", ctypes.c_uint32),
        ("ullTotalPhys", ctypes.c_uint64),
        ("ullAvailPhys", ctypes.c_uint64),
        ("others", ctypes.c_uint64 * 5),
    )


class PROCESS_MEMORY_COUNTERS(ctypes.Structure):
    """Memory of a process."""

    _fields_ = (
        ("cb", ctypes.c_uint32),
        ("PageFaultCount", ctypes.c_uint32),
        ("others", ctypes.c_size_t * 6),
        ("PagefileUsage", ctypes.c_size_t),
        ("PeakPagefileUsage", ctypes.c_size_t),
    )


class JOBOBJECT_EXTENDED_LIMIT_INFORMATION(ctypes.Structure):
    """Limits of the processes of a job."""

    _fields_ = (
        ("PerProcessUserTimeLimit", ctypes.c_int64),
        ("PerJobUserTimeLimit", ctypes.c_int64),
        ("LimitFlags", ctypes.c_uint32),
        ("WorkingSetSizes", ctypes.c_size_t * 2),
        ("ActiveProcessLimit", ctypes.c_uint32),
        ("Affinity", ctypes.c_size_t),
        ("PriorityClass", ctypes.c_uint32),
        ("SchedulingClass", ctypes.c_uint32),
        ("IoInfo", ctypes.c_uint64 * 6),
        ("ProcessMemoryLimit", ctypes.c_size_t),
        ("others", ctypes.c_size_t * 3),
    )


class Windows(System):
    """Windows 10 or newer."""

    opens_folders = False
    locks_mapped_files = True
    hangup = None

    def __init__(self) -> None:
        self.position = threading.Lock()  # of all files: `read_at` moves it

    @cached_property
    def kernel(self) -> Any:
        """The functions of the system."""
        kernel = WINDOWS.WinDLL("kernel32", use_last_error=True)
        for name in ("OpenProcess", "GetCurrentProcess", "GetCurrentThread", "CreateJobObjectW"):
            getattr(kernel, name).restype = ctypes.c_void_p
        return kernel

    def open_file(self, path: Path | str, flags: int, mode: int = 0o666) -> int:
        return os.open(path, flags | os.O_BINARY | os.O_NOINHERIT, mode)  # type: ignore[attr-defined]

    def open_without_links(self, path: Path | str, flags: int, dir_fd: int | None = None) -> int:
        return self.open_file(path, flags)

    def open_folder(self, path: Path | str, *, links: bool = True, dir_fd: int | None = None) -> int:
        raise NotImplementedError("Windows opens no folders.")

    def read_at(self, handle: int, buffer: memoryview, offset: int) -> int:
        with self.position:
            os.lseek(handle, offset, os.SEEK_SET)
            data = os.read(handle, len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def sync_file(self, path: Path) -> None:
        handle = self.open_file(path, os.O_RDWR)  # only files that are open for writing can be synced
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def sync_folder(self, path: Path) -> None:
        """Do nothing: Windows records names in the journal of the disk."""

    def sync_all(self) -> None:
        """Do nothing: this takes the rights of an administrator."""

    def replace(self, source: Path, target: Path) -> None:
        for left in reversed(range(REPLACE_TRIES)):
            try:
                os.replace(source, target)
                return
            except PermissionError:  # perhaps a reader has the file open
                if not left:
                    raise
                time.sleep(REPLACE_PAUSE)

    def only_user_can_write(self, state: os.stat_result) -> bool:
        return True  # folders of a user are closed to other users, and the mode of a file says nothing

    def is_alive(self, process: int) -> bool:
        # os.kill(process, 0) would send Ctrl-C.
        handle = self.kernel.OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, False, process & 0xFFFFFFFF)
        if not handle:
            return bool(WINDOWS.get_last_error() == ERROR_ACCESS_DENIED)
        status = ctypes.c_uint32()
        self.kernel.GetExitCodeProcess(ctypes.c_void_p(handle), ctypes.byref(status))
        self.kernel.CloseHandle(ctypes.c_void_p(handle))
        return status.value == STILL_ACTIVE

    def stop_signals(self) -> list[int]:
        return [signal.SIGINT, signal.SIGTERM, SIGNALS.SIGBREAK]

    def end_by_signal(self, number: int) -> None:
        os._exit(128 + number)

    def group_options(self) -> dict[str, Any]:
        return {"creationflags": CREATE_NEW_PROCESS_GROUP}

    def ask_to_stop(self, process: subprocess.Popen) -> None:
        try:
            process.send_signal(SIGNALS.CTRL_BREAK_EVENT)  # terminate() would save nothing
        except OSError:  # without a console
            process.terminate()

    def lower_process_priority(self) -> None:
        self.kernel.SetPriorityClass(ctypes.c_void_p(self.kernel.GetCurrentProcess()), IDLE_PRIORITY_CLASS)

    def lower_thread_priority(self) -> None:
        self.kernel.SetThreadPriority(ctypes.c_void_p(self.kernel.GetCurrentThread()), THREAD_PRIORITY_LOWEST)

    def free_memory(self) -> int:
        status = MEMORYSTATUSEX(dwLength=ctypes.sizeof(MEMORYSTATUSEX))
        if not self.kernel.GlobalMemoryStatusEx(ctypes.byref(status)):
            return UNKNOWN_MEMORY
        return int(status.ullAvailPhys)

    def busy_cores(self) -> float:
        return 0.0

    def open_file_limit(self) -> int | None:
        return None

    def limit_process(self, memory: int, seconds: int) -> None:
        process = ctypes.c_void_p(self.kernel.GetCurrentProcess())
        used = PROCESS_MEMORY_COUNTERS(cb=ctypes.sizeof(PROCESS_MEMORY_COUNTERS))
        self.kernel.K32GetProcessMemoryInfo(process, ctypes.byref(used), ctypes.c_uint32(used.cb))
        limits = JOBOBJECT_EXTENDED_LIMIT_INFORMATION(
            LimitFlags=JOB_OBJECT_LIMIT_PROCESS_TIME | JOB_OBJECT_LIMIT_PROCESS_MEMORY,
            PerProcessUserTimeLimit=seconds * 10_000_000,  # in units of 100 ns
            ProcessMemoryLimit=used.PagefileUsage + memory,
        )
        job = ctypes.c_void_p(self.kernel.CreateJobObjectW(None, None))
        size = ctypes.c_uint32(ctypes.sizeof(limits))
        self.kernel.SetInformationJobObject(
            job, JobObjectExtendedLimitInformation, ctypes.byref(limits), size
        )
        self.kernel.AssignProcessToJobObject(job, process)

    def processor_name(self) -> str:
        return platform.processor() or platform.machine()

    def quote(self, text: str) -> str:
        text = "".join(letter if letter.isprintable() else "?" for letter in text)
        if PLAIN.fullmatch(text):
            return text
        # Doubled marks end the word in no shell. Backslashes before a mark count twice.
        inner = re.sub(r'(\\*)"', r'\1\1""', text)
        inner = re.sub(r"(\\+)$", r"\1\1", inner)
        return '"' + EXPANDED.sub(r"`\g<0>", inner) + '"'

    def has_screen(self) -> bool:
        return True
