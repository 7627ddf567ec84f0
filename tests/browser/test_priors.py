"""Samples of a fitted prior in a real browser, in every mode."""

import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

import zatlas
from tests.browser.conftest import MODES, hosted
from tests.browser.explorer import Explorer, pixels
from zatlas.sample import fit_prior, sample_latents
from zatlas.server.serve import Server, max_request_bytes
from zatlas.site import run_tree
from zatlas.workspace import Workspace

pytestmark = pytest.mark.browser
SHOWN = 48
POINTS = 200


@pytest.fixture(scope="module")
def fitted(plain, tmp_path_factory):
    """An auto-encoder with a fitted flow."""
    folder = tmp_path_factory.mktemp("priors") / "plain"
    shutil.copytree(plain.run.folder, folder)
    fit_prior(Workspace.open(folder), "flow", steps=120, show=False)
    return Workspace.open(folder)


@pytest.fixture
def address(request, fitted, tmp_path):
    """The address of the page in every mode."""
    if request.param == "file":
        yield zatlas.export(fitted, tmp_path / "page.html", points=POINTS, prior="flow").as_uri()
    elif request.param == "folder":
        zatlas.export(fitted, tmp_path / "site", points=POINTS, prior="flow")
        with hosted(tmp_path) as host:
            yield f"{host}/site/"
    else:
        server = Server(max_request_bytes([fitted]), port=0)
        server.show(run_tree(fitted, max_points=POINTS, prior="flow"), fitted)
        server.begin()
        yield server.url
        server.close()


@pytest.mark.parametrize("address", MODES, indirect=True)
def test_a_page_samples_from_the_fitted_prior_or_from_the_models_own(address, fitted, explore):
    page = explore.page(address)
    explorer = Explorer(page, address, [run_tree(fitted, max_points=POINTS, prior="flow")]).open()
    tiles = page.get_by_role("button", name="Pin sample")
    expect(tiles).to_have_count(SHOWN)
    expect(page.get_by_text("from a flow fitted to the latents")).to_be_visible()
    expected = sample_latents(fitted, SHOWN, prior="flow")
    images = fitted.decode(expected)
    for number in (0, 4):
        explorer.shows(images[number], tiles.nth(number).get_by_role("img"))
    tiles.nth(4).click()
    explorer.shows(images[4])
    explorer.eventually(lambda: is_pinned(explorer, expected[4]))
    before = pixels(tiles.first.get_by_role("img"))
    page.get_by_role("radio", name="Normal").click()
    expect(page.get_by_text("from one normal distribution of the latents")).to_be_visible()
    explorer.eventually(lambda: differs(tiles.first.get_by_role("img"), before))
    explorer.eventually(lambda: has_prior(explorer, "model"))
    page.reload()
    explorer.wait()
    expect(page.get_by_text("from one normal distribution of the latents")).to_be_visible()
    page.get_by_role("radio", name="Flow").click()
    explorer.shows(images[0], tiles.first.get_by_role("img"))


def test_a_page_shows_the_next_samples_by_number(explore, rival):
    page = (explorer := explore("server", rival)).page
    page.get_by_text("from the model\N{RIGHT SINGLE QUOTATION MARK}s own prior, N(0, 1)").click()
    expect(page.get_by_role("button", name="Previous samples")).to_be_disabled()
    page.get_by_role("button", name="Next samples").click()
    expect(page.get_by_text(f"{SHOWN} to {2 * SHOWN - 1} of 480")).to_be_visible()
    image = rival.decode(sample_latents(rival, 60)[59:])[0]
    explorer.shows(image, page.get_by_role("img", name="Sample 59", exact=True))


def test_a_page_without_a_fitted_prior_samples_from_the_models_own(explore, digits):
    page = explore("server", digits).page
    page.get_by_text("from the model\N{RIGHT SINGLE QUOTATION MARK}s own prior, N(0, 1)").click()
    expect(page.get_by_role("button", name="Pin sample")).to_have_count(SHOWN)
    expect(page.get_by_role("radio", name="Flow")).to_have_count(0)


def is_pinned(explorer, z):
    result = explorer.pinned()
    assert len(result) == 1
    np.testing.assert_allclose(result[0], z, rtol=2e-3, atol=2e-2)


def differs(canvas, before):
    assert np.abs(pixels(canvas) - before).mean() > 1 / 255


def has_prior(explorer, prior):
    assert explorer.state().get("prior") == prior
