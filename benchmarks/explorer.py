"""The explorer in Chromium, with a limit for each figure.

python benchmarks/explorer.py [hover] [first] [fresh] [million] [places] [figure]

The page decodes all images itself, on one core; Chromium draws without a GPU.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs

import numpy as np
from playwright.sync_api import Browser, Page, sync_playwright

import zatlas
from chromium import (
    BLANK,
    FILTER,
    FLAGS,
    FRAMES,
    HOVER,
    PICK,
    RENDERER,
    hosted,
    loaded,
    memory,
    moves,
    opened,
    quantiles,
    words,
)
from zatlas.create import train
from zatlas.demo import unpack
from zatlas.latent.chart import Chart
from zatlas.server.serve import serving
from zatlas.site.columns import arrow
from zatlas.site.tree import run_tree
from zatlas.workspace import Workspace

POINTS = 2000  # points of a run; a browser without a GPU draws few quickly
MILLION = 1_000_000
MOVES = 200
LOADS = 9
FILTERS = ["label=Bag", "index<500000", "label=Bag,Coat,Shirt index>1000", "label!=Bag", ""]  # of a million

TALL = "<div style='height: 3000px'></div>"
SHOWN = """() => new Promise((answer) => {
    const figure = document.querySelector("zatlas-figure"), begun = performance.now();
    const ready = () => figure.shadowRoot?.querySelector("canvas.generated[data-ready]");
    const wait = () => ready() ? answer(performance.now() - begun) : requestAnimationFrame(wait);
    figure.scrollIntoView();
    wait();
})"""
OPEN_IMAGES = "import sys; from zatlas.workspace import Workspace; Workspace.open(sys.argv[1]).dataset"


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
        for mode, url in pages(workspace, folder):
            with opened(browser, url) as page:
                page.evaluate(HOVER, moves(40))
                result = np.array(page.evaluate(HOVER, moves(MOVES, seed=1)))
            next_frame = (result[:, 1] < 17.5).mean()
            print(f"hover, {name}, {mode}: drawn after {limited(result[:, 0], 16.7)}; ", end="")
            print(f"frame that shows it {words(result[:, 1])}, next frame {next_frame:.0%}")


def first(browser: Browser, folder: Path) -> None:
    """Time from the start of loading, with an empty cache, to the map and the first decoded image."""
    for name, workspace in runs(folder).items():
        with serving([workspace], points=POINTS) as server:
            result = [loaded(browser, server.url) for _ in range(LOADS + 1)][1:]
        print(f"first image, {name}: {words([one['picture'] for one in result])}; ", end="")
        print(f"map {words([one['map'] for one in result])}")


def fresh(browser: Browser, room: Path) -> None:
    """A run of 19,100 faces that was never opened: its first map, its complete map, and its exports.

    Its images are in the cache, as after a training on this machine.
    """
    run = unpack(room / "fresh")
    with (
        tempfile.TemporaryDirectory() as cache,
        explored(run, cache) as (url, begun),
        opened(browser, url, keys=("map",)) as page,
    ):
        took = 1000 * (time.time() - begun)
        print(f"fresh faces, first map: {limited([took], 3000)} after the command")
        page.get_by_text("zatlas is computing the map").wait_for(state="hidden", timeout=900_000)
        print(f"fresh faces, complete map: {time.time() - begun:.1f} s after the command")
        blank = [np.mean(page.evaluate(BLANK, moves(60))) for _ in range(4)]
        print(f"real images that are blank after 100 ms: {blank[0]:.1%} in the next 6 s, ", end="")
        print(f"{blank[-1]:.1%} after 18 s (limit 0 %)")
    for out, seconds, size in (("folder", 30, None), ("faces.html", 20, 20)):
        begun = time.time()
        subprocess.run(zatlas_command("export", run, room / out), check=True, capture_output=True)
        took = time.time() - begun
        files = [room / out] if size else [file for file in (room / out).rglob("*") if file.is_file()]
        total = sum(file.stat().st_size for file in files) / 1e6
        print(f"export, {out}: {limited([1000 * took], 1000 * seconds)}; {total:.1f} MB", end="")
        print(f" (limit {size} MB)" if size else "")
    result = [loaded(browser, (room / "faces.html").as_uri()) for _ in range(LOADS + 1)][1:]
    print(f"faces.html, first image from disk: {words([one['picture'] for one in result])}")


def million(browser: Browser, room: Path) -> None:
    """A million points: loading, memory, picking, filters with histograms, and frames."""
    folder = crowded(runs(room)["2-D MLP 28x28"], room / "million")
    with hosted(folder) as url:
        result = [loaded(browser, url, keys=("map",)) for _ in range(3)]
        print(f"1,000,000 points, load: {limited([one['map'] for one in result], 3000)}")
        with opened(browser, f"{url}#panel=data&layer=points") as page:
            page.wait_for_timeout(3000)  # until everything is loaded and drawn
            page.evaluate(PICK, moves(50))
            print(f"pick: {limited(page.evaluate(PICK, moves(MOVES, seed=1)), 5)}")
            filters = page.evaluate(FILTER, FILTERS)
            print(f"filter and histograms: {limited([one[0] for one in filters], 200)}; ", end="")
            print(f"frame that shows them {words([one[1] for one in filters])}")
            print("; ".join(one[2].splitlines()[0] for one in filters))
            print(f"memory: {memory(browser)}")
            frames = page.evaluate(FRAMES, 8)
            rate = 1000 / np.median(frames)
            print(f"frames of the complete map: {words(frames)}, {rate:.1f} a second")
            print(f"drawn by {page.evaluate(RENDERER)}")


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


def figure(browser: Browser, folder: Path) -> None:
    """Time from the scroll that shows a live figure, with an empty cache, to its first decoded image."""
    out = zatlas.export([Workspace.open(unpack(folder / "run"))], folder / "figure", figure="walk")
    page = (out / "index.html").read_text()
    (out / "index.html").write_text(page.replace("<zatlas-figure", f"{TALL}<zatlas-figure"))
    result = []
    with hosted(out) as url:
        for _ in range(LOADS + 1):
            context = browser.new_context(viewport={"width": 1280, "height": 760})
            tab = context.new_page()
            tab.goto(url, wait_until="networkidle")
            result.append(tab.evaluate(SHOWN))
            context.close()
    print(f"live figure of faces, first image after it scrolls into view: {limited(result[1:], 1500)}")


PARTS = {
    "hover": hover,
    "first": first,
    "fresh": fresh,
    "million": million,
    "places": places,
    "figure": figure,
}


# Runs and pages


@cache
def runs(folder: Path) -> dict[str, Workspace]:
    """Models of realistic size; the length of their training does not matter."""
    kinds = (
        ("2-D MLP 28x28", "fashion-mini", 2, 28, "mlp"),
        ("64-D conv 64x64", "faces:count=600", 64, 64, "conv"),
        ("32-D conv-patch 128x128", "faces:count=600", 32, 128, "conv-patch"),
    )
    result = {}
    for name, data, dim, size, net in kinds:
        settings = {"training.preview": 0, "net.name": net}
        result[name] = train(
            data, dim=dim, size=size, epochs=1, settings=settings, out=folder / net, verbose=False
        )
    return result


def pages(workspace: Workspace, folder: Path) -> Iterator[tuple[str, str]]:
    """The page of a run in every mode: its name and its address."""
    with serving([workspace], points=POINTS) as server:
        yield "served", server.url
    with hosted(zatlas.export(workspace, folder / f"{workspace.name}-page", points=POINTS)) as url:
        yield "folder", url
    yield "file", zatlas.export(workspace, folder / f"{workspace.name}.html", points=POINTS).as_uri()


@contextmanager
def explored(run: Path, cache: str) -> Iterator[tuple[str, float]]:
    """`zatlas explore` of a run whose images are in the cache: its address, and the time of the command."""
    environment = {**os.environ, "ZATLAS_CACHE": cache}
    subprocess.run([sys.executable, "-c", OPEN_IMAGES, run], check=True, env=environment)
    begun = time.time()
    command = [*zatlas_command("explore", run), "--no-open", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as server:
        try:
            yield server.stdout.readline().split()[-1], begun
        finally:
            server.terminate()


def zatlas_command(*words: object) -> list[str]:
    return [sys.executable, "-m", "zatlas", *map(str, words)]


def limited(result: Sequence[float], limit: float) -> str:
    """The times with their limit, in ms."""
    return f"{words(result)}, limit {limit:g} ms"


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


if __name__ == "__main__":
    main()
