"""Write the fixture of an export by this version, which every later version must open.

python -m tests.write_export v1
"""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import zatlas
from tests.conftest import small_run
from zatlas.sample import sample_latents
from zatlas.site.export import PLACEHOLDER, one_file

EXPORTS = Path(__file__).parent / "fixtures" / "exports"
POINTS = 40


def write(version: str) -> Path:
    """The data of a small export as a folder and as a single file, latents, and their pixels."""
    out = EXPORTS / version
    with TemporaryDirectory() as scratch:
        workspace = small_run(Path(scratch) / "digits", "digits", dim=2)
        site = zatlas.export(workspace, Path(scratch) / "site", points=POINTS)
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        shutil.copytree(site / "data", out / "data")
    names = sorted(path for path in (out / "data").rglob("*") if path.is_file())
    files = {path.relative_to(out).as_posix(): path.read_bytes for path in names}
    (out / "single.html").write_bytes(one_file(PLACEHOLDER, files))
    z = sample_latents(workspace, 16, seed=0).astype(np.float16).astype(np.float32)  # exact in a page's link
    pixels = np.rint(workspace.decode(z).clip(0, 1) * 255).astype(np.uint8)
    np.savez_compressed(out / "truth.npz", z=z, pixels=pixels)
    return out


if __name__ == "__main__":
    write(sys.argv[1])
