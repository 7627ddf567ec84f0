"""The grammar of names for images, classes, attributes and saved directions: parsing and writing.

    7, row:7             an image by its row
    image:7              the image with this number in the data set, as the explorer shows it
    random, random:5     a sample by its number; mixture:5 and flow:5 of a fitted prior
    cat.png, file:cat    an image file
    Sneaker, Smiling     a class, an attribute or a saved direction
    hair=gray            a value of a text attribute
    age>40, age<=12      a number above or below a limit
    Sneaker:3            its fourth most typical image, counted from 0
    not Smiling          all other images

A text that equals a class, attribute or direction means just that: `not sure` or `a:1` can be classes.
Numbers, `row:`, `image:`, `file:`, `random`, `mixture` and `flow` never mean a class. A prefix resolves an
ambiguity: `class:7`, `attribute:Smiling`, `direction:preference`. Double quotes enclose names with
separators: `class:"a - b"`; a backslash escapes a quote or a backslash inside them. A prefix with quotes is
parsed first, so every name can be written.
"""

import re
from collections.abc import Callable, Collection, Container, Iterator
from dataclasses import dataclass, replace

from zatlas.core.errors import UnknownName

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
RANDOM = ("random", "mixture", "flow")
LABEL = "label"  # all classes, for commands that color or group by a column
NOT = "not "
KINDS = ("direction", "class", "attribute")  # in the order in which a name without prefix is looked up
MAX_LISTED = 20  # values of an attribute in an error message
QUOTED = r'"(?:[^"\\]|\\.)*"'
NUMBER = r"[0-9]{1,15}"
LIMIT = r"(?:>=|<=|>|<)\s*[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
PREFIXED = re.compile(
    rf"((?:not )*)({'|'.join(KINDS)}):({QUOTED})(?:=({QUOTED}))?(?::({NUMBER}))?", re.DOTALL
)
IMAGE_REFERENCE = re.compile(
    rf"({'|'.join(RANDOM)})(?::({NUMBER}))?|(?:row:)?(-?{NUMBER})|image:({NUMBER})|file:(.+)", re.DOTALL
)
# A quoted name inside an equation or a list: it ends before the next term.
QUOTED_NAME = re.compile(
    rf"(?:not )*(?:(?:{'|'.join((*KINDS, 'file'))}):)?{QUOTED}(?:={QUOTED}|{LIMIT})?(?::{NUMBER})?"
    r"(?=\s*(?:,|$)|\s+[+-]\s)",
    re.DOTALL,
)
LIMITED = re.compile(rf"(.+?)\s*({LIMIT})", re.DOTALL)
SIGN = re.compile(r"\s+([+-])\s+")
COMMA = re.compile(r"\s*,\s*")
SEPARATOR = re.compile(rf"{SIGN.pattern}|{COMMA.pattern}")


@dataclass(frozen=True)
class ParsedName:
    """The meaning of a text."""

    kind: str  # one of KINDS or RANDOM, or "row", "image" or "file"
    text: str = ""  # the class, attribute, direction or path
    value: str | None = None  # of a text attribute
    number: int | None = None  # of the image or sample, or the rank among the most typical images
    negated: bool = False
    limit: str | None = None  # of a number, such as ">40"


@dataclass(frozen=True)
class KnownNames:
    """The names of a run."""

    classes: Collection[str] = ()
    attributes: Collection[str] = ()  # booleans or numbers
    texts: Collection[str] = ()  # attributes whose names need a value
    directions: Container[str] = ()
    values: Callable[[str], Collection[str]] = lambda key: ()  # of an attribute, as text

    def of(self, kind: str) -> Container[str]:
        """The names of one kind; without attributes that need a value."""
        return {"class": self.classes, "attribute": self.attributes, "direction": self.directions}[kind]


def parse(text: str, vocabulary: KnownNames, *, anchor: bool = True) -> ParsedName:
    """Parse a text; only with `anchor` it may mean one latent: a row, a random latent or a file."""
    result = find(text, vocabulary, anchor=anchor)
    if result is None:
        raise UnknownName("class or attribute", text, _listed(vocabulary))
    return result


def find(text: str, vocabulary: KnownNames, *, anchor: bool = True) -> ParsedName | None:
    """Parse a text; return None for an unknown name."""
    if prefixed := PREFIXED.fullmatch(text):
        return _prefixed(prefixed, vocabulary, anchor)
    if anchor and (reference := IMAGE_REFERENCE.fullmatch(text)):
        sampled, number, row, image, path = reference.groups()
        if sampled:
            return ParsedName(sampled, number=None if number is None else int(number))
        if image:
            return ParsedName("image", number=int(image))
        return ParsedName("file", unquoted(path)) if path else ParsedName("row", number=int(row))
    if exact := _exact(text, KINDS, vocabulary):
        return exact
    if text.startswith(NOT):
        inner = find(text.removeprefix(NOT).strip(), vocabulary, anchor=anchor)
        if inner is None or inner.kind not in KINDS:
            return None
        return replace(inner, negated=not inner.negated)
    prefix, colon, rest = text.partition(":")
    if colon and prefix in KINDS and (result := _with_number(rest, (prefix,), vocabulary, anchor)):
        return result
    if result := _with_number(text, KINDS, vocabulary, anchor):
        return result
    return ParsedName("file", text) if anchor and text.lower().endswith(SUFFIXES) else None


def text_of(name: ParsedName, vocabulary: KnownNames, *, anchor: bool = True) -> str:
    """Return the shortest text that `parse` reads as this name, also inside an equation or a list."""
    for text in _spellings(name):
        if '"' in text and not QUOTED_NAME.fullmatch(text):
            continue  # in an equation, an unpaired quote could pair with one of another term
        terms = [term for _, term in split_terms(f"x - {text} + x")]
        is_whole = split_list(f"x,{text},x") == terms == ["x", text, "x"]
        if is_whole and not text.startswith(("-", "+")) and find(text, vocabulary, anchor=anchor) == name:
            return text
    raise UnknownName(name.kind, name.text, vocabulary.classes)


def split_terms(text: str) -> list[tuple[int, str]]:
    """Split an equation into (sign, term) pairs, with 1 or -1 as the sign; a term may be empty."""
    parts = _split(text.strip(), SIGN)
    signs = [1, *(1 if sign.strip() == "+" else -1 for sign in parts[1::2])]
    return list(zip(signs, parts[0::2], strict=True))


def split_list(text: str) -> list[str]:
    """Split a list of names at its commas."""
    return _split(text.strip(), COMMA)[0::2]


def unquoted(text: str) -> str:
    """Remove double quotes around a text, if there are any."""
    if not re.fullmatch(QUOTED, text, re.DOTALL):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def quoted(text: str) -> str:
    """Put double quotes around a text."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _listed(vocabulary: KnownNames) -> Iterator[str]:
    yield from (*vocabulary.classes, *vocabulary.attributes)
    for key in vocabulary.texts:
        values = vocabulary.values(key)
        yield from (
            (f"{key}={value}" for value in values) if len(values) <= MAX_LISTED else (f"{key}=VALUE",)
        )


def _prefixed(match: re.Match[str], vocabulary: KnownNames, anchor: bool) -> ParsedName | None:
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
        is_known = kind == "attribute" and result.value in vocabulary.values(result.text)
    else:
        is_known = result.text in vocabulary.of(kind)
    return result if is_known else None


def _with_number(
    text: str, kinds: Collection[str], vocabulary: KnownNames, anchor: bool
) -> ParsedName | None:
    """Find a name of one of these kinds, with an optional number after it."""
    if result := _named(text, kinds, vocabulary):
        return result
    word, colon, rest = text.rpartition(":")
    if not (anchor and colon and re.fullmatch(NUMBER, rest)):
        return None
    imaged = [kind for kind in kinds if kind != "direction"]
    bare = _named(word, imaged, vocabulary)
    return None if bare is None else replace(bare, number=int(rest))


def _named(text: str, kinds: Collection[str], vocabulary: KnownNames) -> ParsedName | None:
    return (
        _exact(text, kinds, vocabulary)
        or _with_value(text, kinds, vocabulary)
        or _with_limit(text, kinds, vocabulary)
    )


def _exact(text: str, kinds: Collection[str], vocabulary: KnownNames) -> ParsedName | None:
    for word in dict.fromkeys((text, unquoted(text))):
        for kind in kinds:
            if word in vocabulary.of(kind):
                return ParsedName(kind, word)
    return None


def _with_value(text: str, kinds: Collection[str], vocabulary: KnownNames) -> ParsedName | None:
    """Find an attribute and its value: the first equals sign between two known words separates them."""
    if "attribute" not in kinds:
        return None
    for sign in re.finditer("=", text):
        key, value = unquoted(text[: sign.start()]), unquoted(text[sign.end() :])
        if (key in vocabulary.texts or key in vocabulary.attributes) and value in vocabulary.values(key):
            return ParsedName("attribute", key, value)
    return None


def _with_limit(text: str, kinds: Collection[str], vocabulary: KnownNames) -> ParsedName | None:
    """Find a number and its limit, as in "age>40"."""
    match = LIMITED.fullmatch(text) if "attribute" in kinds else None
    if match is None:
        return None
    key, limit = match.groups()
    known = next((word for word in (key, unquoted(key)) if word in vocabulary.attributes), None)
    return None if known is None else ParsedName("attribute", known, limit="".join(limit.split()))


def _spellings(name: ParsedName) -> Iterator[str]:
    """Yield spellings of a name: the shortest first, and last one that `parse` always reads."""
    tail = "" if name.number is None else f":{name.number}"
    if name.kind in (*RANDOM, "image"):
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
        value = f"={name.value}" if name.value is not None else name.limit or ""
        if name.text == name.text.strip():
            yield f"{before}{name.text}{value}{tail}"
            yield f"{before}{name.kind}:{name.text}{value}{tail}"
        value = f"={quoted(name.value)}" if name.value is not None else name.limit or ""
        yield f"{before}{name.kind}:{quoted(name.text)}{value}{tail}"


def _split(text: str, separator: re.Pattern[str]) -> list[str]:
    """Return pieces and the separators between them, in turn; quoted names are not split."""
    parts, start = [""], 0
    while start <= len(text):
        piece = QUOTED_NAME.match(text, start)
        sign = SEPARATOR.search(text, piece.end() if piece else start)
        parts[-1] += text[start : sign.start() if sign else len(text)]
        if sign is None:
            break
        if separator.fullmatch(sign[0]):
            parts += [sign[0], ""]
        else:
            parts[-1] += sign[0]
        start = sign.end()
    return parts
