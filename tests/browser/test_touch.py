"""The page under fingers: one looks, two move the map, a long press pins; a phone reaches everything."""

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.explorer import named, pixels

pytestmark = pytest.mark.browser
PHONE, TABLET = (390, 844), (820, 1180)


class Fingers:
    """Touches on the map, as the browser's protocol sends them."""

    def __init__(self, explorer):
        self.explorer = explorer
        self.session = explorer.page.context.new_cdp_session(explorer.page)

    def send(self, kind, *points):
        touches = [
            {"x": x, "y": y, "id": number}
            for number, (x, y) in enumerate(self.explorer.point(*point) for point in points)
        ]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})
        self.explorer.page.wait_for_timeout(60)

    def drag(self, start, end):
        self.send("touchStart", start)
        for share in (0.25, 0.5, 0.75, 1):
            self.send("touchMove", tuple(np.array(start) + share * (np.array(end) - start)))


@pytest.fixture
def touched(explore, portraits):
    """Opens the page on a device with a touch screen."""

    def opened(size, link=""):
        viewport = dict(zip(("width", "height"), size, strict=True))
        url_page = explore("server", portraits, link=link, viewport=viewport, has_touch=True, is_mobile=True)
        return url_page, Fingers(url_page)

    return opened


@pytest.mark.parametrize("size", [PHONE, TABLET])
def test_one_finger_looks_with_a_loupe_and_moves_nothing(size, touched):
    explorer, fingers = touched(size)
    page = explorer.page
    width, height = explorer.size
    before = explorer.generated.get_attribute("aria-label")
    fingers.drag((width / 2, height / 2), (width / 2 + 60, height / 2 + 40))
    loupe = page.locator(".loupe canvas")
    expect(loupe).to_be_visible()
    explorer.eventually(lambda: named(explorer.generated, lambda name: name != before))
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(pixels(loupe), pixels(explorer.generated))
    box, crossed = loupe.bounding_box(), explorer.point(width / 2 + 60, height / 2 + 40 - 56)
    assert box["y"] + box["height"] < crossed[1], "the finger hides the loupe"
    fingers.send("touchEnd")
    expect(loupe).to_have_count(0)
    page.wait_for_timeout(400)
    assert "view" not in explorer.state() and not explorer.pinned()
    named(explorer.generated, lambda name: name != before)  # what was found stays


def test_two_fingers_zoom_and_a_double_tap_too_and_neither_pins(touched):
    explorer, fingers = touched(PHONE)
    width, height = explorer.size
    middle = np.array([width / 2, height / 2])
    fingers.send("touchStart", tuple(middle - 40), tuple(middle + 40))
    for spread in (60, 80, 100):
        fingers.send("touchMove", tuple(middle - spread), tuple(middle + spread))
    fingers.send("touchEnd")
    first = explorer.eventually(lambda: scale(explorer))
    for _ in range(2):
        explorer.page.touchscreen.tap(*explorer.point(*middle))
    explorer.eventually(lambda: larger(scale(explorer), first))
    assert not explorer.pinned()


def scale(explorer):
    view = explorer.state().get("view")
    assert view, "the map has not moved"
    return float(view.split(",")[2])


def larger(now, before):
    assert now > 1.5 * before


def test_a_long_press_pins_and_so_does_the_button_after_a_tap(touched):
    explorer, fingers = touched(PHONE)
    page = explorer.page
    width, height = explorer.size
    fingers.send("touchStart", (width / 2, height / 2))
    page.wait_for_timeout(800)
    fingers.send("touchEnd")
    explorer.eventually(lambda: pinned(explorer, 1))
    page.touchscreen.tap(*explorer.point(width / 2 + 30, height / 2 + 60))
    page.wait_for_timeout(500)
    pinned(explorer, 1)  # a tap only looks
    page.get_by_role("button", name="Pin this place").tap()
    explorer.eventually(lambda: pinned(explorer, 2))


def pinned(explorer, count):
    assert len(explorer.pinned()) == count


def test_on_a_phone_image_and_map_are_visible_and_every_panel_is_reached(touched):
    explorer, _ = touched(PHONE, link="pins=r3,r17")
    page = explorer.page
    width, height = PHONE
    page.get_by_role("slider", name="Position on the walk").wait_for()
    for part in (explorer.maps.first, explorer.generated, page.get_by_role("tablist")):
        box = part.bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width + 0.5
        assert box["y"] >= 0 and box["y"] + box["height"] <= height + 0.5
    assert page.evaluate("document.scrollingElement.scrollHeight") <= height
    tabs = page.get_by_role("tab")
    names = tabs.all_inner_texts()
    assert names[:5] == ["Map", "Point", "Data", "Walk", "Sliders"]
    page.get_by_role("tab", name="Walk").tap()
    for name in names:
        page.get_by_role("tab", name=name, exact=True).tap()
        panel = page.get_by_role("tabpanel")
        if not panel.is_visible():  # a second tap closes the sheet
            page.get_by_role("tab", name=name, exact=True).tap()
        expect(panel).to_be_visible()
        sheet, image = panel.bounding_box(), explorer.generated.bounding_box()
        assert sheet["y"] + sheet["height"] <= height
        assert image["y"] + image["height"] <= sheet["y"] + 1, f"{name} hides the image"


def test_on_a_phone_two_maps_lie_below_each_other_with_their_names(explore, wide, digits):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    explorer = explore("server", wide, digits, **phone)
    first, second = explorer.box(0), explorer.box(1)
    assert first["width"] == second["width"] == 390 and second["y"] >= first["y"] + first["height"]
    corner = explorer.page.get_by_role("region", name="Generated").bounding_box()
    for name in ("wide", "digits"):
        box = explorer.page.get_by_role("button", name=name, exact=True).bounding_box()
        assert box["x"] + box["width"] < corner["x"] or box["y"] > corner["y"] + corner["height"]
