import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from zatlas.core.errors import BadData, BadRecipe, NotFound, NotSupported, ShapeError, UnknownName
from zatlas.locate import locate, locate_all
from zatlas.render.pixels import save
from zatlas.render.sheet import sheet
from zatlas.store import atomic
from zatlas.workspace import Workspace


def test_codes_are_written_once_and_read_again(digits):
    table = digits.table("test")
    path = next((digits.run.folder / "latents").glob("*-test.parquet"))
    before = path.stat().st_mtime_ns
    loaded = Workspace.open(digits.run.folder).table("test")
    assert path.stat().st_mtime_ns == before
    for name in ("rows", "latents", "std"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(table, name))
    x = digits.dataset.images(table.rows)
    np.testing.assert_allclose(table.latents, digits.generator.encode(x), atol=1e-5)


def test_codes_of_other_weights_are_made_again(digits, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(digits.run.folder, copy)
    path = next((copy / "latents").glob("*-test.parquet")) if (copy / "latents").exists() else None
    Workspace.open(copy).table("test")
    path = next((copy / "latents").glob("*-test.parquet"))
    table = pq.read_table(path)
    created = json.loads(table.schema.metadata[b"zatlas"]) | {"weights": "others"}
    with atomic.file(path) as side:
        pq.write_table(table.replace_schema_metadata({b"zatlas": json.dumps(created)}), side)
    Workspace.open(copy).table("test")
    assert json.loads(pq.read_schema(path).metadata[b"zatlas"])["weights"] != "others"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(Exception, match="has changed since zatlas wrote it"):
        Workspace.open(copy).table("test")


def test_the_table_of_codes_is_for_people_too(portraits):
    portraits.table("test")
    path = next((portraits.run.folder / "latents").glob("*-test.parquet"))
    table = pq.read_table(path).to_pandas()
    assert {"index", "split", "z", "std", "Smiling", "hair_colour", "age"} <= set(table.columns)
    assert table["z"][0].shape == (8,) and set(table["split"]) == {"test"}
    rows = portraits.rows("test")
    assert (table["Smiling"] == portraits.dataset.attributes["Smiling"][rows]).all()


@pytest.mark.slow
def test_codes_are_queried_with_sql(digits):
    result = digits.query("select label, count(*) as n from test group by label order by label")
    labels = digits.labels(digits.rows("test"))
    assert result["n"].to_pylist() == np.bincount(labels).tolist()
    assert digits.query("select count(*) as n from latents")["n"][0].as_py() == len(digits.rows("train"))
    with pytest.raises(BadRecipe, match="duckdb cannot run"):
        digits.query("select nothing from nowhere")


def test_a_model_without_an_encoder_says_what_to_do(rival):
    with pytest.raises(NotSupported, match="no encoder"):
        rival.table()
    with pytest.raises(NotSupported, match="Name samples by their number"):
        locate(rival, "Smiling")
    assert locate(rival, "17").title == "sample 17"
    np.testing.assert_array_equal(locate(rival, "17").latent, locate(rival, "17").latent)


def test_the_nearest_real_image_of_a_code_is_the_image_itself(digits):
    table = digits.table("train")
    rows, distance = digits.nearest(table.latents[[5, 50]], 3)
    assert rows.shape == (2, 3) and (distance[:, 0] < 1e-3).all()
    assert {table.rows[5], table.rows[50]} <= set(rows.ravel().tolist())


def test_stops_are_named_in_every_way(digits, portraits, tmp_path):
    five = locate(digits, "7")
    assert five.title == "image 7" and five.image is not None
    np.testing.assert_array_equal(five.latent, digits.table("test").latents[7:8])
    assert portraits.flags("not Male", portraits.rows("test"))[
        np.flatnonzero(portraits.rows("test") == _row_of(portraits, locate(portraits, "not Male")))
    ].all()
    four = locate(digits, "class:4")
    assert four.title == "4" and four.label == 4 and locate(digits, "class:4:2").label == 4
    first, second = locate_all(digits, ["random", "random"])
    assert (first.latent != second.latent).any() and first.image is None
    file = save(sheet(five.image, 1), tmp_path / "five.png")
    assert locate(portraits, str(file)).latent.shape == (1, 8)
    assert locate(digits, str(file)).title == "five.png"
    for wrong, error in {
        "99999": ShapeError,
        "Snaeker": UnknownName,
        "nowhere.png": NotFound,
        "-1": ShapeError,
    }.items():
        with pytest.raises(error):
            locate(digits, wrong)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"not a picture")
    with pytest.raises(BadData, match=r"broken\.png cannot be used"):
        locate(digits, str(broken))
    with pytest.raises(BadData, match="There is no"):
        locate(portraits, "Bald:9999")


def _row_of(workspace, stop):
    result = np.flatnonzero((workspace.table("test").latents == stop.latent).all(axis=1))
    return workspace.table("test").rows[result[0]]


def test_charts_are_kept_in_the_run_and_depend_on_what_made_them(wide):
    first = wide.chart("pca")
    folder = wide.run.folder / "charts"
    count = len(list(folder.iterdir()))
    np.testing.assert_array_equal(Workspace.open(wide.run.folder).chart("pca").positions, first.positions)
    assert len(list(folder.iterdir())) == count
    result = wide.chart("grid_umap", "label", settings={"n_neighbors": 10})
    free = wide.chart("grid_umap", settings={"n_neighbors": 10})
    assert len(list(folder.iterdir())) == count + 2
    assert (result.positions != free.positions).any()
    with pytest.raises(UnknownName, match="Did you mean 'umap'"):
        wide.chart("unap")


def test_a_conditional_model_is_told_a_class(conditional):
    z = np.zeros((1, 2), np.float32)
    images = [conditional.decode(z, label) for label in range(10)]
    assert np.ptp(np.stack(images), axis=0).max() > 0.3
    np.testing.assert_array_equal(conditional.decode(z), images[0])
