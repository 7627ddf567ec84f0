"""Shows Windows to zatlas, on Linux: with this folder on PYTHONPATH, every Python process does.

Only imports by modules of zatlas are intercepted, so that torch, the tests and the standard library work as
usual. What Windows lacks is hidden, what it refuses is refused, and its system calls are made by Linux:
`Kernel` stands for kernel32.dll, and locks are as mandatory as on Windows.
"""

import builtins
import ctypes
import errno
import fcntl
import os
import resource
import signal
import stat
import subprocess
import threading
from pathlib import Path
from types import ModuleType

ABSENT = {"fcntl", "resource", "termios", "pty", "pwd", "grp", "posix", "tty"}
OS = {
    *(
        "fork",
        "forkpty",
        "register_at_fork",
        "kill",
        "killpg",
        "setsid",
        "nice",
        "setpriority",
        "getpriority",
    ),
    *("preadv", "pwritev", "pread", "pwrite", "fchmod", "fchown", "chown", "mkfifo", "statvfs", "sync"),
    *("getuid", "geteuid", "getgid", "sysconf", "getloadavg", "uname", "sched_getaffinity", "openpty"),
    *("O_NOFOLLOW", "O_DIRECTORY", "O_NONBLOCK", "O_CLOEXEC"),
}
SIGNALS = {"SIGHUP", "SIGALRM", "SIGKILL", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGCHLD", "pthread_sigmask"}
BINARY, NO_INHERIT = 1 << 30, 1 << 29  # flags of open
CTRL_BREAK_EVENT, BREAK = 1, signal.SIGUSR2  # sent on Windows, and here
NEW_GROUP = 0x200
IDLE_CLASS, LIMIT_SIZE, MEMORY_SIZE, USAGE_SIZE = 0x40, 144, 64, 72  # of 64-bit Windows

locked = set()  # descriptors of this process that hold a lock


def open_file(path, flags, mode=0o777, *, dir_fd=None):
    if dir_fd is not None:
        raise NotImplementedError("dir_fd")
    if os.path.isdir(path):
        raise PermissionError(errno.EACCES, "Windows opens no folders", str(path))
    assert flags & BINARY or path == os.devnull, f"{path} would be opened with translated newlines"
    return os.open(path, flags & ~BINARY & ~NO_INHERIT, mode)


def sync(handle):
    if fcntl.fcntl(handle, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
        raise OSError(errno.EBADF, "Windows flushes only what is open for writing")
    os.fsync(handle)


def close(handle):
    locked.discard(handle)
    os.close(handle)


def read(handle, count):
    """Windows refuses to read the first byte of a file that another descriptor has locked."""
    ordinary = stat.S_ISREG(os.fstat(handle).st_mode)
    if ordinary and handle not in locked and os.lseek(handle, 0, os.SEEK_CUR) == 0 and count:
        again = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY)
        try:
            fcntl.flock(again, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "the first byte is locked") from None
        finally:
            os.close(again)
    return os.read(handle, count)


def lock_descriptor(handle, *, blocking=True):
    if stat.S_ISDIR(os.fstat(handle).st_mode):
        raise PermissionError(errno.EACCES, "Windows locks no folders")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    locked.add(handle)
    return True


def refuse_open_files(move):
    """Rename as Windows does: a file that this process has open or mapped, or its folder, cannot be moved."""

    def moved(source, target):
        in_use = [os.path.realpath(f"/proc/self/fd/{handle}") for handle in os.listdir("/proc/self/fd")]
        maps = Path("/proc/self/maps").read_text().splitlines()
        in_use += [line.split(maxsplit=5)[-1] for line in maps]
        for path in (os.path.realpath(source), os.path.realpath(target)):
            for one in in_use:
                if one == path or one.startswith(f"{path}/"):
                    raise PermissionError(errno.EACCES, f"{one} is open", str(source))
        move(source, target)

    return moved


class Popen(subprocess.Popen):
    def __init__(self, *words, creationflags=0, start_new_session=False, **options):
        assert not start_new_session, "Windows has no sessions"
        super().__init__(*words, start_new_session=bool(creationflags & NEW_GROUP), **options)

    def send_signal(self, number):
        super().send_signal(BREAK if number == CTRL_BREAK_EVENT else signal.SIGKILL)

    def terminate(self):
        self.kill()


class Kernel:
    """The functions of kernel32.dll that zatlas calls; ids stand for handles."""

    error, limits = 0, None

    def __init__(self, name, use_last_error):
        assert name == "kernel32" and use_last_error

    @staticmethod
    def OpenProcess(access, inherit, process):
        try:
            os.kill(process, 0)
        except (ProcessLookupError, OverflowError):
            Kernel.error = 87
            return None
        except PermissionError:
            Kernel.error = 5
            return None
        return process

    @staticmethod
    def GetExitCodeProcess(process, status):
        status._obj.value = 259
        return 1

    @staticmethod
    def CloseHandle(handle):
        return 1

    @staticmethod
    def GetCurrentProcess():
        return os.getpid()

    @staticmethod
    def GetCurrentThread():
        return threading.get_native_id()

    @staticmethod
    def SetPriorityClass(process, priority):
        assert priority == IDLE_CLASS
        os.setpriority(os.PRIO_PROCESS, process.value, 19)
        return 1

    @staticmethod
    def SetThreadPriority(thread, priority):
        assert priority == -2
        os.setpriority(os.PRIO_PROCESS, thread.value, 10)
        return 1

    @staticmethod
    def GlobalMemoryStatusEx(status):
        assert status._obj.dwLength == ctypes.sizeof(status._obj) == MEMORY_SIZE
        status._obj.ullAvailPhys = kilobytes("/proc/meminfo", "MemAvailable") << 10
        return 1

    @staticmethod
    def K32GetProcessMemoryInfo(process, usage, size):
        assert usage._obj.cb == size.value == ctypes.sizeof(usage._obj) == USAGE_SIZE
        usage._obj.PagefileUsage = kilobytes("/proc/self/status", "VmData") << 10
        return 1

    @staticmethod
    def CreateJobObjectW(security, name):
        return 1

    @staticmethod
    def SetInformationJobObject(job, kind, limits, size):
        assert kind == 9 and size.value == ctypes.sizeof(limits._obj) == LIMIT_SIZE
        assert limits._obj.LimitFlags == 0x102
        Kernel.limits = limits._obj
        return 1

    @staticmethod
    def AssignProcessToJobObject(job, process):
        assert process.value == os.getpid()
        limits, seconds = Kernel.limits, Kernel.limits.PerProcessUserTimeLimit // 10**7
        resource.setrlimit(resource.RLIMIT_DATA, (limits.ProcessMemoryLimit, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, resource.RLIM_INFINITY))
        return 1


def kilobytes(path, name):
    return next(int(line.split()[1]) for line in Path(path).read_text().splitlines() if line.startswith(name))


def copy_of(module, hidden=(), **replaced):
    copy = ModuleType(module.__name__)
    copy.__dict__.update({k: v for k, v in vars(module).items() if k not in hidden} | replaced)
    return copy


files = {"open": open_file, "fsync": sync, "close": close, "read": read, "O_BINARY": BINARY}
files |= {"replace": refuse_open_files(os.replace), "rename": refuse_open_files(os.rename)}
WINDOWS = {
    "os": copy_of(os, OS, name="nt", supports_dir_fd=frozenset(), O_NOINHERIT=NO_INHERIT, **files),
    "signal": copy_of(signal, SIGNALS, SIGBREAK=BREAK, CTRL_BREAK_EVENT=CTRL_BREAK_EVENT),
    "subprocess": copy_of(subprocess, Popen=Popen, CREATE_NEW_PROCESS_GROUP=NEW_GROUP),
    "ctypes": copy_of(ctypes, WinDLL=Kernel, get_last_error=lambda: Kernel.error),
}
ordinary = builtins.__import__


def importing(name, globals=None, locals=None, fromlist=(), level=0):
    scope = globals or {}
    if level == 0 and str(scope.get("__package__") or scope.get("__name__")).partition(".")[0] == "zatlas":
        if name in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name == "filelock" and name not in WINDOWS:
            WINDOWS[name] = copy_of(ordinary(name), lock_descriptor=lock_descriptor)
        if name in WINDOWS:
            return WINDOWS[name]
    return ordinary(name, globals, locals, fromlist, level)


builtins.__import__ = importing
