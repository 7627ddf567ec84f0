"""The explorer as a widget of anywidget, whose page asks the kernel in messages."""

import json
import queue

import pytest

from tests.following import check_follows_a_training

ExplorerWidget = pytest.importorskip("zatlas.server.widget", exc_type=ImportError).ExplorerWidget
pytestmark = pytest.mark.optional


class Widget:
    """The widget of a run, and the files that its page requests in messages; the kernel is this test."""

    def __init__(self, workspace):
        self.widget = ExplorerWidget([workspace], 500)
        self.sent = queue.Queue()
        self.widget.send = lambda content, buffers=(): self.sent.put(buffers[0])
        self.close = self.widget.close

    def manifest(self):
        message = {"kind": "file", "view": "a", "id": 1, "url": "data/manifest.json"}
        self.widget._receive(self.widget, message, [])
        return json.loads(bytes(self.sent.get(timeout=30)))["runs"][0]


def test_the_explorer_follows_a_training(tmp_path, monkeypatch):
    check_follows_a_training(Widget, tmp_path / "run", monkeypatch)
