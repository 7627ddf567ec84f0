"""Small valid files for each target, from which the corpus starts."""

import gzip
import io
import json
import os
import struct
from pathlib import Path

import numpy as np
from PIL import Image

from zatlas.directions.find import find_direction, store_of


def good_files(folder: Path) -> dict[str, list[bytes]]:
    """Return files of a tiny run and of its data, by target."""
    run = _run(folder)
    site = next(run.glob("site/*/*/entry.json")).parent
    rows = {"id": 1, "run": "a", "kind": "decode", "stream": "s", "n": 4, "labels": [0, 1, 2, 0]}
    header = json.dumps(rows).encode()
    npz, grey = io.BytesIO(), np.arange(128, dtype=np.uint8).reshape(2, 8, 8)
    np.savez(npz, images=grey, labels=[0, 1])
    npy = io.BytesIO()
    np.save(npy, grey)
    idx = b"\0\0\x08\x03" + struct.pack(">III", 2, 8, 8) + grey.tobytes()
    imported = {
        "kind": "onnx",
        "files": {"decoder": "decoder.onnx"},
        "settings": {},
        "shape": [2],
        "image": [1, 8, 8],
        "prior": "normal",
        "pixels": "unit",
        "layout": "nchw",
        "std": "none",
        "classes": [],
        "digest": "0",
    }
    created = {"format": 1, "zatlas": "0.1.0", "imported": imported}
    return {
        "weights": _read(run, "weights.safetensors"),
        "arrays": _read(run, "charts/pca-*", "directions/*"),
        "made": [*_read(run, "made.json"), json.dumps(created).encode()],
        "recipe": _read(run, "recipe.toml"),
        "metrics": _read(run, "metrics.jsonl"),
        "latents": _read(run, "latents/*-test.parquet"),
        "positions": [_positions(folder)],
        "npz": [npz.getvalue(), npy.getvalue()],
        "image": _images(),
        "entry": [(site / "entry.json").read_bytes()],
        "written": [b'["index.html", "data/written.json"]'],
        "names": [b"faces:count=200,correlated=true", b"1,4,[64,64],'a,b'", b"not sure", b"class:1"],
        "frame": [struct.pack("<I", len(header)) + header + bytes(32)],
        "digests": _read(run, "digests.jsonl"),
        "idx": [idx, gzip.compress(idx, mtime=0)],
        "table": [b"file,label,Smiling\na.png,x,1\nb.png,y,-1\n"],
    }


def _run(folder: Path) -> Path:
    os.environ["ZATLAS_CACHE"] = str(folder / "cache")
    from tests.hostile.world import LABELS, SETTINGS, save_data
    from zatlas.create import train
    from zatlas.site import run_tree
    from zatlas.training.classifier_training import train_classifier
    from zatlas.workspace import Workspace

    data, run = save_data(folder / "spots.npz", LABELS, "Bright"), folder / "good"
    settings = {**SETTINGS, "net.widths": [4], "training.preview": 0}
    workspace = train(data, dim=2, epochs=1, settings=settings, out=run, verbose=False)
    workspace.annotate(train_classifier(workspace.dataset, ["Bright"], epochs=1, show=False), save=True)
    workspace = Workspace.open(run)
    store_of(workspace).save(find_direction(workspace, "width"))
    workspace.chart("pca")
    run_tree(workspace)
    return run


def _read(run: Path, *patterns: str) -> list[bytes]:
    return [sorted(run.glob(pattern))[0].read_bytes() for pattern in patterns]


def _positions(folder: Path) -> bytes:
    from zatlas.store import chart_positions

    rows, plane = np.arange(3), np.zeros((3, 2), np.float32)
    return chart_positions.write(
        folder / "positions.parquet", [(rows, plane)], {"layout": "pca"}
    ).read_bytes()


def _images() -> list[bytes]:
    result = []
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for kind in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF"):
        into = io.BytesIO()
        grey.save(into, kind)
        result.append(into.getvalue())
    deep = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999).save(deep, "PNG")
    return [*result, deep.getvalue()]
