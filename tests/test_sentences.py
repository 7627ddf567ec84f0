"""No sentence of the documentation has over 30 words."""

import re

import pytest

from tests.write_docs import DOCS, ROOT

MAX_WORDS = 30
STORIES = ROOT / "web" / "src" / "stories"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), *sorted(STORIES.glob("*.md"))]
# Long sentences of older pages. Shorten one, and lower its number here; no number may grow.
ALLOWED = {"speed.md": 1}


def sentences(text):
    """The sentences of a page; a cell of a table and an item of a list end one, and code counts as a word."""
    figures = r"</?(?:zatlas-figure|iframe)\b[^>]*>"
    skipped = rf"^ *```.*?^ *```$|\$\$.*?\$\$|<!--.*?-->|{figures}"
    text = re.sub(skipped, "\n\n", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^(#+ .*|    .*)$", "\n", text, flags=re.MULTILINE)
    text = re.sub(r"!?\[([^]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`|\$[^$]*\$", "code", text))
    text = one_reading(text)
    for paragraph in re.split(r"\n\s*\n|\n(?= *(?:[-*]|\d+\.) )|\n(?=\|)|\|", text):
        yield from re.split(r"(?<=[.!?])\**\)?\s+", paragraph.replace("\n", " ").strip())


def one_reading(text):
    """A story as one run shows it: of two texts within a sentence, the one whose condition is not "not"."""
    text = re.sub(r"\{([a-z ]+)\}", r"\1", text)
    text = re.sub(r"\{if not [a-z]+: [^{}]*[^{}.!?]\}", "", text)
    return re.sub(r"\{if (?:not )?[a-z]+: |\}", " ", text)


def long_sentences(page):
    return [each for each in sentences(page.read_text()) if len(re.findall(r"\w[\w'-]*", each)) > MAX_WORDS]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_sentence_is_long(page):
    result = long_sentences(page)
    allowed = ALLOWED.get(page.name, 0)
    assert len(result) <= allowed, "Shorten these sentences:\n" + "\n".join(result)
    assert len(result) == allowed, f"Set the number of {page.name} to {len(result)}."
