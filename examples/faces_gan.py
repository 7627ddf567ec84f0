"""Explore a GAN that someone else made: python examples/faces_gan.py FOLDER

Downloads the face generator of the package gan-face-generate (a DCGAN, 64x64, MIT licence), imports its
weights, and draws samples, an equation, an interpolation and four directions of the network.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import zatlas

PACKAGE = "gan-face-generate==1.1.1"
WEIGHTS = "gan_face_generate/weights.tar"
GLASSES = (
    "14,41,34,96,6 - 12,46,24,9,13 + 53"  # numbers from samples.png: with glasses - without + another face
)


def weights(folder: Path) -> Path:
    """Download the package, without its dependencies, and unpack its weights."""
    words = ["download", "-q", "--no-deps", "--dest", str(folder), PACKAGE]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    with zipfile.ZipFile(next(folder.glob("gan_face_generate-*.whl"))) as wheel:
        wheel.extract(WEIGHTS, folder)
    return folder / WEIGHTS


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    run = folder / "faces-gan"
    atlas = zatlas.load(run) if run.exists() else zatlas.import_model(weights(folder), run)
    print(atlas.plot.samples(100).save(folder / "samples.png"))
    print(atlas.plot.arithmetic(GLASSES).save(folder / "glasses.png"))
    print(atlas.plot.interpolation("10", "38", "93").save(folder / "interpolation.png"))
    for direction in atlas.find_directions("closed_form", settings={"count": 4}):
        print(direction.strip("10", "53", "97").save(folder / f"{direction.name.replace(' ', '-')}.png"))


if __name__ == "__main__":
    main()
