"""The page as a user operates it, and the expected results computed in Python."""

import base64
import io
import re
from functools import cached_property
from time import monotonic
from urllib.parse import parse_qsl

import numpy as np
import pyarrow as pa
from PIL import Image

from zatlas.latent.chart import INVERSE, Chart

CLOSE = 2 / 255  # mean difference of pixels that are the same
TIMEOUT = 30  # seconds for the page to reach an expected state on a busy machine
MARGIN = 28  # CSS pixels around a chart that is shown completely


class Explorer:
    """One page with one run, or two."""

    def __init__(self, page, url, trees):
        self.page, self.url, self.trees = page, url, trees
        self.truth = Truth(trees[0])
        self.maps = page.get_by_role("application")
        self.generated = page.get_by_role("region", name="Generated").get_by_role("img").first
        self.view = (0.0, 0.0, 1.0)

    # Navigation

    def open(self, link=""):
        """Load the page at a state, and wait until it decodes."""
        self.page.goto(self.url + (f"#{link}" if link else ""))
        return self.wait()

    def follow(self, link):
        """Go to a state, as by a link within the page."""
        self.page.evaluate("link => { location.hash = link }", link)
        return self

    def wait(self):
        self.maps.first.wait_for()
        self.page.get_by_text(re.compile("decoded (in|on)")).wait_for(state="attached")
        # Once the latents are loaded, positions are exact.
        self.page.locator(".page[aria-busy=false]").wait_for(state="attached")
        self.eventually(lambda: named(self.generated, lambda name: name != "No image yet"))
        return self

    def state(self):
        """The state of the page in its link, by name."""
        return dict(parse_qsl(self.page.evaluate("location.hash.slice(1)")))

    def pinned(self):
        """The pinned latents in the link."""
        pins = [pin for pin in self.state().get("pins", "").split(",") if pin]
        return [self.truth.latent(pin) for pin in pins]

    def tab(self, name):
        self.page.get_by_role("tab", name=name, exact=True).click()
        return self.page.get_by_role("tabpanel")

    def eventually(self, check):
        """Repeat the check until it passes; raises its last failure after a timeout."""
        end = monotonic() + TIMEOUT
        while True:
            try:
                return check()
            except AssertionError:
                if monotonic() > end:
                    raise
            self.page.wait_for_timeout(40)

    # The map

    def box(self, number=0):
        return self.maps.nth(number).bounding_box()

    @property
    def size(self):
        """Width and height of the map in CSS pixels."""
        box = self.box()
        return round(box["width"]), round(box["height"])

    def fitted(self, zoom=1.0, positions=None):
        """The view that shows the complete chart, enlarged by `zoom`."""
        positions = self.truth.positions() if positions is None else positions
        low, high = positions.min(axis=0), positions.max(axis=0)
        width, height = self.size
        scale = min((np.array([width, height]) - 2 * MARGIN) / np.maximum(high - low, 1e-9))
        x, y = ((low + high) / 2).tolist()
        return x, y, float(scale) * zoom

    def at(self, row, zoom):
        """The view centered on a point, enlarged by `zoom`."""
        x, y = self.truth.positions()[row].tolist()
        return x, y, self.fitted(zoom)[2]

    def go(self, view, **state):
        """Show a part of the map."""
        self.view = view
        state = {"view": ",".join(str(value) for value in view), **state}
        self.follow("&".join(f"{key}={value}" for key, value in state.items()))
        self.page.wait_for_timeout(350)  # the page applies a view after a delay
        return self

    def pixels_of(self, positions):
        """The pixels of chart positions, from the top left of the map."""
        width, height = self.size
        x, y, scale = self.view
        positions = np.asarray(positions, np.float64)
        down = height / 2 - (positions[:, 1] - y) * scale
        return np.stack([width / 2 + (positions[:, 0] - x) * scale, down], axis=1)

    def positions_of(self, pixels):
        """The chart positions under pixels."""
        width, height = self.size
        x, y, scale = self.view
        pixels = np.asarray(pixels, np.float64)
        up = y - (pixels[:, 1] - height / 2) / scale
        return np.stack([x + (pixels[:, 0] - width / 2) / scale, up], axis=1).astype(np.float32)

    def free(self, count, margin=45, seed=0, number=0):
        """Pixels of the map inside the data, away from every point and its thumbnail."""
        width, height = self.size
        pixels = np.random.default_rng(seed).integers(40, [width - 40, height - 60], (4000, 2))
        chart = self.truth.chart(number)
        latents = self.pixels_of(chart.positions)
        distant = np.linalg.norm(pixels[:, None] - latents, axis=2).min(axis=1) > margin
        free = distant & chart.covers(self.positions_of(pixels))
        assert free.sum() >= count, "there is no free position on this map"
        return pixels[free][:count]

    def point(self, px, py, number=0):
        """The page coordinates of a pixel of the map."""
        box = self.box(number)
        return box["x"] + float(px), box["y"] + float(py)

    def hover(self, px, py, number=0):
        self.page.mouse.move(*self.point(px, py, number))

    def click(self, px, py, number=0):
        self.page.mouse.click(*self.point(px, py, number))

    # Images

    def shows(self, image, where=None, within=CLOSE):
        """Wait until a canvas, by default the large one, shows this image."""
        return self.eventually(lambda: same(where or self.generated, image, within))

    def pin(self, *pins):
        """The part of a link for pins: rows, or latents."""
        return "pins=" + ",".join(
            f"r{pin}" if isinstance(pin, int) else f"z{latent_text(pin)}" for pin in pins
        )


class Truth:
    """What a run's page should show, computed in Python."""

    def __init__(self, tree):
        self.tree, self.entry = tree, tree.entry
        self.latents = tree.latents.astype(np.float16).astype(np.float32)  # as the page has them

    @cached_property
    def table(self):
        data = self.tree.files[self.entry["table"]]()
        return pa.ipc.open_file(io.BytesIO(data)).read_all()

    def latent(self, text):
        """The latent that a link names: a row, a numbered sample, or coordinates."""
        if "-" in text and text.partition("-")[0] in ("random", "mixture", "flow"):
            prior, _, number = text.partition("-")
            return self.samples(prior)[int(number)]
        return self.latents[int(text[1:])] if text[0] == "r" else latent_of(text[1:])

    def samples(self, prior="random"):
        """The numbered samples of the page."""
        site = self.entry["samples"] if prior == "random" else self.entry["fitted_prior"]["samples"]
        data = np.frombuffer(self.tree.files[site](), "<f2")
        return data.reshape(-1, self.entry["dim"]).astype(np.float32)

    def column(self, name):
        return self.table[name].to_numpy()

    def positions(self, number=0):
        site = self.entry["charts"][number]
        return np.stack([self.column(site["x"]), self.column(site["y"])], axis=1)

    def chart(self, number=0):
        site = self.entry["charts"][number]
        projection, features = site["projection"], None
        components = None
        if projection is not None:
            components = np.array(projection["components"], np.float32).reshape(2, -1)
        if site["averaged"] != INVERSE:
            features = self.latents  # of a chart by images, whose inverse averages fewer latents
        return Chart(self.latents, self.positions(number), components=components, features=features)

    def vectors(self, name):
        url = self.entry["directions"][name]
        return np.frombuffer(self.tree.files[url](), "<f4").reshape(-1, self.entry["dim"])


def named(locator, fits):
    name = locator.get_attribute("aria-label")
    assert fits(name), name


def pixels(locator):
    """The pixels of a canvas: (height, width, 4) from 0 to 1."""
    url = locator.evaluate("canvas => canvas.toDataURL()")
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")) / 255


def screenshot(locator):
    """A screenshot of an element."""
    data = locator.screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255


def same(locator, image, within=CLOSE):
    """Assert that a canvas shows an image (channels, height, width)."""
    result = pixels(locator)[..., :3]
    height, width = np.shape(image)[-2:]
    size = f"is {result.shape[1]}x{result.shape[0]} instead of {width}x{height} (a preview?)"
    assert result.shape[:2] == (height, width), size
    distance = difference(result, image)
    assert distance < within, f"differs from the expected image by {255 * distance:.1f} of 255"
    return result


def difference(result, image):
    """Mean difference of pixels (height, width, 3) from an image (channels, height, width)."""
    expected = np.broadcast_to(np.asarray(image).transpose(1, 2, 0), result.shape)
    return float(np.abs(result - expected).mean())


def latent_text(z):
    """A latent as text in a link."""
    text = base64.urlsafe_b64encode(np.asarray(z, "<f2").tobytes()).decode()
    return text.rstrip("=")


def latent_of(text):
    text = text.partition("~")[0]  # the data coverage of a position of a chart
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return np.frombuffer(data, "<f2").astype(np.float32)
