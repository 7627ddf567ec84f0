import numpy as np
import pytest
from PIL import Image

from zatlas.core.errors import BadData, BadRecipe, NotFound, UnknownName
from zatlas.data import hub, mnist

datasets = pytest.importorskip("datasets")

SQUARE = np.random.default_rng(0).integers(0, 256, (4, 6, 5)).astype(np.uint8)
PICTURES = [Image.fromarray(image) for image in SQUARE]
KINDS = datasets.ClassLabel(names=["no", "yes"])


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """All that is opened here lies on this machine; no test waits for a network."""
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")


def put(path, part="train", **columns):
    """A Parquet file of these columns, each of its values and their kind."""
    path.mkdir(exist_ok=True)
    rows = {name: values for name, (values, _) in columns.items()}
    kinds = datasets.Features({name: kind for name, (_, kind) in columns.items()})
    datasets.Dataset.from_dict(rows, features=kinds).to_parquet(path / f"{part}.parquet")
    return str(path)


def pictures(values=PICTURES):
    return values, datasets.Image()


def test_columns_are_found_by_their_types(tmp_path):
    path = put(
        tmp_path / "set",
        picture=pictures(),
        answer=([0, 1, 1, 0], KINDS),
        age=([1, 2, None, 4], datasets.Value("int32")),
        boxes=([[1, 2]] * 4, datasets.List(datasets.Value("int32"))),
    )
    images = hub.load(path)
    np.testing.assert_array_equal(images.pixels[:, 0], SQUARE)
    assert images.classes == ("no", "yes")
    np.testing.assert_array_equal(images.attributes["age"], [1, 2, np.nan, 4])
    assert set(images.attributes) == {"age"}
    assert images.report["notes"] == {"column boxes left out": 1}
    np.testing.assert_array_equal(hub.load(path).pixels, images.pixels)
    assert len(hub.load(path, count=2)) == 2


def test_a_count_takes_random_rows_of_each_split_by_the_seed(tmp_path):
    greys = np.arange(40)
    images = [Image.fromarray(np.full((6, 5), grey, np.uint8)) for grey in greys]
    ages = (greys.tolist(), datasets.Value("int32"))
    path = put(tmp_path / "set", image=pictures(images), age=ages)
    few = hub.load(path, count=15)
    np.testing.assert_array_equal(few.pixels[:, 0, 0, 0], few.attributes["age"])
    assert few.attributes["age"].max() > 25 and len(few) == 15
    np.testing.assert_array_equal(hub.load(path, count=15).pixels, few.pixels)
    assert (hub.load(path, count=15, seed=1).pixels != few.pixels).any()


def test_a_second_class_column_becomes_an_attribute(tmp_path):
    columns = {"label": ([0, 1, -1, 0], KINDS), "smiling": ([1, 0, 1, -1], KINDS)}
    images = hub.load(put(tmp_path / "set", image=pictures(), **columns))
    assert images.classes == ("no", "yes", "unlabelled")
    assert images.labels.tolist() == [0, 1, 2, 0]
    assert images.attributes["smiling"].tolist() == ["yes", "no", "yes", ""]
    requested = hub.load(str(tmp_path / "set"), label="smiling")
    assert requested.labels.tolist() == [1, 0, 1, 2]


def test_parts_are_the_split(tmp_path):
    for part, count in (("train", 4), ("validation", 2), ("test", 1)):
        put(tmp_path / "set", part, image=pictures(PICTURES[:count]))
    images = hub.load(str(tmp_path / "set"))
    assert [len(images.rows(part)) for part in ("train", "valid", "test")] == [4, 2, 1]


def test_one_colour_image_makes_a_colour_dataset(tmp_path):
    colour = Image.fromarray(np.repeat(SQUARE[0][..., None], 3, 2))
    images = hub.load(put(tmp_path / "set", image=pictures([*PICTURES[1:], colour])))
    assert images.shape == (3, 6, 5)


def test_images_of_different_sizes_need_a_size(tmp_path):
    odd = Image.fromarray(np.zeros((9, 9), np.uint8))
    path = put(tmp_path / "set", image=pictures([*PICTURES, odd]))
    with pytest.raises(BadData, match="have different sizes: 5x6 and 9x9"):
        hub.load(path)
    assert hub.load(path, size=4).pixels.shape == (5, 1, 4, 4)


def test_a_row_without_an_image_is_skipped(tmp_path):
    path = put(tmp_path / "set", image=pictures([*PICTURES, None]))
    with pytest.raises(BadData, match=r"1 of 5 files .* cannot be used \(1 empty\), such as train/4"):
        hub.load(path)
    assert len(hub.load(path, tolerate=0.2)) == 4


def test_invalid_options_are_refused(tmp_path):
    path = put(
        tmp_path / "set",
        image=pictures(),
        age=([1.0] * 4, datasets.Value("float32")),
        boxes=([[1]] * 4, datasets.List(datasets.Value("int32"))),
    )
    with pytest.raises(UnknownName, match=r"No column of hf:.* named 'images'. Did you mean 'image'"):
        hub.load(path, image="images")
    with pytest.raises(BadData, match=r"column 'age' of hf:.* has Value\('float32'\), not images"):
        hub.load(path, image="age")
    with pytest.raises(BadData, match=r"'boxes' .* does not have one value .* labels: age"):
        hub.load(path, label="boxes")
    with pytest.raises(BadRecipe, match="not 2"):
        hub.load(path, channels=2)
    with pytest.raises(BadData, match=r"has no column of images\. Its columns are age"):
        hub.load(put(tmp_path / "other", age=([1.0], datasets.Value("float32"))))
    with pytest.raises(NotFound, match="Give the name of a dataset"):
        hub.load("")


def test_a_failed_download_reports_the_message_of_the_hub():
    with pytest.raises(NotFound, match=r"could not be downloaded: Couldn't reach 'nobody/nothing'"):
        hub.load("nobody/nothing")


def test_mnist_is_downloaded_without_local_files(tmp_path, monkeypatch):
    monkeypatch.setenv("ZATLAS_DATA", str(tmp_path / "none"))
    path = put(tmp_path / "set", image=pictures(), label=([3, 7, 3, 3], datasets.Value("int64")))
    digits = mnist.load("mnist", path, mnist.DIGIT_CLASSES)
    assert digits.name == "mnist"
    assert digits.labels.tolist() == [3, 7, 3, 3]
    with pytest.raises(NotFound, match=r"not on this machine.*could not be downloaded"):
        mnist.load("mnist", "nobody/nothing", mnist.DIGIT_CLASSES)
