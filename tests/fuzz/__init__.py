"""Coverage-guided fuzzing of every parser that reads a stranger's bytes.

`python -m tests.fuzz TARGET --seconds 60` needs atheris (`pip install atheris`); `just fuzz` runs all.
What it finds goes to `corpus/TARGET/`, and the default suite replays all of that without atheris.
"""
