"""A live figure: the command that writes it, its size, and what its data holds."""

import base64
import gzip
import json
import re

import pytest

import zatlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, CannotWrite, UnknownName
from zatlas.locate import locate
from zatlas.site.static import FIGURE, page_files

MAX_COMPONENT = 200_000  # bytes of the web component, without the runtime and the data
REGISTER = "(self.zatlasFiles??={})[document.currentScript.src]="


def registered(path):
    """The files that a script registers, by URL."""
    text = path.read_text()
    assert text.startswith(REGISTER)
    packed = json.loads(text.removeprefix(REGISTER))
    return {url: gzip.decompress(base64.b64decode(data)) for url, data in packed.items()}


def test_the_component_of_a_figure_is_small():
    assert 10_000 < len(page_files()[FIGURE].read_bytes()) < MAX_COMPONENT


def test_a_figure_is_a_folder_with_its_component_its_runtime_and_its_data(digits, tmp_path, capsys):
    out = tmp_path / "walk"
    words = ["export", str(digits.run.folder), str(out), "--figure", "walk", "--points", "80"]
    assert main([*words, "--anchors", "class:1", "--anchors", "class:7"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    scripts = {"figure.js", "runtime.js", "data.js"}
    assert names == {"index.html", "licenses.txt", "data/written.json"} | scripts
    assert '<zatlas-figure src="data.js" view="walk"' in (out / "index.html").read_text()
    assert all(url.startswith("runtime/") for url in registered(out / "runtime.js"))
    files = registered(out / "data.js")
    (entry,) = json.loads(files["data/manifest.json"])["runs"]
    assert entry["count"] == 80 and entry["sprites"] is None and entry["encoder"] is None
    assert len(files[entry["decoder"]["url"]]) == entry["decoder"]["bytes"]
    anchors = json.loads(files["data/figure.json"])["anchors"]
    located = [locate(digits, name).latent[0] for name in ("class:1", "class:7")]
    assert [each["z"] for each in anchors] == [pytest.approx(z.tolist(), rel=1e-5) for z in located]


def test_a_figure_is_one_page_with_all_that_it_needs(digits, tmp_path):
    out = zatlas.export(digits, tmp_path / "map.html", figure="map", points=80)
    text = out.read_text()
    scripts = re.findall("<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 3 and "src=" not in text.partition("<zatlas-figure")[0]
    packed = [script.partition(".href]=") for script in scripts[:2]]
    assert ["runtime.js" in packed[0][0], "data.js" in packed[1][0]] == [True, True]
    assert "data/a/decoder.onnx" in json.loads(packed[1][2])
    assert zatlas.export(digits, out, figure="map", points=80).read_text() == text
    out.write_text("mine")
    with pytest.raises(CannotWrite, match="is no earlier export"):
        zatlas.export(digits, out, figure="map")


def test_a_page_with_the_component_needs_only_the_data_of_another_figure(digits, tmp_path):
    out = zatlas.export(digits, tmp_path / "digits.js", points=80)
    assert "data/a/decoder.onnx" in registered(out)
    before = out.read_bytes()
    assert zatlas.export(digits, out, points=80).read_bytes() == before
    mine = tmp_path / "mine.js"
    mine.write_text("alert()")
    with pytest.raises(CannotWrite, match="is no data of a figure"):
        zatlas.export(digits, mine)
    assert mine.read_text() == "alert()"


def test_two_runs_are_compared_in_one_figure(digits, conditional, tmp_path):
    out = zatlas.export([digits, conditional], tmp_path / "both", points=50, figure="compare")
    runs = json.loads(registered(out / "data.js")["data/manifest.json"])["runs"]
    assert [run["id"] for run in runs] == ["a", "b"]


def test_wrong_settings_of_a_figure_are_explained(digits, tmp_path):
    with pytest.raises(BadRecipe, match="compare shows two runs"):
        zatlas.export(digits, tmp_path / "one", figure="compare")
    with pytest.raises(UnknownName, match="Did you mean 'walk'"):
        zatlas.export(digits, tmp_path / "one", figure="walks")
    with pytest.raises(BadRecipe, match=r"Leave out \.js"):
        zatlas.export(digits, tmp_path / "one.js", figure="walk")
    with pytest.raises(BadRecipe, match="2 anchors or more"):
        zatlas.export(digits, tmp_path / "one", figure="walk", anchors=["class:1"], points=50)
    with pytest.raises(BadRecipe, match="Only a live figure"):
        zatlas.export(digits, tmp_path / "one", anchors=["class:1"])
    assert list(tmp_path.iterdir()) == []
