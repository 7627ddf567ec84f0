"""The page of a run whose model has several latent spaces: served on demand, and exported."""

import json
import shutil
from threading import Thread

import numpy as np
import pytest

import zatlas
from tests import stylegan_files
from tests.serving import FILES, Page, get
from tests.stylegan_files import Case
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, BadRun, UnknownName
from zatlas.create import import_model
from zatlas.directions.find import store_of
from zatlas.directions.fit.principal import principal_directions
from zatlas.gallery import draw_gallery
from zatlas.sample import sample_latents
from zatlas.server import serve
from zatlas.server.serve import serving
from zatlas.store import direction_files
from zatlas.workspace import Workspace

CASE = Case("ada", widths=(16, 8), psi=0.7)
POINTS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("spaces")
    source = stylegan_files.write(CASE, folder)
    return import_model(source, folder / "run", truncation=0.7, verbose=False).run.folder


def entry_of(url, path="/data/manifest.json"):
    status, _, body = get(url, path)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.slow
def test_a_served_page_opens_another_space_on_its_first_request(run):
    workspace = Workspace.open(run)
    with serving([workspace], points=POINTS, files=FILES) as server:
        (entry,) = entry_of(server.url)["runs"]
        assert (entry["folder"], entry["space"], entry["name"]) == ("run", "z", "run")
        urls = {space["name"]: space["entry"] for space in entry["spaces"]}
        assert list(urls) == ["z", "w", "w+", "s"] and urls["z"] is None
        assert get(server.url, "/data/a-2/table.arrow")[0] == 404
        entries = []
        readers = [
            Thread(target=lambda: entries.append(entry_of(server.url, f"/{urls['w+']}"))) for _ in "ab"
        ]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        wide = entries[0]
        center = np.frombuffer(get(server.url, f"/{wide['center']}")[2], "<f4")
        np.testing.assert_array_equal(center, workspace.in_space("w+").generator.space.center()[0])
        assert [part["columns"] for part in wide["layers"]] == [[0, 32], [32, 48], [48, 64]]
        assert entry["center"] is None and entry["layers"] == []
        assert entries[1] == wide and wide["name"] == "run (w+)" and wide["dim"] == 4 * 16
        assert get(server.url, f"/{wide['table']}")[0] == 200
        z = sample_latents(workspace.in_space("w+"), 2)
        with Page(server.url, run=wide["id"]) as page:
            _, images = page.request("decode", z.tobytes(), n=2)
        expected = workspace.in_space("w+").decode(z)
        assert np.abs(images / 255 - expected).max() <= 1 / 255
        with Page(server.url, run="a-1") as page:
            answer, _ = page.request("decode", z.tobytes(), n=2)
        assert answer["code"] == "unknown-run"


@pytest.mark.slow
def test_a_page_that_starts_in_w_offers_the_input_of_the_model(run):
    workspace = Workspace.open(run, space="w")
    with serving([workspace], points=POINTS, files=FILES) as server:
        (entry,) = entry_of(server.url)["runs"]
        assert entry["space"] == "w" and entry["name"] == "run (w)"
        urls = {space["name"]: space["entry"] for space in entry["spaces"]}
        assert urls["w"] is None
        assert entry_of(server.url, f"/{urls['z']}")["space"] == "z"


@pytest.mark.slow
def test_an_export_has_the_spaces_that_were_named(run, tmp_path):
    words = ["export", str(run), str(tmp_path / "page"), "--points", str(POINTS)]
    assert main([*words, "--space", "w", "--other-spaces", "w+"]) == 0
    (entry,) = json.loads((tmp_path / "page" / "data" / "manifest.json").read_bytes())["runs"]
    assert [space["name"] for space in entry["spaces"]] == ["w", "w+"]
    wide = json.loads((tmp_path / "page" / entry["spaces"][1]["entry"]).read_bytes())
    assert wide["space"] == "w+" and wide["decoder"]
    assert (tmp_path / "page" / wide["decoder"]["url"]).stat().st_size == wide["decoder"]["bytes"]
    zatlas.export(str(run), tmp_path / "plain", points=POINTS)
    (entry,) = json.loads((tmp_path / "plain" / "data" / "manifest.json").read_bytes())["runs"]
    assert entry["spaces"] == []


def test_a_space_that_the_model_lacks_is_refused(run, digits, tmp_path):
    with pytest.raises(UnknownName, match=r"Known: s, w, w\+, z"):
        zatlas.export(str(run), tmp_path / "page", points=POINTS, other_spaces=["v"])
    with pytest.raises(UnknownName, match="Known: z"):
        zatlas.export(digits, tmp_path / "page", points=POINTS, other_spaces=["w"])
    with pytest.raises(BadRecipe, match="one latent space"):
        zatlas.export(str(run), tmp_path / "page", figure="map", other_spaces=["w"])
    assert not (tmp_path / "page").exists()


@pytest.mark.slow
def test_each_latent_space_has_a_frame_of_its_own_in_a_notebook(run, monkeypatch):
    monkeypatch.setattr(serve, "page", lambda: FILES)
    atlas = zatlas.load(run)
    frames = [each.explore() for each in (atlas, atlas.space("w"), atlas, zatlas.load(run).space("w"))]
    try:
        assert [entry_of(frame.url)["runs"][0]["space"] for frame in frames] == ["z", "w", "z", "w"]
        assert frames[0].url == frames[2].url and frames[1].url == frames[3].url
    finally:
        for frame in frames:
            frame.close()


@pytest.mark.slow
def test_a_frame_shows_the_encoder_that_was_trained_after_the_last_frame(run, tmp_path, monkeypatch):
    monkeypatch.setattr(serve, "page", lambda: FILES)
    shutil.copytree(run, tmp_path / "run")
    atlas = zatlas.load(tmp_path / "run")
    before = atlas.explore()
    after = atlas.train_encoder(epochs=1).explore()
    try:
        encoders = [entry_of(frame.url)["runs"][0]["encoder"] for frame in (before, after)]
        assert encoders[0] is None and encoders[1] is not None
    finally:
        before.close()
        after.close()


@pytest.mark.slow
def test_a_gallery_links_the_report_of_its_own_space(run, tmp_path):
    for name in ("z", "w"):
        Workspace.open(run, space=name).folder("report.html").write_text(name, encoding="utf-8")
    page = draw_gallery(Workspace.open(run, space="w"), tmp_path / "gallery").read_text(encoding="utf-8")
    assert "run/spaces/w/report.html" in page and "run/report.html" not in page


def test_a_direction_of_another_space_is_refused(run, tmp_path, capsys):
    z, w = (Workspace.open(run, space=name) for name in ("z", "w"))
    assert z.dim == w.dim
    path = store_of(w).save(principal_directions(w.cloud, 1)[0])
    assert main(["directions", "take", str(run), str(path)]) == 2
    assert "was fitted in the latent space 'w' of this model" in capsys.readouterr().err
    with pytest.raises(BadRun, match="cannot be used in 'z'"):
        store_of(z).restore(direction_files.read(path))
    assert store_of(w).all()[0].name == store_of(w).restore(direction_files.read(path)).name
