"""Work in a forked process with a deadline for each step, so that a case costs no import of torch."""

import contextlib
import os
import resource
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TRACEBACK, HANG = "traceback", "hang"


@dataclass
class Report:
    """How a child ended ("0", a signal, or `hang`), its steps with their results, and its memory."""

    ended: str = "0"
    steps: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    grown: float = 0.0  # MiB above the parent's memory


Note = Callable[[str], None]


def in_child(work: Callable[..., None], words: Path, *, seconds: float, steps: bool = False) -> Report:
    """Do the work in a fork whose output goes to `words`; kill it where a step takes too long.

    Work with steps is given a function that notes `NAME=` before a step and `NAME=RESULT` after it.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _work(work, words, writing, steps)
    os.close(writing)
    report = _follow(reading, pid, seconds)
    os.close(reading)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)  # what the work itself has started
    return report


def _work(work: Callable[..., None], words: Path, writing: int, steps: bool) -> None:
    os.setsid()
    handle = os.open(words, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, errors="backslashreplace")
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    status = 0
    try:
        if steps:
            work(lambda text: os.write(writing, text.encode(errors="replace") + b"\n"))
        else:
            work()
    except BaseException:
        traceback.print_exc()
        status = 99
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(status)


def _follow(reading: int, pid: int, seconds: float) -> Report:
    """Read what the child notes, until it ends or is silent for too long."""
    report, buffer, begun = Report(), b"", time.monotonic()
    current = ""
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while True:
        left = seconds - (time.monotonic() - begun)
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            report.steps[current] = HANG
            break
        piece = os.read(reading, 65536)
        if not piece:
            break
        buffer += piece
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            name, _, result = line.decode(errors="replace").partition("=")
            now = time.monotonic()
            if result:
                report.steps[name] = result
                report.seconds[name] = now - begun
            current, begun = name, now
    _, status, used = os.wait4(pid, 0)
    latent = os.waitstatus_to_exitcode(status)
    report.ended = HANG if report.steps.get(current) == HANG else str(latent)
    report.grown = max(0.0, (used.ru_maxrss - base) / 1024)
    return report
