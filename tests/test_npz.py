import io

import numpy as np
import pytest

from zatlas.core.errors import BadData, ZatlasError
from zatlas.data import sources

CHANCE = np.random.default_rng(0)
SQUARE = CHANCE.integers(0, 256, (4, 6, 5)).astype(np.uint8)


@pytest.mark.parametrize(
    ("array", "wanted"),
    [
        (SQUARE, SQUARE[:, None]),
        (SQUARE[..., None], SQUARE[:, None]),
        (SQUARE[:, None], SQUARE[:, None]),
        ((SQUARE / 255).astype(np.float32), SQUARE[:, None]),
        ((SQUARE / 127.5 - 1).astype(np.float64), SQUARE[:, None]),
        (SQUARE.astype(np.float32), SQUARE[:, None]),
        (SQUARE.astype(np.int64), SQUARE[:, None]),
        ((SQUARE > 127).astype(np.uint8), np.where(SQUARE > 127, 255, 0)[:, None]),
        (SQUARE > 127, np.where(SQUARE > 127, 255, 0)[:, None]),
        (np.repeat(SQUARE[..., None], 3, 3), np.repeat(SQUARE[:, None], 3, 1)),
    ],
)
def test_arrays_of_every_usual_kind_are_read(tmp_path, array, wanted):
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(sources.load(str(tmp_path / "a.npy")).pixels, wanted)


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.full((2, 3, 3), np.nan), "18 values that are NaN"),
        (np.zeros((2, 5, 5, 4), np.uint8), "Remove an alpha channel"),
        (np.full((2, 3, 3), 1000.0), "values from 1000 to 1000"),
        (np.zeros((2, 0, 3), np.uint8), r"has the shape \(2, 0, 3\)"),
        (np.zeros((2, 3, 3), complex), "has the dtype complex128"),
        (np.array([["a"]]), "shape"),
        (np.zeros((0, 3, 3), np.uint8), "has no images"),
    ],
)
def test_arrays_that_are_not_images_are_refused(tmp_path, array, match):
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(BadData, match=match):
        sources.load(str(tmp_path / "a.npy"))


def test_pickled_objects_are_never_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=np.array([object()], dtype=object))
    with pytest.raises(BadData, match="pickled Python objects"):
        sources.load(str(tmp_path / "a.npz"))
    (tmp_path / "b.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(BadData, match="cannot be read as arrays"):
        sources.load(str(tmp_path / "b.npz"))


def test_an_npz_has_labels_and_attributes(tmp_path):
    np.savez(tmp_path / "a.npz", images=SQUARE, labels=[0.0, 1.0, np.nan, 1.0], age=[1, 2, 3, 4])
    images = sources.load(str(tmp_path / "a.npz"), size=4)
    assert images.pixels.shape == (4, 1, 4, 4)
    assert images.classes == ("0", "1", "unlabelled")
    assert images.labels.tolist() == [0, 1, 2, 1]
    assert images.attributes["age"].tolist() == [1, 2, 3, 4]
    np.savez(tmp_path / "b.npz", images=SQUARE, labels=[0, 1])
    with pytest.raises(BadData, match=r"labels in .* has the shape \(2,\), but 4 images"):
        sources.load(str(tmp_path / "b.npz"))
    np.savez(tmp_path / "c.npz", pictures=SQUARE)
    with pytest.raises(BadData, match=r"no array named x_train .*It has pictures"):
        sources.load(str(tmp_path / "c.npz"))


def test_parts_are_scaled_by_the_same_range(tmp_path):
    grey = np.linspace(-1, 1, 48).reshape(3, 4, 4)
    np.savez(tmp_path / "a.npz", x_train=grey, x_test=np.abs(grey[:1] / 2))
    images = sources.load(str(tmp_path / "a.npz"))
    assert images.pixels[0, 0, 0, 0] == 0
    assert images.pixels[-1].min() >= 127
    assert images.report["converted"] == {"-1..1-scaled": 4}


def test_parts_of_different_sizes_need_a_size(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=SQUARE, x_test=SQUARE[:, :4])
    with pytest.raises(BadData, match=r"x_train has \(1, 6, 5\), x_test .* --size 64"):
        sources.load(str(tmp_path / "a.npz"))
    assert sources.load(str(tmp_path / "a.npz"), size=4).shape == (1, 4, 4)


def test_a_part_without_labels_is_unlabelled_and_an_empty_one_is_ignored(tmp_path):
    y = np.array(["a", "b", "a", "b"])
    np.savez(tmp_path / "a.npz", x_train=SQUARE, y_train=y, x_test=SQUARE, x_valid=SQUARE[:0])
    images = sources.load(str(tmp_path / "a.npz"))
    assert images.classes == ("a", "b", "unlabelled")
    assert images.labels[4:].tolist() == [2, 2, 2, 2]
    assert len(images.rows("valid")) == 1


def test_columns_of_every_type_are_attributes_or_counted_as_left_out(tmp_path):
    columns = {
        "who": np.array([b"x", b"y", b"", b"x"]),
        "when": np.array(["2020-01-02", "NaT", "2020-01-03", "2020-01-04"], "datetime64[D]"),
        "wave": np.ones(4, complex),
        "record": np.zeros(4, [("a", int)]),
    }
    np.savez(tmp_path / "a.npz", images=SQUARE, labels=columns["who"], **columns)
    images = sources.load(str(tmp_path / "a.npz"))
    assert images.classes == ("x", "y", "unlabelled")
    assert images.attributes["when"].tolist() == ["2020-01-02", "", "2020-01-03", "2020-01-04"]
    assert set(images.attributes) == {"who", "when"}
    assert images.report["converted"]["column-left-out"] == 2


ANIMALS = np.array(["cat", "dog", "elephant"])


def test_labels_of_an_npz_have_the_names_in_the_file_or_in_the_option(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, x_train=SQUARE, y_train=[2, 0, 1, 2], x_test=SQUARE, y_test=[1, 1, 0, 2], classes=ANIMALS)
    images = sources.load(path)
    assert images.classes == tuple(ANIMALS) and not images.attributes
    assert images.labels.tolist() == [2, 0, 1, 2, 1, 1, 0, 2]
    renamed = sources.load(f"{path}:classes=[Katze,Hund,Elefant,Maus]")
    assert renamed.classes == ("Katze", "Hund", "Elefant", "Maus")
    assert renamed.labels.tolist() == images.labels.tolist()


def test_class_names_that_do_not_fit_the_labels_are_refused(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, images=SQUARE, labels=[0, 1, 2, 3], classes=ANIMALS)
    with pytest.raises(BadData, match="go from 0 to 3, and `classes` has 3 different names"):
        sources.load(path)
    assert sources.load(path, classes=["a", "b", "c", "d"]).classes == ("a", "b", "c", "d")
    np.savez(path, images=SQUARE, labels=["x", "y", "x", "y"])
    with pytest.raises(BadData, match="has no labels from 0 that `classes` could name"):
        sources.load(path, classes=["a", "b"])


def test_a_text_for_each_image_called_classes_is_an_attribute(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, images=SQUARE, labels=[0, 1, 0, 1], classes=["x", "y", "y", "z"], smiling=[0, 1, 1, 0])
    images = sources.load(path)
    assert images.classes == ("0", "1") and images.attributes["classes"].tolist() == ["x", "y", "y", "z"]
    assert images.attributes["smiling"].tolist() == [False, True, True, False]


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path):
    file = io.BytesIO()
    header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 40, 28, 28)}
    np.lib.format.write_array_header_1_0(file, header)
    (tmp_path / "a.npy").write_bytes(file.getvalue() + bytes(100))
    with pytest.raises(BadData, match=r"a\.npy cannot be read as arrays"):
        sources.load(str(tmp_path / "a.npy"))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_broken_bytes_are_read_or_raise_a_zatlas_error(tmp_path, save):
    path = tmp_path / "a.npz"
    save(path, x_train=SQUARE, y_train=np.arange(4))
    good = path.read_bytes()
    for trial in range(300):
        bad = bytearray(good if trial % 5 else good[: CHANCE.integers(len(good))])
        for folder in CHANCE.integers(len(bad), size=4) if bad else ():
            bad[folder] = CHANCE.integers(256)
        path.write_bytes(bad)
        try:
            sources.load(str(path))
        except ZatlasError as error:
            assert "a.npz" in str(error) or "a holds" in str(error)
