"""Timelines in a real browser: keyframes are edited, shared, saved in the run and rendered."""

import json

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MODES
from zatlas.figures.timelines import timeline_path
from zatlas.latent.timeline_file import FOLDER, open_timeline, parse_timeline

pytestmark = pytest.mark.browser
LINK = "pins=r3,r17,r40&panel=walk&method=slerp"


def test_keyframes_are_edited_and_kept_in_the_link(explore, wide):
    explorer = explore("server", wide, link=LINK)
    panel = explorer.page.get_by_role("tabpanel")
    for name, seconds in {"Seconds to hold B": "1.5", "Seconds from A to the next": "3"}.items():
        panel.get_by_role("spinbutton", name=name).fill(seconds)
        explorer.page.keyboard.press("Tab")
    panel.get_by_role("combobox", name="Easing from A to the next").select_option("smooth")
    expect(panel.get_by_role("heading", name="Timeline")).to_contain_text("6.5 s")
    panel.get_by_role("button", name="Move C earlier").click()
    explorer.eventually(lambda: reordered(explorer))
    explorer.page.keyboard.press("Control+z")
    expect(panel.get_by_role("list", name="Keyframes").get_by_role("listitem")).to_have_count(3)
    explorer.eventually(lambda: pins_are(explorer, "r3,r17,r40"))


def reordered(explorer):
    pins_are(explorer, "r3,r40,r17")
    assert explorer.state()["keyframes"] == "0;3;smooth,,1.5;2;linear"


def pins_are(explorer, pins):
    assert explorer.state()["pins"] == pins


@pytest.mark.parametrize("mode", MODES)
def test_a_saved_timeline_is_the_same_curve_in_python(mode, explore, wide):
    explorer = explore(mode, wide, link=f"{LINK}&keyframes=0.5;1;in,,0;2;out&loop=1")
    page, panel = explorer.page, explorer.page.get_by_role("tabpanel")
    panel.get_by_role("textbox", name="Name of the timeline").fill("my tour")
    if mode == "server":
        panel.get_by_role("button", name="Save in the run").click()
        expect(panel.get_by_role("status")).to_contain_text("Saved in the run as my-tour")
        timeline = open_timeline(wide.folder(FOLDER), "my-tour")
        expect(panel.get_by_role("button", name="my-tour")).to_be_visible()
    else:
        with page.expect_download() as result:
            panel.get_by_role("button", name="Save as a file").click()
        data = result.value.path().read_bytes()
        assert json.loads(data)["closed"]
        timeline = parse_timeline(data, "tour")
    path, frames = timeline_path(wide, timeline, "tour", fps=10)
    latents = path.latents(frames)
    anchors = explorer.truth.latents[[3, 17, 40]]
    assert frames == 55
    np.testing.assert_allclose(latents[:6], np.repeat(anchors[:1], 6, axis=0), atol=2e-3)
    np.testing.assert_allclose(latents[15], anchors[1], atol=2e-3)
    np.testing.assert_allclose(latents[35], anchors[2], atol=2e-3)
