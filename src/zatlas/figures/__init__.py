"""Every figure of a run: each function takes a workspace and returns an image for `render.save`."""

from collections.abc import Iterable

MAX_NAME_BYTES = 160  # bytes of a file's name, without what ends it


def file_name(text: str) -> str:
    """A name of a file for these words."""
    plain = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in text)
    cut = plain.strip("-")[:80].encode()[:MAX_NAME_BYTES]
    return cut.decode(errors="ignore") or "picture"


def file_names(texts: Iterable[str]) -> list[str]:
    """A name of a file for each of these, all different, also where upper and lower case are one."""
    found: list[str] = []
    used: set[str] = set()
    for text in texts:
        stem = file_name(text)
        number, name = 2, stem
        while name.lower() in used:
            name, number = f"{stem}-{number}", number + 1
        used.add(name.lower())
        found.append(name)
    return found
