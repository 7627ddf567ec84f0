"""Commands for the user to copy, with all arguments quoted for a POSIX shell."""

import re
import shlex
from pathlib import Path

LONE_SURROGATES = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # surrogates that represent no byte


def shell_command(*words: str | Path | int | float) -> str:
    """Return `zatlas` with these arguments as one line for a shell."""
    return " ".join(["zatlas", *(quote(word) for word in words)])


def quote(word: str | Path | int | float) -> str:
    """Quote one argument. A path that starts with a dash gets `./`, so that it is not an option."""
    text = str(word)
    if isinstance(word, Path) and text.startswith("-"):
        text = f"./{text}"
    if text.isprintable():
        return shlex.quote(text)
    # Control characters and bytes that are not UTF-8: `$'...'` of bash and zsh.
    encoded = LONE_SURROGATES.sub("?", text).encode("utf-8", "surrogateescape")
    return "$'" + "".join(map(_escaped, encoded)) + "'"


def _escaped(byte: int) -> str:
    letter = chr(byte)
    plain = 32 <= byte < 127 and letter not in "\\'"
    return letter if plain else f"\\x{byte:02x}"
