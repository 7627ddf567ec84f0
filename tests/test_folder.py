import json
import os

import numpy as np
import pytest

from tests.test_files import picture
from zatlas.core.errors import BadData, NotFound
from zatlas.data import sources


def test_sub_folders_are_classes_and_other_files_are_unlabelled(tmp_path):
    for index, kind in enumerate(["cat", "dog", "dog"]):
        picture(tmp_path / "p" / kind / f"{index}.png", grey=index)
    picture(tmp_path / "p" / "stray.png")
    (tmp_path / "p" / "empty").mkdir()
    (tmp_path / "p" / ".hidden").mkdir()
    picture(tmp_path / "p" / ".hidden" / "x.png")
    images = sources.load(str(tmp_path / "p"))
    assert images.classes == ("cat", "dog", "unlabelled")
    assert images.labels.tolist() == [2, 0, 1, 1]
    assert images.report["notes"] == {"empty folders": 1}


def test_top_folders_can_be_the_split(tmp_path):
    for part in ("train", "val", "test"):
        for kind in ("a", "b"):
            picture(tmp_path / "p" / part / kind / "0.png", grey=len(part))
    images = sources.load(str(tmp_path / "p"))
    assert images.classes == ("a", "b")
    assert sorted(images.split.tolist()) == [0, 0, 1, 1, 2, 2]


def test_a_table_gives_labels_attributes_and_split(tmp_path):
    for index in range(4):
        picture(tmp_path / "p" / f"{index}.png", grey=index)
    (tmp_path / "p" / "metadata.csv").write_text(
        "file_name,label,smiling,age,place,split\n"
        "0.png,x,1,30,here,train\n1.png,y,-1,,there,test\n2.png,,1,8.5,,train\n9.png,x,1,1,z,train\n"
    )
    images = sources.load(str(tmp_path / "p"))
    assert images.classes == ("x", "y", "unlabelled")
    assert images.labels.tolist() == [0, 1, 2, 2]
    assert images.split.tolist() == [0, 2, 0, 0]
    np.testing.assert_array_equal(images.attributes["age"], np.float32([30, np.nan, 8.5, np.nan]))
    assert images.attributes["place"].tolist() == ["here", "there", "", ""]
    assert images.report["notes"] == {"images not in the table": 1, "rows of the table without an image": 1}


def test_booleans_are_recognized_in_their_usual_forms(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    for index in range(3):
        picture(tmp_path / "p" / f"{index}.png", grey=index)
    columns = {
        "image": ["0", "1", "2"],
        "a": [True, False, True],
        "b": [1, 0, 1],
        "c": [-1, 1, 1],
        "n": [1.5, 2.5, 3.5],
    }
    parquet.write_table(pa.table(columns), tmp_path / "p" / "labels.parquet")
    kinds = {name: column.dtype.kind for name, column in sources.load(str(tmp_path / "p")).attributes.items()}
    assert kinds == {"a": "b", "b": "b", "c": "b", "n": "f"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("yes no yes", [True, False, True]),
        ("Yes NO yes", [True, False, True]),
        ("y n N", [True, False, False]),
        ("TRUE false True", [True, False, True]),
        ("t F t", [True, False, True]),
        ("0 1 1", [False, True, True]),
        ("-1 1 -1", [False, True, False]),
        ("no no no", [False, False, False]),
        ("yes , no", [1, np.nan, 0]),
        ("-1 , 1", [0, np.nan, 1]),
        ("f f f", ["f", "f", "f"]),
        ("yes no perhaps", ["yes", "no", "perhaps"]),
        ("1 2 1", [1, 2, 1]),
    ],
)
def test_a_column_of_yes_and_no_in_any_form_is_boolean(tmp_path, values, expected):
    values = ["" if value == "," else value for value in values.split()]
    for index in range(3):
        picture(tmp_path / f"{index}.png", grey=index)
    rows = [f"{index}.png,{value}\n" for index, value in enumerate(values)]
    (tmp_path / "labels.csv").write_text("file,smiling\n" + "".join(rows))
    column = sources.load(str(tmp_path)).attributes["smiling"]
    np.testing.assert_array_equal(column, expected)
    assert (column.dtype == bool) == isinstance(expected[0], bool)


def labelled(folder, table, *names, **options):
    """The classes of images of these names, as the table tells."""
    for name in names:
        picture(folder / name)
    (folder / "labels.csv").write_text(table)
    images = sources.load(str(folder), **options)
    return [images.classes[label] for label in images.labels]


def test_file_names_of_digits_keep_leading_zeros(tmp_path):
    assert labelled(tmp_path, "id,label\n001,a\n002,b\n", "001.png", "002.png") == ["a", "b"]


def test_the_column_of_file_names_is_found_among_several(tmp_path):
    table = "id,file_name,label\n7,1.png,a\n8,0.png,b\n"
    assert labelled(tmp_path / "p", table, "0.png", "1.png") == ["b", "a"]
    table = "photo,label\n1.png,a\n0.png,b\n"
    assert labelled(tmp_path / "q", table, "0.png", "1.png") == ["b", "a"]


def test_an_ambiguous_file_name_labels_no_file(tmp_path):
    names = ("x/1.png", "y/1.png", "z/1.png", "z/2.png")
    table = "file,label\nx/1.png,a\ny/1.png,b\n2,c\n"
    assert labelled(tmp_path / "p", table, *names) == ["a", "b", "unlabelled", "c"]
    table = "file,label\n1.png,a\n2.jpg,c\n"
    result = labelled(tmp_path / "q", table, *names)
    assert result == ["unlabelled", "unlabelled", "unlabelled", "c"]


def test_labels_of_any_kind_are_classes(tmp_path):
    table = "file,label\n0.png,2020-01-02\n1.png,2020-01-01\n2.png,\n"
    result = labelled(tmp_path, table, "0.png", "1.png", "2.png")
    assert result == ["2020-01-02", "2020-01-01", "unlabelled"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("name,score\nbob,3\n", "names none of the 1 images"),
        ("file,label,label\n0.png,a,b\n", "several columns named 'label'"),
        ("weight,score\n1,3\n", "has no column named file"),
        ("", "cannot be read as a table"),
        ("file,Split\n0.png,west\n", "unknown split 'west'"),
    ],
)
def test_an_unusable_table_raises_an_error_with_the_reason(tmp_path, table, message):
    with pytest.raises(BadData, match=message):
        labelled(tmp_path, table, "0.png")


def test_a_label_column_without_a_table_is_refused(tmp_path):
    picture(tmp_path / "0.png")
    with pytest.raises(BadData, match="no table with a column 'age'"):
        sources.load(str(tmp_path), label="age")


def test_an_image_without_a_split_is_in_the_training_split(tmp_path):
    table = "file,Split\n0.png,test\n1.png,\n"
    for name in ("0.png", "1.png", "2.png"):
        picture(tmp_path / name)
    (tmp_path / "labels.csv").write_text(table)
    images = sources.load(str(tmp_path))
    assert images.split.tolist() == [2, 0, 0] and not images.attributes


def test_the_error_of_a_folder_without_images_lists_its_files(tmp_path):
    (tmp_path / "p").mkdir()
    with pytest.raises(BadData, match="has no images; it contains nothing"):
        sources.load(str(tmp_path / "p"))
    (tmp_path / "p" / "notes.txt").touch()
    (tmp_path / "p" / "b.heic").touch()
    with pytest.raises(BadData, match=r"1 \.\w+, 1 \.\w+. Supported formats: png, jpg"):
        sources.load(str(tmp_path / "p"))


def test_images_of_different_sizes_raise_an_error_with_advice(tmp_path):
    picture(tmp_path / "p" / "a.png", size=(10, 10))
    picture(tmp_path / "p" / "b.png", size=(10, 12))
    with pytest.raises(BadData, match=r"a.png is 10x10, .*b.png is 10x12. Resize all to one size: --size 64"):
        sources.load(str(tmp_path / "p"))


def test_a_folder_whose_files_are_all_broken_is_refused(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(b"x")
    with pytest.raises(BadData, match="No file is left"):
        sources.load(str(tmp_path / "p"))


def test_a_link_out_of_the_folder_is_skipped(tmp_path):
    for index in range(30):
        picture(tmp_path / "p" / f"{index}.png", grey=index)
    picture(tmp_path / "secret.png", grey=255)
    (tmp_path / "p" / "link.png").symlink_to(tmp_path / "secret.png")
    images = sources.load(str(tmp_path / "p"))
    assert [entry["reason"] for entry in images.report["skipped"]] == ["link-outside"]


def test_links_to_folders_are_counted_and_a_link_to_itself_is_skipped(tmp_path):
    for index in range(40):
        picture(tmp_path / "p" / "a" / f"{index}.png", grey=index)
    picture(tmp_path / "far" / "x.png")
    (tmp_path / "p" / "b").symlink_to(tmp_path / "far")
    (tmp_path / "p" / "c").symlink_to(tmp_path / "p" / "a")
    (tmp_path / "p" / "round.png").symlink_to(tmp_path / "p" / "round.png")
    report = sources.load(str(tmp_path / "p")).report
    reasons = {os.path.basename(e["file"]): e["reason"] for e in report["skipped"]}
    assert reasons == {"b": "link-outside", "round.png": "unreadable"}
    assert report["notes"] == {"links to folders ignored": 1}


def test_ignored_files_are_counted(tmp_path):
    picture(tmp_path / "p" / "a" / "0.png")
    (tmp_path / "p" / "b").mkdir()
    (tmp_path / "p" / "b" / ".gitkeep").touch()
    (tmp_path / "p" / "photo.heic").touch()
    notes = sources.load(str(tmp_path / "p")).report["notes"]
    assert notes == {"empty folders": 1, "files of other types ignored": 1}


def test_file_names_that_are_not_utf8_are_read(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9/caf\xe9"
    os.makedirs(path)
    picture(tmp_path / "0.png")
    os.rename(tmp_path / "0.png", path + b"/\xe9.png")
    images = sources.load(os.fsdecode(os.path.dirname(path)))
    assert (images.name, images.classes) == ("caf\ufffd", ("caf\ufffd",))
    json.dumps(images.report)


@pytest.mark.parametrize("name", ["räksmörgås 🦐", "with space", "a'b\"c", "new\nline", "x" * 200])
def test_any_file_name_is_read(tmp_path, name):
    picture(tmp_path / name / f"{name}.png")
    images = sources.load(str(tmp_path))
    assert images.classes == (name,)


def test_a_missing_path_raises_an_error_with_the_possible_forms(tmp_path):
    with pytest.raises(NotFound, match="There is no file or folder"):
        sources.load(str(tmp_path / "none"))
    (tmp_path / "a.doc").touch()
    with pytest.raises(NotFound, match="is not a dataset"):
        sources.load(str(tmp_path / "a.doc"))
