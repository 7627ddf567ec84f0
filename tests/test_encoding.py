"""Very many images to points: in parts, from sets, folders and shards, begun again and gone on with."""

import io
import json
import pickle
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from zatlas import cli
from zatlas.core.errors import BadData, NotSupported
from zatlas.data import partitions
from zatlas.encode import encode
from zatlas.store import latent_table as tables
from zatlas.workspace import Workspace


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces of so few images that a few hundred make several."""
    monkeypatch.setattr(partitions, "PARTITION_SIZE", 100)


@pytest.fixture
def folder(digits, tmp_path):
    """Test images of digits as files, in folders of their classes; and one that is no image."""
    rows = digits.rows("test")[:250]
    names = np.array(digits.dataset.classes)[digits.dataset.labels[rows]]
    path = tmp_path / "images"
    for number, (row, name) in enumerate(zip(rows, names, strict=True)):
        (path / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.dataset.pixels[row, 0]).save(path / name / f"{number:04d}.png")
    return path


def by_file(path):
    """The points of a table of codes by the file of each."""
    parts = [pq.read_table(part) for part in sorted(path.glob("part-*.parquet"))]
    table = pa.concat_tables(parts)
    return dict(zip(table["file"].to_pylist(), np.array(table["z"].to_pylist()), strict=True))


def test_a_folder_is_encoded_in_parts_as_its_images_are(digits, folder, tmp_path):
    out = encode(digits, str(folder), out=tmp_path / "codes.parquet")
    assert len(list(out.glob("part-*.parquet"))) == 3
    result = by_file(out)
    rows = digits.rows("test")[:250]
    expected = digits.generator.encode(digits.dataset.images(rows))
    for name, z in result.items():
        np.testing.assert_allclose(z, expected[int(name[-8:-4])], atol=1e-5)
    assert len(result) == 250
    assert sorted(tables.read(out).rows.tolist()) == list(range(250))


def test_labels_and_splits_are_columns_and_duckdb_reads_all_parts(digits, tmp_path):
    out = encode(digits, out=tmp_path / "codes.parquet")
    answer = tables.query({"codes": out}, "select split, count(*) as n from codes group by split")
    counts = dict(zip(answer["split"].to_pylist(), answer["n"].to_pylist(), strict=True))
    assert counts == {name: len(digits.dataset.rows(name)) for name in ("train", "valid", "test")}


def test_pickled_partitions_contain_no_images():
    there = partitions.open_partitions("sprites:count=200", (1, 32, 32))
    here = there.read(0)
    sent = pickle.dumps(there)
    assert len(sent) < 1000 < here.pixels.nbytes
    np.testing.assert_array_equal(pickle.loads(sent).read(0).pixels, here.pixels)


def test_finished_parts_are_not_encoded_again(digits, folder, tmp_path):
    out = encode(digits, str(folder), out=tmp_path / "codes.parquet")
    parts = sorted(out.glob("part-*.parquet"))
    complete = {part.name: part.read_bytes() for part in parts}
    (out / tables.PARTS_FILE).unlink()  # as if it had been stopped
    parts[1].unlink()
    saved = {part: part.stat().st_mtime_ns for part in (parts[0], parts[2])}
    encode(digits, str(folder), out=out)
    assert {part: part.stat().st_mtime_ns for part in saved} == saved
    assert {part.name: part.read_bytes() for part in parts} == complete
    assert tables.provenance(out) is not None


def test_parts_of_another_model_are_encoded_again(digits, plain, folder, tmp_path):
    out = tmp_path / "codes.parquet"
    encode(plain, out=out)  # in many more parts
    encode(digits, str(folder), out=out)
    assert tables.provenance(out)["weights"] == digits.digest
    fresh = encode(digits, str(folder), out=tmp_path / "fresh.parquet")
    np.testing.assert_array_equal(tables.read(out).latents, tables.read(fresh).latents)


def test_the_run_reads_its_latents_from_the_parts(plain, tmp_path):
    shutil.copytree(plain.run.folder, tmp_path / "run", ignore=shutil.ignore_patterns("latents"))
    workspace = Workspace.open(tmp_path / "run")
    out = encode(workspace, split="train")
    assert out.is_dir() and len(list(out.glob("part-*.parquet"))) > 10
    written = {part: part.stat().st_mtime_ns for part in out.iterdir()}
    expected = plain.table("train")
    np.testing.assert_array_equal(workspace.table("train").rows, expected.rows)
    np.testing.assert_allclose(workspace.table("train").latents, expected.latents, atol=1e-5)
    assert {part: part.stat().st_mtime_ns for part in out.iterdir()} == written


def test_a_few_bad_files_are_skipped_and_many_are_refused(digits, folder, tmp_path):
    (folder / "0" / "0000broken.png").write_bytes(b"no image")
    out = encode(digits, str(folder), out=tmp_path / "codes.parquet")
    asides = [one for path in out.glob("part-*.json") for one in json.loads(path.read_text())]
    assert len(asides) == 1 and "0000broken.png" in asides[0]["file"]
    assert len(tables.read(out)) == 250
    for number in range(40):
        (folder / "1" / f"x{number}.png").write_bytes(b"no image")
    with pytest.raises(BadData, match="41 of 291 images cannot be used"):
        encode(digits, str(folder), out=tmp_path / "more.parquet")


def test_images_are_read_from_parquet_shards(digits, tmp_path):
    rows = digits.rows("test")[:60]
    files = []
    for row in rows:
        buffer = io.BytesIO()
        Image.fromarray(digits.dataset.pixels[row, 0]).save(buffer, format="PNG")
        files.append({"bytes": buffer.getvalue(), "path": f"{row}.png"})
    (tmp_path / "shards").mkdir()
    for shard in range(2):
        mine = slice(30 * shard, 30 * (shard + 1))
        table = pa.table({"image": files[mine], "digit": digits.dataset.labels[rows[mine]]})
        pq.write_table(table, tmp_path / "shards" / f"{shard}.parquet", row_group_size=20)
    out = encode(digits, str(tmp_path / "shards"), out=tmp_path / "codes.parquet")
    assert len(list(out.glob("part-*.parquet"))) == 4
    latents = tables.read(out)
    expected = digits.generator.encode(digits.dataset.images(rows))
    np.testing.assert_allclose(latents.latents[np.argsort(latents.rows)], expected, atol=1e-5)


def test_a_conditional_encoder_gets_the_classes_of_the_folders(conditional, folder, tmp_path):
    out = encode(conditional, str(folder), out=tmp_path / "codes.parquet")
    rows = conditional.rows("test")[:250]
    expected = conditional.generator.encode(
        conditional.dataset.images(rows), conditional.dataset.labels[rows]
    )
    for name, z in by_file(out).items():
        np.testing.assert_allclose(z, expected[int(name[-8:-4])], atol=1e-5)
    (folder / "0").rename(folder / "nought")
    with pytest.raises(BadData, match="folders with these names"):
        encode(conditional, str(folder), out=tmp_path / "other.parquet")


def test_an_existing_file_is_not_overwritten(digits, folder, tmp_path):
    out = tmp_path / "precious.parquet"
    out.write_bytes(b"mine")
    with pytest.raises(BadData, match="Choose another folder"):
        encode(digits, str(folder), out=out)
    assert out.read_bytes() == b"mine"


def test_a_model_without_an_encoder_raises_an_error_with_advice(rival, folder):
    with pytest.raises(NotSupported, match="zatlas invert"):
        encode(rival, str(folder))


@pytest.mark.parametrize(
    ("words", "said"), [(("nowhere",), "nowhere"), (("{folder}", "--split", "test"), "has no splits")]
)
def test_unusable_data_raises_one_message(words, said, digits, folder, capsys):
    given = [word.format(folder=folder) for word in words]
    assert cli.main(["encode", str(digits.run.folder), *given]) == 2
    printed, output = capsys.readouterr()
    assert not printed and said in output


def test_a_folder_with_a_run_or_other_parquet_files_is_unchanged(digits, folder, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "made.json").write_text('{"format": 1}')
    data = tmp_path / "data"
    data.mkdir()
    pq.write_table(pa.table({"mine": [1]}), data / "part-00000.parquet")
    for target in (run, data):
        before = {path: path.read_bytes() for path in target.iterdir()}
        with pytest.raises(BadData, match="another folder"):
            encode(digits, str(folder), out=target)
        assert {path: path.read_bytes() for path in target.iterdir()} == before
