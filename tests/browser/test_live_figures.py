"""A live figure in a real browser: it loads when it scrolls into view, decodes, and asks no other host."""

import pytest
from playwright.sync_api import expect

import zatlas
from tests.browser.conftest import AXE, SERIOUS, hosted

pytestmark = pytest.mark.browser
PIXELS = "canvas => canvas.toDataURL()"
SHOWS = """image => [...document.querySelector("zatlas-figure").shadowRoot
    .querySelectorAll("canvas.generated")].at(-1).toDataURL() === image"""
VIEWS = ["map", "walk", "sliders", "grid"]
TALL = "<div style='height: 3000px'>Text before the figure.</div>"
KEYS = {"map": ".plane", "grid": ".tiles", "walk": "input", "sliders": "input >> nth=0"}


@pytest.fixture(scope="session")
def folder(wide, digits, conditional, tmp_path_factory):
    """Figures of each view, the one that compares in a folder below, and a page with text before one."""
    folder = tmp_path_factory.mktemp("figures") / "figures"
    anchors = ["class:1", "class:7", "class:3"]
    zatlas.export(wide, folder, points=200, figure="walk", anchors=anchors)
    zatlas.export(conditional, folder / "classes", points=200, figure="map")
    zatlas.export([digits, wide], folder / "compare", points=200, figure="compare")
    page = (folder / "index.html").read_text()
    for view in VIEWS:
        (folder / f"{view}.html").write_text(page.replace('"walk"', f'"{view}"'))
    (folder / "pick.html").write_text(page.replace('"walk"', '"walk" pick'))
    index = folder / "classes" / "index.html"
    index.write_text(index.read_text().replace('view="map"', 'view="map" classes="all"'))
    (folder / "below.html").write_text(page.replace("<zatlas-figure", f"{TALL}<zatlas-figure"))
    (folder / "wrong.html").write_text(page.replace('"data.js"', '"figure.js"'))
    return folder


@pytest.fixture(scope="session")
def address(folder):
    with hosted(folder) as url:
        yield url


def image_of(page):
    """The first decoded image, once it is there."""
    canvas = page.locator("canvas.generated[data-ready]").last
    canvas.wait_for()
    return canvas


def changed(page, before):
    page.wait_for_function(
        """before => [...document.querySelector("zatlas-figure").shadowRoot
            .querySelectorAll("canvas.generated")].at(-1).toDataURL() !== before""",
        arg=before,
    )


@pytest.mark.parametrize("view", VIEWS)
def test_the_keyboard_alone_moves_a_figure(view, explore, address):
    page = explore.page(address)
    page.goto(f"{address}/{view}.html")
    before = image_of(page).evaluate(PIXELS)
    page.locator("zatlas-figure").locator(KEYS[view]).focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")
    changed(page, before)


def test_a_figure_loads_nothing_before_it_scrolls_into_view(explore, address):
    page = explore.page(address)
    requests = []
    page.on("request", lambda request: requests.append(request.url.rsplit("/", 1)[1]))
    page.goto(f"{address}/below.html", wait_until="networkidle")
    assert requests == ["below.html", "figure.js"]
    page.locator("zatlas-figure").scroll_into_view_if_needed()
    assert image_of(page).evaluate("canvas => canvas.width") == 8
    assert sorted(name for name in requests[2:] if name.endswith(".js")) == ["data.js", "runtime.js"]


def test_a_figure_decodes_in_a_page_opened_from_disk(explore, folder):
    page = explore.page(folder.as_uri())
    page.goto((folder / "map.html").as_uri())
    assert image_of(page).evaluate("canvas => canvas.width") == 8


def test_a_figure_of_one_page_decodes_in_a_frame_that_is_cut_off(explore, folder, wide):
    zatlas.export(wide, folder / "one.html", points=200, figure="map")
    frame = '<iframe src="one.html" sandbox="allow-scripts" width="720" height="520"></iframe>'
    (folder / "frame.html").write_text(frame)
    page = explore.page(folder.as_uri())
    page.goto((folder / "frame.html").as_uri())
    page.frame_locator("iframe").locator("canvas.generated[data-ready]").wait_for()


def test_a_position_of_one_model_shows_its_nearest_image_in_the_other(explore, address):
    page = explore.page(address)
    page.goto(f"{address}/compare/index.html")
    before = image_of(page).evaluate(PIXELS)
    plane = page.locator("canvas.plane").first
    for x in (100, 160, 220):
        plane.hover(position={"x": x, "y": 120})
    changed(page, before)


def test_a_reader_picks_both_ends_of_a_walk(explore, address):
    page = explore.page(address)
    page.goto(f"{address}/pick.html")
    before = image_of(page).evaluate(PIXELS)  # half way from the first anchor to the last
    page.get_by_label("to", exact=True).select_option(label="7")
    changed(page, before)
    before = image_of(page).evaluate(PIXELS)
    page.get_by_label("Position").fill("1")
    changed(page, before)
    seven = image_of(page).evaluate(PIXELS)
    page.get_by_label("to", exact=True).select_option(label="3")
    changed(page, seven)
    page.get_by_label("From", exact=True).select_option(label="7")
    page.get_by_label("Position").fill("0")
    page.wait_for_function(SHOWS, arg=seven)


def test_one_latent_is_decoded_in_every_class(explore, address, conditional):
    page = explore.page(address)
    page.goto(f"{address}/classes/index.html")
    image_of(page)
    images = page.locator("canvas.generated").evaluate_all("all => all.map(each => each.toDataURL())")
    assert len(images) == len(set(images)) == len(conditional.generator.classes)
    page.locator("canvas.plane").hover(position={"x": 100, "y": 120})
    changed(page, images[-1])


def test_a_figure_without_data_says_what_to_do(explore, address):
    page = explore.page(address)
    page.goto(f"{address}/wrong.html")
    expect(page.locator("zatlas-figure [role=status]")).to_contain_text(
        "holds no figure. Write one with: zatlas"
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_a_figure(theme, explore, address):
    page = explore.page(address, color_scheme=theme, viewport={"width": 390, "height": 844})
    for view in VIEWS:
        page.goto(f"{address}/{view}.html")
        image_of(page)
        page.add_script_tag(path=AXE)
        rules = set(page.evaluate(SERIOUS))
        assert not rules, view
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
