"""Walks in a real browser: the strip, the scrubber, the keys, and the films that are taken away."""

import io

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import MODES, POINTS
from tests.browser.explorer import difference, named, pixels
from zatlas.latent.curves import Curve, default_blend, lerp, loop, slerp
from zatlas.locate import interpolate
from zatlas.site import run_tree

pytestmark = pytest.mark.browser
ROWS = [3, 17]
PINS = "pins=r3,r17"
TILES = 11  # pictures of the strip
FRAMES = 30  # of a walk of one second


def curve_of(explorer, workspace, rows=ROWS):
    """The walk that a page has between these rows if it is told nothing else."""
    return Curve(explorer.truth.latents[rows], default_blend(workspace.generator.space))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["digits", "wide"])
def test_the_strip_and_the_scrubber_show_the_walk(mode, name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore(mode, workspace, link=PINS)
    curve = curve_of(explorer, workspace)
    for step, image in enumerate(workspace.decode(curve.sample(TILES)), 1):
        tile = explorer.page.get_by_role("img", name=f"Step {step} of {TILES}", exact=True)
        explorer.shows(image, tile)
    scrubber = explorer.page.get_by_role("slider", name="Position on the walk")
    for at in (0.25, 0.8, 1.0):
        scrubber.fill(str(at))
        explorer.shows(workspace.decode(curve(np.array([at], np.float32)))[0])
    # A picture of the strip leads to its place.
    explorer.page.get_by_role("button", name="Go to 50 %").click()
    explorer.shows(workspace.decode(curve(np.array([0.5], np.float32)))[0])


def test_every_way_from_stop_to_stop_is_the_one_that_python_walks(explore, wide):
    explorer = explore("server", wide, link=f"{PINS},r40&panel=walk")
    panel = explorer.page.get_by_role("tabpanel")
    anchors = explorer.truth.latents[[3, 17, 40]]
    tile = explorer.page.get_by_role("img", name="Step 5 of 11", exact=True)

    def holds(curve):
        explorer.shows(wide.decode(curve.sample(TILES))[4:5][0], tile)

    panel.get_by_role("radio", name="Line").click()
    holds(Curve(anchors, lerp))
    panel.get_by_role("radio", name="Arc").click()
    holds(Curve(anchors, slerp))
    panel.get_by_role("checkbox", name="Closed loop").check()
    holds(loop(anchors, slerp))
    panel.get_by_role("checkbox", name="Closed loop").uncheck()


def test_the_server_finds_the_way_that_changes_the_picture_least(explore, digits):
    explorer = explore("server", digits, link=f"{PINS}&panel=walk")
    anchors = explorer.truth.latents[ROWS]
    result = interpolate(digits, anchors, method="geodesic")
    explorer.page.get_by_role("tabpanel").get_by_role("radio", name="Shortest").click()
    for step, image in enumerate(digits.decode(result.sample(TILES)), 1):
        tile = explorer.page.get_by_role("img", name=f"Step {step} of {TILES}", exact=True)
        explorer.shows(image, tile, within=4 / 255)


@pytest.mark.parametrize("mode", ["folder", "file"])
def test_a_geodesic_made_beforehand_needs_no_server(mode, explore, wide):
    tree = run_tree(wide, most=POINTS, geodesics=True)
    made = tree.entry["geodesics"][0]
    rows = np.frombuffer(tree.files[made["url"]](), "<f2").astype(np.float32)
    curve = Curve(rows.reshape(-1, wide.dim), lerp)
    pins = f"r{made['from']},r{made['to']}"
    explorer = explore(mode, wide, link=f"pins={pins}&method=geodesic&panel=walk")
    for step, image in enumerate(wide.decode(curve.sample(TILES)), 1):
        tile = explorer.page.get_by_role("img", name=f"Step {step} of {TILES}", exact=True)
        explorer.shows(image, tile)
    explorer.follow("pins=r3,r3&method=geodesic&panel=walk")
    advice = explorer.page.get_by_role("alert")
    expect(advice).to_contain_text("zatlas explore wide")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["wide", "portraits"])
def test_films_show_the_walk_frame_by_frame(mode, name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore(mode, workspace, link=f"{PINS}&panel=walk")
    page = explorer.page
    page.get_by_role("slider", name="Duration").fill("1")
    curve = curve_of(explorer, workspace)
    frames, strip = workspace.decode(curve.sample(FRAMES)), workspace.decode(curve.sample(TILES))
    hold_all(gif_frames(taken(page, "GIF")), frames, 3 / 255)
    hold_all(film_frames(taken(page, "MP4")), frames, 4 / 255)
    hold_all(strip_frames(taken(page, "PNG strip"), strip.shape[2]), strip, 2 / 255)


def taken(page, name):
    """The bytes that a button gives."""
    with page.expect_download() as result:
        page.get_by_role("button", name=name, exact=True).click()
    ending = {"GIF": ".gif", "MP4": ".mp4", "PNG strip": ".png"}[name]
    assert result.value.suggested_filename.endswith(ending)
    return result.value.path().read_bytes()


def hold_all(result, images, within):
    assert len(result) == len(images)
    size = images.shape[2]
    for frame, image in zip(result, images, strict=True):
        times = frame.shape[0] // size
        assert frame.shape[0] == frame.shape[1] >= 128 and times >= 1
        small = frame[: times * size, : times * size][times // 2 :: times, times // 2 :: times]
        assert difference(small / 255, image) < within


def gif_frames(data):
    film = Image.open(io.BytesIO(data))
    assert film.info["loop"] == 0
    result = []
    for number in range(film.n_frames):
        film.seek(number)
        assert film.info["duration"] == 30  # the format counts in hundredths of a second
        result.append(np.asarray(film.convert("RGB")))
    return result


def film_frames(data):
    with av.open(io.BytesIO(data)) as film:
        result = list(film.decode(video=0))
    np.testing.assert_allclose([f.time for f in result], np.arange(FRAMES) / 30, atol=2e-3)
    return [frame.to_ndarray(format="rgb24") for frame in result]


def strip_frames(data, size, gap=6):
    """The pictures of a strip: in a row, with gaps."""
    whole = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    side = -(-128 // size) * size
    assert whole.shape[:2] == (side + 2 * gap, gap + TILES * (side + gap))
    starts = range(gap, whole.shape[1], side + gap)
    return [whole[gap : gap + side, start : start + side] for start in starts]


@pytest.mark.parametrize("mode", MODES)
def test_two_places_are_pinned_and_walked_by_keys_alone(mode, explore, digits):
    explorer = explore(mode, digits)
    page = explorer.page
    keys = page.keyboard
    for _ in range(40):
        keys.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('role')") == "application":
            break
    else:
        pytest.fail("the map cannot be reached by Tab")
    explorer.view = explorer.fitted()
    width, height = explorer.size
    x, y = width / 2, height / 2
    keys.press("ArrowRight")
    explorer.shows(reading(explorer, digits, [[x + 8, y]]))
    keys.press("Shift+ArrowUp")
    explorer.shows(reading(explorer, digits, [[x + 8, y - 80]]))
    keys.press("Enter")
    for _ in range(4):
        keys.press("Shift+ArrowLeft")
    keys.press("Enter")
    expect(page.get_by_role("list", name="Pins").get_by_role("listitem")).to_have_count(2)
    before = explorer.eventually(lambda: view(explorer, None))
    keys.press("+")
    nearer = explorer.eventually(lambda: view(explorer, before))
    keys.press("-")
    explorer.eventually(lambda: view(explorer, nearer))
    for _ in range(60):
        keys.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") == "Play":
            break
    else:
        pytest.fail("Play cannot be reached by Tab")
    keys.press("Enter")
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    first = pixels(explorer.imagined)
    explorer.eventually(lambda: changed(explorer, first))
    named(explorer.imagined, lambda name: "of the walk" in name)
    keys.press("Enter")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    still = pixels(explorer.imagined)
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(pixels(explorer.imagined), still)


def reading(explorer, workspace, pixel):
    """What is under a pixel of a map of a space of two axes."""
    places = explorer.places_of(pixel)
    apart = np.linalg.norm(explorer.pixels_of(explorer.truth.places()) - pixel, axis=1)
    near = apart.argmin()
    z = explorer.truth.latents[[near]] if apart[near] < 6 else places
    return workspace.decode(z)[0]


def changed(explorer, before):
    assert np.abs(pixels(explorer.imagined) - before).mean() > 1 / 255


def view(explorer, before):
    """The view that the link says; it has to be another one."""
    explorer.page.wait_for_timeout(250)
    now = explorer.said().get("view")
    assert before is None or now != before
    return now


def test_a_line_drawn_on_the_map_is_walked(explore, digits):
    explorer = explore("server", digits)
    page = explorer.page
    explorer.go(explorer.at(3, zoom=3))
    page.get_by_role("radio", name="Draw").click()
    width, height = explorer.size
    start, end = np.array([[0.3 * width, 0.4 * height], [0.7 * width, 0.5 * height]]).round()
    ends = explorer.places_of([start, end])
    page.mouse.move(*explorer.point(*start))
    page.mouse.down()
    page.mouse.move(*explorer.point(*end), steps=12)
    page.mouse.up()
    for step, z in (1, ends[:1]), (11, ends[1:]), (6, ends.mean(axis=0, keepdims=True)):
        tile = page.get_by_role("img", name=f"Step {step} of 11", exact=True)
        explorer.shows(digits.decode(z)[0], tile, within=4 / 255)
