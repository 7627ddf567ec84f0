"""Typesetting: the font that has all characters of a text, its width, and its line breaks."""

from collections.abc import Sequence
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from PIL import ImageFont

# Of DejaVu Sans, relative to the size: ascent, descent and the height of a capital letter.
ASCENT, DESCENT, CAPITAL = 0.93, 0.24, 0.73
FAMILIES = "DejaVu Sans, Verdana, Noto Sans, Noto Sans CJK SC, sans-serif"
JOINERS = "\u200c\u200d"  # invisible, but they change the shapes of letters
# Fonts of the machine for characters that DejaVu lacks: Chinese, Japanese, Korean.
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


MAX_ROUNDING = 0.05  # of a number in a figure, relative to the smallest step between the numbers


def clean(words: str) -> str:
    """Return the text as one line, without characters that XML or a font cannot show."""
    characters = (c for c in words if c.isprintable() or c.isspace() or c in JOINERS)
    return " ".join("".join(characters).split())


@lru_cache(256)
def font(file: str, size: int) -> ImageFont.FreeTypeFont:
    """Load a font at a size in pixels."""
    return ImageFont.truetype(file, size)


@lru_cache(4096)
def face(words: str) -> str:
    """Return the file of the first font that has all characters of the text; of DejaVu Sans if none has."""
    letters = {c for c in words if not c.isspace()}
    if all(_draws(main_face(), c) for c in letters):
        return main_face()
    complete = (file for file in _others() if all(_draws(file, c) for c in letters))
    return next(complete, main_face())


def width(words: str, size: int) -> float:
    """Return the width of the text in pixels."""
    words = clean(words)
    return font(face(words), size).getlength(words)


def lines(words: str, size: int, max_width: float, max_lines: int = 99) -> list[str]:
    """Break the text into `max_lines` or fewer lines of at most `max_width` pixels; the last may end in …"""
    parts: list[str] = []
    for word in clean(words).split(" "):
        longer = f"{parts[-1]} {word}" if parts else word
        if parts and width(longer, size) <= max_width:
            parts[-1] = longer
        else:
            parts += _pieces(word, size, max_width)
    if len(parts) > max_lines:
        parts = [*parts[: max_lines - 1], shortened(" ".join(parts[max_lines - 1 :]), size, max_width)]
    return [line for line in parts if line]


def shortened(words: str, size: int, max_width: float) -> str:
    """Return the text, shortened with … if it does not fit into `max_width` pixels."""
    words = clean(words)
    if width(words, size) <= max_width:
        return words
    while words and width(words + "…", size) > max_width:
        words = words[:-1]
    return words.rstrip() + "…"


def number(value: float, digits: int) -> str:
    """Format a number with a minus sign (not a hyphen) and without negative zero."""
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def numbers(values: Sequence[float], max_digits: int = 3) -> list[str]:
    """Format numbers with the fewest decimals at which they differ."""
    for digits in range(max_digits + 1):
        texts = [number(value, digits) for value in values]
        near = all(abs(round(v, digits) - v) <= MAX_ROUNDING * _step(values) for v in values)
        if near and len(set(texts)) == len(set(values)):
            return texts
    return [number(value, max_digits) for value in values]


def _step(values: Sequence[float]) -> float:
    ordered = sorted(set(values))
    steps = [b - a for a, b in pairwise(ordered)]
    return min(steps, default=abs(ordered[0]) if ordered else 0.0)


def _pieces(word: str, size: int, max_width: float) -> list[str]:
    """Break a word that is wider than `max_width`."""
    parts = []
    while width(word, size) > max_width and len(word) > 1:
        end = len(word) - 1
        while end > 1 and width(word[:end], size) > max_width:
            end -= 1
        cut = max(word.rfind("_", 1, end), word.rfind("-", 1, end)) + 1 or end
        parts.append(word[:cut])
        word = word[cut:]
    return [*parts, word]


@cache
def main_face() -> str:
    """Return the file of DejaVu Sans, which is part of matplotlib, without importing matplotlib."""
    spec = find_spec("matplotlib")
    assert spec is not None and spec.origin is not None
    return str(Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf")


@cache
def _others() -> tuple[str, ...]:
    parts = []
    for name in OTHERS:
        try:
            parts.append(str(ImageFont.truetype(name, 10).path))
        except OSError:
            continue
    return tuple(parts)


@lru_cache(8192)
def _draws(file: str, letter: str) -> bool:
    """Whether a font has this character: its image differs from the box for missing ones."""
    mask, missing = font(file, 20).getmask(letter), font(file, 20).getmask("\U0010ffff")
    return (mask.size, bytes(mask)) != (missing.size, bytes(missing))
