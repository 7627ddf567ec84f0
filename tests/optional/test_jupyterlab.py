"""The explorer as a widget of a real JupyterLab, in Chromium."""

import json
import re
import shutil
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

import zatlas
from tests.conftest import small_run

pytestmark = pytest.mark.optional

FIRST = """import json, pathlib, zatlas
from zatlas.server import serve
def refuse(*_): raise AssertionError("a port was opened")
serve.listen = refuse
atlas = zatlas.load({run!r})
widget = atlas.explore(height=620)
def write(_):
    state = {{"pins": widget.pins.tolist(), "selection": widget.selection.tolist()}}
    pathlib.Path({out!r}).write_text(json.dumps(state))
widget.observe(write, ["pins", "selection"])
widget"""
SECOND = "widget.go_to([0.5, -0.25])"


@pytest.fixture
def lab(tmp_path):
    """The address of a running JupyterLab with a notebook in this folder."""
    pytest.importorskip("jupyterlab")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    options += ["--IdentityProvider.token="]
    command = [sys.executable, "-m", "jupyterlab", *options, f"--ServerApp.root_dir={tmp_path}"]
    with (tmp_path / "lab.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=tmp_path)
    end = time.monotonic() + 90
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.2)
    yield f"http://127.0.0.1:{port}/lab/tree/explorer.ipynb?reset"
    process.terminate()
    process.wait(30)


def eventually(page, check, seconds=60):
    end = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < end, check
        page.wait_for_timeout(200)


def write_notebook(folder, *sources):
    """Write a notebook with these cells of code."""
    code = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    cells = [{**code, "id": f"cell-{i}", "source": source} for i, source in enumerate(sources)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    notebook = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
    (folder / "explorer.ipynb").write_text(json.dumps(notebook))


def first_cell_run(playwright, lab):
    """Open the notebook and run its first cell; return the browser and the page."""
    browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
    page = browser.new_page(viewport={"width": 1500, "height": 1000})
    page.set_default_timeout(60_000)
    page.goto(lab)
    first = page.locator(".jp-Cell").first

    def started():  # JupyterLab loses a key that comes before it is connected to the kernel
        first.click()
        page.keyboard.press("Shift+Enter")
        page.wait_for_timeout(1000)
        return first.locator(".jp-InputPrompt").first.inner_text() != "[ ]:"

    eventually(page, started)
    return browser, page


def test_a_figure_in_a_frame_decodes(lab, tmp_path):
    from playwright.sync_api import sync_playwright

    run = small_run(tmp_path / "digits", "digits", dim=2, epochs=3)
    zatlas.export(run, tmp_path / "map.html", figure="map", points=100)
    write_notebook(tmp_path, 'from IPython.display import IFrame\nIFrame("map.html", 720, 520)')
    with sync_playwright() as playwright:
        browser, page = first_cell_run(playwright, lab)
        page.frame_locator("iframe").locator("canvas.generated[data-ready]").wait_for()
        page.screenshot(path=tmp_path / "figure.png")
        browser.close()


def test_the_explorer_is_a_widget_that_needs_no_port_and_returns_selection_and_pins(lab, tmp_path):
    pytest.importorskip("anywidget")
    from playwright.sync_api import sync_playwright

    run = small_run(tmp_path / "digits", "digits", dim=2)
    out = tmp_path / "state.json"
    write_notebook(tmp_path, FIRST.format(run=str(run.run.folder), out=str(out)), SECOND)

    def state(name):
        return json.loads(out.read_text())[name] if out.exists() else []

    with sync_playwright() as playwright:
        browser, page = first_cell_run(playwright, lab)
        frame = page.frame_locator("iframe")
        frame.get_by_text(re.compile("decoded (in|on)")).wait_for()
        canvas = frame.get_by_role("application")
        box = canvas.bounding_box()
        center = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.click(*center)
        eventually(page, lambda: len(state("pins")) == 1)
        page.screenshot(path=tmp_path / "pinned.png")
        assert np.isfinite(state("pins")).all() and len(state("pins")[0]) == 2

        page.locator(".jp-Cell").nth(1).click()
        before = frame.get_by_role("region", name="Generated").inner_text()
        page.keyboard.press("Shift+Enter")
        eventually(page, lambda: frame.get_by_role("region", name="Generated").inner_text() != before)
        assert "a latent from Python" in frame.get_by_role("region", name="Generated").inner_text()

        frame.get_by_role("radio", name="Lasso").click()
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        right, low = box["width"] - 30, box["height"] - 30
        page.mouse.move(box["x"] + 30, box["y"] + 30)
        page.mouse.down()
        for x, y in ((right, 30), (right, low), (30, low)):
            page.mouse.move(box["x"] + x, box["y"] + y, steps=8)
        page.mouse.up()
        eventually(page, lambda: len(state("selection")) > 100)
        page.screenshot(path=tmp_path / "selected.png")
        browser.close()
    assert set(state("selection")) <= set(range(len(run.dataset)))
