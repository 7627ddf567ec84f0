"""A real browser, and every run as a person gets it: from the server, as a folder, as one file."""

import shutil
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

import zatlas
from tests.browser.explorer import PATIENCE, Explorer
from tests.conftest import small_run
from zatlas.server.serve import serving
from zatlas.site import run_tree

MODES = ("server", "folder", "file")
POINTS = 600  # of each run: a browser without a graphics card draws few quickly
VIEWPORT = {"width": 1280, "height": 760}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
TELL = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error("CSP", event.blockedURI, event.violatedDirective))"""


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    assert path, "These tests drive Chromium: apt-get install chromium"
    expect.set_options(timeout=1000 * PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def sites(tmp_path_factory, own_cache):
    with ExitStack() as stack:
        yield Sites(tmp_path_factory.mktemp("sites"), stack)


@pytest.fixture
def explore(browser, sites):
    """Opens runs in pages of their own; whatever a page complained of fails the test."""
    opened = Opened(browser, sites)
    yield opened
    for context in opened.contexts:
        context.close()
    assert not opened.faults


@pytest.fixture(scope="session")
def line(tmp_path_factory, own_cache):
    """A VAE of digits with a single axis."""
    return small_run(tmp_path_factory.mktemp("runs") / "line", "digits", dim=1, epochs=3)


class Opened:
    """The pages of a test, and what they complained of."""

    def __init__(self, browser, sites):
        self.browser, self.sites = browser, sites
        self.contexts, self.faults = [], []

    def __call__(self, direction, *workspaces, link="", **settings):
        """A page of these runs, ready."""
        url = self.sites.url(direction, *workspaces)
        page = self.page(url, **settings)
        return Explorer(page, url, self.sites.trees(*workspaces)).open(link)

    def page(self, url, **settings):
        """A page that is watched, and will only have to do with this address."""
        usual = {"reduced_motion": "reduce", "color_scheme": "light", "viewport": VIEWPORT}
        context = self.browser.new_context(**{**usual, **settings})
        context.set_default_timeout(1000 * PATIENCE)
        context.add_init_script(TELL)
        self.contexts.append(context)
        page = context.new_page()
        watch(page, url, self.faults)
        return page


class Sites:
    """Where runs are found; each is made when it is first asked for, and stays."""

    def __init__(self, folder, stack):
        self.room, self.stack, self.known = folder, stack, {}

    def url(self, direction, *workspaces):
        key = (direction, *(workspace.run.folder for workspace in workspaces))
        if key not in self.known:
            name = "-".join(workspace.name for workspace in workspaces)
            self.known[key] = getattr(self, direction)(name, workspaces)
        return self.known[key]

    def trees(self, *workspaces):
        """What the pages of these runs read."""
        return [run_tree(workspace, id, max_points=POINTS) for workspace, id in zip(workspaces, "ab", strict=False)]

    def server(self, name, workspaces):
        return self.stack.enter_context(serving(workspaces, points=POINTS)).url

    def folder(self, name, workspaces):
        """Deep below the root of a plain static host."""
        if "host" not in self.known:
            self.known["host"] = self.stack.enter_context(hosted(self.room))
        zatlas.export(workspaces, self.room / "some" / "where" / name, points=POINTS)
        return f"{self.known['host']}/some/where/{name}/"

    def file(self, name, workspaces):
        out = zatlas.export(workspaces, self.room / f"{name}.html", points=POINTS)
        return out.as_uri()


class hosted:
    """`python -m http.server` for a folder; its address."""

    def __init__(self, folder):
        words = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
        self.process = subprocess.Popen(
            [sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self):
        words = self.process.stdout.readline().split()  # Serving HTTP on 127.0.0.1 port 41234 ...
        return f"http://127.0.0.1:{words[words.index('port') + 1]}"

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def watch(page, url, faults):
    """Note what a page should never do: complain, open a dialog, ask anyone but who gave it."""
    own = urlsplit(url)

    def asked(request):
        to = urlsplit(request.url)
        if to.scheme not in ("data", "blob") and (to.scheme, to.netloc) != (own.scheme, own.netloc):
            faults.append(f"asked for {request.url}")

    def dialog(one):
        faults.append(f"dialog: {one.message}")
        one.dismiss()

    page.on("console", lambda said: said.type == "error" and faults.append(said.text))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("crash", lambda: faults.append("the page crashed"))
    page.on("dialog", dialog)
    page.on("request", asked)
