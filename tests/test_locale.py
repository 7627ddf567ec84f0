"""Commands in a terminal that knows ASCII only, in folders with spaces and letters that are not ASCII."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from zatlas.data import sources

ROOT = Path(__file__).parent.parent
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SETTINGS = ["--epochs", "2", "--set", "net.widths=8", "--set", "training.preview=0"]
EXPLORE = """
import sys, urllib.request, zatlas
atlas = zatlas.load(sys.argv[1])
frame = atlas.explore()
print(len(urllib.request.urlopen(frame.url).read()), *map(ascii, atlas.dataset.attributes))
frame.close()
"""


def python(*words, folder, **environment):
    """Run Python with ASCII as the encoding of files, of names of files and of the terminal."""
    done = subprocess.run(
        [sys.executable, "-X", "warn_default_encoding", *map(os.fsencode, words)],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **ASCII, **environment},
    )
    errors = done.stderr.decode()
    assert done.returncode == 0, errors
    assert not [line for line in errors.splitlines() if "EncodingWarning" in line and "zatlas" in line], (
        errors
    )
    return os.fsdecode(done.stdout)


def photos(folder):
    """Images of two classes, and a table with a column whose name is not ASCII."""
    rng, rows = np.random.default_rng(0), ["file,Größe"]
    for name, level in (("bear", 60), ("cat", 180)):
        for number in range(40):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.normal(level, 20, (8, 8)).clip(0, 255).astype(np.uint8)).save(path)
            rows.append(f"{name}/{number}.png,{number}")
    (folder / "sizes.csv").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.mark.nightly
def test_a_run_is_trained_explored_and_exported_where_the_terminal_knows_ascii_only(tmp_path):
    data, run, page = photos(tmp_path / "my photos"), tmp_path / "my run", tmp_path / "my page.html"
    python("-m", "zatlas", "train", f"{data}:table=sizes.csv", "--out", run, *SETTINGS, folder=tmp_path)
    for command, *words in (["sample"], ["scatter"], ["interpolate", "bear", "cat"], ["evaluate"]):
        assert python("-m", "zatlas", command, run, *words, folder=tmp_path).strip()
    size, *names = python("-c", EXPLORE, run, folder=tmp_path).split()
    assert int(size) > 100 and names == ["'Gr\\xf6\\xdfe'"]
    python("-m", "zatlas", "export", run, page, folder=tmp_path)
    text = page.read_text(encoding="utf-8")
    assert "Größe" in text or "Gr\\u00f6\\u00dfe" in text


def test_a_drive_letter_is_part_of_a_path():
    assert sources.parse(r"C:\my photos:table=a.csv") == (r"C:\my photos", {"table": "a.csv"})
    assert sources.parse("d:/photos:table=a.csv,size=3") == ("d:/photos", {"table": "a.csv", "size": 3})
    assert sources.parse(r"C:\photos") == (r"C:\photos", {})
    assert sources.parse("faces:count=5") == ("faces", {"count": 5})


def test_a_folder_with_spaces_and_a_table_is_opened(tmp_path):
    folder = photos(tmp_path / "my photos")
    images = sources.load(f"{folder}:table=sizes.csv")
    assert len(images) == 80 and list(images.attributes) == ["Größe"]
