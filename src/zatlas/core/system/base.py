"""What zatlas needs from an operating system; `posix` and `windows` implement it."""

import os
import subprocess
import webbrowser
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any


class System(ABC):
    """One operating system."""

    opens_folders: bool  # whether a folder has a descriptor, which can be locked
    locks_mapped_files: bool  # whether a file that a process maps cannot be replaced
    hangup: int | None  # the signal of a closed terminal

    # Files ------------------------------------------------------------------------------------

    @abstractmethod
    def open_file(self, path: Path | str, flags: int, mode: int = 0o666) -> int:
        """Return the descriptor of a file, opened without translation of newlines."""

    @abstractmethod
    def open_without_links(self, path: Path | str, flags: int, dir_fd: int | None = None) -> int:
        """Return the descriptor of a file; a link fails and a pipe does not block, if the system can."""

    @abstractmethod
    def open_folder(self, path: Path | str, *, links: bool = True, dir_fd: int | None = None) -> int:
        """Return the descriptor of a folder, if `opens_folders`."""

    @abstractmethod
    def read_at(self, handle: int, buffer: memoryview, offset: int) -> int:
        """Fill a buffer from this offset of a file; return the number of bytes read."""

    @abstractmethod
    def sync_file(self, path: Path) -> None:
        """Write what the system caches of a file to the disk."""

    @abstractmethod
    def sync_folder(self, path: Path) -> None:
        """Write the names in a folder to the disk."""

    @abstractmethod
    def sync_all(self) -> None:
        """Write what the system caches of all files to the disk, if the system can."""

    @abstractmethod
    def replace(self, source: Path, target: Path) -> None:
        """Rename a file over another, or a folder."""

    def lock(self, handle: int, *, wait: bool = False) -> bool:
        """Lock an open file until it is closed; return False if another process has locked it."""
        from filelock import lock_descriptor

        return lock_descriptor(handle, blocking=wait)

    @abstractmethod
    def only_user_can_write(self, state: os.stat_result) -> bool:
        """Return whether no other user can change this file, as far as the system says."""

    # Folders of the user ----------------------------------------------------------------------

    def cache_folder(self) -> Path:
        """Return $ZATLAS_CACHE, else zatlas in the user's cache folder."""
        if folder := os.environ.get("ZATLAS_CACHE"):
            return Path(folder)
        import platformdirs

        return platformdirs.user_cache_path("zatlas", appauthor=False)

    def state_folder(self) -> Path:
        """Return $ZATLAS_STATE, else zatlas in the user's folder of states."""
        if folder := os.environ.get("ZATLAS_STATE"):
            return Path(folder)
        import platformdirs

        return platformdirs.user_state_path("zatlas", appauthor=False)

    # Processes --------------------------------------------------------------------------------

    @abstractmethod
    def is_alive(self, process: int) -> bool:
        """Return whether a process with this id is running on this machine."""

    @abstractmethod
    def stop_signals(self) -> list[int]:
        """Return the signals that ask this process to stop."""

    @abstractmethod
    def end_by_signal(self, number: int) -> None:
        """End this process at once, as this signal does without a handler."""

    @abstractmethod
    def group_options(self) -> dict[str, Any]:
        """Return the options of `Popen` for a process that signals of this terminal do not reach."""

    @abstractmethod
    def ask_to_stop(self, process: subprocess.Popen) -> None:
        """Let a process that was started with `group_options` save and end."""

    @abstractmethod
    def lower_process_priority(self) -> None:
        """Let other processes go first."""

    @abstractmethod
    def lower_thread_priority(self) -> None:
        """Let other threads of this process go first, if the system can."""

    # Resources --------------------------------------------------------------------------------

    @abstractmethod
    def free_memory(self) -> int:
        """Return the bytes of memory that this process can still allocate, as far as the system says."""

    @abstractmethod
    def busy_cores(self) -> float:
        """Return the mean number of cores that programs used in the last minute; 0 where it is unknown."""

    @abstractmethod
    def open_file_limit(self) -> int | None:
        """Return how many files this process may open; None for no limit."""

    @abstractmethod
    def limit_process(self, memory: int, seconds: int) -> None:
        """Limit this process to this many more bytes of memory, and to this much time of a processor."""

    @abstractmethod
    def processor_name(self) -> str:
        """Return the name of the processor."""

    # The terminal and the screen --------------------------------------------------------------

    @abstractmethod
    def quote(self, text: str) -> str:
        """Return one argument as a user types it into the usual shell."""

    @abstractmethod
    def has_screen(self) -> bool:
        """Return whether a browser can open a window."""

    def open_page(self, address: str) -> bool:
        """Open an address in the browser; return False on a machine without a screen."""
        return self.has_screen() and webbrowser.open(address)
