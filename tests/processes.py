"""Processes that the tests start, and that do not outlive them."""

import os
import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def process(*words, threads=1):
    """Python in a process of its own; where the test fails meanwhile, it is ended and not waited for."""
    with subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    ) as begun:
        try:
            yield begun
        except BaseException:
            begun.kill()
            raise
