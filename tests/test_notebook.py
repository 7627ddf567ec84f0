import html
import json
import re
import subprocess
import sys

import pytest

from tests.following import check_follows_a_training
from tests.serving import FILES, Page, get
from tests.story_cases import GOOD
from zatlas.atlas import Atlas
from zatlas.core.errors import BadData, BadRecipe
from zatlas.notebook import show
from zatlas.sample import sample_latents
from zatlas.server import serve


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setattr(serve, "page", lambda: FILES)


def address(frame):
    return re.search(r'<iframe src="([^"]+)"', frame._repr_html_())[1]


@pytest.mark.slow
def test_a_notebook_frames_a_server_that_answers(digits, page):
    frame = show(digits, height=500)
    try:
        assert "height:500px" in frame._repr_html_() and repr(frame) == f"<explorer at {frame.url}>"
        status, headers, _ = get(address(frame))
        assert status == 200
        assert "frame-ancestors http://127.0.0.1:*" in headers["content-security-policy"]
        with Page(frame.url) as requested:
            z = sample_latents(digits, 2, seed=0)
            assert requested.request("decode", z.tobytes(), n=2)[0]["shape"] == [2, 1, 8, 8]
    finally:
        frame.close()
    with pytest.raises(OSError):
        get(frame.url)


@pytest.mark.slow
def test_a_run_that_is_shown_again_has_the_same_server(digits, wide, page):
    first, loaded, both = show(digits), show(digits), show(digits, wide)
    try:
        assert address(first) == address(loaded) != address(both)
        manifest = get(both.url, "/data/manifest.json")[2]
        assert manifest.count(b'"fingerprint"') == 2
    finally:
        first.close()
        both.close()


@pytest.mark.slow
def test_a_frame_opens_with_its_story(digits, page, tmp_path):
    (tmp_path / "story.md").write_text(GOOD, encoding="utf-8")
    atlas = Atlas(digits)
    with_story, plain = atlas.explore(story=tmp_path / "story.md"), atlas.explore()
    try:
        stories = [
            json.loads(get(frame.url, "/data/manifest.json")[2]).get("story") for frame in (with_story, plain)
        ]
        assert stories == [GOOD, None]
    finally:
        with_story.close()
        plain.close()
    with pytest.raises(BadData, match="is not a file"):
        atlas.explore(story=tmp_path / "other.md")


@pytest.mark.slow
def test_inline_the_page_itself_is_in_the_notebook(digits):
    pytest.importorskip("zatlas.site.export")
    try:
        complete = show(digits, inline=True)._repr_html_()
    except Exception as error:
        if "no page to show" in str(error):
            pytest.skip("the page is not built")
        raise
    text = html.unescape(re.search(r'srcdoc="([^"]*)"', complete)[1])
    assert text.lstrip().lower().startswith("<!doctype html>") and "data/manifest.json" in text


class Frame:
    """The frame of a run, and the files that its page requests from the server."""

    def __init__(self, workspace):
        self.frame = show(workspace)
        self.close = self.frame.close

    def manifest(self):
        return json.loads(get(self.frame.url, "/data/manifest.json")[2])["runs"][0]


@pytest.mark.slow
def test_the_explorer_follows_a_training(page, tmp_path, monkeypatch):
    check_follows_a_training(Frame, tmp_path / "run", monkeypatch)


def test_what_cannot_be_shown_is_said(digits):
    with pytest.raises(BadRecipe, match="two side by side"):
        show(digits, digits, digits)
    with pytest.raises(BadRecipe, match="pixels high"):
        show(digits, height=5)


@pytest.mark.slow
def test_a_process_that_shows_a_run_ends_by_itself(digits):
    latent = (
        "import sys, zatlas\nfrom tests.serving import FILES\nfrom zatlas.server import serve\n"
        "serve.page = lambda: FILES\nprint(zatlas.load(sys.argv[1]).explore().url)"
    )
    command = [sys.executable, "-c", latent, str(digits.run.folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("http://127.0.0.1:") and "Traceback" not in done.stderr
