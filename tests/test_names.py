"""Names of classes, attributes and saved directions: what is written is read back, whatever it looks like."""

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zatlas.core.errors import UnknownName
from zatlas.core.shell import quote, shell_command
from zatlas.data.image_dataset import image_dataset
from zatlas.latent.attributes import (
    all_flags,
    attribute_names,
    binary_names,
    dataset_names,
    flags_of,
    key_of,
    limit_text,
    properties,
)
from zatlas.latent.names import KnownNames, ParsedName, find, parse, split_list, split_terms, text_of

HOSTILE = json.loads((Path(__file__).parent / "names.json").read_text())
PIECES = ["not ", "class:", "attribute:", '"', "\\", ":", "=", ",", " + ", " - ", "1", "a", " "]
words = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8),
)


@st.composite
def vocabularies(draw):
    """Names that a run may know, and one name of them."""
    classes = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    attributes = draw(st.lists(words, max_size=3, unique=True))
    texts = draw(st.lists(words.filter(lambda w: w not in attributes), max_size=2, unique=True))
    values = draw(st.lists(words, min_size=1, max_size=3, unique=True))
    directions = draw(st.lists(words, max_size=2, unique=True))
    names = KnownNames(classes, attributes, texts, directions, lambda key: values if key in texts else ())
    kinds = [ParsedName("class", word) for word in classes]
    kinds += [ParsedName("attribute", word) for word in attributes]
    kinds += [ParsedName("attribute", word, value) for word in texts for value in values]
    limits = draw(st.sampled_from([">40", "<=-1.5", ">=0", "<1e-3"]))
    kinds += [ParsedName("attribute", word, limit=limits) for word in attributes]
    numbered = [replace(name, number=draw(st.integers(0, 99))) for name in kinds]
    kinds += [*numbered, *(ParsedName("direction", word) for word in directions)]
    kinds += [replace(name, negated=True) for name in kinds]
    own = [
        ParsedName("row", number=draw(st.integers(-9, 9999))),
        ParsedName("random"),
        ParsedName("image", number=draw(st.integers(0, 9999))),
        ParsedName("flow", number=3),
    ]
    return names, draw(st.sampled_from([*kinds, *own, ParsedName("file", draw(words.filter(str.strip)))]))


@settings(deadline=None)
@given(vocabularies())
def test_every_name_is_written_so_that_it_is_read_as_itself(drawn):
    names, name = drawn
    text = text_of(name, names)
    assert parse(text, names) == name
    assert not text.startswith(("-", "+"))
    if name.kind in ("class", "attribute", "direction") and name.number is None:
        assert parse(text_of(name, names, anchor=False), names, anchor=False) == name


@settings(deadline=None, max_examples=40)
@given(st.lists(vocabularies(), min_size=1, max_size=4), st.data())
def test_names_stay_whole_in_an_equation_and_in_a_list(drawn, data):
    texts = [text_of(name, names) for names, name in drawn]
    signs = [1, *(data.draw(st.sampled_from([1, -1])) for _ in texts[1:])]
    equation = texts[0]
    for sign, text in zip(signs[1:], texts[1:], strict=True):
        equation += f" {'+' if sign > 0 else '-'} {text}"
    assert split_terms(equation) == list(zip(signs, texts, strict=True))
    assert split_list(",".join(texts)) == split_list(" , ".join(texts)) == texts


@pytest.mark.parametrize("word", ["\"-'$", 'a"', '"', 'not "', '"a" b"'])
def test_a_quote_mark_in_a_name_does_not_take_in_the_next_term(word):
    names = KnownNames([word, ",+", "cat", 'b"'])
    for other in (",+", "cat", 'b"'):
        texts = [text_of(ParsedName("class", each), names, anchor=False) for each in (word, other)]
        assert split_terms(" + ".join(texts)) == [(1, texts[0]), (1, texts[1])]
        assert split_list(", ".join(texts)) == texts
        assert [parse(text, names, anchor=False).text for text in texts] == [word, other]


def test_a_name_that_ends_in_a_sign_does_not_take_in_the_next_term():
    names = KnownNames(["cat"], attributes=["+", "-", "a -"])
    for attribute in names.attributes:
        text = text_of(ParsedName("attribute", attribute, negated=True), names)
        assert split_terms(f"{text} - cat") == [(1, text), (-1, "cat")]
        assert parse(text, names) == ParsedName("attribute", attribute, negated=True)


@pytest.mark.parametrize(
    ("classes", "text", "meaning"),
    [
        (["cat", "not sure"], "not sure", ParsedName("class", "not sure")),
        (["sure", "not sure"], "not sure", ParsedName("class", "not sure")),
        (["sure", "not sure"], "not class:sure", ParsedName("class", "sure", negated=True)),
        (["sure", "not sure"], "not not sure", ParsedName("class", "not sure", negated=True)),
        (["a", "a:1"], "a:1", ParsedName("class", "a:1")),
        (["a", "a:1"], 'class:"a":1', ParsedName("class", "a", number=1)),
        (["a:1"], "a:1:2", ParsedName("class", "a:1", number=2)),
        (["7"], "7", ParsedName("row", number=7)),
        (["7"], "class:7", ParsedName("class", "7")),
        (["7"], "class:7:2", ParsedName("class", "7", number=2)),
        (["class:1"], "class:1", ParsedName("class", "class:1")),
        (["1", "class:1"], 'class:"1"', ParsedName("class", "1")),
        (["random"], "random", ParsedName("random")),
        (["random"], "class:random", ParsedName("class", "random")),
        (["random:5"], "class:random:5", ParsedName("class", "random:5")),
        (["cat.png"], "cat.png", ParsedName("class", "cat.png")),
        (["cat.png"], "file:cat.png", ParsedName("file", "cat.png")),
        (["cat.png"], "./cat.png", ParsedName("file", "./cat.png")),
        (["a b"], '"a b"', ParsedName("class", "a b")),
        (["a"], "row:7", ParsedName("row", number=7)),
        (["image:7"], "image:7", ParsedName("image", number=7)),
        (["image:7"], "class:image:7", ParsedName("class", "image:7")),
    ],
)
def test_a_whole_name_comes_first_and_a_prefix_decides(classes, text, meaning):
    assert parse(text, KnownNames(classes=classes)) == meaning


def test_what_names_nothing_is_refused_with_the_names_that_are_known():
    names = KnownNames(["Sneaker"], ["Smiling"], ["hair"], (), lambda key: ["grey"] if key == "hair" else ())
    with pytest.raises(UnknownName, match="Did you mean 'Sneaker'"):
        parse("Snaeker", names)
    with pytest.raises(UnknownName, match="hair=grey"):
        parse("hair=green", names)
    for text in ("not 7", "not random", "class:Smiling", "attribute:Sneaker", "direction:Sneaker"):
        assert find(text, names) is None
    for text in ("Sneaker:3", "7", "random", "a.png"):  # single points, where a property is meant
        assert find(text, names, anchor=False) is None


def hostile_set():
    """An image of each class with a hostile name, and attributes with hostile names and values."""
    count = len(HOSTILE)
    rng = np.random.default_rng(0)
    attributes = {name: rng.random(count) < 0.5 for name in HOSTILE[::3]}
    attributes |= {name: np.array(HOSTILE)[np.arange(count) % 5] for name in HOSTILE[1::9]}
    pixels = rng.integers(0, 255, (count, 1, 4, 4), dtype=np.uint8)
    return image_dataset("hostile", pixels, labels=np.arange(count), classes=HOSTILE, attributes=attributes)


def test_tables_know_each_class_and_each_attribute_by_a_text_of_its_own():
    images = hostile_set()
    rows = np.arange(len(images))
    table = properties(images)
    assert len(set(table.values())) == len(table)
    for key, name in table.items():
        assert (flags_of(images, rows, key) == flags_of(images, rows, name)).all()
        assert key_of(images, key) == key
        turned = text_of(replace(name, negated=True), dataset_names(images), anchor=False)
        assert (flags_of(images, rows, turned) == ~flags_of(images, rows, name)).all()
        assert (flags_of(images, rows, key_of(images, turned)) == ~flags_of(images, rows, name)).all()
    for number, name in enumerate(HOSTILE):
        if name != "unlabelled":
            assert (flags_of(images, rows, ParsedName("class", name)) == (rows == number)).all()
    assert set(all_flags(images, rows)) <= set(table)


def back(command):
    """The words that bash reads in a command."""
    printed = subprocess.run(
        ["bash", "-c", f"set -f; printf '%s\\0' {command}"], capture_output=True, check=True
    )
    return printed.stdout.decode("utf-8", "surrogateescape").split("\0")[:-1]


@pytest.mark.posix
def test_bash_reads_every_hostile_name_of_a_command_as_one_word():
    others = ["a\nb", "a\tb", "\x1b[31m", "\udcff", "caf\udce9", "", "'\x01'"]
    assert back(shell_command("interpolate", *HOSTILE, *others)) == [
        "zatlas",
        "interpolate",
        *HOSTILE,
        *others,
    ]


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_a_quoted_word_is_on_one_line(word):
    assert "\n" not in quote(word)


@pytest.mark.posix
@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=20).filter(str.isprintable))
def test_a_quoted_word_is_one_word(word):
    assert shlex.split(quote(word)) == [word]


def test_a_path_that_begins_with_a_dash_is_no_option():
    assert shell_command("gallery", Path("-run")) == "zatlas gallery ./-run"
    assert shell_command("train", "--resume", Path("my run")) == f"zatlas train --resume {quote('my run')}"


@pytest.mark.parametrize(
    ("text", "limit"),
    [("age>40", ">40"), ("age <= 12.5", "<=12.5"), ("attribute:age<-1e3", "<-1e3"), ('"age">=0', ">=0")],
)
def test_a_number_takes_a_limit(text, limit):
    names = KnownNames(attributes=["age"], texts=["hair"])
    assert parse(text, names) == ParsedName("attribute", "age", limit=limit)
    assert parse(f"not {text}:3", names) == ParsedName(
        "attribute", "age", number=3, negated=True, limit=limit
    )


@pytest.mark.parametrize("text", ["age>", "age>old", "hair>3", "height>3", "age=>3"])
def test_what_is_no_limit_of_a_number_is_refused(text):
    with pytest.raises(UnknownName):
        parse(text, KnownNames(attributes=["age"], texts=["hair"]))


def numbered(**columns):
    count = len(next(iter(columns.values())))
    return image_dataset("numbers", np.zeros((count, 1, 4, 4), np.uint8), attributes=columns)


def test_a_number_is_true_above_its_median_or_within_its_limit():
    images = numbered(age=[10, 20, 30, np.nan, 50])
    rows = np.arange(5)
    assert flags_of(images, rows, "age").tolist() == [False, False, True, False, True]
    assert flags_of(images, rows, "age>30").tolist() == [False, False, False, False, True]
    assert flags_of(images, rows, "age>=30").tolist() == [False, False, True, False, True]
    assert flags_of(images, rows, "not age<20").tolist() == [False, True, True, False, True]
    assert limit_text(images, parse("age", dataset_names(images))) == "age: above 25, the median"
    assert limit_text(images, parse("age>30", dataset_names(images))) == ""


def test_a_number_that_is_mostly_at_its_maximum_still_separates_images():
    images = numbered(stars=[5, 5, 5, 4, 3], smiling=[1, 1, 1, np.nan, 0])
    rows = np.arange(5)
    assert flags_of(images, rows, "stars").tolist() == [True, True, True, False, False]
    assert flags_of(images, rows, "smiling").tolist() == [True, True, True, False, False]
    assert flags_of(images, rows, "not smiling").tolist() == [False, False, False, False, True]
    assert binary_names(images) == ["smiling"]


def test_without_booleans_numbers_and_categories_are_the_attributes():
    images = numbered(age=[1, 2, 3, 4], gender=["male", "female", "male", "female"])
    texts = [text_of(name, dataset_names(images), anchor=False) for name in attribute_names(images)]
    assert texts == ["age", "gender=female", "gender=male"]
    images = numbered(age=[1, 2, 3, 4], smiling=[True, False, True, False])
    assert [name.text for name in attribute_names(images)] == ["smiling"]
