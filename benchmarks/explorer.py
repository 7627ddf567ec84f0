"""The explorer in Chromium: latency of the pointer, loading time, a million points, and the single file.

python benchmarks/explorer.py [hover] [first] [million] [single] [places]

The page decodes all images itself, on one core; Chromium draws without a GPU.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

import zatlas
from common import quiet
from zatlas.create import train
from zatlas.demo import unpack
from zatlas.latent.chart import Chart
from zatlas.server.serve import serving
from zatlas.site.columns import arrow
from zatlas.site.tree import run_tree
from zatlas.workspace import Workspace

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
POINTS = 2000  # points of a run; a browser without a GPU draws few quickly
MILLION = 1_000_000
MOVES = 200
LOADS = 9

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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=[])
    expected = parser.parse_args().parts or list(PARTS)
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("This drives Chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        print(f"Chromium {browser.version}")
        for name in expected:
            PARTS[name](browser, Path(folder))
        browser.close()


# Measurements


def hover(browser: Browser, folder: Path) -> None:
    """Time from a move of the pointer to the decoded image, and to the frame that shows it."""
    for name, workspace in runs(folder).items():
        with serving([workspace], points=POINTS) as server, opened(browser, server.url) as page:
            page.evaluate(HOVER, moves(40))
            result = np.array(page.evaluate(HOVER, moves(MOVES, seed=1)))
        next_frame = (result[:, 1] < 17.5).mean()
        print(f"hover, {name}: drawn after {words(result[:, 0])}; ", end="")
        print(f"frame that shows it {words(result[:, 1])}, next frame {next_frame:.0%}")


def first(browser: Browser, folder: Path) -> None:
    """Time from the start of loading, with an empty cache, to the map and the first decoded image."""
    for name, workspace in runs(folder).items():
        with serving([workspace], points=POINTS) as server:
            result = [loaded(browser, server.url) for _ in range(LOADS + 1)][1:]
        print(f"first image, {name}: {words([one['picture'] for one in result])}; ", end="")
        print(f"map {words([one['map'] for one in result])}")


def million(browser: Browser, room: Path) -> None:
    """A million points: loading, memory, picking, and frames."""
    folder = crowded(runs(room)["2-D MLP 28x28"], room / "million")
    with hosted(folder) as url:
        result = [loaded(browser, url, keys=("map",)) for _ in range(3)]
        print(f"1,000,000 points, load: {words([one['map'] for one in result])}")
        with opened(browser, url) as page:
            page.wait_for_timeout(3000)  # until everything is loaded and drawn
            page.evaluate(PICK, moves(50))
            print(f"pick: {words(page.evaluate(PICK, moves(MOVES, seed=1)))}")
            print(f"memory: {memory(browser)}")
            frames = page.evaluate(FRAMES, 8)
            rate = 1000 / np.median(frames)
            print(f"frames of the complete map: {words(frames)}, {rate:.1f} a second")
            print(f"drawn by {page.evaluate(RENDERER)}")


def single(browser: Browser, folder: Path) -> None:
    """The shipped face model as one file on disk."""
    out = zatlas.export(Workspace.open(unpack(folder / "faces")), folder / "faces.html")
    result = [loaded(browser, out.as_uri()) for _ in range(LOADS + 1)][1:]
    size = out.stat().st_size / 1e6
    print(f"single file of the faces: {size:.1f} MB; first image from disk ", end="")
    print(words([one["picture"] for one in result]))


def places(browser: Browser, room: Path) -> None:
    """The latent of a position in the page, against that of the chart."""
    workspace = Workspace.open(unpack(room / "faces"))
    tree = run_tree(workspace, max_points=POINTS)
    folder = zatlas.export(workspace, room / "faces-folder", points=POINTS)
    chart = Chart(tree.latents.astype(np.float16).astype(np.float32), places_of(folder))
    written = folder / "data/manifest.json"
    manifest = json.loads(written.read_bytes())
    for what, latents in {"refined": manifest["runs"][0]["latents"], "lattice alone": None}.items():
        manifest["runs"][0]["latents"] = latents
        written.write_text(json.dumps(manifest))
        with hosted(folder) as url:
            with opened(browser, url) as page:
                where, result = pinned(page, chart)
            expected = chart.inverse_transform(where)
            apart = np.linalg.norm(result - expected, axis=1) / np.linalg.norm(expected, axis=1)
            pixels = np.abs(workspace.decode(result) - workspace.decode(expected)).mean(axis=(1, 2, 3))
            print(f"latent of a position, {what}: {quantiles(100 * apart, 2)} % of its norm; ", end="")
            print(f"images differ by {quantiles(255 * pixels, 2)} of 255")


PARTS = {"hover": hover, "first": first, "million": million, "single": single, "places": places}


# Runs and pages


@cache
def runs(folder: Path) -> dict[str, Workspace]:
    """Models of realistic size; the length of their training does not matter."""
    default = {"training.preview": 0}
    small = train(
        "fashion-mini",
        dim=2,
        epochs=1,
        settings={**default, "net.name": "mlp"},
        out=folder / "mlp",
        verbose=False,
    )
    large = train(
        "faces:count=600",
        dim=64,
        epochs=1,
        size=64,
        settings={**default, "net.name": "conv"},
        out=folder / "conv",
        verbose=False,
    )
    return {"2-D MLP 28x28": small, "64-D conv 64x64": large}


def crowded(workspace: Workspace, folder: Path) -> Path:
    """The page of a run of a million points in twenty clusters."""
    zatlas.export(workspace, folder, points=POINTS)
    manifest = json.loads((folder / "data/manifest.json").read_bytes())
    (entry,) = manifest["runs"]
    rng = np.random.default_rng(0)
    left, bottom, right, top = entry["charts"][0]["box"]
    kinds = rng.integers(0, 10, MILLION)
    middles = rng.uniform([left, bottom], [right, top], (10, 2))
    latents = middles[kinds] + rng.normal(0, 0.05 * (right - left), (MILLION, 2))
    latents = np.clip(latents, [left, bottom], [right, top]).astype(np.float32)
    table = {"index": np.arange(MILLION, dtype=np.int32), "label": kinds.astype(np.uint8)}
    table |= {"x:0": latents[:, 0], "y:0": latents[:, 1]}
    (folder / entry["table"]).write_bytes(arrow(table))
    (folder / entry["latents"]).write_bytes(latents.astype("<f2").tobytes())
    entry |= {"count": MILLION, "total": MILLION, "sprites": None, "geodesics": []}
    entry["columns"] = [one for one in entry["columns"] if one["name"] == "label"]
    (folder / "data/manifest.json").write_text(json.dumps(manifest))
    return folder


def places_of(folder: Path) -> np.ndarray:
    """Positions of the points of the first chart of an export."""
    import pyarrow as pa

    (entry,) = json.loads((folder / "data/manifest.json").read_bytes())["runs"]
    table = pa.ipc.open_file(folder / entry["table"]).read_all()
    site = entry["charts"][0]
    return np.stack([table[site["x"]].to_numpy(), table[site["y"]].to_numpy()], axis=1)


def pinned(page: Page, chart: Chart, rounds: int = 6, each: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Map positions without a point, and the latents that the page pinned there."""
    low, high = chart.positions.min(axis=0), chart.positions.max(axis=0)
    scale = 3 * min(np.array([800, 400]) / (high - low))
    center = np.median(chart.positions, axis=0)
    rng, where, result = np.random.default_rng(0), [], []
    for number in range(rounds):
        state = f"view={center[0]},{center[1]},{scale}&note={number}"
        page.evaluate("state => { location.hash = state }", state)
        page.wait_for_timeout(600)
        xy = center + rng.uniform([-300, -150], [300, 150], (1000, 2)) / scale
        alone = np.linalg.norm(xy[:, None] - chart.positions, axis=2).min(axis=1) * scale > 8
        for x, y in xy[alone & chart.covers(xy.astype(np.float32))][:each]:
            box = page.get_by_role("application").bounding_box()
            width, height = round(box["width"]), round(box["height"])
            at = [round(width / 2 + (x - center[0]) * scale), round(height / 2 - (y - center[1]) * scale)]
            page.mouse.click(box["x"] + at[0], box["y"] + at[1])
            page.wait_for_timeout(250)  # the map shrinks for the strip of the walk
            down = np.array([at[0] - width / 2, height / 2 - at[1]])
            where.append(center + down / scale)
        page.wait_for_timeout(600)
        pins = parse_qs(page.evaluate("location.hash.slice(1)"))["pins"][0].split(",")
        result += [code(text) if text[0] == "z" else None for text in pins]
    saved = [number for number, one in enumerate(result) if one is not None]  # the others hit a thumbnail
    return np.array([where[number] for number in saved], np.float32), np.array(
        [result[number] for number in saved]
    )


def code(text: str) -> np.ndarray:
    """The latent of a pin in a link."""
    import base64

    text = text[1:].partition("~")[0]  # the data coverage of a position of a chart
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return np.frombuffer(data, "<f2").astype(np.float32)


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


if __name__ == "__main__":
    main()
