"""Training killed, starved of disk and refused by the system, and compared to the bit with one that was not.

`python -m tests.faults kill 1000` kills a thousand times; `io`, `disk` and `controls` are the others.
The process imports torch once, on one thread, and forks a child for every trial.
"""
