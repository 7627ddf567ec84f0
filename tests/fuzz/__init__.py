"""Coverage-guided fuzzing of all parsers of untrusted files.

`python -m tests.fuzz TARGET --seconds 60` needs atheris (`pip install atheris`); `just fuzz` runs all.
New crashes are stored in `corpus/TARGET/`, and the default tests replay the corpus without atheris.
"""
