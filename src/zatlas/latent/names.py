"""How a person names an image, a class, an attribute or a saved direction: one grammar, read and written.

    7, row:7             an image by its number
    random, random:5     a random point; mixture:5 and flow:5 of a fitted prior
    cat.png, file:cat    an image file
    Sneaker, Smiling     a class, an attribute or a saved direction
    hair=gray            a value of a text attribute
    Sneaker:3            its fourth most typical image, counted from 0
    not Smiling          every other image

A name is compared as a whole first: where a class is called `not sure` or `a:1`, that is what the text means.
Only numbers, `row:`, `file:`, `random`, `mixture` and `flow` never mean a class. A prefix decides between
two meanings: `class:7`, `attribute:Smiling`, `direction:taste`. Double quotes keep a name in one piece:
`class:"a - b"`; a backslash stands before a quote or a backslash inside them. A prefix with quotes is read
before anything else, so every name can be written.
"""

import re
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, replace

from zatlas.core.errors import UnknownName

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
RANDOM = ("random", "mixture", "flow")
LABEL = "label"  # all classes together, where a command takes `--by`
NOT = "not "
KINDS = ("direction", "class", "attribute")  # in the order in which a bare name is looked up
MAX_LISTED = 20  # values of an attribute that an error names
QUOTED = r'"(?:[^"\\]|\\.)*"'
NUMBER = r"[0-9]{1,15}"
STRICT = re.compile(rf"((?:not )*)({'|'.join(KINDS)}):({QUOTED})(?:=({QUOTED}))?(?::({NUMBER}))?", re.DOTALL)
OWN = re.compile(rf"({'|'.join(RANDOM)})(?::({NUMBER}))?|(?:row:)?(-?{NUMBER})|file:(.+)", re.DOTALL)
# A quoted name inside an equation or a list: it ends where the next term begins.
PIECE = re.compile(
    rf"(?:not )*(?:(?:{'|'.join((*KINDS, 'file'))}):)?{QUOTED}(?:={QUOTED})?(?::{NUMBER})?"
    r"(?=\s*(?:,|$)|\s+[+-]\s)",
    re.DOTALL,
)
SIGN = re.compile(r"\s+([+-])\s+")
COMMA = re.compile(r"\s*,\s*")
EITHER = re.compile(rf"{SIGN.pattern}|{COMMA.pattern}")


@dataclass(frozen=True)
class ParsedName:
    """What a text names."""

    kind: str  # of KINDS or RANDOM, or "row" or "file"
    text: str = ""  # the class, attribute or direction, or the file's path
    value: str | None = None  # of a text attribute
    number: int | None = None  # the row, the seed, or which of the most typical images
    negated: bool = False


@dataclass(frozen=True)
class KnownNames:
    """The names that a run knows."""

    classes: Collection[str] = ()
    attributes: Collection[str] = ()  # true or false, or numbers
    texts: Collection[str] = ()  # attributes that are named with a value
    directions: Container[str] = ()
    values: Callable[[str], Collection[str]] = lambda key: ()  # of an attribute, as text

    def of(self, kind: str) -> Container[str]:
        """The names of one kind; of attributes, those that need no value."""
        return {"class": self.classes, "attribute": self.attributes, "direction": self.directions}[kind]


def parse(text: str, known: KnownNames, *, anchor: bool = True) -> ParsedName:
    """What a text names; with `anchor` it may be a single point: a row, a random point or a file."""
    result = find(text, known, anchor=anchor)
    if result is None:
        raise UnknownName("class or attribute", text, _listed(known))
    return result


def find(text: str, known: KnownNames, *, anchor: bool = True) -> ParsedName | None:
    """The same, or None where the text names nothing that is known."""
    if strict := STRICT.fullmatch(text):
        return _strict(strict, known, anchor)
    if anchor and (own := OWN.fullmatch(text)):
        sampled, seed, row, path = own.groups()
        if sampled:
            return ParsedName(sampled, number=None if seed is None else int(seed))
        return ParsedName("file", unquoted(path)) if path else ParsedName("row", number=int(row))
    if exact := _whole(text, KINDS, known):
        return exact
    if text.startswith(NOT):
        inner = find(text.removeprefix(NOT).strip(), known, anchor=anchor)
        if inner is None or inner.kind not in KINDS:
            return None
        return replace(inner, negated=not inner.negated)
    prefix, colon, rest = text.partition(":")
    if colon and prefix in KINDS and (result := _counted(rest, (prefix,), known, anchor)):
        return result
    if result := _counted(text, KINDS, known, anchor):
        return result
    return ParsedName("file", text) if anchor and text.lower().endswith(SUFFIXES) else None


def text_of(name: ParsedName, known: KnownNames, *, anchor: bool = True) -> str:
    """The shortest text that `parse` reads as this name, also as a term of an equation or of a list."""
    for text in _texts(name):
        if '"' in text and not PIECE.fullmatch(text):
            continue  # in an equation, a single quote mark could pair with one of another term
        terms = [term for _, term in split_terms(f"x - {text} + x")]
        is_whole = split_list(f"x,{text},x") == terms == ["x", text, "x"]
        if is_whole and not text.startswith(("-", "+")) and find(text, known, anchor=anchor) == name:
            return text
    raise UnknownName(name.kind, name.text, known.classes)


def split_terms(text: str) -> list[tuple[int, str]]:
    """The terms of an equation, each with 1 or -1 before it; a term may be empty."""
    parts = _split(text.strip(), SIGN)
    signs = [1, *(1 if sign.strip() == "+" else -1 for sign in parts[1::2])]
    return list(zip(signs, parts[0::2], strict=True))


def split_list(text: str) -> list[str]:
    """The names of a list with commas between them."""
    return _split(text.strip(), COMMA)[0::2]


def unquoted(text: str) -> str:
    """The text inside double quotes, or the text itself where there are none."""
    if not re.fullmatch(QUOTED, text, re.DOTALL):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def quoted(text: str) -> str:
    """The text in double quotes."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _listed(known: KnownNames) -> Iterator[str]:
    yield from (*known.classes, *known.attributes)
    for key in known.texts:
        values = known.values(key)
        yield from (
            (f"{key}={value}" for value in values) if len(values) <= MAX_LISTED else (f"{key}=VALUE",)
        )


def _strict(match: re.Match[str], known: KnownNames, anchor: bool) -> ParsedName | None:
    nots, kind, word, value, number = match.groups()
    result = ParsedName(
        kind,
        unquoted(word),
        None if value is None else unquoted(value),
        None if number is None else int(number),
        len(nots) // len(NOT) % 2 == 1,
    )
    if number is not None and (not anchor or kind == "direction"):
        return None
    if value is not None:
        there = kind == "attribute" and result.value in known.values(result.text)
    else:
        there = result.text in known.of(kind)
    return result if there else None


def _counted(text: str, kinds: Collection[str], known: KnownNames, anchor: bool) -> ParsedName | None:
    """A name of one of these kinds, perhaps with a number after it."""
    if result := _whole(text, kinds, known) or _valued(text, kinds, known):
        return result
    word, colon, rest = text.rpartition(":")
    if not (anchor and colon and re.fullmatch(NUMBER, rest)):
        return None
    imaged = [kind for kind in kinds if kind != "direction"]
    bare = _whole(word, imaged, known) or _valued(word, imaged, known)
    return None if bare is None else replace(bare, number=int(rest))


def _whole(text: str, kinds: Collection[str], known: KnownNames) -> ParsedName | None:
    for word in dict.fromkeys((text, unquoted(text))):
        for kind in kinds:
            if word in known.of(kind):
                return ParsedName(kind, word)
    return None


def _valued(text: str, kinds: Collection[str], known: KnownNames) -> ParsedName | None:
    """An attribute and its value, with the first equals sign that parts two known words."""
    if "attribute" not in kinds:
        return None
    for sign in re.finditer("=", text):
        key, value = unquoted(text[: sign.start()]), unquoted(text[sign.end() :])
        if (key in known.texts or key in known.attributes) and value in known.values(key):
            return ParsedName("attribute", key, value)
    return None


def _texts(name: ParsedName) -> Iterator[str]:
    """Ways to write a name, the shortest first and the one that is always read last."""
    tail = "" if name.number is None else f":{name.number}"
    if name.kind in RANDOM:
        yield name.kind + tail
    elif name.kind == "row":
        yield str(name.number)
        yield f"row{tail}"
    elif name.kind == "file":
        yield name.text
        yield f"file:{name.text}"
        yield f"file:{quoted(name.text)}"
    else:
        before = NOT if name.negated else ""
        value = "" if name.value is None else f"={name.value}"
        if name.text == name.text.strip():
            yield f"{before}{name.text}{value}{tail}"
            yield f"{before}{name.kind}:{name.text}{value}{tail}"
        value = "" if name.value is None else f"={quoted(name.value)}"
        yield f"{before}{name.kind}:{quoted(name.text)}{value}{tail}"


def _split(text: str, saved: re.Pattern[str]) -> list[str]:
    """Pieces and the signs of one kind between them, in turn; what stands in quotes is one piece."""
    parts, start = [""], 0
    while start <= len(text):
        piece = PIECE.match(text, start)
        sign = EITHER.search(text, piece.end() if piece else start)
        parts[-1] += text[start : sign.start() if sign else len(text)]
        if sign is None:
            break
        if saved.fullmatch(sign[0]):
            parts += [sign[0], ""]
        else:
            parts[-1] += sign[0]
        start = sign.end()
    return parts
