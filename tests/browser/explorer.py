"""The page as a person works it, and what it ought to show as Python reckons it."""

import base64
import io
import re
from functools import cached_property
from time import monotonic
from urllib.parse import parse_qsl

import numpy as np
import pyarrow as pa
from PIL import Image

from zatlas.latent.chart import Chart

CLOSE = 2 / 255  # mean difference of pixels that are the same
PATIENCE = 30  # seconds for the page to come to what is expected, where a machine has much else to do
MARGIN = 28  # CSS pixels around a map that is shown whole


class Explorer:
    """One page with one run, or two."""

    def __init__(self, page, url, trees):
        self.page, self.url, self.trees = page, url, trees
        self.truth = Truth(trees[0])
        self.maps = page.get_by_role("application")
        self.imagined = page.get_by_role("region", name="Generated").get_by_role("img").first
        self.view = (0.0, 0.0, 1.0)

    # Getting about

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
        self.page.get_by_text(re.compile("decoded in")).wait_for()
        if self.trees[0].entry["dim"] > 2 and self.trees[0].entry["codes"]:
            # Then the codes have come, and places are exact.
            self.page.get_by_role("option", name="two latent dimensions").wait_for(state="attached")
        self.eventually(lambda: named(self.imagined, lambda name: name != "No image yet"))
        return self

    def said(self):
        """The state of the page as its link says it, by name."""
        return dict(parse_qsl(self.page.evaluate("location.hash.slice(1)")))

    def pinned(self):
        """The codes that are pinned, as the link says them."""
        pins = [one for one in self.said().get("pins", "").split(",") if one]
        rows = [one[1:] for one in pins]
        return [
            self.truth.latents[int(rest)] if pin[0] == "r" else read_code(rest)
            for pin, rest in zip(pins, rows, strict=True)
        ]

    def tab(self, name):
        self.page.get_by_role("tab", name=name, exact=True).click()
        return self.page.get_by_role("tabpanel")

    def eventually(self, check):
        """Ask until it holds; what it failed of last is what is told."""
        end = monotonic() + PATIENCE
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
        """Width and height of the map as the page counts them."""
        box = self.box()
        return round(box["width"]), round(box["height"])

    def fitted(self, zoom=1.0, places=None):
        """The view that shows the whole chart, or so many times nearer."""
        places = self.truth.places() if places is None else places
        low, high = places.min(axis=0), places.max(axis=0)
        width, height = self.size
        scale = min((np.array([width, height]) - 2 * MARGIN) / np.maximum(high - low, 1e-9))
        x, y = ((low + high) / 2).tolist()
        return x, y, float(scale) * zoom

    def at(self, row, zoom):
        """The view with a point in the middle, so many times nearer than the whole."""
        x, y = self.truth.places()[row].tolist()
        return x, y, self.fitted(zoom)[2]

    def go(self, view, **words):
        """Look at a part of the map."""
        self.view = view
        said = {"view": ",".join(str(value) for value in view), **words}
        self.follow("&".join(f"{key}={value}" for key, value in said.items()))
        self.page.wait_for_timeout(350)  # the page takes a view when it has come to rest
        return self

    def pixels_of(self, places):
        """Where these places are on the map, in CSS pixels from its top left."""
        width, height = self.size
        x, y, scale = self.view
        places = np.asarray(places, np.float64)
        down = height / 2 - (places[:, 1] - y) * scale
        return np.stack([width / 2 + (places[:, 0] - x) * scale, down], axis=1)

    def places_of(self, pixels):
        """The places under these pixels."""
        width, height = self.size
        x, y, scale = self.view
        pixels = np.asarray(pixels, np.float64)
        up = y - (pixels[:, 1] - height / 2) / scale
        return np.stack([x + (pixels[:, 0] - width / 2) / scale, up], axis=1).astype(np.float32)

    def free(self, count, folder=45, seed=0, number=0):
        """Pixels of the map amid the data, and away from every point and its thumbnail."""
        width, height = self.size
        pixels = np.random.default_rng(seed).integers(40, [width - 40, height - 60], (4000, 2))
        chart = self.truth.chart(number)
        apart = self.pixels_of(chart.positions)
        alone = np.linalg.norm(pixels[:, None] - apart, axis=2).min(axis=1) > folder
        fine = alone & chart.covers(self.places_of(pixels))
        assert fine.sum() >= count, "there is no free place on this map"
        return pixels[fine][:count]

    def point(self, px, py, number=0):
        """Where the mouse has to be for that pixel of the map."""
        box = self.box(number)
        return box["x"] + float(px), box["y"] + float(py)

    def hover(self, px, py, number=0):
        self.page.mouse.move(*self.point(px, py, number))

    def click(self, px, py, number=0):
        self.page.mouse.click(*self.point(px, py, number))

    # What is shown

    def shows(self, image, where=None, within=CLOSE):
        """Whether a picture, the large one if none is said, comes to be this image."""
        return self.eventually(lambda: same(where or self.imagined, image, within))

    def pin(self, *pins):
        """The words of a link for pins: rows, or codes."""
        return "pins=" + ",".join(f"r{one}" if isinstance(one, int) else f"z{code(one)}" for one in pins)


class Truth:
    """What a run's page should show, reckoned in Python."""

    def __init__(self, tree):
        self.tree, self.entry = tree, tree.entry
        self.latents = tree.latents.astype(np.float16).astype(np.float32)  # as the page has them

    @cached_property
    def table(self):
        data = self.tree.files[self.entry["points"]]()
        return pa.ipc.open_file(io.BytesIO(data)).read_all()

    def column(self, name):
        return self.table[name].to_numpy()

    def places(self, number=0):
        site = self.entry["charts"][number]
        return np.stack([self.column(site["x"]), self.column(site["y"])], axis=1)

    def chart(self, number=0):
        frame = self.entry["charts"][number]["frame"]
        axes = None if frame is None else np.array(frame["axes"], np.float32).reshape(2, -1)
        return Chart(self.latents, self.places(number), components=axes)

    def vectors(self, name):
        url = self.entry["ways"][name]
        return np.frombuffer(self.tree.files[url](), "<f4").reshape(-1, self.entry["dim"])


def named(locator, fits):
    name = locator.get_attribute("aria-label")
    assert fits(name), name


def pixels(locator):
    """What a canvas holds: (height, width, 4) from 0 to 1."""
    url = locator.evaluate("canvas => canvas.toDataURL()")
    data = base64.b64decode(url.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")) / 255


def screen(locator):
    """What a person sees of an element."""
    data = locator.screenshot(animations="disabled")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255


def same(locator, image, within=CLOSE):
    """Hold a canvas to an image (channels, height, width)."""
    result = pixels(locator)[..., :3]
    apart = difference(result, image)
    assert apart < within, f"{255 * apart:.1f} of 255 from what it should be"
    return result


def difference(result, image):
    """Mean difference of pixels (height, width, 3) from an image (channels, height, width)."""
    wanted = np.broadcast_to(np.asarray(image).transpose(1, 2, 0), result.shape)
    return float(np.abs(result - wanted).mean())


def code(z):
    """A code as a link holds it."""
    text = base64.urlsafe_b64encode(np.asarray(z, "<f2").tobytes()).decode()
    return text.rstrip("=")


def read_code(text):
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return np.frombuffer(data, "<f2").astype(np.float32)
