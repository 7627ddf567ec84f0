"""One place has one verdict: under the pointer, pinned, on a walk, in the strip and from a link."""

import numpy as np
import pytest

from tests.browser.conftest import MODES
from tests.browser.explorer import named
from tests.conftest import small_run
from tests.test_few_images import few_images

pytestmark = pytest.mark.browser
STEPS = 100  # of the walk over the map, each a whole number of pixels


def verdict(explorer):
    """The verdict in words, and how opaque the large image is."""
    text = explorer.page.locator("p", has_text="Distance from the data:").inner_text()
    return text, opacity(explorer.generated)


def opacity(image):
    return float(image.evaluate("canvas => canvas.style.opacity"))


def settled(explorer, text):
    explorer.eventually(lambda: named(explorer.generated, lambda name: text in name))
    return verdict(explorer)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["digits", "wide"])
def test_hover_walk_strip_pin_and_link_agree_on_every_place(mode, name, explore, request):
    explorer = explore(mode, request.getfixturevalue(name))
    page = explorer.page
    page.get_by_role("radio", name="Draw").click()
    width, height = explorer.size
    step = int(0.9 * width) // STEPS
    start, y = int(width - step * STEPS) // 2, height // 2
    page.mouse.move(*explorer.point(start, y))
    page.mouse.down()
    page.mouse.move(*explorer.point(start + step * STEPS, y), steps=4)
    page.mouse.up()
    page.mouse.move(5, 5)
    scrubber = page.get_by_role("slider", name="Position on the walk")
    tile = page.get_by_role("img", name="Step 1 of 11", exact=True)
    tile.wait_for()
    strip = {10 * i: page.get_by_role("img", name=f"Step {i + 1} of 11", exact=True) for i in range(11)}
    seen = set()
    every = 2 if mode == "server" else 10  # half of the places while the pointer is compared too
    for at in range(0, STEPS + 1, every):
        scrubber.fill(str(at / STEPS))
        on_walk = settled(explorer, f"Generated: {at} % of the walk")
        if at in strip:
            assert abs(opacity(strip[at]) - on_walk[1]) < 0.02
        explorer.hover(start + step * at, y)
        explorer.eventually(lambda: named(explorer.generated, lambda name: "of the walk" not in name))
        if named_now(explorer) == "Generated: a point on the map":  # not a real image
            hovered = verdict(explorer)
            assert hovered[0] == on_walk[0] and abs(hovered[1] - on_walk[1]) < 0.02, at
            seen.add(hovered[0])
        page.mouse.move(5, 5)
    assert len(seen) >= 2, "the walk meets only one verdict"


def named_now(explorer):
    return explorer.generated.get_attribute("aria-label")


@pytest.mark.parametrize("name", ["digits", "wide"])
def test_a_pinned_place_keeps_its_verdict_and_so_does_its_link(name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore("server", workspace)
    page = explorer.page
    explorer.view = explorer.fitted()
    width, height = explorer.size
    pixels = np.random.default_rng(4).integers(30, [width - 30, height - 60], (400, 2))
    near = np.linalg.norm(pixels[:, None] - explorer.pixels_of(explorer.truth.positions()), axis=2).min(
        axis=1
    )
    verdicts = []
    for pixel in pixels[near > 12][:12]:
        explorer.hover(*pixel)
        page.wait_for_timeout(250)
        if named_now(explorer) != "Generated: a point on the map":
            continue
        hovered = verdict(explorer)
        explorer.click(*pixel)
        page.mouse.move(5, 5)
        page.wait_for_timeout(250)
        assert verdict(explorer) == hovered
        verdicts.append(hovered)
    assert len({text for text, _ in verdicts}) >= 2
    page.wait_for_timeout(400)
    other = explore("server", workspace, link=page.evaluate("location.hash.slice(1)"))
    pins = other.page.get_by_role("list", name="Pins").get_by_role("listitem")
    for number, (text, expected) in enumerate(verdicts):
        pins.nth(number).get_by_role("button").first.click()
        other.page.wait_for_timeout(200)
        result = verdict(other)
        assert result[0] == text and abs(result[1] - expected) < 0.03


@pytest.mark.parametrize("count", [1, 2, 5])
def test_the_images_of_a_small_run_are_not_in_a_gap(count, explore, tmp_path):
    workspace = small_run(tmp_path / "few", few_images(tmp_path / "images.npz", count), epochs=20)
    explorer = explore("server", workspace)
    explorer.view = explorer.fitted()
    pixels = explorer.pixels_of(explorer.truth.positions())
    if count == 1:
        pixels = pixels + np.array([[0, 0], [90, 40], [-120, -60]])
    for number, pixel in enumerate(pixels):
        explorer.hover(*pixel)
        explorer.eventually(lambda: named(explorer.generated, lambda name: name != "No image yet"))
        explorer.page.wait_for_timeout(200)
        assert good(verdict(explorer)), number
    links = ["pins=r0"] + ["pins=r0,r1&method=lerp&panel=walk&at=0", "pins=r0,r1&method=spiral"] * (count > 1)
    for link in links:
        explorer.follow(link)
        explorer.page.mouse.move(5, 5)
        explorer.page.wait_for_timeout(400)
        assert good(verdict(explorer)), link


def good(verdict):
    text, opacity = verdict
    return ("inside" in text or "at the edge" in text) and opacity > 0.6
