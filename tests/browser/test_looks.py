"""Appearance and accessibility: dark theme, reduced motion, tablets, and the rules of axe."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import VIEWPORT
from tests.browser.explorer import screenshot
from zatlas.page import PageFigure, PageSection, render_page

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
FAULTS = """async () => {
    const result = await axe.run(document, { resultTypes: ["violations"] });
    return result.violations
        .filter(({ impact }) => impact === "serious" || impact === "critical")
        .map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 200)).join(" | ")}`);
}"""


@pytest.mark.parametrize("name", ["digits", "portraits"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_any_panel(theme, name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore("server", workspace, link="pins=r3,r17", color_scheme=theme)
    page = explorer.page
    page.get_by_role("slider", name="Position on the walk").wait_for()
    page.evaluate(AXE.read_text())
    faults = {}
    panels = page.get_by_role("tab").all_inner_texts()
    assert len(panels) >= 5
    for panel in panels:
        explorer.tab(panel)
        prepare(explorer, panel)
        if result := page.evaluate(FAULTS):
            faults[panel] = result
    assert not faults


def prepare(explorer, panel):
    """Open the collapsed parts of a panel."""
    page, own = explorer.page, explorer.page.get_by_role("tabpanel")
    if panel == "Sliders":
        own.get_by_role("button", name="side effects").first.click()
        own.get_by_role("slider").first.fill("2")
        own.get_by_role("checkbox", name="Move twelve").check()
        expect(own.get_by_role("img", name="Sample 12")).to_be_visible()
    if panel == "Arithmetic":
        own.get_by_role("button", name="A", exact=True).click()
        own.get_by_role("button", name="Pick sample 3", exact=True).click()
        expect(own.get_by_role("button", name="Remove sample 3 from group 1")).to_be_visible()
        expect(own.get_by_role("img", name="The result")).to_be_visible()
    if panel == "Point":
        page.get_by_role("searchbox").fill("no such thing =")


def test_the_page_follows_the_preferred_colour_scheme(explore, digits):
    explorer = explore("server", digits, color_scheme="dark")
    page = explorer.page
    button = page.get_by_role("button", name="Dark")
    expect(button).to_have_attribute("aria-pressed", "true")

    def paper(low, high):
        for part in (page.locator("body"), explorer.maps.first):
            assert low <= np.median(screenshot(part)) <= high

    explorer.eventually(lambda: paper(0, 0.2))
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    explorer.eventually(lambda: paper(0.9, 1))
    other = explore("server", digits, color_scheme="light")
    expect(other.page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "false")


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_new_chart_animates_the_points_unless_motion_is_reduced(motion, explore, wide):
    explorer = explore("server", wide, reduced_motion=motion)
    page, canvas = explorer.page, explorer.maps.first.locator("canvas").first
    page.get_by_role("radio", name="Points").click()  # decoded tiles would come when they are decoded
    settled = None

    def still():
        nonlocal settled
        before, settled = settled, screenshot(canvas)
        page.wait_for_timeout(100)
        assert before is not None and np.array_equal(before, settled)

    explorer.eventually(still)
    page.clock.install()
    page.clock.pause_at(page.evaluate("Date.now() + 60_000"))
    page.get_by_role("combobox", name="Chart").select_option("pca")
    explorer.eventually(lambda: page.clock.run_for(16) or differs(screenshot(canvas), settled))
    page.clock.run_for(50)
    early = screenshot(canvas)
    page.clock.run_for(3000)
    late = screenshot(canvas)
    assert np.array_equal(early, late) == (motion == "reduce")


def differs(one, another):
    assert not np.array_equal(one, another)


@pytest.mark.parametrize("size", [(1280, 720), (820, 1180), (1180, 820)])
def test_nothing_is_cut_off_on_a_laptop_or_a_tablet(size, explore, portraits):
    viewport = dict(zip(("width", "height"), size, strict=True))
    explorer = explore("server", portraits, link="pins=r3,r17", viewport=viewport)
    page = explorer.page
    page.get_by_role("slider", name="Position on the walk").wait_for()
    wide = page.evaluate("[document.scrollingElement.scrollWidth, innerWidth]")
    assert wide[0] <= wide[1]
    for part in (explorer.maps.first, page.get_by_role("tablist"), explorer.generated):
        box = part.bounding_box()
        assert box["width"] > 100 and box["x"] >= 0
        assert box["x"] + box["width"] <= size[0] + 0.5
    assert explorer.maps.first.bounding_box()["height"] > 200


@pytest.mark.parametrize("size", [(1400, 1400), (1600, 300), (300, 900)])
def test_a_figure_of_a_gallery_keeps_its_shape_and_fits_the_window(size, explore, tmp_path):
    Image.new("RGB", size).save(tmp_path / "a.png")
    sections = [PageSection("Figures", (PageFigure("a.png", "A", size=size),))]
    (tmp_path / "index.html").write_text(render_page("Gallery", "", sections), encoding="utf-8")
    url = (tmp_path / "index.html").as_uri()
    page = explore.page(url)
    page.goto(url)
    box = page.get_by_role("img", name="A").bounding_box()
    assert abs(box["width"] / box["height"] / (size[0] / size[1]) - 1) < 0.01
    assert box["width"] <= VIEWPORT["width"] and box["height"] <= 0.93 * VIEWPORT["height"]
