"""Editing with sliders: search, order, the evaluated range, before and after, and a film of the edit."""

import io
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.explorer import difference, pixels

pytestmark = pytest.mark.browser


@pytest.fixture
def edited(explore, portraits):
    return explore("server", portraits, link="pins=r5&panel=sliders")


def listed(explorer):
    return explorer.page.get_by_role("list", name="Sliders", exact=True).get_by_role("listitem")


def test_sliders_are_searched_and_those_that_change_most_come_first(edited, portraits):
    page, truth = edited.page, edited.truth
    page.get_by_role("radio", name="Dimensions").click()
    last = page.get_by_role("tabpanel").locator("li canvas[aria-label$='high end']").last

    def measured():
        assert pixels(last).shape[0] == portraits.description.shape[1]

    edited.eventually(measured)
    page.wait_for_timeout(600)
    names = [text.split("\n")[0] for text in listed(edited).all_inner_texts()]
    z, std = truth.latents[[5]], np.array(truth.entry["std"], np.float32)

    def effect(name):
        index = int(name.split()[1])
        ends = np.repeat(z, 2, axis=0)
        ends[:, index] += np.array([-2, 2]) * std[index]
        return float(np.abs(np.diff(portraits.decode(ends), axis=0)).mean())

    effects = [effect(name) for name in names]
    assert len(names) > 2 and all(a > b - 0.004 for a, b in pairwise(effects))
    page.get_by_role("radio", name="Attributes").click()
    search = page.get_by_role("searchbox", name="Find a slider")
    if search.count():
        search.fill("smil")
        expect(page.get_by_role("tabpanel").get_by_text("Smiling", exact=True)).to_be_visible()
        names = page.get_by_role("tabpanel").locator(".head label").all_inner_texts()
        assert names and all("smil" in name.lower() for name in names)


OPEN_FOLDS = "document.querySelectorAll('#panel details').forEach((fold) => (fold.open = true))"


def settled(page, slider):
    """The box of a slider, once the order by measured effects has not moved it for a second."""
    boxes = []
    while boxes[-5:] != [slider.bounding_box()] * 5:
        page.evaluate(OPEN_FOLDS)  # a slider that turns out to have little effect is folded
        slider.scroll_into_view_if_needed()
        boxes.append(slider.bounding_box())
        page.wait_for_timeout(250)
        assert len(boxes) < 100, boxes[-5:]
    box = boxes[-1]
    middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
    assert slider.evaluate("(slider, at) => document.elementFromPoint(...at) === slider", middle)
    return box


def test_beyond_the_evaluated_range_words_say_so_and_a_drag_stops_there_first(edited):
    page, truth = edited.page, edited.truth
    site = next(s for s in truth.entry["directions"]["list"] if s.get("range") and s["range"][1] < 3)
    slider = page.get_by_label(site["title"].replace("_", " "), exact=True)
    box = settled(page, slider)

    def at(amount):
        return box["x"] + 8 + (box["width"] - 16) * (amount + 4) / 8

    y, high = box["y"] + box["height"] / 2, site["range"][1]
    page.mouse.move(at(0), y)
    page.mouse.down()
    page.mouse.move(at(high + 0.35), y, steps=4)
    assert abs(float(slider.input_value()) - high) < 0.06
    expect(page.get_by_text("Beyond the evaluated range")).to_have_count(0)
    page.mouse.move(at(high + 0.9), y, steps=4)
    page.mouse.up()
    assert float(slider.input_value()) > high + 0.5
    expect(page.get_by_text("Beyond the evaluated range")).to_be_visible()


def test_an_edit_shows_before_and_difference_and_can_be_filmed(edited, portraits):
    page, truth = edited.page, edited.truth
    site = truth.entry["directions"]["list"][0]
    slider = page.get_by_label(site["title"].replace("_", " "), exact=True)
    slider.evaluate(
        "(input) => { input.value = 2; input.dispatchEvent(new Event('input', { bubbles: true })) }"
    )
    z = truth.latents[[5]]
    moved = z + 2 * site["std"] * truth.vectors("vectors")[0]
    before, after = portraits.decode(z)[0], portraits.decode(moved)[0]
    edited.shows(after)
    images = page.get_by_role("region", name="Generated").get_by_role("img")
    edited.shows(before, page.get_by_role("img", name="Before"))
    gain = np.clip(0.5 / np.abs(after - before).max(), 1, 8) // 1  # of a small difference
    edited.shows(0.5 + gain * (after - before), images.nth(2), within=5 * gain / 255)
    expect(page.get_by_text("Difference", exact=gain == 1)).to_be_visible()
    with page.expect_download() as result:
        page.get_by_role("tabpanel").get_by_role("button", name="GIF").click()
    film = Image.open(io.BytesIO(result.value.path().read_bytes()))
    assert film.n_frames > 30
    film.seek(0)
    size = portraits.description.shape[1]
    times = film.height // size
    frame = np.asarray(film.convert("RGB"))[times // 2 :: times, times // 2 :: times] / 255
    assert difference(frame[:size, :size], before) < 6 / 255
