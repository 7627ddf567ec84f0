"""The GPU decodes large images if it gives the same ones sooner, and runs decode on several threads.

Chromium computes WebGPU on the processor here, so the tests slow down the worker that decodes without it.
"""

import pytest
from playwright.sync_api import expect

import zatlas
from tests.browser.conftest import FLAGS, hosted
from tests.browser.explorer import Explorer
from zatlas.site import run_tree

pytestmark = pytest.mark.browser

SLOWER = """
;{
    const perform = self.onmessage;
    let delay = 0;
    self.onmessage = (event) => {
        const { kind, runtime } = event.data.task;
        if (kind === "start" && runtime.engine === %r) delay = 400;
        setTimeout(() => perform(event), kind === "decode" ? delay : 0);
    };
}"""


@pytest.fixture(scope="module")
def large(tmp_path_factory, own_cache):
    """A VAE for images of 128x128 pixels."""
    out = tmp_path_factory.mktemp("runs") / "large"
    settings = {"net.width": 4, "training.preview": 0}
    return zatlas.train(
        "faces:count=60", size=128, dim=4, epochs=1, out=out, settings=settings, verbose=False
    ).workspace


@pytest.fixture(scope="module")
def webgpu(browser):
    """A browser with WebGPU."""
    flags = [flag for flag in FLAGS if flag != "--disable-gpu"]
    other = browser.browser_type.launch(
        executable_path="/usr/bin/chromium", args=[*flags, "--enable-unsafe-webgpu"]
    )
    yield other
    other.close()


def slow(engine):
    """A handler of the worker's script that makes one engine slower."""

    def fulfill(route):
        response = route.fetch()
        route.fulfill(response=response, body=response.text() + SLOWER % engine)

    return fulfill


def tried(ended):
    assert ended, "no worker has ended: both engines are still compared"


@pytest.mark.parametrize(("slower", "text"), [("wasm", "by your GPU"), ("webgpu", "in this page")])
def test_the_quicker_engine_decodes_what_python_decodes(slower, text, webgpu, large, tmp_path):
    assert (zatlas.export(large, tmp_path / "page", points=50) / "gpu").is_dir()
    page, ended = webgpu.new_page(reduced_motion="reduce"), []
    page.on("worker", lambda worker: worker.on("close", lambda it: ended.append(it.url)))
    page.route("**/assets/worker-*.js", slow(slower))
    with hosted(tmp_path) as url:
        explorer = Explorer(page, f"{url}/page/", [run_tree(large, max_points=50)]).open()
        explorer.eventually(lambda: tried(ended))
        expect(page.locator(".where")).to_have_text(f"decoded {text}", timeout=60_000)
        explorer.go(explorer.at(3, zoom=9))
        (target,) = explorer.free(1, margin=12)
        latents = explorer.truth.chart().inverse_transform(explorer.positions_of([target]))
        explorer.hover(*target)
        explorer.shows(large.decode(latents)[0])
    page.close()


def test_the_runtime_of_the_gpu_is_exported_with_large_images_only(digits, tmp_path):
    assert not (zatlas.export(digits, tmp_path / "page", points=50) / "gpu").exists()


def test_a_served_page_decodes_on_several_threads(browser, sites, digits):
    def pretend(route):
        response = route.fetch()
        body = response.text().replace("navigator.hardwareConcurrency", "6")
        assert body != response.text()
        route.fulfill(response=response, body=body)

    page, workers = browser.new_page(reduced_motion="reduce"), []
    page.on("worker", lambda worker: workers.append(worker.url))
    page.route("**/assets/worker-*.js", pretend)
    explorer = Explorer(page, sites.url("server", digits), sites.trees(digits)).open()
    assert page.evaluate("self.crossOriginIsolated")
    explorer.go(explorer.at(3, zoom=9))
    (target,) = explorer.free(1, margin=12)
    latents = explorer.truth.chart().inverse_transform(explorer.positions_of([target]))
    explorer.hover(*target)
    explorer.shows(digits.decode(latents)[0])
    assert sum("ort-wasm" in url for url in workers) == 2, workers  # with the first worker, three threads
    page.close()
