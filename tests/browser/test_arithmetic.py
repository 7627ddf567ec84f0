"""Groups of picked samples, pins and points in a real browser, compared with the command line."""

import shlex

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MODES
from zatlas.cli import main
from zatlas.latent.arithmetic import combine, mean_latent
from zatlas.locate import find_groups

pytestmark = pytest.mark.browser
NUMBERS = {"glasses": (1, 2, 3), "no glasses": (14, 15, 16), "smiling": (27, 8, 40)}


def pick(page, name, numbers, press="click"):
    """Fill a new group with samples."""
    panel = page.get_by_role("tabpanel")
    panel.get_by_role("button", name="New group").click()
    filling = page.get_by_role("button", name="adding to", pressed=True)
    card = panel.get_by_role("listitem").filter(has=filling)
    field = card.get_by_role("textbox")
    field.fill(name)
    field.press("Enter")
    for number in numbers:
        sample = panel.get_by_role("button", name=f"Pick sample {number}", exact=True)
        sample.focus()
        getattr(sample, press)(*(["Enter"] if press == "press" else []))
        expect(sample).to_have_attribute("aria-pressed", "true")


def computed(workspace, panel):
    """The result that Python computes for the command that the page shows, and the command."""
    words = shlex.split(panel.locator("code").inner_text())
    assert words[:2] == ["zatlas", "arithmetic"] and words[2] == workspace.name
    groups = find_groups(workspace, words[3])
    return groups, combine(groups, workspace.generator.space), words[3]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["rival", "wide"])
def test_nine_picked_samples_in_three_groups_give_the_result_of_the_command_line(
    mode, name, explore, request, tmp_path
):
    workspace = request.getfixturevalue(name)
    explorer = explore(mode, workspace, link="panel=arithmetic")
    panel = explorer.page.get_by_role("tabpanel")
    for title, numbers in NUMBERS.items():
        pick(explorer.page, title, numbers, press="click" if name == "rival" else "press")
    groups, result, text = computed(workspace, panel)
    before = "" if name == "rival" else "random:"
    listed = [",".join(f"{before}{number}" for number in numbers) for numbers in NUMBERS.values()]
    assert text == f"{listed[0]} - {listed[1]} + {listed[2]}"
    explorer.shows(workspace.decode(result)[0], panel.get_by_role("img", name="The result"))
    for title, group in zip(NUMBERS, groups, strict=True):
        mean = workspace.decode(mean_latent(group.latents, workspace.generator.space))[0]
        explorer.shows(mean, panel.get_by_role("img", name=title, exact=True))
    panel.get_by_role("button", name="pin it").click()

    def pinned():
        assert len(explorer.pinned()) == 1
        np.testing.assert_allclose(explorer.pinned()[0], result[0], atol=5e-3)

    explorer.eventually(pinned)
    assert main(["arithmetic", str(workspace.run.folder), text, "--out", str(tmp_path / "e.png")]) == 0


def test_a_link_keeps_the_groups_and_their_names(explore, rival):
    explorer = explore("server", rival, link="panel=arithmetic")
    panel = explorer.page.get_by_role("tabpanel")
    for title, numbers in NUMBERS.items():
        pick(explorer.page, title, numbers)
    command = panel.locator("code").inner_text()
    explorer.eventually(lambda: has_groups(explorer))
    other = explore("server", rival, link=explorer.page.evaluate("location.hash.slice(1)"))
    panel = other.page.get_by_role("tabpanel")
    expect(panel.locator("code")).to_have_text(command)
    fields = panel.get_by_role("list", name="Groups").get_by_role("textbox").all()
    assert [field.input_value() for field in fields] == list(NUMBERS)


def has_groups(explorer):
    assert explorer.state().get("groups", "").count(":") == len(NUMBERS)


def test_pins_and_points_of_the_map_go_into_the_group_that_is_being_filled(explore, wide):
    explorer = explore("server", wide, link="pins=r3,r17&panel=arithmetic")
    page, truth = explorer.page, explorer.truth
    panel = page.get_by_role("tabpanel")
    panel.get_by_role("button", name="New group").click()
    panel.get_by_role("button", name="A", exact=True).click()
    panel.get_by_role("button", name="New group").click()
    panel.get_by_role("button", name="B", exact=True).click()
    explorer.view = explorer.fitted()
    pixels = explorer.pixels_of(truth.positions())
    distances = np.sort(np.linalg.norm(pixels[:, None] - pixels, axis=2), axis=1)[:, 1]
    lonely = int(distances.argmax())  # the point that a click there means
    explorer.click(*pixels[lonely])
    number = truth.column("index")
    text = f"image:{number[3]} - image:{number[17]},image:{number[lonely]}"
    expect(panel.locator("code")).to_contain_text(text)
    groups, result, _ = computed(wide, panel)
    np.testing.assert_allclose(groups[1].latents, truth.latents[[17, lonely]], atol=5e-3)
    explorer.shows(wide.decode(result)[0], panel.get_by_role("img", name="The result"))
    panel.get_by_role("button", name="Remove image").last.click()
    expect(panel.locator("code")).not_to_contain_text(f"image:{number[lonely]}")
    panel.get_by_role("button", name="Delete group 2").click()
    expect(panel.get_by_role("listitem").filter(has_text="group 2")).to_have_count(0)


def test_a_finger_picks_samples(explore, rival):
    size = {"width": 820, "height": 1180}
    explorer = explore("server", rival, link="panel=arithmetic", has_touch=True, viewport=size)
    panel = explorer.page.get_by_role("tabpanel")
    pick(explorer.page, "one", (1, 2), press="tap")
    pick(explorer.page, "two", (5,), press="tap")
    assert computed(rival, panel)[2] == "1,2 - 5"


def test_the_result_shows_its_distance_and_the_nearest_samples(explore, rival):
    explorer = explore("server", rival, link="panel=arithmetic")
    panel, truth = explorer.page.get_by_role("tabpanel"), explorer.truth
    for title, numbers in NUMBERS.items():
        pick(explorer.page, title, numbers)
    _, result, _ = computed(rival, panel)
    expect(panel.get_by_text("Distance from the data:")).to_be_visible()
    rows = np.argsort(np.linalg.norm(truth.latents - result, axis=1))[:3]
    for row in rows.tolist():
        image = panel.get_by_role("img", name=f"sample {row:,}", exact=True)
        explorer.shows(rival.decode(truth.latents[[row]])[0], image)
