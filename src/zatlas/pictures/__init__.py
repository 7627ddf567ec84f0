"""Every picture of a run: each function takes an atlas and gives a picture, to be saved by `render.save`."""


def file_name(text: str) -> str:
    """A name of a file for these words."""
    kept = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in text)
    return kept.strip("-")[:80] or "picture"
