"""Runs, exports and models from a stranger, and damaged files, opened as a reader would open them.

`python -m tests.hostile runs` opens 500 hostile runs beside a victim's home folder, `runs 17` only case 17.
`python -m tests.hostile flips 2000` damages the files of good runs. Both print counts, then JSON.
"""
