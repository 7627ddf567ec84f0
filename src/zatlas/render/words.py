"""Words as they are drawn: the face that has every letter, their widths, and where lines break."""

from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from PIL import ImageFont

# Of DejaVu Sans, in parts of the size: over the baseline, under it, and a capital's height.
ASCENT, DESCENT, CAPITAL = 0.93, 0.24, 0.73
FAMILIES = "DejaVu Sans, Verdana, Noto Sans, Noto Sans CJK SC, sans-serif"
JOINERS = "\u200c\u200d"  # not seen, but letters change their shapes by them
# Looked for on the machine only when a letter is not in DejaVu: Chinese, Japanese, Korean.
OTHERS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansSC-Regular.otf",
    "wqy-microhei.ttc",
    "PingFang.ttc",
    "Arial Unicode.ttf",
    "msyh.ttc",
    "YuGothM.ttc",
    "malgun.ttf",
)


def clean(words: str) -> str:
    """One line, without what neither XML nor a font can show."""
    kept = (c for c in words if c.isprintable() or c.isspace() or c in JOINERS)
    return " ".join("".join(kept).split())


@lru_cache(256)
def font(file: str, size: int) -> ImageFont.FreeTypeFont:
    """A face at a size in pixels."""
    return ImageFont.truetype(file, size)


@lru_cache(4096)
def face(words: str) -> str:
    """The file of the first face that has every letter of these words."""
    letters = {c for c in words if not c.isspace()}
    if all(_draws(main_face(), c) for c in letters):
        return main_face()
    whole = (file for file in _others() if all(_draws(file, c) for c in letters))
    return next(whole, main_face())


def width(words: str, size: int) -> float:
    """How many pixels wide these words are."""
    words = clean(words)
    return font(face(words), size).getlength(words)


def lines(words: str, size: int, room: float, most: int = 99) -> list[str]:
    """These words broken into lines that fit; what does not fit into `most` of them ends in …"""
    found: list[str] = []
    for word in clean(words).split(" "):
        longer = f"{found[-1]} {word}" if found else word
        if found and width(longer, size) <= room:
            found[-1] = longer
        else:
            found += _pieces(word, size, room)
    if len(found) > most:
        found = [*found[: most - 1], shortened(" ".join(found[most - 1 :]), size, room)]
    return [line for line in found if line]


def shortened(words: str, size: int, room: float) -> str:
    """These words, with … in place of the end that does not fit."""
    words = clean(words)
    if width(words, size) <= room:
        return words
    while words and width(words + "…", size) > room:
        words = words[:-1]
    return words.rstrip() + "…"


def number(value: float, digits: int) -> str:
    """A number as it is set in print, with a real minus and no negative nought."""
    said = f"{value:.{digits}f}"
    return said.lstrip("-") if float(said) == 0 else said.replace("-", "\N{MINUS SIGN}")


def numbers(values: Sequence[float], most: int = 3) -> list[str]:
    """Numbers with as few digits after the point as tell them all apart."""
    for digits in range(most + 1):
        said = [number(value, digits) for value in values]
        near = all(abs(round(v, digits) - v) <= 0.25 * _step(values) for v in values)
        if near and len(set(said)) == len(set(values)):
            return said
    return [number(value, most) for value in values]


def _step(values: Sequence[float]) -> float:
    ordered = sorted(set(values))
    steps = [b - a for a, b in pairwise(ordered)]
    return min(steps, default=abs(ordered[0]) if ordered else 0.0)


def _pieces(word: str, size: int, room: float) -> list[str]:
    """A word that is wider than the room, cut where it must be."""
    found = []
    while width(word, size) > room and len(word) > 1:
        keep = len(word) - 1
        while keep > 1 and width(word[:keep], size) > room:
            keep -= 1
        cut = max(word.rfind("_", 1, keep), word.rfind("-", 1, keep)) + 1 or keep
        found.append(word[:cut])
        word = word[cut:]
    return [*found, word]


@cache
def main_face() -> str:
    """DejaVu Sans, which comes with matplotlib: found without importing it."""
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def _others() -> tuple[str, ...]:
    found = []
    for name in OTHERS:
        try:
            found.append(str(ImageFont.truetype(name, 10).path))
        except OSError:
            continue
    return tuple(found)


@lru_cache(8192)
def _draws(file: str, letter: str) -> bool:
    """Whether a face has this letter: it looks other than the box for what is missing."""
    mask, missing = font(file, 20).getmask(letter), font(file, 20).getmask("\U0010ffff")
    return (mask.size, bytes(mask)) != (missing.size, bytes(missing))
