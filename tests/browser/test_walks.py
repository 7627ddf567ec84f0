"""Walks in a real browser: the strip, the scrubber, the keys, and saved films."""

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
TILES = 11  # images of the strip
FRAMES = 30  # of a walk of one second


def curve_of(explorer, workspace, rows=ROWS):
    """The default walk between these rows."""
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
    # Clicking an image of the strip moves to its position.
    explorer.page.get_by_role("button", name="Go to 50 %").click()
    explorer.shows(workspace.decode(curve(np.array([0.5], np.float32)))[0])


def test_every_interpolation_method_equals_pythons(explore, wide):
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


def test_the_server_computes_geodesics(explore, digits):
    explorer = explore("server", digits, link=f"{PINS}&panel=walk")
    anchors = explorer.truth.latents[ROWS]
    result = interpolate(digits, anchors, method="geodesic")
    explorer.page.get_by_role("tabpanel").get_by_role("radio", name="Shortest").click()
    for step, image in enumerate(digits.decode(result.sample(TILES)), 1):
        tile = explorer.page.get_by_role("img", name=f"Step {step} of {TILES}", exact=True)
        explorer.shows(image, tile, within=4 / 255)


@pytest.mark.parametrize("mode", ["folder", "file"])
def test_a_precomputed_geodesic_needs_no_server(mode, explore, wide):
    tree = run_tree(wide, max_points=POINTS, geodesics=True)
    saved = tree.entry["geodesics"][0]
    rows = np.frombuffer(tree.files[saved["url"]](), "<f2").astype(np.float32)
    curve = Curve(rows.reshape(-1, wide.dim), lerp)
    pins = f"r{saved['start']},r{saved['end']}"
    explorer = explore(mode, wide, link=f"pins={pins}&method=geodesic&panel=walk")
    for step, image in enumerate(wide.decode(curve.sample(TILES)), 1):
        tile = explorer.page.get_by_role("img", name=f"Step {step} of {TILES}", exact=True)
        explorer.shows(image, tile)
    explorer.follow("pins=r3,r3&method=geodesic&panel=walk")
    advice = explorer.page.get_by_role("alert")
    expect(advice).to_contain_text("zatlas explore wide")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["wide", "portraits"])
def test_films_contain_the_frames_of_the_walk(mode, name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore(mode, workspace, link=f"{PINS}&panel=walk")
    page = explorer.page
    page.get_by_role("spinbutton", name="Seconds from A to the next").fill("1")
    page.keyboard.press("Tab")
    curve = curve_of(explorer, workspace)
    frames, strip = workspace.decode(curve.sample(FRAMES)), workspace.decode(curve.sample(TILES))
    assert_same(gif_frames(saved_file(page, "GIF")), frames, 3 / 255)
    assert_same(film_frames(saved_file(page, "MP4")), frames, 4 / 255)
    assert_same(strip_frames(saved_file(page, "PNG strip"), strip.shape[2]), strip, 2 / 255)


def saved_file(page, name):
    """The content of the file that a button saves."""
    with page.expect_download() as result:
        page.get_by_role("button", name=name, exact=True).click()
    ending = {"GIF": ".gif", "MP4": ".mp4", "PNG strip": ".png"}[name]
    assert result.value.suggested_filename.endswith(ending)
    return result.value.path().read_bytes()


def assert_same(result, images, within):
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
    """The images of a strip: in a row, with gaps."""
    strip = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    side = -(-128 // size) * size
    assert strip.shape[:2] == (side + 2 * gap, gap + TILES * (side + gap))
    starts = range(gap, strip.shape[1], side + gap)
    return [strip[gap : gap + side, start : start + side] for start in starts]


@pytest.mark.parametrize("mode", MODES)
def test_pinning_and_walking_work_by_keyboard(mode, explore, digits):
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
    explorer.shows(image_at(explorer, digits, [[x + 8, y]]))
    keys.press("Shift+ArrowUp")
    explorer.shows(image_at(explorer, digits, [[x + 8, y - 80]]))
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
    first = pixels(explorer.generated)
    explorer.eventually(lambda: changed(explorer, first))
    named(explorer.generated, lambda name: "of the walk" in name)
    keys.press("Enter")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.wait_for_timeout(300)
    still = pixels(explorer.generated)
    page.wait_for_timeout(300)
    np.testing.assert_array_equal(pixels(explorer.generated), still)


def image_at(explorer, workspace, pixel):
    """The decoded image under a pixel of the map of a two-dimensional latent space."""
    positions = explorer.positions_of(pixel)
    distances = np.linalg.norm(explorer.pixels_of(explorer.truth.positions()) - pixel, axis=1)
    row = distances.argmin()
    z = explorer.truth.latents[[row]] if distances[row] < 6 else positions
    return workspace.decode(z)[0]


def changed(explorer, before):
    assert np.abs(pixels(explorer.generated) - before).mean() > 1 / 255


def view(explorer, before):
    """The view in the link, which must have changed."""
    explorer.page.wait_for_timeout(250)
    now = explorer.state().get("view")
    assert before is None or now != before
    return now


def test_a_line_drawn_on_the_map_is_walked(explore, digits):
    explorer = explore("server", digits)
    page = explorer.page
    explorer.go(explorer.at(3, zoom=3))
    page.get_by_role("radio", name="Draw").click()
    width, height = explorer.size
    start, end = np.array([[0.3 * width, 0.4 * height], [0.7 * width, 0.5 * height]]).round()
    ends = explorer.positions_of([start, end])
    page.mouse.move(*explorer.point(*start))
    page.mouse.down()
    page.mouse.move(*explorer.point(*end), steps=12)
    page.mouse.up()
    for step, z in (1, ends[:1]), (11, ends[1:]), (6, ends.mean(axis=0, keepdims=True)):
        tile = page.get_by_role("img", name=f"Step {step} of 11", exact=True)
        explorer.shows(digits.decode(z)[0], tile, within=4 / 255)
