"""The latent spaces of an imported GAN in the page."""

import contextlib
import re

import numpy as np
import pytest
from playwright.sync_api import expect

import zatlas
from tests import stylegan_files
from tests.browser.conftest import AXE, POINTS, SERIOUS, Sites
from tests.browser.explorer import Explorer
from tests.stylegan_files import Case
from zatlas.create import import_model
from zatlas.sample import sample_latents
from zatlas.site import run_tree
from zatlas.workspace import Workspace

pytestmark = pytest.mark.browser

CASE = Case("ada", widths=(24, 16, 16), psi=0.7)  # of 16 pixels


@pytest.fixture(scope="module")
def styled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("styled")
    source = stylegan_files.write(CASE, folder)
    return import_model(source, folder / "styled", truncation=0.7, verbose=False)


class WithSpaces(Sites):
    """The pages of a run with all its latent spaces."""

    def folder(self, name, workspaces):
        out = self.root / f"spaces-{name}"
        zatlas.export(workspaces, out, points=POINTS, other_spaces=["w", "w+"])
        return (out / "index.html").as_uri()

    def file(self, name, workspaces):
        return zatlas.export(
            workspaces, self.root / f"spaces-{name}.html", points=POINTS, other_spaces=["w", "w+"]
        ).as_uri()


@pytest.fixture
def opened(explore, styled, tmp_path):
    """Opens the run in a mode, with all its spaces."""

    def make(mode, link="", **settings):
        sites = WithSpaces(tmp_path, explore.sites.stack)
        url = sites.url(mode, styled)
        page = explore.page(url, **settings)
        return Explorer(page, url, [run_tree(styled, max_points=POINTS)]).open(link)

    return make


def choose_space(explorer, name):
    """Choose a latent space, and wait until the page shows it."""
    explorer.page.get_by_role("radiogroup", name="Latent space").get_by_role(
        "radio", name=name, exact=True
    ).click()
    heading = "styled" if name == "z" else f"styled ({name})"
    expect(explorer.page.get_by_role("heading", level=1)).to_have_text(heading)
    explorer.wait()


@pytest.mark.parametrize("mode", ["server", "file"])
def test_a_sample_looks_the_same_after_a_switch(mode, opened, styled):
    explorer = opened(mode, "pins=random-7")
    image = styled.decode(sample_latents(styled, 8)[7:])[0]
    explorer.shows(image)
    for name in ("w+", "w", "z"):
        choose_space(explorer, name)
        explorer.shows(image)
        explorer.eventually(lambda name=name: same_state(explorer, name))
    explorer.page.go_back()
    expect(explorer.page.get_by_role("heading", level=1)).to_have_text("styled (w)")


def same_state(explorer, name):
    state = explorer.state()
    assert state.get("space") == (None if name == "z" else name) and state["pins"] == "random-7"


def test_a_link_opens_its_space(opened, styled):
    explorer = opened("server", "space=w%2B&pins=random-3")
    wide = styled.in_space("w+")
    explorer.shows(wide.decode(sample_latents(wide, 4)[3:])[0])
    expect(explorer.page.get_by_role("heading", level=1)).to_have_text("styled (w+)")
    explorer.follow("space=unknown&pins=random-3")
    expect(explorer.page.get_by_role("heading", level=1)).to_have_text("styled")


def test_the_page_suggests_commands_for_its_space(opened, styled):
    explorer = opened("server", "space=w")
    page = explorer.page
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog", name="Share")
    expect(dialog.locator("code")).to_have_text("zatlas export styled page.html --space w")
    page.evaluate(AXE.read_text())
    assert not page.evaluate(SERIOUS)


def test_a_switch_drops_pins_that_have_no_name_in_the_other_space(opened):
    explorer = opened("server")
    z = np.zeros(CASE.z_dim)
    explorer.follow(explorer.pin(z, z) + ",random-2")
    expect(explorer.page.get_by_role("list", name="Pins").get_by_role("listitem")).to_have_count(3)
    choose_space(explorer, "w")
    expect(explorer.page.get_by_text("Removed 2 pins without a name in w")).to_be_visible()
    explorer.page.get_by_role("button", name="Undo", exact=True).first.click()
    expect(explorer.page.get_by_role("heading", level=1)).to_have_text("styled")
    expect(explorer.page.get_by_role("list", name="Pins").get_by_role("listitem")).to_have_count(3)


def test_a_run_with_one_space_has_no_switch(explore, digits):
    explorer = explore("server", digits)
    assert explorer.page.get_by_role("radiogroup", name="Latent space").count() == 0
    assert not re.search("space=", explorer.page.url)
    assert Workspace.open(digits.run.folder).space == "z"


def styles_panel(explorer):
    return explorer.tab("Styles")


def in_python(code, folder):
    """Run the Python of the page in the folder that holds the run."""
    names = {}
    with contextlib.chdir(folder):
        exec(code, names)
    return names["images"][0]


@pytest.mark.parametrize("mode", ["server", "file"])
def test_layers_of_a_pin_are_mixed_into_another_as_in_python(mode, opened, styled):
    explorer = opened(mode, "space=w%2B&pins=random-7,random-3&panel=styles")
    panel = explorer.page.get_by_role("tabpanel")
    panel.get_by_role("button", name="All of A").nth(0).click()  # into B, which was pinned last
    expect(panel.get_by_text("zatlas mix styled 7 --into 3 --layers 0-1")).to_be_visible()
    styles = zatlas.Atlas(styled).styles
    wide = styled.in_space("w+")
    explorer.shows(wide.decode(styles.mix("3", "7", "coarse"))[0])
    panel.get_by_label("fine").fill("0.5")
    panel.get_by_label("Truncation").fill("0.4")
    panel.get_by_text("The same in Python").click()
    explorer.eventually(lambda: state_has(explorer, mix="0 1 0 0.5", psi="0.4"))
    image = in_python(panel.locator("pre").inner_text(), styled.run.folder.parent)
    explorer.shows(image)
    explorer.page.reload()
    explorer.wait().shows(image)
    panel.get_by_role("button", name="Reset").click()
    explorer.shows(wide.decode(sample_latents(wide, 4)[3:])[0])


def state_has(explorer, **values):
    state = explorer.state()
    assert {name: state.get(name) for name in values} == values


def test_the_styles_of_w_are_one_click_from_mixing(opened, styled):
    explorer = opened("server", "space=w&pins=random-7")
    panel = styles_panel(explorer)
    panel.get_by_label("Truncation").fill("-0.5")
    w = styled.in_space("w")
    z, center = sample_latents(w, 8)[7:], w.generator.space.center()
    explorer.shows(w.decode(center - 0.5 * (z - center))[0])
    explorer.page.evaluate(AXE.read_text())
    assert not explorer.page.evaluate(SERIOUS)
    panel.get_by_role("button", name="Open w+").click()
    expect(explorer.page.get_by_role("heading", level=1)).to_have_text("styled (w+)")
    expect(panel.get_by_text("Pin two places")).to_be_visible()


def test_a_run_without_layers_has_no_styles(explore, digits):
    assert explore("server", digits).page.get_by_role("tab", name="Styles").count() == 0
