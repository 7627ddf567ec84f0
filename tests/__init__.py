"""One thread for each process that the tests start, themselves too: several run side by side."""

import os

for library in ("OMP", "OPENBLAS"):  # before numpy and torch are read
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
