"""One thread for each process that the tests start, themselves too: several run side by side.

And each hears Ctrl-C, also where a shell has begun all of it in the background.
"""

import os
import signal

for library in ("OMP", "OPENBLAS"):  # before numpy and torch are read
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
