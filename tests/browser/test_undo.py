"""Nothing is lost: undo, redo and Back, and clicks that do not move the map."""

import pytest
from playwright.sync_api import expect

from tests.browser.explorer import named

pytestmark = pytest.mark.browser


def texts(explorer):
    return [pin for pin in explorer.state().get("pins", "").split(",") if pin]


def holds(explorer, *pins):
    assert texts(explorer) == list(pins)


def test_cleared_pins_come_back_by_toast_by_key_and_by_back(explore, wide):
    explorer = explore("server", wide, link="pins=r3,r17,r40")
    page = explorer.page
    page.get_by_role("slider", name="Position on the walk").wait_for()
    page.wait_for_timeout(400)
    for bring_back in ("toast", "key", "back"):
        explorer.maps.first.focus()
        page.keyboard.press("Escape")
        expect(page.get_by_text("Removed 3 pins", exact=True)).to_be_visible()
        explorer.eventually(lambda: holds(explorer))
        if bring_back == "toast":
            page.get_by_role("button", name="Undo").last.click()
        elif bring_back == "key":
            page.keyboard.press("Control+z")
        else:
            page.go_back()
        explorer.eventually(lambda: holds(explorer, "r3", "r17", "r40"))
        page.wait_for_timeout(500)
    page.keyboard.press("Control+Shift+z")
    explorer.eventually(lambda: holds(explorer))


def test_a_filter_and_a_slider_are_undone_one_after_the_other(explore, wide):
    explorer = explore("server", wide, link="pins=r5&panel=sliders")
    page = explorer.page
    page.wait_for_timeout(500)
    slider = page.get_by_role("tabpanel").get_by_role("slider").first
    slider.fill("2")
    page.wait_for_timeout(1200)
    page.get_by_role("searchbox", name="Show only").fill("error>0.05")
    page.wait_for_timeout(1200)
    explorer.maps.first.focus()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("searchbox", name="Show only")).to_have_value("")
    expect(slider).to_have_value("2")
    page.keyboard.press("Control+z")
    expect(slider).to_have_value("0")
    page.keyboard.press("Control+y")
    expect(slider).to_have_value("2")


def test_pins_made_on_the_map_come_back_with_their_latents(explore, wide):
    explorer = explore("server", wide)
    page = explorer.page
    explorer.go(explorer.at(3, zoom=7))
    (target,) = explorer.free(1)
    explorer.click(*target)
    page.mouse.move(5, 5)
    z = explorer.truth.chart().inverse_transform(explorer.positions_of([target]))
    explorer.shows(wide.decode(z)[0])
    page.wait_for_timeout(400)
    page.get_by_role("button", name="Remove A").click()
    page.wait_for_timeout(400)
    explorer.maps.first.focus()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("button", name="A a point on the map")).to_be_visible()
    explorer.shows(wide.decode(z)[0])


def test_the_second_pin_does_not_move_the_map(explore, digits):
    explorer = explore("server", digits)
    page = explorer.page
    explorer.view = explorer.fitted()
    positions = explorer.truth.positions()[[3, 17]]
    before = explorer.box()
    for pixel in explorer.pixels_of(positions):
        explorer.click(*pixel)
        page.wait_for_timeout(500)
    page.get_by_role("slider", name="Position on the walk").wait_for()
    assert explorer.box() == before
    assert "view" not in explorer.state()


def test_a_double_click_zooms_and_pins_nothing(explore, digits):
    explorer = explore("server", digits)
    page = explorer.page
    width, height = explorer.size
    page.mouse.dblclick(*explorer.point(width / 2, height / 2))

    def zoomed():
        assert "view" in explorer.state()

    explorer.eventually(zoomed)
    holds(explorer)
    expect(page.get_by_role("list", name="Pins")).to_have_count(0)


def test_the_first_image_is_a_real_one_and_a_slow_walk_plays_until_the_first_touch(explore, wide):
    explorer = explore("server", wide, reduced_motion="no-preference")
    page = explorer.page
    explorer.eventually(lambda: named(explorer.generated, lambda name: " between image " in name))
    page.mouse.move(5, 5)
    page.wait_for_timeout(300)
    first = explorer.generated.evaluate("canvas => canvas.toDataURL()")
    page.wait_for_timeout(700)
    assert explorer.generated.evaluate("canvas => canvas.toDataURL()") == first
    still = explore("server", wide)
    named(still.generated, lambda name: name.startswith("Reconstruction of image"))


def test_back_brings_removed_pins_back_and_takes_the_message_away(explore, wide):
    explorer = explore("server", wide, link="pins=r3,r9")
    page = explorer.page
    page.wait_for_timeout(500)
    explorer.maps.first.focus()
    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_contain_text("Removed 2 pins")
    page.wait_for_timeout(500)
    page.go_back()
    expect(page.get_by_role("alert")).to_have_count(0)
    assert explorer.state()["pins"] == "r3,r9"
