"""Every kind of run in a real browser: conditional, GAN, one dimension, two runs, still training."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MODES
from tests.browser.explorer import Truth, named, pixels, same
from tests.conftest import small_run
from zatlas.server.follow import follow_run
from zatlas.server.placeholder import placeholder
from zatlas.server.serve import Server, max_request_bytes
from zatlas.site import run_tree

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("mode", MODES)
def test_a_conditional_model_decodes_the_selected_class(mode, explore, conditional):
    explorer = explore(mode, conditional)
    explorer.go(explorer.at(3, zoom=7))
    (target,) = explorer.free(1)
    z = explorer.positions_of([target])
    picker = explorer.page.get_by_role("combobox", name="Class label for the decoder")
    result = []
    for label in (0, 4, 7):
        picker.select_option(conditional.generator.classes[label])
        explorer.hover(5, 5)
        explorer.hover(*target)
        image = conditional.decode(z, label=label)[0]
        explorer.shows(image)
        result.append(image)
    assert np.abs(result[0] - result[1]).mean() > 4 / 255


@pytest.mark.parametrize("mode", MODES)
def test_a_gan_decodes_every_position_and_encodes_no_image(mode, explore, rival):
    explorer = explore(mode, rival)
    page = explorer.page
    explorer.go(explorer.at(3, zoom=9))
    targets = explorer.free(2, margin=12)
    latents = explorer.truth.chart().inverse_transform(explorer.positions_of(targets))
    for target, image in zip(targets, rival.decode(latents), strict=True):
        explorer.hover(*target)
        explorer.shows(image)
    explorer.hover(*np.array(explorer.size) / 2)
    explorer.shows(rival.decode(explorer.truth.latents[[3]])[0])
    named(explorer.generated, lambda name: name == "Reconstruction of sample 3" or "sample 3" in name)
    expect(page.get_by_label("choose one")).to_have_count(0)
    expect(page.get_by_text("Nearest real images")).to_have_count(0)


@pytest.mark.parametrize("mode", MODES)
def test_a_one_dimensional_latent_space_is_a_strip(mode, explore, line):
    explorer = explore(mode, line)
    explorer.go(explorer.at(3, zoom=7))
    targets = explorer.free(3)
    latents = explorer.positions_of(targets)[:, :1]
    for target, image in zip(targets, line.decode(latents), strict=True):
        explorer.hover(*target)
        explorer.shows(image)


@pytest.mark.parametrize("mode", MODES)
def test_two_runs_are_compared_under_one_pointer(mode, explore, digits, plain):
    explorer = explore(mode, digits, plain)
    page = explorer.page
    expect(explorer.maps).to_have_count(2)
    explorer.go(explorer.at(3, zoom=20))
    explorer.hover(*np.array(explorer.size) / 2)
    explorer.shows(digits.decode(explorer.truth.latents[[3]])[0])
    other = Truth(explorer.trees[1])
    assert other.tree.rows[3] == explorer.truth.tree.rows[3]
    across = page.get_by_role("img", name="The same image by plain")
    explorer.shows(plain.decode(other.latents[[3]])[0], across)
    # A ring marks the same image on the other map.
    ring = explorer.maps.nth(1).locator("circle.ring")
    center = ring.bounding_box()
    explorer.trees, explorer.truth, box = explorer.trees[::-1], other, explorer.box(1)
    explorer.view = explorer.fitted()
    expected = explorer.pixels_of(other.positions()[[3]])[0]
    result = (center["x"] + center["width"] / 2 - box["x"], center["y"] + center["height"] / 2 - box["y"])
    np.testing.assert_allclose(result, expected, atol=1.5)
    # A click on its name activates the other run.
    page.get_by_role("button", name="plain", exact=True).click()
    explorer.hover(*expected, number=1)
    explorer.shows(plain.decode(other.latents[[3]])[0])
    across = page.get_by_role("img", name="The same image by digits")
    explorer.shows(digits.decode(Truth(explorer.trees[1]).latents[[3]])[0], across)


def test_each_of_two_maps_has_a_colour_column_of_its_run(explore, portraits, digits):
    page = explore("server", portraits, digits).page
    expect(page.get_by_label("Colour by")).to_have_value("hair_colour")
    expect(page.get_by_role("figure").nth(1).get_by_role("button", name="7")).to_be_attached()
    page.get_by_role("button", name="digits", exact=True).click()
    expect(page.get_by_label("Colour by")).to_have_value("label")
    page.get_by_role("button", name="portraits", exact=True).click()
    expect(page.get_by_label("Colour by")).to_have_value("hair_colour")


def test_each_of_two_maps_has_its_own_chart_and_a_click_on_it_pins(explore, wide, portraits):
    explorer = explore("server", wide, portraits)
    page = explorer.page
    first, second = (page.get_by_role("combobox", name=f"Chart of {name}") for name in ("wide", "portraits"))
    before = second.input_value()
    first.select_option("pca")
    expect(first).to_have_value("pca")
    expect(second).to_have_value(before)
    box = explorer.box(1)
    explorer.click(box["width"] / 2, box["height"] / 2, number=1)
    expect(page.get_by_role("button", name="portraits", exact=True)).to_have_attribute("aria-pressed", "true")
    explorer.eventually(lambda: pinned_one(explorer))


def pinned_one(explorer):
    assert explorer.state().get("pins", "").count(",") == 0 and explorer.state().get("pins")


def test_the_maps_and_the_models_of_earlier_checkpoints_are_replayed(explore, wide, tmp_path):
    earlier = small_run(tmp_path / "wide", "digits", dim=12, epochs=1)
    tree, tree_before = run_tree(wide, max_points=200), run_tree(earlier, max_points=200)
    training = {"epoch": 1, "epochs": 4, "running": True, "metrics": [{"epoch": 1, "seconds": 30.0}]}
    server = Server(max_request_bytes([wide]), port=0)
    try:
        first = replace(
            tree_before,
            entry={**tree_before.entry, "charts": tree_before.entry["charts"][::-1], "training": training},
        )
        server.show(first, earlier)
        server.begin()
        page = explore.page(server.url)
        page.goto(server.url)
        page.get_by_role("application").wait_for()
        panel = page.get_by_role("tabpanel")
        expect(panel).to_contain_text("Epoch 1 of 4, about 2 min left")
        expect(panel.get_by_role("slider", name="Replay the checkpoints")).to_have_count(0)
        later = {**training, "epoch": 2, "metrics": [{"epoch": 2, "seconds": 40.0}]}
        server.show(replace(tree, entry={**tree.entry, "stamp": "later", "training": later}), wide)
        expect(panel).to_contain_text("Epoch 2 of 4, about 40 s left")
        slider = panel.get_by_role("slider", name="Replay the checkpoints")
        page.get_by_role("radio", name="Points").click()
        page.mouse.move(2, 2)
        page.wait_for_timeout(1500)  # the points have arrived
        now = page.get_by_role("application").screenshot()
        image = page.get_by_role("region", name="Generated").get_by_role("img").first
        name = image.get_attribute("aria-label")
        row = tree.rows.tolist().index(int(name.rpartition(" ")[2].replace(",", "")))
        slider.fill("0")
        expect(panel).to_contain_text("Map after epoch 1")
        page.wait_for_timeout(1500)
        assert page.get_by_role("application").screenshot() != now
        assert image.get_attribute("aria-label") == name
        same(image, earlier.decode(tree_before.latents[row : row + 1])[0])
        slider.fill("1")
        expect(panel).to_contain_text("Map after epoch 2")
        page.wait_for_timeout(500)
        same(image, wide.decode(tree.latents[row : row + 1])[0])
    finally:
        server.close()


def test_a_link_of_two_runs_stores_the_active_run(explore, digits, plain):
    explorer = explore("folder", digits, plain)
    page = explorer.page
    page.get_by_role("button", name="plain", exact=True).click()
    pins = "pins=r3,r17&run=1"
    other = explore("folder", digits, plain, link=pins)
    chosen = other.page.get_by_role("button", name="plain", exact=True)
    expect(chosen).to_have_attribute("aria-pressed", "true")
    truth = Truth(other.trees[1])
    other.shows(plain.decode(truth.latents[[17]])[0])
    other.eventually(lambda: has_state(other, {"pins": "r3,r17", "run": "1"}))
    explorer.eventually(lambda: has_state(explorer, {"run": "1"}))


def has_state(explorer, state):
    assert explorer.state() == state


def test_a_training_is_followed_from_before_its_first_checkpoint(explore, sites, digits):
    run = follow_run(digits.run.folder, "a", partial(run_tree, max_points=100))
    server = Server(max_request_bytes([digits]), port=0)
    try:
        with digits.run.lock():
            tree = placeholder("a", "digits", run.recipe, run.images)
            tree.entry["training"] = run.training()
            server.show(tree, None)
            server.begin()
            page = explore.page(server.url)
            page.goto(server.url)
            expect(page.get_by_role("heading", name="digits is being trained")).to_be_visible()
            loss = page.get_by_role("img", name="by epoch, from")
            expect(loss.first).to_be_visible()
            epochs = digits.recipe.training.epochs
            expect(page.get_by_role("main")).to_contain_text(f"Epoch {epochs} of {epochs}")
            run.check(server)
            page.get_by_role("application").wait_for()
            expect(page.get_by_role("tab", name="Training")).to_have_attribute("aria-selected", "true")
            expect(page.get_by_text("decoded on the server")).to_be_visible()
            expect(loss.first).to_be_visible()
        run.check(server)
        expect(page.get_by_text("decoded in this page")).to_be_visible()
        page.get_by_role("tab", name="Training").click()
        stopped = page.get_by_role("tabpanel").get_by_text("Stopped at epoch")
        expect(stopped).to_contain_text(f"{epochs} of {epochs}")
        generated = page.get_by_role("region", name="Generated").get_by_role("img").first
        assert pixels(generated).std() > 0
    finally:
        server.close()
