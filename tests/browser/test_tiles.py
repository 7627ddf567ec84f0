"""A run with so many points that its page loads most of them as tiles."""

import re

import numpy as np
import pytest

import zatlas
from tests.browser.conftest import hosted
from tests.test_scale import imported
from zatlas.server.serve import serving

pytestmark = pytest.mark.browser

MANY = 300_000
MAX_FIRST_BYTES = 20e6  # bytes of a first view


@pytest.fixture(scope="module")
def many(tmp_path_factory, own_cache):
    """Latents of two dimensions: their chart is the plane itself, so the points in view can be counted."""
    return imported(tmp_path_factory.mktemp("many"), MANY, 2)


@pytest.fixture(scope="module", params=["server", "folder"])
def address(request, many, tmp_path_factory):
    if request.param == "server":
        with serving([many]) as server:
            yield server.url
        return
    folder = tmp_path_factory.mktemp("exported")
    zatlas.export([many], folder / "page")
    with hosted(folder) as host:
        yield f"{host}/page/"


class Watched:
    """A page with the sizes of its files and its count of the points in view."""

    def __init__(self, page, address):
        self.page, self.sizes = page, {}
        page.on("response", self.note)
        page.goto(address)
        page.get_by_role("application").wait_for()
        page.wait_for_load_state("networkidle")

    def note(self, response):
        if response.ok:
            self.sizes[response.url.rsplit("/", 1)[-1]] = int(response.headers["content-length"])

    @property
    def tiles(self):
        return [name for name in self.sizes if name.startswith("tile-")]

    def show(self, query):
        self.page.get_by_role("searchbox").fill(query)
        self.page.wait_for_timeout(700)
        return self.state()

    def go(self, x, y, scale):
        self.page.evaluate(f"location.hash = 'view={x},{y},{scale}'")
        self.page.wait_for_timeout(1500)
        self.page.wait_for_load_state("networkidle")
        return self.state()

    def state(self):
        """The number of points in view, and whether it is exact."""
        text = self.page.get_by_text("points in view").inner_text()
        about, result = re.match(r"(about )?([\d,]+) of 300,000", text).groups()
        return int(result.replace(",", "")), about is None


def test_the_first_view_is_small_and_counts_all_points(many, address, explore):
    page = Watched(explore.page(address), address)
    assert sum(page.sizes.values()) < MAX_FIRST_BYTES
    assert not page.tiles
    table = many.table("train")
    labels, big = many.labels(table.rows), many.flags("big", table.rows)
    assert page.state() == (MANY, True)
    assert page.show("label=2") == ((labels == 2).sum(), True)
    assert page.show("label=2,4") == (np.isin(labels, [2, 4]).sum(), True)
    assert page.show("!big") == ((~big).sum(), True)
    both, exact = page.show("label=2 big")
    assert not exact
    assert both == pytest.approx(((labels == 2) & big).sum(), rel=0.1, abs=200)


def test_zooming_in_loads_all_points(many, address, explore):
    page = Watched(explore.page(address), address)
    latents = many.table("train").latents
    center = latents[np.linalg.norm(latents - np.median(latents, axis=0), axis=1).argmin()]
    box = page.page.get_by_role("application").bounding_box()
    for nearer in (20, 150, 600):
        half = np.array([box["width"], box["height"]]) / 2 / nearer
        result, exact = page.go(*center.tolist(), nearer)
        true = (np.abs(latents - center) < half).all(axis=1).sum()
        assert result == pytest.approx(true, rel=0.15, abs=3)
    assert any(int(name.split("-")[2]) > 2 for name in page.tiles)
    assert exact and result > 3
