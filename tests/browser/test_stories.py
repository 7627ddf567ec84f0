"""Stories: read by keys in every kind of page, on a phone, written in the page, and from strangers."""

import base64
import re
import zlib

import numpy as np
import pytest
from playwright.sync_api import expect

import zatlas
from tests import stylegan_files
from tests.browser.conftest import POINTS
from tests.browser.explorer import Explorer, named
from tests.browser.test_imported import write_decoder
from tests.browser.test_looks import AXE, FAULTS
from tests.conftest import small_run
from tests.story_cases import FLAWED, GOOD
from tests.stylegan_files import Case
from zatlas.create import import_model
from zatlas.server.serve import serving

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def packed(text):
    """A story in the letters of a link."""
    compressor = zlib.compressobj(wbits=-15)
    data = compressor.compress(text.encode()) + compressor.flush()
    return "~" + base64.urlsafe_b64encode(data).decode().rstrip("=")


def unpacked(story):
    """The text of a story in a link."""
    data = story.removeprefix("~")
    return (
        zlib.decompressobj(-15).decompress(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))).decode()
    )


def stories(explorer):
    return explorer.page.get_by_role("region", name="Stories")


def heading(explorer):
    return stories(explorer).get_by_role("heading")


def step(explorer, number, count):
    """Wait for a step of the open story."""
    expect(stories(explorer).get_by_text(f"step {number} of {count}")).to_be_visible()
    explorer.eventually(lambda: equal(explorer.state().get("step"), str(number)))


def axe_faults(page):
    page.evaluate(AXE.read_text())
    return page.evaluate(FAULTS)


def read(explorer):
    """The text of each offered story, read with Next from its first step to its last."""
    column = stories(explorer)
    explorer.page.get_by_role("button", name="Stories").click()
    result = {}
    for title in column.get_by_role("listitem").get_by_role("button").all_inner_texts():
        column.get_by_role("button", name=title).click()
        steps, count = [], None
        while count is None or len(steps) < count:
            expect(column.get_by_text(re.compile(f"step {len(steps) + 1} of"))).to_be_visible()
            count = int(column.get_by_text(re.compile(r"step \d+ of")).inner_text().rsplit(" ", 1)[1])
            steps.append(column.inner_text())
            if len(steps) < count:
                column.get_by_role("button", name="Next").click()
        result[title] = "\n".join(steps)
        column.get_by_role("button", name="All stories").click()
    return result


KINDS = {  # what the stories of each kind of run say, and what they do not say
    "plain": ("This model has no prior.", "A and B are samples"),
    "digits": ("This model has a prior", "has no prior"),
    "conditional": ("except for their class", "has no prior"),
    "wide": ("each image has one class only", "are correlated"),
    "portraits": ("pixel values into 8 numbers", "one class only"),
    "rival": ("Pin A is one of the samples.", "real image"),
    "styled": ("All images of this map are generated", "real image"),
    "theirs": ("5 numbers that were sampled", "encoder of the model"),
    "unlabelled": ("pixel values into", "separates images"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_stories_of_a_run_say_what_is_true_of_it(kind, explore, request):
    explorer = explore("server", request.getfixturevalue(kind))
    texts = read(explorer)
    text = "\n".join(texts.values())
    contains_one, lacks = KINDS[kind]
    assert re.search(contains_one, text) and not re.search(lacks, text)
    assert not re.search(r"[{}]|undefined|NaN|unknown", text)
    assert texts


@pytest.fixture
def styled(tmp_path):
    """A StyleGAN2 in its space w."""
    source = stylegan_files.write(Case("ada", widths=(24, 16, 16), psi=0.7), tmp_path)
    return import_model(source, tmp_path / "styled", truncation=0.7, verbose=False).in_space("w")


@pytest.fixture
def theirs(tmp_path):
    """An imported decoder without an encoder."""
    return import_model(write_decoder(tmp_path / "theirs.onnx", "n"), tmp_path / "theirs", verbose=False)


@pytest.fixture
def unlabelled(tmp_path):
    """A VAE of images without labels."""
    images = np.random.default_rng(0).random((120, 1, 8, 8)).astype(np.float32)
    return small_run(tmp_path / "unlabelled", npz(tmp_path / "images.npz", images), dim=3, epochs=2)


def npz(path, images):
    np.savez(path, x_train=(255 * images).astype(np.uint8))
    return path


def equal(result, expected):
    assert result == expected


@pytest.mark.parametrize("mode", ["server", "file"])
def test_a_story_is_read_from_start_to_end_by_keys(mode, explore, portraits):
    explorer = explore(mode, portraits)
    keys = explorer.page.keyboard
    explorer.page.get_by_role("button", name="Stories").press("Enter")
    expect(heading(explorer)).to_be_focused()
    stories(explorer).get_by_role("button", name="What a latent space is").press("Enter")
    step(explorer, 1, 5)
    expect(heading(explorer)).to_be_focused()
    keys.press("ArrowRight")
    step(explorer, 2, 5)
    (pinned,) = explorer.pinned()
    explorer.shows(portraits.generator.decode(pinned[None])[0])
    keys.press("PageDown")
    step(explorer, 3, 5)
    assert not explorer.pinned()
    keys.press("ArrowLeft")
    step(explorer, 2, 5)
    for number in (3, 4, 5):
        keys.press("PageDown")
        step(explorer, number, 5)
    first, second = explorer.eventually(lambda: both(explorer.pinned()))
    explorer.shows(portraits.generator.decode((first + second)[None] / 2)[0])
    keys.press("PageDown")  # there is no further step
    step(explorer, 5, 5)
    stories(explorer).get_by_role("button", name="Done").press("Enter")
    expect(stories(explorer)).to_have_count(0)
    expect(explorer.page.get_by_role("button", name="Stories")).to_be_focused()
    explorer.eventually(lambda: equal(explorer.state().get("story"), None))


def both(pins):
    assert len(pins) == 2
    return pins


def test_a_step_is_announced_and_a_question_answers(explore, portraits):
    explorer = explore("server", portraits, link="story=latent-space&step=4")
    live = stories(explorer).locator("[aria-live=polite]").first
    expect(live).to_contain_text("step 4 of 5")
    expect(live).to_contain_text("Half way between two images")
    answer = stories(explorer).get_by_role("group")
    answer.get_by_role("radio").nth(0).check()
    expect(answer).to_contain_text("Not quite.")
    answer.get_by_role("radio").nth(2).check()
    expect(answer).to_contain_text("Right. No image of the data needs to have this latent.")


def test_undo_leads_back_to_the_step_before(explore, portraits):
    explorer = explore("server", portraits, link="story=latent-space&step=2")
    step(explorer, 2, 5)
    explorer.page.wait_for_timeout(600)
    stories(explorer).get_by_role("button", name="Next").click()
    step(explorer, 3, 5)
    explorer.page.keyboard.press("Control+z")
    step(explorer, 2, 5)
    assert len(explorer.pinned()) == 1


@pytest.mark.parametrize("link", ["", "story=latent-space&step=4"])
def test_on_a_phone_map_image_and_story_are_on_one_screen(link, explore, portraits):
    explorer = explore("server", portraits, link=link, **PHONE)
    if not link:
        explorer.page.get_by_role("button", name="Stories").tap()
    box = stories(explorer).bounding_box()
    map_box, image = explorer.box(), explorer.generated.bounding_box()
    assert box["y"] + box["height"] <= 844 and box["width"] == 390
    assert map_box["height"] > 200 and map_box["y"] + map_box["height"] <= box["y"]
    assert image["width"] > 80 and image["y"] + image["height"] < box["y"]
    if link:
        stories(explorer).get_by_role("button", name="Next").tap()
        step(explorer, 5, 5)


def test_a_teacher_writes_a_story_saves_it_and_opens_it_again(explore, portraits, tmp_path):
    explorer = explore("file", portraits, link="pins=r3&layer=points")
    page, column = explorer.page, stories(explorer)
    page.get_by_role("button", name="Stories").click()
    column.get_by_role("button", name="Write a story").click()
    fill(column, "Title of the story", "My lesson")
    fill(column, "Title of the step", "Look at A")
    fill(column, "Text", "This is *one* face.")
    fill(column, "Question", "Who is it?\nNobody\n* A face\n> It is drawn.")
    page.get_by_role("tab", name="Sliders").click()
    column.get_by_role("button", name="Add a step").click()
    fill(column, "Text", "Move a slider.")
    column.get_by_role("button", name="Add a step").click()
    column.get_by_role("button", name="Delete this step").click()
    column.get_by_role("button", name="Move up").click()
    fill(column, "Text", "## This is a heading")
    expect(column.get_by_role("alert")).to_be_visible()
    fill(column, "Text", "Move any slider.")
    expect(column.get_by_role("alert")).to_have_count(0)
    with page.expect_download() as saved:
        column.get_by_role("button", name="Save as a file").click()
    file = tmp_path / saved.value.suggested_filename
    saved.value.save_as(file)
    assert file.name == "My-lesson.md" and "[Show](#panel=sliders&pins=r3&layer=points)" in file.read_text()
    explorer.eventually(lambda: contains(unpacked(explorer.state().get("story", "")), "Move any slider."))
    link = page.evaluate("location.hash.slice(1)")
    for opened in (explore("server", portraits, link=link), with_file(explore("file", portraits), file)):
        expect(stories(opened).get_by_text("My lesson: step 1 of 2")).to_be_visible()
        expect(stories(opened).get_by_text("Move any slider.")).to_be_visible()
        stories(opened).get_by_role("button", name="Next").click()
        step(opened, 2, 2)
        expect(stories(opened).get_by_role("radio")).to_have_count(2)
        expect(stories(opened).locator("em")).to_have_text("one")


def contains(text, part):
    assert part in text


def fill(column, label, text):
    field = column.get_by_label(label, exact=label in ("Text",))
    field.fill(text)
    field.blur()


def with_file(explorer, file):
    explorer.page.get_by_role("button", name="Stories").click()
    stories(explorer).get_by_label("Open a story from a file").set_input_files(file)
    return explorer


@pytest.mark.parametrize("mode", ["server", "file"])
def test_a_page_opens_with_the_story_that_it_was_given(mode, explore, portraits, tmp_path):
    file = tmp_path / "story.md"
    file.write_text(GOOD, encoding="utf-8")
    with serving([portraits], points=POINTS, story=GOOD) as server:
        url = server.url
        if mode == "file":
            url = zatlas.export(portraits, tmp_path / "page.html", points=POINTS, story=file).as_uri()
        explorer = Explorer(explore.page(url), url, explore.sites.trees(portraits)).open()
        step(explorer, 1, 2)
        expect(stories(explorer).locator("code")).to_have_text("<code>")
        link = stories(explorer).get_by_role("link")
        expect(link).to_have_attribute("href", "https://example.org/page?a=1#b")
        expect(link).to_have_attribute("rel", "noopener noreferrer")
        named(explorer.generated, lambda name: name.startswith("Reconstruction"))
        stories(explorer).get_by_role("button", name="Next").click()
        step(explorer, 2, 2)
        assert explorer.state()["pins"] == "r0"  # the step has no state


@pytest.mark.parametrize("flaw", ["a script", "an event", "a link that is a program", "an image", "too long"])
def test_a_story_of_a_stranger_in_a_link_runs_nothing(flaw, explore, portraits):
    text, problem = FLAWED[flaw]
    explorer = explore("server", portraits, link=f"story={packed(text)}")
    expect(stories(explorer).get_by_role("alert")).to_have_text(problem)
    assert stories(explorer).locator("script, img, iframe, a").count() == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_in_the_stories(theme, explore, portraits):
    explorer = explore("server", portraits, color_scheme=theme)
    explorer.page.get_by_role("button", name="Stories").click()
    assert not axe_faults(explorer.page)
    stories(explorer).get_by_role("button", name="What a latent space is").click()
    step(explorer, 1, 5)
    explorer.page.keyboard.press("PageDown")
    assert not axe_faults(explorer.page)
    explorer.follow("story=latent-space&step=4")
    step(explorer, 4, 5)
    assert not axe_faults(explorer.page)
    stories(explorer).get_by_role("button", name="Edit").click()
    assert not axe_faults(explorer.page)
