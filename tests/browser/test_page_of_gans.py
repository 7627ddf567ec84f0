"""Imported GANs in the page: 1000 classes, previews of a slow decoder, and the exported decoder."""

import json
import time

import numpy as np
import pytest
import torch
from playwright.sync_api import expect

import zatlas
from tests import stylegan_files
from tests.browser.conftest import AXE, SERIOUS
from tests.browser.explorer import Explorer, named, pixels
from tests.serving import get
from tests.stylegan_files import Case
from tests.test_imported_gans import SMALL, small_shapes
from tests.test_references import torch_weights
from zatlas.create import import_model
from zatlas.sample import sample_latents
from zatlas.server.handlers import coarse_generator
from zatlas.server.serve import serving
from zatlas.site import run_tree

pytestmark = pytest.mark.browser

CHOSEN = 207  # of 1000 classes
DELAY = 0.4  # seconds that a complete image takes longer


@pytest.fixture(scope="module")
def biggan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("biggan")
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text(json.dumps(SMALL))
    torch.save(torch_weights(small_shapes()), folder / "model" / "pytorch_model.bin")
    return import_model(folder / "model", folder / "biggan", truncation=0.4, verbose=False)


def test_one_of_1000_classes_is_searched_with_the_keyboard(explore, biggan):
    explorer = explore("server", biggan, link="pins=random-3")
    z = sample_latents(biggan, 4)[3:]
    explorer.shows(biggan.decode(z, [0])[0])
    chooser = explorer.page.get_by_role("combobox", name="Class label for the decoder")
    chooser.focus()
    chooser.type("207")
    options = explorer.page.get_by_role("listbox", name="Class label for the decoder").get_by_role("option")
    expect(options).to_have_count(1)
    chooser.fill("20")
    expect(options.first).to_have_text("20")
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        chooser.press(key)
    selected = options.and_(explorer.page.locator("[aria-selected=true]"))
    expect(selected).to_have_text("200")
    explorer.page.evaluate(AXE.read_text())
    assert not explorer.page.evaluate(SERIOUS)
    chooser.press("Enter")
    expect(options).to_have_count(0)
    explorer.shows(biggan.decode(z, [200])[0])
    explorer.eventually(lambda: named_state(explorer, "label", "200"))
    chooser.click()
    expect(options).to_have_count(60)
    chooser.press("Escape")
    expect(chooser).to_have_value("200")


def named_state(explorer, name, value):
    assert explorer.state().get(name) == value


def test_every_place_of_the_map_is_decoded_in_the_chosen_class(explore, biggan):
    explorer = explore("file", biggan, link=f"label={CHOSEN}")
    explorer.go(explorer.at(3, zoom=6), label=CHOSEN)
    (target,) = explorer.free(1, margin=12)
    explorer.hover(*target)
    latent = explorer.truth.chart().inverse_transform(explorer.positions_of([target]))
    explorer.shows(biggan.decode(latent, [CHOSEN])[0])


def test_an_image_moves_from_class_to_class_in_the_embedding(explore, biggan):
    explorer = explore("server", biggan, link="pins=random-5&panel=styles")
    page, panel = explorer.page, explorer.page.get_by_role("tabpanel")
    panel.get_by_role("button", name="Open embedding").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("biggan (embedding)")
    explorer.wait()
    inside = biggan.in_space("embedding")
    z = sample_latents(inside, 6)[5:]
    explorer.shows(inside.decode(z)[0])
    panel.get_by_role("combobox", name="Move towards the class").fill(str(CHOSEN))
    panel.get_by_role("option", name=str(CHOSEN), exact=True).click()
    expect(
        panel.get_by_text(f"zatlas mix biggan class:{CHOSEN} --into 5 --layers 1 --space embedding")
    ).to_be_visible()
    styles = zatlas.Atlas(inside).styles
    explorer.shows(inside.decode(styles.mix("5", f"class:{CHOSEN}", 1))[0])
    panel.get_by_label("class layer 1").fill("0.5")
    explorer.shows(inside.decode(styles.mix("5", f"class:{CHOSEN}", 1, amount=0.5))[0])
    explorer.eventually(lambda: named_state(explorer, "mix", f"c{CHOSEN} 0 0.5"))
    page.reload()
    explorer.wait().shows(inside.decode(styles.mix("5", f"class:{CHOSEN}", 1, amount=0.5))[0])


def test_a_slow_decoder_shows_a_preview_until_the_pointer_rests(explore, tmp_path):
    case = Case("ada", widths=(16, 16, 16, 8, 8), psi=0.7)  # of 64 pixels
    workspace = import_model(stylegan_files.write(case, tmp_path), tmp_path / "slow", verbose=False)
    with serving([workspace], points=60) as server:
        get(server.url, "/data/manifest.json")  # waits until the run is shown
        server.explorer.update("a", decoder=None)  # as for a model that is too large for a page
        decoder = server.explorer.handlers["a"].decoder
        original = decoder.decode

        def slow(*given):
            time.sleep(DELAY)
            return original(*given)

        decoder.decode = slow
        explorer = Explorer(explore.page(server.url), server.url, [run_tree(workspace, max_points=60)])
        explorer.open("layer=points")
        (target,) = explorer.go(explorer.at(3, zoom=4), layer="points").free(1, margin=12)
        latent = explorer.truth.chart().inverse_transform(explorer.positions_of([target]))
        explorer.hover(*target)
        preview = "Preview, 16 of 64 pixels: a point on the map"
        explorer.eventually(lambda: named(explorer.generated, lambda name: name == preview))
        explorer.shows(coarse_generator(workspace.generator).decode(latent)[0])
        explorer.eventually(lambda: named(explorer.generated, lambda name: name.startswith("Generated")))
        explorer.shows(workspace.decode(latent)[0])


def test_an_exported_stylegan2_of_256_pixels_decodes_as_torch_does(explore, tmp_path):
    case = Case("ada", widths=(16, 16, 16, 16, 8, 8, 8), psi=0.7)
    source = stylegan_files.write(case, tmp_path)
    workspace = import_model(source, tmp_path / "large", truncation=0.7, verbose=False)
    out = zatlas.export(workspace, tmp_path / "large.html", points=40)
    page = explore.page(out.as_uri())
    explorer = Explorer(page, out.as_uri(), [run_tree(workspace, max_points=40)])
    explorer.open("pins=random-2")
    z = explorer.truth.samples()[2:3]
    expected = workspace.decode(z)[0].transpose(1, 2, 0)
    explorer.shows(workspace.decode(z)[0])
    difference = np.abs(pixels(explorer.generated)[..., :3] - expected).max()
    print(f"largest difference of a pixel: {255 * difference:.2f} of 255")
    assert difference <= 2 / 255
