"""Seconds from a file to an image in the explorer, for each kind of import.

    python -m benchmarks.import_kinds [KIND ...] [--repeats 3]

Each kind is a small model with random weights. The table has the time of `zatlas import`, and the time from
the start of `zatlas explore` to its page, its map and the first decoded image: medians of repeats in turn.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from urllib.request import urlopen

import numpy as np
import torch
from tests import stylegan_files
from tests.hostile.checkpoints import DIFFUSERS, SOURCES
from tests.serving import Page, get
from torch import nn

from zatlas.models.nets_dcgan import DCGAN
from zatlas.workspace import Workspace

SHARP = stylegan_files.Case("stylegan3", widths=(16,), clamp=256.0)
SECONDS = 300.0  # that an explorer may take to make its map


def _stylegan2(folder: Path) -> Path:
    return stylegan_files.write(stylegan_files.Case("ada"), folder, judge=stylegan_files.JUDGES["skip"])


def _stylegan3(folder: Path) -> Path:
    return stylegan_files.write(SHARP, folder)


def _dcgan(folder: Path) -> Path:
    torch.save(DCGAN(8).decoder((3, 32, 32), 16).state_dict(), folder / "weights.pth")
    return folder / "weights.pth"


def _decoder() -> nn.Module:
    return nn.Sequential(nn.Linear(8, 256), nn.Sigmoid(), nn.Unflatten(1, (1, 16, 16))).eval()


def _program(folder: Path) -> Path:
    rows = {"input": {0: torch.export.Dim("rows")}}
    torch.export.save(
        torch.export.export(_decoder(), (torch.zeros(2, 8),), dynamic_shapes=rows), folder / "decoder.pt2"
    )
    return folder / "decoder.pt2"


def _onnx(folder: Path) -> Path:
    path = folder / "decoder.onnx"
    rows = {"input": {0: torch.export.Dim("rows")}}
    torch.onnx.export(_decoder(), (torch.zeros(2, 8),), path, dynamo=True, dynamic_shapes=rows, verbose=False)
    return path


KINDS: Mapping[str, Callable[[Path], Path]] = {
    "StyleGAN2 (.pkl)": _stylegan2,
    "StyleGAN3 (.pkl)": _stylegan3,
    "StyleGAN2, rosinality (.pt)": SOURCES["rosinality"],
    "StyleGAN2, stylegan2-pytorch (.pt)": SOURCES["stylegan2-pytorch"],
    "ProGAN (.pth)": SOURCES["progan"],
    "BigGAN (.pth)": SOURCES["biggan"],
    "BigGAN-deep (folder)": SOURCES["biggan folder"],
    "DCGAN (.pth)": _dcgan,
    "Lightning (.ckpt)": SOURCES["lightning"],
    "diffusers (folder)": DIFFUSERS["diffusers"],
    "torch.export (.pt2)": _program,
    "ONNX (.onnx)": _onnx,
}


@contextmanager
def explorer(run: Path) -> Iterator[str]:
    """The address of `zatlas explore` on this run, in a process of its own."""
    words = [sys.executable, "-m", "zatlas", "explore", str(run), "--no-open", "--quiet"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(SECONDS)


def displayed(address: str) -> str:
    """The id of the run; the server answers when it has made the map."""
    with urlopen(f"{address}data/manifest.json", timeout=SECONDS) as answer:
        return str(json.load(answer)["runs"][0]["id"])


def measure(source: Path, run: Path) -> tuple[float, ...]:
    """Seconds of the import, and from the start of the explorer to page, map and first image."""
    begun = perf_counter()
    words = [sys.executable, "-m", "zatlas", "import", str(source), "--out", str(run), "--quiet"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    imported = perf_counter() - begun
    z = np.zeros((1, Workspace.open(run, device="cpu").dim), np.float32)
    begun = perf_counter()
    with explorer(run) as address:
        assert get(address)[0] == 200
        page = perf_counter() - begun
        name = displayed(address)
        charted = perf_counter() - begun
        with Page(address, name) as client:
            answer, _ = client.request("decode", z.tobytes(), n=1)
            assert answer["kind"] == "images", answer
        return imported, page, charted, perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    chosen = {name: make for name, make in KINDS.items() if not given.kinds or name.split()[0] in given.kinds}
    torch.manual_seed(0)
    times: dict[str, list[tuple[float, ...]]] = {name: [] for name in chosen}
    with tempfile.TemporaryDirectory() as folder:
        sources = {}
        for number, (name, make) in enumerate(chosen.items()):
            (place := Path(folder) / str(number)).mkdir()
            sources[name] = make(place)
        for turn in range(given.repeats):
            for number, (name, source) in enumerate(sources.items()):
                times[name].append(measure(source, Path(folder) / f"run-{turn}-{number}"))
    print("| kind | import, s | explorer: page, s | map, s | first image, s |\n|---|---|---|---|---|")
    for name, rows in times.items():
        print(f"| {name} |", " | ".join(f"{median(column):.1f}" for column in zip(*rows, strict=True)), "|")


if __name__ == "__main__":
    main()
