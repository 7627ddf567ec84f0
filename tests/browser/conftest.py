"""A real browser, and the page of a run in every mode: server, folder and single file."""

import shutil
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

import zatlas
from tests.browser.explorer import TIMEOUT, Explorer
from tests.conftest import small_run
from zatlas.server.serve import serving
from zatlas.site import run_tree

MODES = ("server", "folder", "file")
POINTS = 600  # of each run: a browser without a GPU draws slowly
VIEWPORT = {"width": 1280, "height": 760}
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
SERIOUS = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations
    .filter(({ impact }) => ["serious", "critical"].includes(impact)).map(({ id }) => id)"""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]
REPORT_VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
    console.error("CSP", event.blockedURI, event.violatedDirective))"""


@pytest.fixture(scope="session")
def browser():
    path = shutil.which("chromium")
    assert path, "These tests drive Chromium: apt-get install chromium"
    expect.set_options(timeout=1000 * TIMEOUT)
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
    """Opens runs in new pages; any error of a page fails the test."""
    opened = Opened(browser, sites)
    yield opened
    for context in opened.contexts:
        context.close()
    assert not opened.faults


@pytest.fixture(scope="session")
def line(tmp_path_factory, own_cache):
    """A VAE of digits with one latent dimension."""
    return small_run(tmp_path_factory.mktemp("runs") / "line", "digits", dim=1, epochs=3)


class Opened:
    """The pages of a test, and their errors."""

    def __init__(self, browser, sites):
        self.browser, self.sites = browser, sites
        self.contexts, self.faults = [], []

    def __call__(self, mode, *workspaces, link="", **settings):
        """A loaded page of these runs."""
        url = self.sites.url(mode, *workspaces)
        page = self.page(url, **settings)
        return Explorer(page, url, self.sites.trees(*workspaces)).open(link)

    def page(self, url, **settings):
        """A page whose errors and requests to other addresses are recorded."""
        defaults = {"reduced_motion": "reduce", "color_scheme": "light", "viewport": VIEWPORT}
        context = self.browser.new_context(**{**defaults, **settings})
        context.set_default_timeout(1000 * TIMEOUT)
        context.add_init_script(REPORT_VIOLATIONS)
        self.contexts.append(context)
        page = context.new_page()
        watch(page, url, self.faults)
        return page


class Sites:
    """The pages of runs by mode; each is created on first use."""

    def __init__(self, folder, stack):
        self.root, self.stack, self.urls = folder, stack, {}

    def url(self, mode, *workspaces):
        key = (mode, *(workspace.run.folder for workspace in workspaces))
        if key not in self.urls:
            name = "-".join(workspace.name for workspace in workspaces)
            self.urls[key] = getattr(self, mode)(name, workspaces)
        return self.urls[key]

    def trees(self, *workspaces):
        """The files that the pages of these runs read."""
        ids = zip("ab", workspaces, strict=False)
        return [run_tree(workspace, id, max_points=POINTS) for id, workspace in ids]

    def server(self, name, workspaces):
        return self.stack.enter_context(serving(workspaces, points=POINTS)).url

    def folder(self, name, workspaces):
        """In a subfolder of a plain static host."""
        if "host" not in self.urls:
            self.urls["host"] = self.stack.enter_context(hosted(self.root))
        zatlas.export(workspaces, self.root / "some" / "where" / name, points=POINTS)
        return f"{self.urls['host']}/some/where/{name}/"

    def file(self, name, workspaces):
        out = zatlas.export(workspaces, self.root / f"{name}.html", points=POINTS)
        return out.as_uri()


class hosted:
    """`python -m http.server` for a folder; its address."""

    def __init__(self, folder):
        arguments = ["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self):
        words = self.process.stdout.readline().split()  # Serving HTTP on 127.0.0.1 port 41234 ...
        return f"http://127.0.0.1:{words[words.index('port') + 1]}"

    def __exit__(self, *error):
        self.process.terminate()
        self.process.wait(10)
        self.process.stdout.close()


def watch(page, url, faults):
    """Record what a page must not do: errors, dialogs, requests to other hosts."""
    own = urlsplit(url)

    def requested(request):
        to = urlsplit(request.url)
        if to.scheme not in ("data", "blob") and (to.scheme, to.netloc) != (own.scheme, own.netloc):
            faults.append(f"requested {request.url}")

    def dismiss(dialog):
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("console", lambda message: message.type == "error" and faults.append(message.text))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("crash", lambda: faults.append("the page crashed"))
    page.on("dialog", dismiss)
    page.on("request", requested)
