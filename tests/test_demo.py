import re
import time

import pytest
from PIL import Image

from zatlas.cli import main


@pytest.mark.slow
def test_the_demo_leaves_two_runs_with_their_galleries(tmp_path, capsys):
    begun = time.process_time()
    assert main(["demo", "--out", str(tmp_path / "demo"), "--no-open"]) == 0
    assert time.process_time() - begun < 90
    front = tmp_path / "demo" / "index.html"
    assert capsys.readouterr().out == f"{front}\n"
    for run, image in (("fashion-vae", "manifold"), ("faces-vae", "attribute-Smiling")):
        gallery = front.parent / run / "gallery"
        assert f"{run}/gallery/index.html" in front.read_text()
        opened = re.findall(r'src="([^"]+)"', (gallery / "index.html").read_text())
        assert len(opened) > 15 and all((gallery / name).exists() for name in opened)
        with Image.open(gallery / f"{image}.png") as sheet:
            assert min(sheet.size) > 150
            assert len(set(sheet.convert("L").resize((40, 40)).tobytes())) > 20
    # A second time nothing is trained again.
    metrics = (front.parent / "fashion-vae" / "metrics.jsonl").read_bytes()
    assert main(["demo", "--out", str(tmp_path / "demo"), "--no-open"]) == 0
    assert (front.parent / "fashion-vae" / "metrics.jsonl").read_bytes() == metrics
