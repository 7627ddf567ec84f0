"""Sharing in a real browser: the link, the poster of the map, films of it, and the page as one file."""

import io
import re
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import expect

from tests.browser.conftest import MODES
from tests.browser.explorer import Explorer
from zatlas.latent.curves import Curve, default_blend

pytestmark = pytest.mark.browser
LINK = "pins=r3,r17&panel=walk&at=0.25"


def saved(page, button):
    """The file that a button saves."""
    with page.expect_download() as result:
        button.click()
    return result.value.suggested_filename, result.value.path()


@pytest.mark.parametrize("mode", MODES)
def test_the_page_saves_itself_as_one_file_that_opens_at_this_state(mode, explore, wide, tmp_path):
    explorer = explore(mode, wide, link=LINK)
    page = explorer.page
    page.get_by_role("button", name="Share").click()
    name, path = saved(page, page.get_by_role("button", name="Save this page"))
    assert name == "wide.html"
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("MB")
    file = tmp_path / name
    file.write_bytes(path.read_bytes())
    again = explore.page(file.as_uri())
    opened = Explorer(again, file.as_uri(), explorer.trees).open()
    assert opened.state()["pins"] == "r3,r17"
    curve = Curve(explorer.truth.latents[[3, 17]], default_blend(wide.generator.space))
    opened.shows(wide.decode(curve(np.array([0.25], np.float32)))[0])


def test_the_share_dialog_copies_a_link_to_this_state_and_warns_of_a_local_address(explore, wide):
    explorer = explore("server", wide, link=LINK)
    page = explorer.page
    page.get_by_role("button", name="Share").click()
    dialog = page.get_by_role("dialog")
    field = dialog.get_by_role("textbox", name="Link")
    assert "pins=r3%2Cr17" in field.input_value()
    expect(dialog).to_contain_text("works only on this computer")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    dialog.get_by_role("button", name="Copy link").click()
    expect(dialog.get_by_role("status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == field.input_value()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    dialog.get_by_role("button", name="Copy link").click()
    expect(dialog.get_by_role("status")).to_contain_text("The link is selected")
    assert page.evaluate("getSelection().toString()") == field.input_value()
    dialog.get_by_role("button", name="Close").click()
    expect(dialog).to_be_hidden()


def test_the_map_is_saved_as_png_and_svg_with_its_legend_and_a_credit(explore, wide):
    explorer = explore("server", wide, link="layer=points")
    page = explorer.page
    page.get_by_role("button", name="Share").click()
    name, path = saved(page, page.get_by_role("button", name="Save as PNG"))
    image = np.asarray(Image.open(path).convert("RGB"))
    width, height = explorer.size
    assert name == "wide-map.png" and image.shape[1] == width and image.shape[0] > height + 40
    assert len(np.unique(image[:height].reshape(-1, 3), axis=0)) > 10  # several classes
    assert len(np.unique(image[height:].reshape(-1, 3), axis=0)) > 10  # the legend
    name, path = saved(page, page.get_by_role("button", name="Save as SVG"))
    text = path.read_text()
    assert name == "wide-map.svg" and "Made with zatlas" in text
    assert text.count("<circle") == 10 and "data:image/png;base64," in text
    assert ElementTree.fromstring(text).get("width") == str(width)


@pytest.mark.parametrize(
    ("size", "shape", "expected"),
    [("512", "square", (512, 512)), ("512", "landscape", (910, 512)), ("1080", "portrait", (1080, 1920))],
)
def test_a_film_has_its_size_and_the_map_beside_the_image(size, shape, expected, explore, wide):
    explorer = explore("server", wide, link="pins=r3,r17&panel=walk&keyframes=0;0.2;linear,")
    page = explorer.page
    page.get_by_role("combobox", name="Size of the film").select_option(size)
    page.get_by_role("combobox", name="Shape of the film").select_option(shape)
    page.get_by_role("textbox", name="Title of the film").fill("From A to B")
    _, path = saved(page, page.get_by_role("button", name="MP4", exact=True))
    with av.open(io.BytesIO(path.read_bytes())) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 6 and frames[0].shape[1::-1] == expected
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1  # the image changes


def test_a_gif_with_the_map_has_the_frames_of_the_walk(explore, wide):
    explorer = explore("server", wide, link="pins=r3,r17&panel=walk&keyframes=0;0.2;linear,")
    page = explorer.page
    page.get_by_role("combobox", name="Size of the film").select_option("512")
    _, path = saved(page, page.get_by_role("button", name="GIF", exact=True))
    with Image.open(path) as film:
        assert (film.size, film.n_frames) == ((512, 512), 6)


def test_an_image_can_be_dropped_anywhere(explore, portraits):
    explorer = explore("server", portraits)
    page = explorer.page
    png = io.BytesIO()
    Image.new("RGB", (20, 20), "#804020").save(png, "PNG")
    for number, target in enumerate(("header", "aside", "[role=application]"), 1):
        drop(page, target, png.getvalue())
        explorer.eventually(lambda count=number: dropped(explorer, count))


def drop(page, target, data):
    script = """([target, bytes]) => {
        const files = new DataTransfer();
        files.items.add(new File([Uint8Array.from(bytes)], "own.png", { type: "image/png" }));
        const element = document.querySelector(target);
        for (const kind of ["dragover", "drop"]) {
            const event = new DragEvent(kind, { dataTransfer: files, bubbles: true, cancelable: true });
            if (element.dispatchEvent(event)) throw new Error(kind + " was not handled");
        }
    }"""
    page.evaluate(script, [target, list(data)])


def dropped(explorer, count):
    pins = explorer.state().get("pins", "")
    assert len(re.findall("z", pins.replace("~", ""))) >= 1 and len(explorer.pinned()) == count


def test_the_share_dialog_leads_to_a_film_of_a_walk(explore, wide):
    explorer = explore("server", wide)
    page = explorer.page
    page.get_by_role("button", name="Share").click()
    page.get_by_role("dialog").get_by_role("button", name="Film a walk").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(page.get_by_role("list", name="Pins").or_(page.get_by_text("Timeline"))).to_be_visible()
    name, path = saved(page, page.get_by_role("tabpanel").get_by_role("button", name="GIF"))
    assert name.endswith(".gif") and Image.open(io.BytesIO(path.read_bytes())).n_frames > 30
