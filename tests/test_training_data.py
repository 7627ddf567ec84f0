"""Training data of other packages: Hugging Face datasets, data frames, and lists of images and files."""

import datasets
import numpy as np
import pandas
import pytest
from PIL import Image
from torch.utils.data import DataLoader

import zatlas
from tests.test_python import IMAGES, LABELS, NAMES, trained
from zatlas.core.errors import BadData, NotFound, UnknownName

PIL = [Image.fromarray(image[0]) for image in IMAGES]
AGES = [float(row % 7) for row in range(90)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for row, image in enumerate(PIL):
        image.save(folder / f"{row}.png")
    return [str(folder / f"{row}.png") for row in range(90)]


def check(run, attributes=()):
    assert (run.dataset.pixels == IMAGES).all()
    assert (np.array(run.dataset.classes)[run.dataset.labels] == NAMES[LABELS]).all()
    assert set(run.dataset.attributes) == set(attributes)
    reopened = zatlas.load(run.workspace.run.folder)
    assert reopened.dataset.fingerprint == run.dataset.fingerprint


def hugging_face(**columns):
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "age": datasets.Value("float32"),
            "label": datasets.ClassLabel(names=NAMES.tolist()),
        }
    )
    table = {"image": PIL, "age": AGES, "label": LABELS.tolist()} | columns
    return datasets.Dataset.from_dict(table, features=features)


def test_a_dataset_of_hugging_face_has_labels_and_attributes(tmp_path):
    check(trained(hugging_face(), out=tmp_path / "run"), ["age"])


def test_a_dataset_of_hugging_face_in_another_format_is_the_same(tmp_path):
    arrays = datasets.Dataset.from_dict({"img": IMAGES[:, 0].tolist(), "class": NAMES[LABELS].tolist()})
    check(trained(arrays, out=tmp_path / "lists"))
    check(trained(arrays.with_format("torch"), out=tmp_path / "torch"))
    part = trained(hugging_face().select(range(30)), out=tmp_path / "part")
    assert len(part.dataset) == 30


def frames(files):
    columns = {"path": files, "age": AGES, "smiles": LABELS == 0, "label": NAMES[LABELS].tolist()}
    yield "pandas", pandas.DataFrame(columns)
    polars = pytest.importorskip("polars")
    yield "polars", polars.DataFrame(columns)


def test_a_frame_of_paths_has_labels_and_attributes(files, tmp_path):
    for name, frame in frames(files):
        run = trained(frame, out=tmp_path / name)
        check(run, ["age", "smiles"])
        assert run.dataset.attributes["smiles"].dtype == bool
        np.testing.assert_array_equal(run.dataset.attributes["age"], AGES)


def test_the_label_column_of_a_frame_is_named_or_given(files, tmp_path):
    frame = pandas.DataFrame({"image": files, "kind": NAMES[LABELS]})
    check(trained(frame, "kind", tmp_path / "named"))
    check(trained(frame[["image"]], pandas.Series(NAMES[LABELS]), tmp_path / "given"))
    missing = frame.assign(kind=[None, *NAMES[LABELS[1:]]])
    assert trained(missing, "kind", tmp_path / "missing").dataset.classes[-1] == "unlabelled"
    with pytest.raises(UnknownName, match="Did you mean 'kind'"):
        trained(frame, "kinds", tmp_path / "wrong")
    with pytest.raises(BadData, match="has the columns kind, and none of images"):
        trained(frame[["kind"]], out=tmp_path / "wrong")


def test_a_list_of_paths_or_pil_images_is_resized(files, tmp_path):
    check(trained(files, NAMES[LABELS], tmp_path / "paths"))
    mixed = [image.resize((20, 30)) if row % 2 else image for row, image in enumerate(PIL)]
    run = trained(mixed, LABELS, tmp_path / "mixed", size=8)
    assert run.dataset.shape == (1, 8, 8)
    with pytest.raises(BadData, match=r"such as 8x8 and 20x30. Resize them, or pass size=64"):
        trained(mixed, LABELS, tmp_path / "sizes")
    with pytest.raises(BadData, match="must have one shape"):
        trained([IMAGES[0], IMAGES[0][:, :4]], out=tmp_path / "shapes")
    with pytest.raises(NotFound, match=r"no image file nowhere\.png"):
        trained(["nowhere.png"], out=tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_dataset_with_splits_is_refused_with_what_to_type(tmp_path):
    with pytest.raises(BadData, match=r"as data\['train'\]"):
        trained(datasets.DatasetDict(train=hugging_face()), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (IMAGES.reshape(90, 64), "array 'images' of the data has the shape .90, 64.; images are"),
        (IMAGES.astype(np.uint16) * 257, "array 'images' of the data has values from 0 to .*Scale them"),
        (pandas.DataFrame(IMAGES.reshape(90, 64)), "columns 0, 1, 2, 3, 4, 5 ..., and none of images"),
        (DataLoader(IMAGES), "Pass its Dataset, as loader.dataset"),
    ],
    ids=["flat", "16-bit", "table of pixels", "loader"],
)
def test_other_data_is_refused_with_what_to_pass(data, message, tmp_path):
    with pytest.raises(BadData, match=message):
        trained(data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
