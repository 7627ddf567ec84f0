"""Figures of a run: each function takes a workspace and returns a figure for `render.pixels.save`."""

from collections.abc import Iterable

MAX_NAME_BYTES = 160  # of a file name, without its extension


def file_name(text: str) -> str:
    """A file name made from a text."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in text)
    cut = plain.strip("-")[:80].encode()[:MAX_NAME_BYTES]
    return cut.decode(errors="ignore") or "figure"


def file_names(texts: Iterable[str]) -> list[str]:
    """A file name for each text; all differ, also on file systems that ignore case."""
    names: list[str] = []
    used: set[str] = set()
    for text in texts:
        stem = file_name(text)
        number, name = 2, stem
        while name.lower() in used:
            name, number = f"{stem}-{number}", number + 1
        used.add(name.lower())
        names.append(name)
    return names
