"""Child processes that end with their test."""

import os
import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def process(*words, threads=1):
    """Start Python in a child process, and kill it if the block raises."""
    with subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
    ) as child:
        try:
            yield child
        except BaseException:
            child.kill()
            raise
