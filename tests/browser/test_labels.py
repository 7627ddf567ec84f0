"""Hostile labels in a real browser stay text."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tests.browser.conftest import MODES
from zatlas.data.image_dataset import image_dataset
from zatlas.workspace import Workspace

pytestmark = pytest.mark.browser
COUNT = 200
SCRIPTS = [
    "<script>window.hit=1</script>",
    "</script><script>window.hit=1</script>",
    "<img src=x onerror=window.hit=1>",
    "<svg/onload=window.hit=1>",
    '"><b>bold</b>',
    "' onmouseover='window.hit=1",
    "javascript:window.hit=1",
    "<!--",
    "-->",
    "]]>",
    "<style>*{display:none}</style>",
    "<iframe src=javascript:window.hit=1>",
    "{window.hit=1}",
    "${window.hit=1}",
    "{@html '<b>'}",
    "<base href=//x>",
    "<meta http-equiv=refresh content=0>",
]
WORDS = [
    "&lt;b&gt;",
    "&amp;",
    "&#60;script&#62;",
    "ملصق من اليمين",
    "\u202egnp.exe\u202c",
    "שלום",
    "👩‍👩‍👧‍👦 family",
    "🇧🇷",
    "e\u0301" * 30,
    "Z\u0335\u0321\u0321" * 20,
    "x" * 10_000,
    "ab " * 3000,
    "\ttab\nline\r",
    "\u2028line",
    "\ufeffmark",
    'quo"te',
    "apos'trophe",
    "back\\slash",
    "a=b",
    "a,b",
    "a:b",
    "a&b",
    "a#b",
    "a%20b",
    "a?b",
    "!a",
    "group 1",
    "A",
    "constructor",
    "__proto__",
    "toString",
    "null",
    "NaN",
    "0",
    "-1",
    "1e9",
    " ",
    "  two  ",
    "\u200b",
    "A + B - C",
]


@pytest.fixture(scope="module")
def nasty(tmp_path_factory, digits):
    """The digits' model with such names for classes and attributes."""
    folder = tmp_path_factory.mktemp("runs") / "nasty"
    shutil.copytree(digits.run.folder, folder)
    workspace = Workspace.open(folder)
    plain = digits.dataset
    names = SCRIPTS + WORDS
    names += [f"{names[number % len(names)]} {number}" for number in range(COUNT - len(names))]
    kinds = np.arange(len(plain)) % COUNT
    columns = {f"{name} flag": (kinds + number) % 2 == 0 for number, name in enumerate(SCRIPTS)}
    columns["text"] = np.array([name[:200] for name in names])[kinds]
    columns["<b>number</b>"] = kinds.astype(np.float32)
    images = image_dataset(
        "<i>set</i>", plain.pixels, labels=kinds, classes=names, split=plain.split, attributes=columns
    )
    return replace(workspace, opened_dataset=images), names


@pytest.mark.parametrize("mode", MODES)
def test_nasty_labels_stay_text(mode, explore, nasty):
    workspace, names = nasty
    explorer = explore(mode, workspace)
    page = explorer.page
    elements = page.evaluate(COUNTED)
    classes = next(column for column in explorer.truth.entry["columns"] if column["name"] == "label")
    assert classes["values"] == names and len(names) == COUNT
    # In the legend, in the lists of directions, and in the details of a point.
    legend = page.evaluate("document.body.innerText")
    assert SCRIPTS[0] in legend
    for title in ("Sliders", "Arithmetic", "Walk", "Point"):
        explorer.tab(title)
    colours = page.get_by_role("combobox", name="Colour by")
    for value in colours.evaluate("list => [...list.options].map((option) => option.value)"):
        colours.select_option(value)
    label = explorer.truth.column("label")
    chosen = [int(np.flatnonzero(label == number)[0]) for number in np.unique(label)]
    assert len(chosen) > 180
    panel = page.get_by_role("tabpanel")
    for row in chosen:
        explorer.follow(f"pins=r{row}")
        expected = names[label[row]]
        explorer.eventually(
            lambda row=row, wanted=expected: says(panel, f"image {explorer.truth.tree.rows[row]:,}", wanted)
        )
    assert page.evaluate("window.hit") is None
    assert page.evaluate(COUNTED) == elements


COUNTED = """["script", "iframe", "base", "meta", "style", "b > b", "img", "object"]
    .map((node) => document.querySelectorAll(node).length)"""


def says(panel, heading, value):
    """Assert that the panel has the heading and exactly this value."""
    result = panel.evaluate(
        """panel => ({
            heading: panel.querySelector("h3")?.textContent,
            values: [...panel.querySelectorAll("dd")].map((node) => node.textContent),
        })"""
    )
    assert result["heading"] == heading and value in result["values"]


@pytest.mark.parametrize("number", [0, 2, 5, 15])
def test_a_nasty_class_can_be_filtered_for(number, explore, nasty):
    workspace, names = nasty
    explorer = explore("server", workspace)
    name = names[number]
    quote = "'" if '"' in name else '"'
    explorer.page.get_by_role("searchbox").fill(f"label={quote}{name}{quote}")
    count = int((explorer.truth.column("label") == number).sum())
    explorer.eventually(lambda: counted(explorer, count))


def counted(explorer, count):
    assert f": {count} points." in explorer.maps.first.get_attribute("aria-label")


def test_links_preserve_names_with_special_characters(explore, nasty):
    workspace, _ = nasty
    explorer = explore("server", workspace, link="panel=arithmetic")
    panel = explorer.page.get_by_role("tabpanel")
    names = [entry["name"] for entry in explorer.truth.entry["directions"]["list"]]
    expected = ["constructor", *(name for name in names if set("+-%,:&=#") & set(name))][:13]
    for name in expected:
        panel.get_by_label("Add a direction").select_option(name)
    terms = panel.get_by_label("Equation").get_by_role("img")
    explorer.eventually(lambda: named_all(terms, expected))
    explorer.page.wait_for_timeout(500)
    other = explore("server", workspace, link=explorer.page.evaluate("location.hash.slice(1)"))
    terms = other.page.get_by_label("Equation").get_by_role("img")
    other.eventually(lambda: named_all(terms, expected))


def named_all(images, names):
    result = images.evaluate_all("all => all.map((node) => node.getAttribute('aria-label'))")
    assert result == [*names, "The result"]


@pytest.fixture(scope="module")
def crowded(tmp_path_factory, digits):
    """The digits' model with four classes for each digit, 40 in all."""
    folder = tmp_path_factory.mktemp("runs") / "crowded"
    shutil.copytree(digits.run.folder, folder)
    plain = digits.dataset
    kinds = 4 * plain.labels + np.arange(len(plain)) % 4
    names = [f"kind {number}" for number in range(40)]
    images = image_dataset("crowded", plain.pixels, labels=kinds, classes=names, split=plain.split)
    return replace(Workspace.open(folder), opened_dataset=images), names


def test_a_map_of_40_classes_has_more_labels_when_it_is_enlarged(explore, crowded):
    workspace, names = crowded
    explorer = explore("server", workspace, link="layer=points")
    labels = explorer.page.locator(".labels span")

    def visible():
        texts = labels.all_inner_texts()
        assert texts and set(texts) <= set(names) and len(set(texts)) == len(texts)
        return set(texts)

    whole = explorer.eventually(visible)
    seen = set(whole)
    for row in (3, 17, 40, 90, 200, 300):
        explorer.go(explorer.at(row, zoom=6))
        seen |= explorer.eventually(visible)
    assert len(whole) >= 8
    assert len(seen) > len(whole)
