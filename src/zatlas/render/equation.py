"""Equations of images: each operand is a column of examples above their decoded mean."""

from collections.abc import Sequence
from dataclasses import dataclass

from zatlas.core.arrays import Images
from zatlas.core.errors import ShapeError
from zatlas.render import text as type_
from zatlas.render.canvas import Bar, Canvas, Item, Text, Tiles, page
from zatlas.render.theme import LIGHT, Theme
from zatlas.render.tiles import framed, text_size, tiles

TALLEST = 5  # examples in one column
RESULTS = ("=", "≈")


@dataclass(frozen=True)
class Term:
    """One operand or the result: its examples, and the image of their mean latent."""

    sign: str  # in front of the term: nothing, "+", "-", "=" or "≈"
    images: Images
    name: str = ""
    mean: Images | None = None


def equation(terms: Sequence[Term], *, title: str = "", note: str = "", theme: Theme = LIGHT) -> Canvas:
    """Draw the examples of each operand in a column, their decoded mean below, and signs between."""
    if not terms or not all(len(t.images) or t.mean is not None for t in terms):
        raise ShapeError("An equation needs terms, and each of them at least one image.")
    width = sum(_columns(term) for term in terms) + len(terms)
    stacks = [_stack(term, width, theme) for term in terms]
    size = text_size(sum(stack[-1].box()[2] * 1.5 for stack in stacks))
    means = any(term.mean is not None for term in terms)
    tallest = max(-stack[-1].box()[1] for stack in stacks)
    center = -stacks[0][0].high / 2 if means else -tallest / 2
    items: list[Item] = []
    x = 0
    for term, stack in zip(terms, stacks, strict=True):
        if term.sign:
            x += round(1.5 * size)
            items.append(_sign(term.sign, x, center, size, theme))
            x += round(1.5 * size)
        items += _placed(term, stack, x, 0 if means else center, size, theme)
        x += _column_width(term, stack, size)
    if means and any(len(stack) > 1 for stack in stacks):
        items += _legend(stacks, size, theme)
    return page(items, size=size, title=title, note=note, theme=theme)


def _columns(term: Term) -> int:
    return max(-(-len(term.images) // TALLEST), 1)


def _stack(term: Term, width: int, theme: Theme) -> list[Tiles]:
    """Return the tiles of a term: its mean above the line y = 0, if any, and its examples above."""
    items = []
    bottom = 0
    for images in (term.mean, term.images):
        if images is None or not len(images):
            continue
        plain = tiles(images, _columns(term), across=width, theme=theme)
        plain = plain.moved(0, bottom - int(plain.box()[3]))
        items.append(plain)
        bottom = plain.y - 4 * plain.gap
    return items


def _column_width(term: Term, stack: Sequence[Tiles], size: int) -> int:
    return int(max(part.box()[2] for part in stack))


def _placed(term: Term, stack: Sequence[Tiles], x: int, center: float, size: int, theme: Theme) -> list[Item]:
    """Place the tiles of a term, centered in their column, and its name below them."""
    wide = _column_width(term, stack, size)
    down = round(center - stack[-1].box()[1] / 2) if center else 0
    items: list[Item] = []
    for part in stack:
        placed = part.moved(x + round((wide - part.box()[2]) / 2), down)
        if term.sign in RESULTS and part is stack[0]:
            items += framed(placed, theme.generated, max(round(size / 7), 2))
        items.append(placed)
    if len(stack) > 1:
        up = stack[0].y - 2 * stack[0].gap
        items.append(Bar(x, up, x + wide, up + 1, theme.line))
    for index, line in enumerate(type_.lines(term.name, size, wide + 2.2 * size, 3)):
        y = down + 1.4 * size + index * 1.25 * size
        items.append(Text(x + wide / 2, y, line, size, theme.ink, "m"))
    return items


def _sign(sign: str, x: int, center: float, size: int, theme: Theme) -> Text:
    large = round(1.8 * size)
    real = sign.replace("-", "\N{MINUS SIGN}")
    # The bar of a plus is a little below half the height of a capital letter.
    return Text(x, center + 0.31 * large, real, large, theme.ink, "m")


def _legend(stacks: Sequence[Sequence[Tiles]], size: int, theme: Theme) -> list[Item]:
    small = max(round(0.85 * size), 9)
    first = next(stack for stack in stacks if len(stack) > 1)
    lift = type_.CAPITAL * small / 2
    captions = (("mean,", "decoded"), ("examples",))
    items: list[Item] = []
    for part, parts in zip(first, captions, strict=True):
        _, top, _, bottom = part.box()
        start = (top + bottom) / 2 + lift - 0.6 * small * (len(parts) - 1)
        for index, word in enumerate(parts):
            y = start + 1.2 * small * index
            items.append(Text(-0.8 * size, y, word, small, theme.pale, "r"))
    return items
