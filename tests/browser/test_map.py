"""The map in a real browser: every position decodes to what Python makes of it, however the page came."""

import io
from functools import partial
from urllib.parse import parse_qsl

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import MODES
from tests.browser.explorer import Explorer, difference, named, pixels
from tests.test_site import thumbnail

pytestmark = pytest.mark.browser
TILE, TIMES = 48, 6  # CSS pixels of a digit's thumbnail, and of each of its own pixels


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["digits", "wide", "portraits"])
def test_every_place_decodes_under_the_pointer(mode, name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore(mode, workspace)
    explorer.go(explorer.at(3, zoom=7))
    targets = explorer.free(4)
    latents = explorer.truth.chart().inverse_transform(explorer.positions_of(targets))
    if workspace.dim == 2:
        np.testing.assert_allclose(latents, explorer.positions_of(targets), atol=1e-5)
    for target, image in zip(targets, workspace.decode(latents), strict=True):
        explorer.hover(*target)
        explorer.shows(image)
        named(explorer.generated, lambda name: name == "Generated: a point on the map")


@pytest.mark.parametrize("mode", MODES)
def test_a_point_shows_its_image_and_its_reconstruction(mode, explore, portraits):
    explorer = explore(mode, portraits)
    page, row = explorer.page, 7
    explorer.go(explorer.at(row, zoom=20), layer="images")
    explorer.hover(*np.array(explorer.size) / 2)
    number = explorer.truth.tree.rows[row]
    expect(page.get_by_text(f"Reconstruction of image {number:,}", exact=True)).to_be_visible()
    explorer.shows(portraits.decode(explorer.truth.latents[[row]])[0])
    real = thumbnail(explorer.truth.tree, row).transpose(2, 0, 1) / 255
    explorer.shows(real, page.get_by_role("region", name="Generated").get_by_role("img").nth(1))
    error = explorer.truth.column("error")[row]
    result = page.get_by_role("tabpanel").get_by_text(f"{error:.3g}", exact=True)
    expect(result).to_be_visible()


def test_the_nearest_real_images_are_shown_beside_a_place(explore, wide):
    explorer = explore("server", wide)
    explorer.go(explorer.at(3, zoom=7))
    (target,) = explorer.free(1)
    z = explorer.truth.chart().inverse_transform(explorer.positions_of([target]))
    apart = np.linalg.norm(explorer.truth.latents - z, axis=1)
    rows = np.argsort(apart, kind="stable")[:6]
    explorer.hover(*target)
    other = explorer.page.get_by_role("region", name="Generated").get_by_role("img")
    explorer.eventually(lambda: named(explorer.generated, lambda name: "a point on" in name))
    for position, row in enumerate(rows, 1):
        explorer.shows(thumbnail(explorer.truth.tree, row)[None] / 255, other.nth(position))


@pytest.mark.parametrize("mode", MODES)
def test_places_are_pinned_chosen_and_removed(mode, explore, digits):
    explorer = explore(mode, digits)
    page = explorer.page
    explorer.go(explorer.at(3, zoom=7))
    positions = explorer.positions_of(explorer.free(2))
    images = digits.decode(positions)
    for position in positions:
        explorer.click(*explorer.pixels_of([position])[0])
    pins = page.get_by_role("list", name="Pins").get_by_role("listitem")
    expect(pins).to_have_count(2)
    page.mouse.move(5, 5)
    explorer.shows(images[1])
    pins.nth(0).get_by_role("button").first.click()
    explorer.shows(images[0])
    explorer.eventually(lambda: close(explorer.pinned(), positions, 4 / explorer.view[2]))
    page.get_by_role("button", name="Remove A").click()
    expect(pins).to_have_count(1)
    explorer.shows(images[1])


def close(result, expected, within=2e-3):
    assert len(result) == len(expected)
    np.testing.assert_allclose(result, expected, rtol=2e-3, atol=within)


@pytest.mark.parametrize("mode", MODES)
def test_a_filter_leaves_the_right_thumbnails_and_no_others(mode, explore, digits):
    explorer = explore(mode, digits)
    truth = explorer.truth
    explorer.go(explorer.at(11, zoom=9), layer="images")
    before = thumbnails(explorer, np.arange(len(truth.latents)))
    kind = int(np.bincount(truth.column("label")[before]).argmax())
    name = truth.entry["columns"][1]["values"][kind]
    explorer.page.get_by_role("searchbox", name="Show only").fill(f"label={name}")
    fitting = np.flatnonzero(truth.column("label") == kind)
    after = explorer.eventually(lambda: thumbnails(explorer, fitting))
    assert set(after) <= set(fitting) and len(after) >= 2
    assert not set(before) <= set(after)
    # The pointer does not find what is not shown.
    hidden = next(row for row in before if row not in set(fitting))
    x, y = explorer.pixels_of(truth.positions()[[hidden]])[0]
    start = explorer.generated.get_attribute("aria-label")
    explorer.hover(x, y)
    number = f"{truth.tree.rows[hidden]:,}"
    explorer.eventually(lambda: named(explorer.generated, lambda name: name != start))
    named(explorer.generated, lambda name: number not in name.split())


def thumbnails(explorer, rows):
    """Rows whose image is on the map in its position; whatever else is drawn there fails."""
    canvas = explorer.maps.first.locator("canvas").nth(1)
    sampled = pixels(canvas)
    left = sampled[..., 3] > 0.9
    width, height = explorer.size
    result = []
    corners = np.floor(explorer.pixels_of(explorer.truth.positions()) - TILE / 2 + 0.5).astype(int)
    for row in rows:
        x, y = corners[row]
        if 0 <= x < width - TILE and 0 <= y < height - TILE:
            image = thumbnail(explorer.truth.tree, row)[None] / 255
            part = sampled[y : y + TILE, x : x + TILE][TIMES // 2 :: TIMES, TIMES // 2 :: TIMES]
            if part[..., 3].min() > 0.99 and difference(part[..., :3], image) < 1 / 255:
                result.append(int(row))
                left[max(y - 3, 0) : y + TILE + 3, max(x - 3, 0) : x + TILE + 3] = False
    left[: TILE + 2], left[-TILE - 2 :], left[:, : TILE + 2], left[:, -TILE - 2 :] = 4 * (False,)
    assert result and not left.any(), f"{len(result)} right, {left.sum()} pixels of others"
    return result


@pytest.mark.parametrize("mode", MODES)
def test_an_image_of_ones_own_lands_where_the_encoder_puts_it(mode, explore, portraits):
    explorer = explore(mode, portraits)
    number = int(explorer.truth.tree.rows[20])
    image = portraits.dataset.images(np.array([number]))
    explorer.page.get_by_label("choose one").set_input_files(
        {"name": "mine.png", "mimeType": "image/png", "buffer": png(image[0])}
    )
    z = portraits.generator.encode(image)
    expect(explorer.page.get_by_role("button", name="A mine.png")).to_be_visible()
    explorer.shows(portraits.decode(z)[0])
    explorer.eventually(lambda: close(explorer.pinned(), z, 0.02))


def test_an_image_can_be_dropped_and_what_is_no_image_is_refused(explore, portraits):
    explorer = explore("server", portraits)
    page = explorer.page
    target = page.get_by_text("Drop an image here")
    for name, data in {"no.png": b"nothing", "mine.png": png(np.zeros((3, 40, 60)))}.items():
        given = page.evaluate_handle(
            """([name, bytes]) => {
                const given = new DataTransfer();
                given.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
                return given;
            }""",
            [name, list(data)],
        )
        target.dispatch_event("drop", {"dataTransfer": given})
        if name == "no.png":
            expect(page.get_by_role("alert")).to_contain_text("cannot be read as an image")
    expect(page.get_by_role("button", name="A mine.png")).to_be_visible()
    explorer.shows(portraits.decode(portraits.generator.encode(np.zeros((1, 3, 16, 16), "f4")))[0])


def png(image):
    """An image (channels, height, width) as the bytes of a file."""
    tiles = np.rint(np.asarray(image) * 255).astype(np.uint8).transpose(1, 2, 0)
    sink = io.BytesIO()
    Image.fromarray(tiles.squeeze()).save(sink, "png")
    return sink.getvalue()


@pytest.mark.parametrize("mode", MODES)
def test_a_link_brings_back_the_whole_state(mode, explore, wide):
    explorer = explore(mode, wide)
    slider = next(one for one in explorer.truth.entry["directions"]["list"] if one["kind"] == "class")
    state = {
        "chart": "pca",
        "colour": "error",
        "filter": "error>0.05",
        "panel": "walk",
        "pins": "r3,r17",
        "method": "lerp",
        "loop": "1",
        "amounts": f"{slider['name']}:1.5",
    }
    explorer.go(explorer.at(3, zoom=3), **state)
    page = explorer.page
    pinned = page.get_by_role("tabpanel").get_by_role("button", name="A", exact=True)
    expect(pinned).to_be_visible()
    page.get_by_role("slider", name="Position on the walk").fill("0.3")
    explorer.eventually(lambda: named(explorer.generated, lambda name: "30 % of" in name))
    explorer.eventually(lambda: holds(explorer, **state, at="0.3"))
    page.wait_for_timeout(500)  # the address is written when nothing has changed for a while
    labelled = explorer.state()
    other = explore(mode, wide, link=page.evaluate("location.hash.slice(1)"))
    for result, expected in zip(canvases(other), map(pixels, canvases(explorer)), strict=True):
        other.eventually(partial(alike, result, expected))
    other.page.wait_for_timeout(500)
    loaded = other.state()
    np.testing.assert_allclose(view(loaded), view(labelled), rtol=1e-3, atol=1e-3)
    assert {**loaded, "view": ""} == {**labelled, "view": ""}


def holds(explorer, **words):
    """What the address says, whatever else it does."""
    result = explorer.state()
    assert {name: result.get(name) for name in words} == words


def view(output):
    return [float(value) for value in output["view"].split(",")]


def test_a_page_closed_while_its_codes_come_has_lost_nothing_of_its_link(opened_slowly):
    link = "chart=pca&panel=walk&pins=r3,r17&at=0.3"
    explorer, come = opened_slowly(link)
    explorer.page.wait_for_timeout(500)
    assert explorer.state() == dict(parse_qsl(link))
    come()
    explorer.eventually(lambda: named(explorer.generated, lambda name: "30 % of" in name))
    explorer.page.wait_for_timeout(500)
    holds(explorer, **dict(parse_qsl(link)))


def test_of_two_links_in_a_row_the_later_is_followed(opened_slowly):
    """Even where the page writes the first one again before it hears of the second."""
    explorer, come = opened_slowly("chart=pca&panel=walk&pins=r3,r17&at=0.3&filter=error>0.05")
    explorer.page.evaluate("""() => {
        const first = location.hash;
        location.hash = "panel=sliders&pins=r5";
        history.replaceState(null, "", first);
    }""")
    come()
    expect(explorer.page.get_by_role("tabpanel").get_by_text("From A")).to_be_visible()
    explorer.page.wait_for_timeout(500)
    assert {**explorer.state(), "view": ""} == {"panel": "sliders", "pins": "r5", "view": ""}


@pytest.fixture
def opened_slowly(explore, sites, wide):
    """Opens a link on a page whose codes come when they are let."""

    def opened(link):
        url = sites.url("server", wide)
        held, page = [], explore.page(url)
        page.route("**/latents.f16", lambda route: held.append(route))
        page.goto(f"{url}#{link}")
        explorer = Explorer(page, url, sites.trees(wide))
        expect(page.get_by_role("tab", name="Walk")).to_have_attribute("aria-selected", "true")
        return explorer, lambda: held.pop().continue_()

    return opened


def canvases(explorer):
    """What lies over the map, a picture of the walk, and the large picture."""
    over = explorer.maps.first.locator("canvas").nth(1)
    return over, explorer.page.get_by_role("img", name="Step 4 of 11"), explorer.generated


def alike(canvas, expected):
    result = pixels(canvas)
    assert result.shape == expected.shape and np.abs(result - expected).mean() < 1 / 255


@pytest.mark.parametrize("mode", MODES)
def test_the_map_is_filled_with_decoded_images_at_first(mode, explore, digits):
    explorer = explore(mode, digits)
    canvas = explorer.maps.first.locator("canvas").nth(1)

    def filled():
        sampled = pixels(canvas)
        assert (sampled[..., 3] > 0.9).mean() > 0.2

    explorer.eventually(filled)
