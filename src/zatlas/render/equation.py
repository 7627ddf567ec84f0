"""Equations of images: examples over their mean, with the signs of arithmetic between."""

from collections.abc import Sequence
from dataclasses import dataclass

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import words as type_
from zatlas.render.canvas import Bar, Canvas, Item, Tiles, Words, page
from zatlas.render.theme import LIGHT, Theme
from zatlas.render.tiles import framed, text_size, tiles

TALLEST = 5  # examples over each other; more stand in further columns
RESULTS = ("=", "≈")


@dataclass(frozen=True)
class Term:
    """One operand, or the result: its examples, and what their mean decodes to."""

    sign: str  # what stands before it: nothing, "+", "-", "=" or "≈"
    images: Images
    name: str = ""
    mean: Images | None = None


def equation(terms: Sequence[Term], *, title: str = "", note: str = "", theme: Theme = LIGHT) -> Canvas:
    """Every operand's examples in a column, their decoded mean under them, signs between."""
    if not terms or not all(len(t.images) or t.mean is not None for t in terms):
        raise ShapeError("An equation needs terms, and each of them at least one image.")
    width = sum(_columns(term) for term in terms) + len(terms)
    stacks = [_stack(term, width, theme) for term in terms]
    size = text_size(sum(stack[-1].box()[2] * 1.5 for stack in stacks))
    means = any(term.mean is not None for term in terms)
    tallest = max(-stack[-1].box()[1] for stack in stacks)
    middle = -stacks[0][0].high / 2 if means else -tallest / 2
    items: list[Item] = []
    x = 0
    for term, stack in zip(terms, stacks, strict=True):
        if term.sign:
            x += round(1.5 * size)
            items.append(_sign(term.sign, x, middle, size, theme))
            x += round(1.5 * size)
        items += _placed(term, stack, x, 0 if means else middle, size, theme)
        x += _room(term, stack, size)
    if means and any(len(stack) > 1 for stack in stacks):
        items += _legend(stacks, size, theme)
    return page(items, size=size, title=title, note=note, theme=theme)


def _columns(term: Term) -> int:
    return max(-(-len(term.images) // TALLEST), 1)


def _stack(term: Term, width: int, theme: Theme) -> list[Tiles]:
    """Its mean, if it has one, standing on the line y = 0, and its examples over that."""
    found = []
    bottom = 0
    for images in (term.mean, term.images):
        if images is None or not len(images):
            continue
        plain = tiles(images, _columns(term), across=width, theme=theme)
        plain = plain.moved(0, bottom - int(plain.box()[3]))
        found.append(plain)
        bottom = plain.y - 4 * plain.gap
    return found


def _room(term: Term, stack: Sequence[Tiles], size: int) -> int:
    return int(max(part.box()[2] for part in stack))


def _placed(term: Term, stack: Sequence[Tiles], x: int, middle: float, size: int, theme: Theme) -> list[Item]:
    """A term's tiles, each part in the middle of its column, and the name under them."""
    wide = _room(term, stack, size)
    down = round(middle - stack[-1].box()[1] / 2) if middle else 0
    found: list[Item] = []
    for part in stack:
        placed = part.moved(x + round((wide - part.box()[2]) / 2), down)
        if term.sign in RESULTS and part is stack[0]:
            found += framed(placed, theme.imagined, max(round(size / 7), 2))
        found.append(placed)
    if len(stack) > 1:
        up = stack[0].y - 2 * stack[0].gap
        found.append(Bar(x, up, x + wide, up + 1, theme.line))
    for index, line in enumerate(type_.lines(term.name, size, wide + 2.2 * size, 3)):
        y = down + 1.4 * size + index * 1.25 * size
        found.append(Words(x + wide / 2, y, line, size, theme.ink, "m"))
    return found


def _sign(sign: str, x: int, middle: float, size: int, theme: Theme) -> Words:
    large = round(1.8 * size)
    real = sign.replace("-", "\N{MINUS SIGN}")
    # Signs stand at the height of the crossbar of a plus, a little under half a capital.
    return Words(x, middle + 0.31 * large, real, large, theme.ink, "m")


def _legend(stacks: Sequence[Sequence[Tiles]], size: int, theme: Theme) -> list[Item]:
    small = max(round(0.85 * size), 9)
    first = next(stack for stack in stacks if len(stack) > 1)
    lift = type_.CAPITAL * small / 2
    said = (("mean,", "decoded"), ("examples",))
    found: list[Item] = []
    for part, parts in zip(first, said, strict=True):
        _, top, _, bottom = part.box()
        start = (top + bottom) / 2 + lift - 0.6 * small * (len(parts) - 1)
        for index, word in enumerate(parts):
            y = start + 1.2 * small * index
            found.append(Words(-0.8 * size, y, word, small, theme.pale, "r"))
    return found
