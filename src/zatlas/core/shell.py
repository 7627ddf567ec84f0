"""Commands to copy: every path and every name is quoted for a POSIX shell."""

import re
import shlex
from pathlib import Path

LONE = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # halves of letters that stand for no byte


def shell_command(*words: str | Path | int | float) -> str:
    """`zatlas` with these words, as one line that a shell reads back word by word."""
    return " ".join(["zatlas", *(quote(word) for word in words)])


def quote(word: str | Path | int | float) -> str:
    """One word for the shell; a path that begins with a dash is not taken for an option."""
    text = str(word)
    if isinstance(word, Path) and text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    # Control characters and bytes that are no text: `$'...'` of bash and zsh.
    encoded = LONE.sub("?", text).encode("utf-8", "surrogateescape")
    return "$'" + "".join(map(_escaped, encoded)) + "'"


def _escaped(byte: int) -> str:
    letter = chr(byte)
    plain = 32 <= byte < 127 and letter not in "\\'"
    return letter if plain else f"\\x{byte:02x}"
