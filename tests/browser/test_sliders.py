"""Sliders, arithmetic and user-made directions in a real browser, compared with Python's directions."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MODES
from tests.browser.explorer import pixels
from zatlas.directions import estimate as directions
from zatlas.directions.estimate import example_direction
from zatlas.directions.find import find_direction, find_directions, store_of
from zatlas.directions.measure import evaluate_directions
from zatlas.directions.types import LinearDirection
from zatlas.latent.arithmetic import Group, combine, mean_latent
from zatlas.training.classifier_training import train_classifier
from zatlas.workspace import Workspace

pytestmark = pytest.mark.browser
SET_SLIDER = """(input, amount) => {
    input.value = amount;
    input.dispatchEvent(new Event("input", { bubbles: true }));
}"""
KINDS = {"class": "Classes", "attribute": "Attributes", "principal": "Principal"}


def direction(truth, number):
    """A direction of the run's page."""
    site = truth.entry["directions"]["list"][number]
    return LinearDirection(site["name"], truth.vectors("vectors")[number], site["std"])


def of_kind(truth, kind):
    sites = truth.entry["directions"]["list"]
    return next(number for number, site in enumerate(sites) if site["kind"] == kind)


def turn(explorer, kind, title, amount):
    page = explorer.page
    page.get_by_role("radio", name=kind, exact=True).click()
    slider = page.get_by_label(title, exact=True)  # it may be folded
    slider.evaluate(SET_SLIDER, str(amount))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["wide", "portraits"])
def test_a_slider_moves_the_image_as_python_moves_the_latent(mode, name, explore, request):
    workspace = request.getfixturevalue(name)
    explorer = explore(mode, workspace, link="pins=r5&panel=sliders")
    truth = explorer.truth
    z = truth.latents[[5]]
    explorer.shows(workspace.decode(z)[0])
    kinds = {site["kind"] for site in truth.entry["directions"]["list"]}
    for kind in sorted(kinds):
        number = of_kind(truth, kind)
        title = truth.entry["directions"]["list"][number]["title"]
        moved = direction(truth, number).move(z, 2.5)
        turn(explorer, KINDS[kind], title, 2.5)
        explorer.shows(workspace.decode(moved)[0])
        z = moved  # the next slider is added
    index = truth.entry["dimensions"][0]["index"]
    z[0, index] -= 1.5 * truth.entry["std"][index]
    turn(explorer, "Dimensions", f"dimension {index}", -1.5)
    explorer.shows(workspace.decode(z)[0])
    explorer.page.get_by_role("button", name="reset", exact=True).click()
    explorer.shows(workspace.decode(truth.latents[[5]])[0])


def test_a_direction_holds_an_attribute_constant(explore, portraits):
    explorer = explore("server", portraits, link="pins=r5&panel=sliders")
    truth, page = explorer.truth, explorer.page
    chosen = direction(truth, of_kind(truth, "attribute"))
    z = truth.latents[[5]]
    slider = page.get_by_label(chosen.name.replace("_", " "), exact=True)
    slider.evaluate(SET_SLIDER, "3")
    page.get_by_role("listitem").filter(has=slider).get_by_role("button", name="side effects").click()
    page.get_by_role("checkbox", name="hold constant").first.click()
    expect(page.get_by_text("Held constant:")).to_be_visible()
    held = page.get_by_role("tabpanel").get_by_role("button").filter(has_text="\N{MULTIPLICATION SIGN}")
    expect(held).to_have_count(1)
    other = held.inner_text()[:-1].strip().replace(" ", "_")
    names = [probe["name"] for probe in truth.entry["directions"]["probes"]]
    normal = LinearDirection(other, truth.vectors("normals")[names.index(other)])
    orthogonal = directions.orthogonalize(chosen, [normal], truth.latents)
    explorer.shows(portraits.decode(orthogonal.move(z, 3.0))[0])
    held.click()
    explorer.shows(portraits.decode(chosen.move(z, 3.0))[0])


def test_a_direction_stays_unchanged_if_nothing_would_be_left(explore, portraits):
    truth = explore("server", portraits).truth
    chosen = direction(truth, of_kind(truth, "attribute"))
    others = [probe["name"] for probe in truth.entry["directions"]["probes"] if probe["name"] != chosen.name]
    assert len(others) >= portraits.dim
    link = f"pins=r5&panel=sliders&amounts={chosen.name}:2&held={','.join(others[:-1])}"
    explorer = explore("server", portraits, link=link)
    moved = portraits.decode(chosen.move(truth.latents[[5]], 2.0))[0]
    explorer.shows(moved)
    page = explorer.page
    slider = page.get_by_role("slider", name=chosen.name.replace("_", " "), exact=True)
    page.get_by_role("listitem").filter(has=slider).get_by_role("button", name="side effects").click()
    page.get_by_role("checkbox", name="hold constant", checked=False).first.click()
    expect(page.get_by_text("nothing is left of it")).to_be_attached()
    explorer.shows(moved)


def test_samples_move_together_with_the_chosen_anchor(explore, wide):
    explorer = explore("server", wide, link="panel=sliders")
    page = explorer.page
    page.get_by_role("checkbox", name="Move twelve samples together").check()
    samples = page.get_by_role("img", name="moved")
    expect(samples).to_have_count(12)
    explorer.eventually(lambda: rendered(samples.last))
    before = [pixels(samples.nth(number)) for number in range(12)]
    title = explorer.truth.entry["directions"]["list"][0]["title"]
    turn(explorer, "Classes", title, 3)

    def others():
        after = [pixels(samples.nth(number)) for number in range(12)]
        distances = [np.abs(a - b).mean() for a, b in zip(before, after, strict=True)]
        assert min(distances) > 2 / 255

    explorer.eventually(others)


def rendered(canvas):
    assert pixels(canvas)[..., 3].min() == 1


@pytest.mark.parametrize("mode", MODES)
def test_latents_and_directions_are_added(mode, explore, wide):
    explorer = explore(mode, wide, link="pins=r3,r17,r40&panel=arithmetic")
    page, truth = explorer.page, explorer.truth
    a, b, c = truth.latents[[3, 17, 40]]
    step = direction(truth, 0)

    def total(*signed, step=0):
        """The image of a sum of latents, as `zatlas arithmetic` computes it."""
        groups = [Group(sign, "", z[None]) for sign, z in signed]
        steps = [Group(1, "", step[None], is_step=True)] if np.any(step) else []
        return wide.decode(combine([*groups, *steps], wide.generator.space))[0]

    panel = page.get_by_role("tabpanel")
    result = panel.get_by_role("img", name="The result")
    panel.get_by_role("button", name="A", exact=True).click()
    explorer.shows(wide.decode(a[None])[0], result)
    panel.get_by_role("button", name="B", exact=True).click(modifiers=["Shift"])
    panel.get_by_role("button", name="C", exact=True).drag_to(panel.get_by_label("Equation"))
    explorer.shows(total((1, a), (-1, b), (1, c)), result)
    for name, z in ("A", a), ("B", b), ("C", c):
        explorer.shows(wide.decode(z[None])[0], panel.get_by_role("img", name=name, exact=True))
    panel.get_by_role("button", name="Plus; change the sign").first.click()
    explorer.shows(total((1, c), (-1, a), (-1, b)), result)
    panel.get_by_label("Add a direction").select_option(step.name)
    two_std = step.move(np.zeros((1, wide.dim), np.float32), 2.0)[0]
    explorer.shows(total((1, c), (-1, a), (-1, b), step=two_std), result)
    panel.get_by_role("button", name=f"Remove {step.name}").click()
    panel.get_by_role("button", name="pin it").click()
    explorer.shows(total((1, c), (-1, a), (-1, b)))


def lasso(explorer, left, top, right, bottom):
    """Draw around points with shift held; the rows inside."""
    page = explorer.page
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    page.keyboard.down("Shift")
    page.mouse.move(*explorer.point(left, top))
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*explorer.point(*corner), steps=6)
    page.mouse.up()
    page.keyboard.up("Shift")
    x, y = explorer.pixels_of(explorer.truth.positions()).T
    return np.flatnonzero((x > left) & (x < right) & (y > top) & (y < bottom))


def edges(explorer, fractions):
    """Pixels near these parts of the map's sides that no point lies on."""
    result = []
    for fraction, axis in zip(fractions, (0, 1, 0, 1), strict=True):
        latents = explorer.pixels_of(explorer.truth.positions())[:, axis]
        center = round(fraction * explorer.size[axis])
        result.append(min(range(center - 30, center + 30), key=lambda at: np.abs(latents - at).min() < 0.6))
    return result


@pytest.mark.parametrize("mode", MODES)
def test_a_lasso_creates_a_group_and_a_group_a_slider(mode, explore, wide):
    explorer = explore(mode, wide, link="pins=r5")
    page, truth = explorer.page, explorer.truth
    explorer.view = explorer.fitted()
    inside = lasso(explorer, *edges(explorer, (0.1, 0.15, 0.5, 0.85)))
    panel = page.get_by_role("tabpanel")
    expect(panel.get_by_role("list", name="Groups").get_by_text(f"{len(inside)} latents")).to_be_visible()
    assert 10 < len(inside) < len(truth.latents) - 10
    panel.get_by_role("button", name="group 1", exact=True).click()
    result = panel.get_by_role("img", name="The result")
    explorer.shows(wide.decode(mean_latent(truth.latents[inside], wide.generator.space))[0], result)
    panel.get_by_role("textbox", name="called").fill("leftness")
    panel.get_by_role("button", name="Make it a slider").click()
    rest = np.setdiff1d(np.arange(len(truth.latents)), inside)
    own = example_direction(truth.latents[inside], truth.latents[rest], "leftness", truth.latents)
    turn(explorer, "Yours", "leftness", 3)
    moved = wide.decode(own.move(truth.latents[[5]], 3.0))[0]
    explorer.shows(moved)
    explorer.eventually(lambda: in_link(explorer))
    other = explore(mode, wide, link=page.evaluate("location.hash.slice(1)"))
    other.shows(moved)
    other.page.get_by_role("radio", name="Yours").click()
    expect(other.page.get_by_role("slider", name="leftness")).to_have_value("3")


def in_link(explorer):
    assert "leftness" in explorer.state().get("created", "")
    assert explorer.state().get("amounts") == "leftness:3"


@pytest.fixture(scope="module")
def curved(tmp_path_factory, portraits):
    """A run with a saved nonlinear direction and a classifier."""
    folder = tmp_path_factory.mktemp("curved") / "curved"
    shutil.copytree(portraits.run.folder, folder)
    workspace = Workspace.open(folder)
    (male,) = find_directions(workspace, "labels", names=["Male"], method="local", steps=60)
    (result,) = evaluate_directions(workspace, [replace(male, name="beardy", description="Male")])
    store_of(workspace).save(result.direction, result)
    trained = train_classifier(workspace.dataset, ["Male", "Bald"], epochs=1, show=False)
    return workspace.annotate(trained, save=True)


@pytest.mark.parametrize("mode", MODES)
def test_a_nonlinear_direction_has_a_slider_and_the_classifier_reads_its_image(mode, explore, curved):
    explorer = explore(mode, curved, link="pins=r5&panel=sliders")
    page, truth, saved = explorer.page, explorer.truth, find_direction(curved, "beardy")
    report = store_of(curved).report("beardy")
    sites = {site["name"]: site for site in truth.entry["directions"]["list"]}
    turn(explorer, "Saved", "beardy", 2)
    moved = saved.move(truth.latents[[5]], 2.0)
    image = curved.decode(moved)
    explorer.shows(image[0])
    item = page.get_by_role("listitem").filter(has=page.get_by_role("slider", name="beardy"))
    expect(item.get_by_text("nonlinear")).to_be_visible()
    expect(item.locator(".range")).to_have_count(1)
    assert sites["beardy"]["range"] == [report.low, report.high]
    expect(page.get_by_text("Predicted from the image")).to_be_visible()
    classifier = curved.classifier
    rounded = np.rint(image * 255).astype(np.float32) / 255
    probability = float(classifier.predict(rounded)[0, classifier.column("Male")])
    panel = page.get_by_role("tabpanel")
    visible = panel.get_by_text(re.compile(r"^Male \d+ %$")).first

    def equal():
        assert abs(int(re.search(r"\d+", visible.inner_text())[0]) - 100 * probability) < 2

    explorer.eventually(equal)
    # The result can be pinned, but arithmetic does not offer the direction.
    page.get_by_role("button", name="pin the result").click()

    def pinned():
        assert len(explorer.pinned()) == 2
        assert np.abs(explorer.pinned()[1] - moved[0]).max() < 0.02

    explorer.eventually(pinned)
    page.get_by_role("tab", name="Arithmetic", exact=True).click()
    expect(page.get_by_label("Add a direction").get_by_role("option", name="beardy")).to_have_count(0)


def test_every_attribute_has_a_range_and_a_run_without_classifier_uses_probes(explore, portraits):
    explorer = explore("server", portraits, link="pins=r5&panel=sliders")
    page, truth = explorer.page, explorer.truth
    attributes = [site for site in truth.entry["directions"]["list"] if site["kind"] == "attribute"]
    assert attributes and all(site["range"][0] <= 0 <= site["range"][1] for site in attributes)
    turn(explorer, "Attributes", attributes[0]["title"], 1)
    expect(page.get_by_text("Estimated from the latent")).to_be_visible()
    expect(page.get_by_role("tabpanel").locator(".range")).to_have_count(len(attributes))
