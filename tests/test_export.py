import base64
import gzip
import io
import json
import re

import pytest
from PIL import Image

import zatlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, CannotWrite, NotFound, NotSupported
from zatlas.site import export as exports
from zatlas.site import static

SCRIPT = re.compile(
    r'<script type="application/octet-stream" data-url="([^"]+)" data-encoding="(\w+)">([^<]*)</script>'
)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A small page instead of the built one."""
    folder = tmp_path / "static"
    for name, text in {
        "index.html": "<!doctype html><script src=assets/page.js></script>",
        "single.html": "<!doctype html><body><!--zatlas:data--><script>page()</script>",
        "assets/page.js": "page()",
        "figure.js": "define()",
        "runtime/run.wasm": "wasm " * 100,
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setattr(static, "files", lambda package: tmp_path)
    return folder


def embedded(path):
    """The files embedded in a page, by URL."""
    result = {}
    for url, encoding, text in SCRIPT.findall(path.read_text()):
        data = base64.b64decode(text)
        result[url] = gzip.decompress(data) if encoding == "gzip" else data
    return result


def test_a_folder_holds_the_page_and_all_files_of_its_manifest(digits, page, tmp_path, capsys):
    out = tmp_path / "given" / "away"
    assert main(["export", str(digits.run.folder), str(out), "--points", "200"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{out}\n" and f"python -m http.server --directory {out}" in captured.err
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert {"index.html", "assets/page.js", "runtime/run.wasm", "data/manifest.json"} <= names
    assert "single.html" in names  # the template with which the page saves itself
    assert sorted(names) == json.loads((out / "data/written.json").read_bytes())
    manifest = json.loads((out / "data/manifest.json").read_bytes())
    (entry,) = manifest["runs"]
    assert manifest["socket"] is None and entry["count"] == 200 and entry["geodesics"]
    for url in (entry["table"], entry["decoder"]["url"], entry["charts"][0]["coverage"]):
        assert (out / url).stat().st_size > 0


@pytest.mark.slow
def test_two_runs_are_exported_for_comparison(digits, conditional, page, tmp_path):
    out = zatlas.export([digits, conditional.run.folder], tmp_path / "both", points=50)
    manifest = json.loads((out / "data/manifest.json").read_bytes())
    assert [run["id"] for run in manifest["runs"]] == ["a", "b"]
    assert (out / manifest["runs"][1]["table"]).exists()
    with pytest.raises(BadRecipe, match="one run or compares two, not 3"):
        zatlas.export([digits] * 3, tmp_path / "three")


def test_only_an_earlier_export_is_replaced(digits, page, tmp_path):
    out = tmp_path / "site"
    zatlas.export(digits, out, points=50)
    (page / "assets" / "page.js").rename(page / "assets" / "new.js")
    zatlas.export(digits, out, points=60)
    assert (out / "assets/new.js").exists() and not (out / "assets/page.js").exists()
    (out / "CNAME").write_text("mine")
    with pytest.raises(CannotWrite, match="holds 'CNAME', which no export wrote"):
        zatlas.export(digits, out, points=50)
    assert (out / "CNAME").read_text() == "mine"
    own = tmp_path / "own"
    own.mkdir()
    zatlas.export(digits, own, points=50)
    thesis = tmp_path / "thesis"
    thesis.mkdir()
    (thesis / "index.html").write_text("my own page")
    for wrong in (thesis, thesis / "index.html"):
        with pytest.raises(CannotWrite):
            zatlas.export(digits, wrong, points=50)
    assert [path.name for path in thesis.iterdir()] == ["index.html"]
    with pytest.raises(CannotWrite):
        zatlas.export(digits, digits.run.folder, points=50)


def test_a_single_file_holds_the_same_bytes_as_a_folder(digits, page, tmp_path, capsys):
    single, folder = tmp_path / "one.html", tmp_path / "folder"
    assert main(["export", str(digits.run.folder), str(single), "--points", "80"]) == 0
    captured = capsys.readouterr()
    assert captured.out == f"{single}\n" and "A double click opens it" in captured.err
    zatlas.export(digits, folder, points=80)
    result = embedded(single)
    assert next(iter(result)) == "data/manifest.json"
    for url, data in result.items():
        assert (folder / url).read_bytes() == data
    names = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    only_in_folder = {"index.html", "single.html", "preview.png", "assets/page.js", "data/written.json"}
    assert names - set(result) == only_in_folder

    text = single.read_text()
    assert text.startswith("<!doctype html><body>") and text.endswith("<script>page()</script>")
    before = single.read_bytes()
    zatlas.export(digits, single, points=80)
    assert single.read_bytes() == before


def test_an_export_has_the_texts_and_the_image_of_a_link_to_it(digits, page, tmp_path):
    (page / "index.html").write_text("<head><title>zatlas</title></head>")
    (page / "single.html").write_text("<head><title>zatlas</title></head><!--zatlas:data-->")
    zatlas.export(digits, tmp_path / "folder", points=80)
    zatlas.export(digits, tmp_path / "one.html", points=80)
    folder, single = (tmp_path / "folder" / "index.html").read_text(), (tmp_path / "one.html").read_text()
    for text in (folder, single):
        assert '<meta property="og:title" content="digits" />' in text and "Made with zatlas" in text
    assert '<meta property="og:image" content="preview.png" />' in folder
    data = re.search(r'"og:image" content="data:image/png;base64,([^"]+)"', single)[1]
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (1200, 630)
        assert len(image.getcolors(1 << 20)) > 100
    assert (tmp_path / "folder" / "preview.png").read_bytes() == base64.b64decode(data)


def test_a_single_file_over_the_limit_is_refused_with_advice(digits, page, tmp_path):
    out = tmp_path / "one.html"
    with pytest.raises(NotSupported, match=r"would take 0\.\d MB, more than the limit of 0\.01 MB.*--points"):
        exports.export([digits], out, points=50, limit=0.01)
    assert not out.exists()


def test_a_page_that_is_not_built_is_an_error_before_any_work(digits, page, tmp_path):
    (page / "single.html").unlink()
    with pytest.raises(NotFound, match="npm --prefix web ci && npm --prefix web run build"):
        zatlas.export(digits, tmp_path / "out")
    (page / "single.html").write_text("no placeholder")
    with pytest.raises(NotSupported, match="has no placeholder"):
        zatlas.export(digits, tmp_path / "out.html", points=50)
    assert {path.name for path in tmp_path.iterdir()} == {"static"}


def test_export_requires_a_run_and_a_target(capsys):
    assert main(["export", "runs/none"]) == 2
    assert "zatlas export runs/digits-vae digits.html" in capsys.readouterr().err


EVIL = (
    "/etc/passwd",
    "../x",
    "data/a/../../x",
    'data/a/x"><form action=//evil>',
    "data/c/x",
    "data/a/",
    "assets/../x",
    "data/a/.x",
    "runtime//x",
    "index.html/x",
    "data/a/x\n",
)


@pytest.mark.parametrize("url", EVIL)
def test_no_other_name_is_written_into_or_outside_an_export(url, tmp_path):
    with pytest.raises(NotSupported, match="which no page of zatlas uses"):
        exports.one_file(b"<!--zatlas:data-->", {url: bytes})
    with pytest.raises(NotSupported, match="which no page of zatlas uses"):
        exports._write_folder(tmp_path / "deep" / "site", {url: bytes})
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_an_earlier_export_with_links_or_false_records_is_not_changed(digits, page, tmp_path):
    out, own = tmp_path / "site", tmp_path / "own"
    own.mkdir()
    (own / "thesis.txt").write_text("mine")
    zatlas.export(digits, out, points=50)
    recorded = out / "data" / "written.json"
    before = recorded.read_bytes()
    (out / "data" / "a" / "more").symlink_to(own)
    with pytest.raises(CannotWrite, match="holds 'data/a/more'"):
        zatlas.export(digits, out, points=50)
    names = [*json.loads(before), "data/a/more", "../own/thesis.txt", str(own / "thesis.txt"), 3]
    recorded.write_text(json.dumps(names))
    with pytest.raises(CannotWrite, match="holds 'data/a/more'"):
        zatlas.export(digits, out, points=50)
    (out / "data" / "a" / "more").unlink()
    zatlas.export(digits, out, points=50)  # the other names are ignored
    assert recorded.read_bytes() == before
    recorded.rename(own / "written.json")
    recorded.symlink_to(own / "written.json")
    with pytest.raises(CannotWrite, match="is no earlier export"):
        zatlas.export(digits, out, points=50)
    (tmp_path / "link").symlink_to(out)
    (tmp_path / "link.html").symlink_to(own / "thesis.txt")
    for name in ("link", "link.html"):
        with pytest.raises(CannotWrite, match="is a link"):
            zatlas.export(digits, tmp_path / name, points=50)
    assert (own / "thesis.txt").read_text() == "mine"


def test_a_file_that_appears_during_an_export_stays(digits, page, tmp_path, monkeypatch):
    out = tmp_path / "site"
    zatlas.export(digits, out, points=50)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    aside = exports._set_aside

    def late(path):
        (path / "CNAME").write_text("mine")
        return aside(path)

    monkeypatch.setattr(exports, "_set_aside", late)
    with pytest.raises(CannotWrite, match="holds 'CNAME'"):
        zatlas.export(digits, out, points=60)
    (out / "CNAME").unlink()
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".side")] == []
