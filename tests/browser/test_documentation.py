"""The documentation site in a real browser: it is built strictly, and asks no other host for anything."""

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import AXE, SERIOUS, hosted, watch
from tests.write_docs import DOCS

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
ARTICLES = [f"article-{name}" for name in ("faces", "interpolation", "digits", "gan", "autoencoder")]
PAGES = ["index", "elbo", "commands", "datasets", "api/zatlas.Atlas", "search"]
LIVE = sorted(page.stem for page in DOCS.glob("*.md") if '<zatlas-figure src="live/' in page.read_text())
MAX_SITE = 60_000_000  # bytes
PHONE = {"width": 390, "height": 844}
WIDEST = "() => document.documentElement.scrollWidth"


@pytest.fixture(scope="session")
def site():
    """The address of the built site on a plain static host."""
    folder = ROOT / "build" / "site"
    subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "docs", str(folder)],
        cwd=ROOT,
        check=True,
    )
    with hosted(folder) as url:
        yield url


@pytest.fixture
def open_page(browser, site):
    """Opens pages of the site, one at a time; an error or a request to another host fails the test."""
    contexts, faults = [], []

    def open_page(name, **settings):
        if contexts:
            contexts.pop().close()  # its figures would decode beside those of the next page
        contexts.append(browser.new_context(**settings))
        page = contexts[-1].new_page()
        watch(page, site, faults)
        page.goto(f"{site}/{name}.html", wait_until="networkidle")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not faults


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_page_of_the_documentation_asks_no_other_host(open_page, theme):
    for name in PAGES:
        page = open_page(name, color_scheme=theme)
        assert page.locator("h1").first.inner_text()
        assert page.locator("html").get_attribute("data-theme") == theme


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_documentation_fits_a_phone(open_page, name):
    page = open_page(name, viewport=PHONE, has_touch=True)
    assert page.evaluate(WIDEST) <= PHONE["width"]


def test_the_search_of_the_documentation_finds_a_page(open_page):
    page = open_page("index")
    page.keyboard.press("Control+k")
    page.locator("input[type=search]:visible").fill("geodesic")
    page.keyboard.press("Enter")
    expect(page.locator(".search li a", has_text="zatlas.Atlas").first).to_be_visible()


def test_formulas_are_drawn_without_a_script(open_page):
    page = open_page("elbo", java_script_enabled=False)
    assert page.locator("math[display=block]").count() > 5
    assert page.locator("math[display=block]").nth(3).bounding_box()["height"] > 30  # a fraction


def test_formulas_use_the_font_of_the_site(open_page):
    page = open_page("elbo")
    assert page.evaluate("[...document.fonts].find((font) => font.family === 'Formulas').status") == "loaded"
    family = page.locator("math").first.evaluate("math => getComputedStyle(math).fontFamily")
    assert family.startswith("Formulas")


@pytest.mark.parametrize("name", LIVE)
def test_a_figure_of_the_documentation_decodes(open_page, name):
    page = open_page(name)
    for figure in page.locator("zatlas-figure").all():
        figure.scroll_into_view_if_needed()
        figure.locator("canvas.generated[data-ready]").last.wait_for()


def test_the_explorer_in_an_article_calculates_with_faces(open_page):
    page = open_page("article-gan")
    page.locator("iframe").scroll_into_view_if_needed()
    frame = page.frame_locator("iframe")
    frame.get_by_role("application").wait_for()
    frame.get_by_role("tab", name="Arithmetic").click()
    expect(frame.get_by_role("tabpanel")).to_contain_text("New group")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_the_documentation(open_page, theme):
    for name in ("index", "ten-minutes", *ARTICLES):
        page = open_page(name, color_scheme=theme)
        page.add_script_tag(path=AXE)
        assert page.evaluate(SERIOUS) == [], name


@pytest.mark.usefixtures("site")
def test_the_site_stays_small():
    files = [path for path in (ROOT / "build" / "site").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MAX_SITE
