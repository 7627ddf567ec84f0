"""Draws the pictures of the explorer in the documents: `python -m tests.browser.write_pictures`.

Two people of the faces that come along are pinned, and the page is shown as its links say.
"""

import io
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import FLAGS
from zatlas.demo import unpack
from zatlas.server.serve import serving
from zatlas.site import run_tree
from zatlas.workspace import Workspace

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
POINTS = 3000
PEOPLE = 580, 7826  # numbers of two images
WINDOW, SIZE = {"width": 1280, "height": 800}, (1000, 625)


def main() -> None:
    expect.set_options(timeout=60_000)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = Workspace.open(unpack(Path(folder) / "faces-vae"))
        numbers = run_tree(workspace, max_points=POINTS).rows.tolist()
        pins = "pins=" + ",".join(f"r{numbers.index(number)}" for number in PEOPLE)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with serving([workspace], points=POINTS) as served:
            for scheme in ("light", "dark"):
                page = chromium.new_page(viewport=WINDOW, color_scheme=scheme)
                page.goto(f"{served.url}#{pins}&panel=walk&at=0.5")
                expect(page.get_by_role("img", name="50 % of the walk")).to_be_visible()
                keep(page, "walk" if scheme == "light" else "walk-dark")
                if scheme == "light":
                    others(page, pins)


def others(page: Page, pins: str) -> None:
    """What else there is to see, in the light."""
    panel = page.get_by_role("tabpanel")
    follow(page, f"{pins}&panel=sliders&amounts=Eyeglasses:3")
    slider = panel.get_by_role("listitem").filter(has=page.get_by_label("Eyeglasses", exact=True))
    slider.get_by_text("side effects").click()
    slider.scroll_into_view_if_needed()
    keep(page, "sliders")
    follow(page, f"{pins}&decodeAll=1")
    keep(page, "decode-all")
    follow(page, f"{pins}&panel=preference")
    for choice in (1, 1, 4, 3, 2, 5):
        panel.get_by_role("button", name=f"Choose image {choice}").click()
        page.wait_for_timeout(600)
    keep(page, "preference")
    follow(page, pins)
    over = page.get_by_role("application")
    box = over.bounding_box()
    page.mouse.move(box["x"] + 0.66 * box["width"], box["y"] + 0.52 * box["height"])
    for _ in range(4):
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(300)
    keep(page, "near")


def follow(page: Page, link: str) -> None:
    page.evaluate("link => { location.hash = link }", link)
    page.wait_for_timeout(2500)


def keep(page: Page, name: str) -> None:
    """What the page shows now, small enough for a document."""
    page.wait_for_timeout(2500)
    shown = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = shown.resize(SIZE, Image.Resampling.LANCZOS)
    # Few pixels of a legend have its colours, and the usual method is for the many.
    few = small.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    few.save(PICTURES / f"explorer-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
