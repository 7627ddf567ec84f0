import html
import json
import queue
import re
import subprocess
import sys
import time

import pytest

import zatlas
from tests.serving import FILES, Page, get
from zatlas.core.errors import BadRecipe
from zatlas.notebook import show
from zatlas.sample import sample_latents
from zatlas.server import serve
from zatlas.store.run import Run
from zatlas.workspace import Workspace


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


class Widget:
    """The widget of a run, and the files that its page requests in messages; the kernel is this test."""

    def __init__(self, workspace):
        self.widget = pytest.importorskip("zatlas.server.widget").ExplorerWidget([workspace], 500)
        self.sent = queue.Queue()
        self.widget.send = lambda content, buffers=(): self.sent.put(buffers[0])
        self.close = self.widget.close

    def manifest(self):
        message = {"kind": "file", "view": "a", "id": 1, "url": "data/manifest.json"}
        self.widget._receive(self.widget, message, [])
        return json.loads(bytes(self.sent.get(timeout=30)))["runs"][0]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Frame, Widget])
def test_the_explorer_follows_a_training(kind, page, tmp_path, monkeypatch):
    monkeypatch.setattr("zatlas.server.follow.CHECK_SECONDS", 0.05)
    monkeypatch.setattr("zatlas.server.follow.RETRY_FACTOR", 0)
    run, states = Run(tmp_path / "run"), []

    class Explore(zatlas.Callback):
        shown = None

        def on_epoch_end(self, row):
            if self.shown is None and run.weights.exists():
                self.shown = kind(Workspace.open(run.folder))
            if self.shown is not None:
                states.append(until(lambda: self.state_since(row["epoch"] - 1)))

        def state_since(self, epoch):
            entry = self.shown.manifest()
            training = entry["training"] or {"epoch": -1}
            return training["epoch"] >= epoch and (training["epoch"], training["running"], entry["stamp"])

    explore = Explore()
    try:
        options = {"settings": {"net.widths": [16], "training.preview": 0}, "verbose": False}
        zatlas.train("digits", epochs=6, out=run.folder, callbacks=[explore], **options)
        last = until(lambda: (state := explore.state_since(6)) and not state[1] and state)
    finally:
        explore.shown.close()
    epochs, running, stamps = zip(*states, strict=True)
    assert all(running) and epochs == tuple(sorted(epochs)) and epochs[-1] >= 5
    assert last[2] != stamps[0]  # the page has another model


def until(condition):
    """Wait until a condition holds, and return its value."""
    deadline = time.monotonic() + 30
    while not (value := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return value


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
