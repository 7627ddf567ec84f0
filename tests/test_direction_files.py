import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.core.errors import BadData, BadRun, Damaged, UnknownName
from zatlas.directions.estimate import principal_directions
from zatlas.directions.find import find_direction, store_of
from zatlas.directions.measure import evaluate_directions
from zatlas.directions.store import transfer
from zatlas.directions.types import LinearDirection, renamed
from zatlas.locate import locate
from zatlas.store import direction_files
from zatlas.store.direction_files import SavedDirection

VECTOR = np.float32([0.6, 0.8])


@given(st.text(min_size=1, max_size=100))
def test_any_name_becomes_a_safe_and_unique_file_name(name):
    file = direction_files.file_name(name)
    assert "/" not in file and "\\" not in file and not file.startswith(".") and "\x00" not in file
    assert len(file.encode()) < 230
    assert direction_files.file_name(name + "x") != file


def test_a_direction_is_read_as_it_was_saved(tmp_path):
    description = {"std": np.float32(2.0), "facts": {"angle": 12.5}}
    path = direction_files.save(tmp_path, SavedDirection("Rounder / Runder", {"vector": VECTOR}, description))
    saved = direction_files.read(path)
    assert saved.name == "Rounder / Runder" and saved.description["facts"] == {"angle": 12.5}
    np.testing.assert_array_equal(saved.arrays["vector"], VECTOR)
    assert direction_files.names(tmp_path) == ["Rounder / Runder"]
    assert direction_files.has(tmp_path, "Rounder / Runder")


def test_names_are_unique_and_can_be_changed(tmp_path):
    direction_files.save(tmp_path, SavedDirection("old", {"vector": VECTOR}))
    direction_files.save(tmp_path, SavedDirection("other", {"vector": VECTOR}))
    with pytest.raises(BadData, match="already saved"):
        direction_files.save(tmp_path, SavedDirection("old", {"vector": VECTOR}))
    with pytest.raises(BadData, match="already saved"):
        direction_files.rename(tmp_path, "old", "other")
    direction_files.rename(tmp_path, "old", "new")
    assert direction_files.names(tmp_path) == ["new", "other"]
    direction_files.remove(tmp_path, "other")
    with pytest.raises(UnknownName, match="Did you mean 'new'"):
        direction_files.load(tmp_path, "newt")
    for odd in ("", " x", "a\nb", "x" * 200):
        with pytest.raises(BadData, match="name of a direction"):
            direction_files.save(tmp_path, SavedDirection(odd, {"vector": VECTOR}))


def test_files_that_hold_no_direction_are_refused(tmp_path):
    from safetensors.numpy import save_file

    bad = tmp_path / "bad.safetensors"
    bad.write_bytes(b"nothing")
    with pytest.raises(Damaged, match="cannot be read"):
        direction_files.read(bad)
    save_file({"vector": VECTOR}, bad)
    with pytest.raises(BadRun, match="not a direction"):
        direction_files.read(bad)
    with pytest.raises(BadRun, match="no direction at"):
        direction_files.read(tmp_path / "none")
    path = direction_files.save(tmp_path, SavedDirection("nan", {"vector": np.float32([np.nan])}))
    with pytest.raises(Damaged, match="NaN or infinity"):
        direction_files.read(path)


def test_a_direction_is_saved_with_its_report_and_located_by_its_name(wide):
    (report,) = evaluate_directions(wide, [renamed(find_direction(wide, "3"), "threeness")])
    store_of(wide).save(report.direction, report, overwrite=True)
    loaded = find_direction(wide, "threeness")
    assert store_of(wide).report("threeness").measured() == report.measured()
    assert loaded.score == report.direction.score and loaded.description == "3"
    np.testing.assert_array_equal(loaded.vector, report.direction.vector)
    high, low = locate(wide, "threeness"), locate(wide, "not threeness")
    distance = (high.latent - low.latent)[0] @ loaded.vector
    assert distance == pytest.approx(4 * loaded.std, rel=1e-3)
    store_of(wide).folder.joinpath(direction_files.file_name("threeness")).unlink()


def test_commands_accept_a_saved_direction_as_an_attribute(rival, tmp_path, capsys):
    folder = str(rival.run.folder)
    store_of(rival).save(renamed(principal_directions(rival.cloud, 1)[0], "bolder"), overwrite=True)
    for words in (
        ["edit", folder, "bolder", "--out", str(tmp_path / "a.png")],
        ["interpolate", folder, "3", "bolder", "--out", str(tmp_path / "i.png")],
        ["arithmetic", folder, "3 + bolder", "--out", str(tmp_path / "e.png")],
    ):
        assert main(words) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "i.png", "e.png"}
    capsys.readouterr()
    assert main(["directions", "rename", folder, "bolder", "thicker"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["direction"] for row in rows] == ["thicker"]
    assert main(["directions", "remove", folder, "thicker"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_direction_of_another_model_is_refused_or_transferred_by_common_images(
    wide, tmp_path, capsys, own_cache
):
    other = small_run(tmp_path / "other", "digits", dim=12, seed=5)
    path = store_of(other).save(renamed(find_direction(other, "0"), "nought"))
    folder = str(wide.run.folder)
    assert main(["directions", "take", folder, str(path)]) == 2
    output = capsys.readouterr().err
    assert "another model" in output and "same number of dimensions" in output
    assert main(["directions", "take", folder, str(path), "--other", str(other.run.folder)]) == 0
    capsys.readouterr()
    transferred = find_direction(wide, "nought")
    assert transferred.facts["unexplained"] < 1
    assert transferred.vector @ find_direction(wide, "0").vector > 0.7
    assert main(["directions", "remove", folder, "nought"]) == 0


def test_a_transfer_follows_a_rotation_and_refuses_unrelated_latents():
    rng = np.random.default_rng(0)
    latents = rng.standard_normal((400, 5)).astype(np.float32)
    rotation = np.linalg.qr(rng.standard_normal((5, 5)))[0].astype(np.float32)
    direction = LinearDirection("d", np.float32([0, 1, 0, 0, 0]))
    transferred = transfer(direction, latents, latents @ rotation + 3)
    assert (
        transferred.vector @ (direction.vector @ rotation) > 0.999 and transferred.facts["unexplained"] < 0.01
    )
    with pytest.raises(BadData, match="no linear map"):
        transfer(direction, latents, rng.standard_normal((400, 5)).astype(np.float32))
