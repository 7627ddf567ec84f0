"""Write the screenshots of the explorer for the documents: `python -m tests.browser.write_pictures`.

They show the shipped face model with two pinned faces.
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
PINNED = 580, 7826  # numbers of two images
WINDOW, SIZE = {"width": 1280, "height": 800}, (1000, 625)
PHONE = {"width": 390, "height": 844}


def main() -> None:
    expect.set_options(timeout=60_000)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        workspace = Workspace.open(unpack(Path(folder) / "faces-vae"))
        numbers = run_tree(workspace, max_points=POINTS).rows.tolist()
        pins = "pins=" + ",".join(f"r{numbers.index(number)}" for number in PINNED)
        chromium = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        with serving([workspace], points=POINTS) as server:
            for scheme in ("light", "dark"):
                page = chromium.new_page(viewport=WINDOW, color_scheme=scheme)
                page.goto(f"{server.url}#{pins}&panel=walk&at=0.5")
                expect(page.get_by_role("img", name="50 % of the walk")).to_be_visible()
                save_screenshot(page, "walk" if scheme == "light" else "walk-dark")
                if scheme == "light":
                    other_panels(page, pins)
            context = chromium.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
            page = context.new_page()
            page.goto(f"{server.url}#{pins}&panel=sliders")
            expect(page.get_by_role("img", name="Reconstruction")).to_be_visible()
            page.get_by_role("tab", name="Sliders").tap()
            save_screenshot(page, "phone", (390, 844))


def other_panels(page: Page, pins: str) -> None:
    """The other panels, in the light theme."""
    panel = page.get_by_role("tabpanel")
    follow(page, f"{pins}&panel=sliders&amounts=Eyeglasses:3")
    slider = panel.get_by_role("listitem").filter(has=page.get_by_label("Eyeglasses", exact=True))
    slider.get_by_text("side effects").click()
    slider.scroll_into_view_if_needed()
    save_screenshot(page, "sliders")
    follow(page, f"{pins}")
    save_screenshot(page, "decode-all")
    follow(page, f"{pins}&panel=preference")
    for choice in (1, 1, 4, 3, 2, 5):
        panel.get_by_role("button", name=f"Choose image {choice}").click()
        page.wait_for_timeout(600)
    save_screenshot(page, "preference")
    follow(page, f"{pins}&panel=data&filter=Eyeglasses")
    save_screenshot(page, "data")
    follow(page, f"{pins}&layer=images")
    box = page.get_by_role("application").bounding_box()
    page.mouse.move(box["x"] + 0.66 * box["width"], box["y"] + 0.52 * box["height"])
    for _ in range(4):
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(300)
    save_screenshot(page, "near")


def follow(page: Page, link: str) -> None:
    page.evaluate("link => { location.hash = link }", link)
    page.wait_for_timeout(2500)


def save_screenshot(page: Page, name: str, size: tuple[int, int] = SIZE) -> None:
    """Save the page at the size of a document."""
    page.wait_for_timeout(2500)
    screenshot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    small = screenshot.resize(size, Image.Resampling.LANCZOS)
    # The default method drops the colours of the legend, which cover few pixels.
    reduced = small.quantize(256, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE)
    reduced.save(PICTURES / f"explorer-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
