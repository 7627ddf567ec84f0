"""Pages in Chromium for benchmarks: opening them, moving the pointer, and reading times."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from playwright.sync_api import Browser, Page

from common import quiet

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]

# Records when the large image and the map were first drawn.
NOTE = """
window.noted = {};
const note = (name) => { window.noted[name] ??= performance.now(); };
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    put.apply(this, given);
    if (this.canvas.closest?.('section[aria-label="Generated"] figure')) {
        note("picture");
        window.drawn?.(performance.now());
    }
};
for (const name of ["drawArrays", "drawArraysInstanced"]) {
    const own = WebGL2RenderingContext.prototype[name];
    WebGL2RenderingContext.prototype[name] = function (...given) {
        own.apply(this, given);
        if (given[2] > 0) note("map");
    };
}
"""

# One move per frame: when its image was drawn, and the frame that showed it.
HOVER = """async (moves) => {
    const map = document.querySelector("[role=application]");
    const box = map.getBoundingClientRect();
    const found = [];
    let frame = await new Promise(requestAnimationFrame);
    for (const [x, y] of moves) {
        const begun = performance.now();
        const drawn = new Promise((resolve) => { window.drawn = resolve; });
        const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
        map.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true }));
        const ready = await drawn;
        const shown = await new Promise(requestAnimationFrame);
        found.push([ready - begun, shown - frame]);
        frame = shown;
    }
    return found;
}"""

# Time of the page's main thread for one move.
PICK = """(moves) => {
    const map = document.querySelector("[role=application]");
    const box = map.getBoundingClientRect();
    return moves.map(([x, y]) => {
        const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
        const move = new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true });
        const begun = performance.now();
        map.dispatchEvent(move);
        return performance.now() - begun;
    });
}"""

# Frames while the map zooms at each, so that it is drawn again.
FRAMES = """async (count) => {
    const map = document.querySelector("[role=application]");
    const box = map.getBoundingClientRect();
    const at = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
    const found = [];
    let last = await new Promise(requestAnimationFrame);
    for (let i = 0; i < count; i++) {
        const turn = { ...at, deltaY: i % 2 ? 8 : -8, bubbles: true, cancelable: true };
        map.dispatchEvent(new WheelEvent("wheel", turn));
        const now = await new Promise(requestAnimationFrame);
        found.push(now - last);
        last = now;
    }
    return found;
}"""

RENDERER = """() => {
    const gl = document.createElement("canvas").getContext("webgl2");
    return gl.getParameter(gl.getExtension("WEBGL_debug_renderer_info").UNMASKED_RENDERER_WEBGL);
}"""

# Times from a filter to the new numbers of the page, and to the frame that shows them.
FILTER = """async (words) => {
    const field = document.querySelector("input[type=search]");
    const found = [];
    for (const word of words) {
        await new Promise((done) => setTimeout(done, 800));
        const begun = performance.now();
        field.value = word;
        field.dispatchEvent(new InputEvent("input", { bubbles: true }));
        await new Promise((done) => queueMicrotask(() => queueMicrotask(done)));
        const counted = performance.now();
        await new Promise(requestAnimationFrame);
        found.push([counted - begun, performance.now() - begun, document.querySelector(".count").innerText]);
    }
    return found;
}"""

# Of each move, the share of the real images that are blank 100 ms later.
BLANK = """async (moves) => {
    const map = document.querySelector("[role=application]");
    const box = map.getBoundingClientRect();
    const found = [];
    for (const [x, y] of moves) {
        const at = { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
        map.dispatchEvent(new PointerEvent("pointermove", { ...at, pointerType: "mouse", bubbles: true }));
        await new Promise((done) => setTimeout(done, 100));
        for (const canvas of document.querySelectorAll("section[aria-label=Generated] .real canvas")) {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            found.push(data.some((value, i) => i % 4 === 3 && value) ? 0 : 1);
        }
    }
    return found;
}"""


def loaded(browser: Browser, url: str, keys: Sequence[str] = ("map", "picture")) -> dict:
    """Milliseconds from the start of loading to the map and to the first image."""
    with opened(browser, url, keys) as page:
        return page.evaluate("window.noted")


@contextmanager
def opened(browser: Browser, url: str, keys: Sequence[str] = ("map", "picture")) -> Iterator[Page]:
    """A page with an empty cache that has drawn the requested element."""
    context = browser.new_context(viewport={"width": 1280, "height": 760}, reduced_motion="reduce")
    context.add_init_script(NOTE)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_function("keys => keys.every((key) => key in window.noted)", arg=list(keys), timeout=60_000)
    yield page
    context.close()


@contextmanager
def hosted(folder: Path) -> Iterator[str]:
    """A static host of a folder, in its own process."""
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=quiet()
    ) as host:
        output = host.stdout.readline().split()
        try:
            yield f"http://127.0.0.1:{output[output.index('port') + 1]}/"
        finally:
            host.terminate()


def memory(browser: Browser) -> str:
    """Memory of the browser processes."""
    session = browser.new_browser_cdp_session()
    result = session.send("SystemInfo.getProcessInfo")["processInfo"]
    kinds: dict[str, float] = {}
    for process in result:
        status = Path(f"/proc/{process['id']}/status").read_text().split()
        kind = "graphics" if process["type"] == "GPU" else process["type"]
        kinds[kind] = max(kinds.get(kind, 0), int(status[status.index("VmRSS:") + 1]) / 1024)
    return ", ".join(f"{kind} {kinds[kind]:.0f} MiB" for kind in ("renderer", "graphics") if kind in kinds)


def moves(count: int, seed: int = 0) -> list[list[float]]:
    """Random pointer positions in the center of the map, as shares of its sides."""
    rng = np.random.default_rng(seed)
    steps = np.cumsum(rng.normal(0, 0.02, (count, 2)), axis=0)
    return (0.5 + 0.3 * np.sin(3 * steps)).tolist()


def words(result: Sequence[float]) -> str:
    return f"{quantiles(result, 1)} ms"


def quantiles(result: Sequence[float], digits: int) -> str:
    center, high = np.quantile(result, [0.5, 0.95])
    return f"{center:.{digits}f} (p95 {high:.{digits}f})"
