import time

import pytest
from PIL import Image

from zatlas.cli import main


@pytest.mark.slow
def test_the_demo_leaves_a_run_and_three_pictures(tmp_path, capsys):
    begun = time.monotonic()
    assert main(["demo", "--out", str(tmp_path / "demo"), "--no-open"]) == 0
    assert time.monotonic() - begun < 90
    folder = tmp_path / "demo" / "fashion-vae"
    assert capsys.readouterr().out == f"{folder}\n"
    for name in ("reconstructions", "manifold", "points"):
        with Image.open(folder / "gallery" / f"{name}.png") as picture:
            assert min(picture.size) > 150
            assert len(set(picture.convert("L").resize((40, 40)).tobytes())) > 20
    # A second time nothing is trained again.
    begun = time.monotonic()
    assert main(["demo", "--out", str(tmp_path / "demo"), "--no-open"]) == 0
    assert time.monotonic() - begun < 15
