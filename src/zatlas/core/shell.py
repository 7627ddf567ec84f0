"""Commands for the user to copy, with all arguments quoted for the shell of this system."""

from pathlib import Path

from zatlas.core.system import SYSTEM


def shell_command(*words: str | Path | int | float) -> str:
    """Return `zatlas` with these arguments as one line for a shell."""
    return " ".join(["zatlas", *(quote(word) for word in words)])


def how_to_set(key: str, value: object) -> str:
    """Return how to set one setting of a recipe, in a shell and in Python."""
    return f"--set {key}={value} (in Python: settings={{{key!r}: {value!r}}})"


def quote(word: str | Path | int | float) -> str:
    """Quote one argument. A path that starts with a dash gets `./`, so that it is not an option."""
    text = str(word)
    if isinstance(word, Path) and text.startswith("-"):
        text = f"./{text}"
    return SYSTEM.quote(text)
