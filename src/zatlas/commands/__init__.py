"""The commands: typed functions, whose signatures and docstrings become command lines through tyro.

A command is a few lines of the Python API. It prints the path or the JSON of its result to stdout, and
messages for people to stderr. Imports that take long are inside the functions.
"""
