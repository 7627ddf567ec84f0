import io
import json
import os
import tarfile
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.test_read import png_that_claims
from zatlas.core.errors import BadData, NotHere
from zatlas.data import sources
from zatlas.data.archive import unpack


def picture(path, grey=100, size=(12, 10), kind=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((size[1], size[0], 3), grey, np.uint8)).save(path, kind)
    return path


def jpeg(grey=100):
    buffer = io.BytesIO()
    noise = np.random.default_rng(grey).integers(0, 255, (20, 24, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "JPEG")
    return buffer.getvalue()


def spoil(number):
    """One of twenty ways in which a file is no image."""
    good = jpeg(number % 200)
    ways = [
        lambda: b"",
        lambda: good[:10],
        lambda: good[: len(good) // 2],
        lambda: good[:-200],
        lambda: b"\0" * 500,
        lambda: b"hello world",
        lambda: b"<html><body>404</body></html>",
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        lambda: b"%PDF-1.7\n",
        lambda: good[200:],
        lambda: b"\xff\xd8" + b"\0" * 100,
        lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 30,
        lambda: png_that_claims(20_000, 20_000),
        lambda: png_that_claims(8001, 8001),
        lambda: png_that_claims(0, 5),
        lambda: b"GIF89a" + b"\xff" * 20,
        lambda: b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 20,
        lambda: b"BM" + b"\xff" * 60,
        lambda: b"II*\0" + b"\xff" * 40,
        lambda: b"\x93NUMPY\x01\0",
    ]
    return ways[number % len(ways)]()


def fill(folder, total, broken):
    """Files of which some, evenly among the others, are broken; the names of those."""
    folder.mkdir()
    names = set()
    for index in range(total):
        name = f"{index:05d}.jpg"
        bad = index * broken // total != (index + 1) * broken // total
        (folder / name).write_bytes(spoil(len(names)) if bad else jpeg(index % 50))
        if bad:
            names.add(name)
    return names


def check_quarantine(folder, total, broken):
    bad = fill(folder, total, broken)
    images = sources.load(str(folder), size=16, tolerate=0.06)
    aside = images.report["set_aside"]
    assert {os.path.basename(entry["file"]) for entry in aside} == bad
    assert all(entry["reason"] and entry["detail"] for entry in aside)
    assert images.report["used"] == len(images) == total - broken
    json.dumps(images.report)


def test_exactly_the_broken_files_are_set_aside(tmp_path):
    check_quarantine(tmp_path / "photos", 800, 40)


@pytest.mark.slow
def test_exactly_five_hundred_of_ten_thousand_are_set_aside(tmp_path):
    check_quarantine(tmp_path / "photos", 10_000, 500)


def test_too_many_broken_files_stop_the_job_and_say_how_to_go_on(tmp_path):
    fill(tmp_path / "photos", 40, 8)
    with pytest.raises(
        BadData, match=r"8 of 40 files of photos cannot be used .*data.tolerate=0\.2"
    ):
        sources.load(str(tmp_path / "photos"), size=16)
    assert len(sources.load(str(tmp_path / "photos"), size=16, tolerate=0.21)) == 32


def test_a_second_start_reads_no_image_file(tmp_path, monkeypatch):
    fill(tmp_path / "photos", 30, 0)
    first = sources.load(str(tmp_path / "photos"), size=16)
    for path in (tmp_path / "photos").iterdir():
        stats = path.stat()
        path.write_bytes(b"x" * stats.st_size)
        os.utime(path, ns=(stats.st_atime_ns, stats.st_mtime_ns))
    second = sources.load(str(tmp_path / "photos"), size=16)
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.pixels, np.memmap)


def test_a_changed_file_makes_another_set(tmp_path):
    fill(tmp_path / "photos", 30, 0)
    first = sources.load(str(tmp_path / "photos"), size=16)
    (tmp_path / "photos" / "00003.jpg").write_bytes(jpeg(199))
    assert sources.load(str(tmp_path / "photos"), size=16).fingerprint != first.fingerprint


def test_an_interrupted_reading_leaves_nothing_behind(tmp_path, monkeypatch):
    fill(tmp_path / "photos", 200, 0)
    monkeypatch.setenv("ZATLAS_CACHE", str(tmp_path / "cache"))
    from zatlas.data import files

    seen = []

    def interrupted(*arguments):
        seen.append(arguments)
        if len(seen) > 100:
            raise KeyboardInterrupt
        return real(*arguments)

    real = files._try
    monkeypatch.setattr(files, "_try", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sources.load(str(tmp_path / "photos"), size=16)
    assert list((tmp_path / "cache").iterdir()) == []


def test_sub_folders_are_classes_and_files_beside_them_are_unlabelled(tmp_path):
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
    assert images.report["notes"] == {
        "images not in the table": 1,
        "rows of the table without an image": 1,
    }


def test_truth_values_are_known_in_their_usual_writings(tmp_path):
    import pyarrow as pa
    from pyarrow import parquet

    for index in range(3):
        picture(tmp_path / "p" / f"{index}.png", grey=index)
    columns = {
        "image": ["0", "1", "2"], "a": [True, False, True], "b": [1, 0, 1], "c": [-1, 1, 1],
        "n": [1.5, 2.5, 3.5],
    }  # fmt: skip
    parquet.write_table(pa.table(columns), tmp_path / "p" / "labels.parquet")
    kinds = {
        name: column.dtype.kind
        for name, column in sources.load(str(tmp_path / "p")).attributes.items()
    }
    assert kinds == {"a": "b", "b": "b", "c": "b", "n": "f"}


def test_an_empty_folder_says_what_it_saw(tmp_path):
    (tmp_path / "p").mkdir()
    with pytest.raises(BadData, match="holds no image: there is nothing in it"):
        sources.load(str(tmp_path / "p"))
    (tmp_path / "p" / "notes.txt").touch()
    (tmp_path / "p" / "b.heic").touch()
    with pytest.raises(BadData, match=r"1 \.\w+, 1 \.\w+ in it. Known are png, jpg"):
        sources.load(str(tmp_path / "p"))


def test_images_of_different_sizes_name_two_and_the_way_out(tmp_path):
    picture(tmp_path / "p" / "a.png", size=(10, 10))
    picture(tmp_path / "p" / "b.png", size=(10, 12))
    with pytest.raises(
        BadData, match=r"a.png is 10x10, .*b.png is 10x12. Give them one, as --size 64"
    ):
        sources.load(str(tmp_path / "p"))


def test_a_folder_whose_files_are_all_broken_is_refused(tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "a.png").write_bytes(b"x")
    with pytest.raises(BadData, match="Not one is left"):
        sources.load(str(tmp_path / "p"))


def test_a_link_that_leads_out_is_set_aside(tmp_path):
    for index in range(30):
        picture(tmp_path / "p" / f"{index}.png", grey=index)
    picture(tmp_path / "secret.png", grey=255)
    (tmp_path / "p" / "link.png").symlink_to(tmp_path / "secret.png")
    images = sources.load(str(tmp_path / "p"))
    assert [entry["reason"] for entry in images.report["set_aside"]] == ["link-outside"]


@pytest.mark.parametrize("name", ["räksmörgås 🦐", "with space", "a'b\"c", "new\nline", "x" * 200])
def test_names_of_any_kind_are_read(tmp_path, name):
    picture(tmp_path / name / f"{name}.png")
    images = sources.load(str(tmp_path))
    assert images.classes == (name,)


@pytest.mark.parametrize("ending", [".zip", ".tar", ".tar.gz"])
def test_an_archive_is_a_folder(tmp_path, ending):
    for kind in ("a", "b"):
        picture(tmp_path / "p" / kind / "0.png", grey=len(kind))
    archive = tmp_path / f"set{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(archive, "w") as packed:
            for path in (tmp_path / "p").rglob("*.png"):
                packed.write(path, path.relative_to(tmp_path / "p"))
    else:
        with tarfile.open(archive, "w:gz" if ending.endswith("gz") else "w") as rolled:
            rolled.add(tmp_path / "p", ".")
    assert sources.load(str(archive)).classes == ("a", "b")


HOSTILE_NAMES = [
    "../x.png", "/x.png", "a/../../x.png", "..\\x.png", "C:\\x.png", "C:x.png", "a\nb.png", "..",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_never_writes_outside(tmp_path, name, kind):
    archive = tmp_path / "bad"
    if kind == "zip":
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr(zipfile.ZipInfo(name), b"x")
    else:
        with tarfile.open(archive, "w") as rolled:
            rolled.addfile(member(name), io.BytesIO(b"x"))
    with pytest.raises(BadData, match="lead out of its folder"):
        unpack(archive, tmp_path / "deep" / "into")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad", "deep"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE]
)
def test_links_and_devices_in_an_archive_are_refused(tmp_path, kind):
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as rolled:
        entry = member("x.png", 0)
        entry.type, entry.linkname = kind, "/etc/passwd"
        rolled.addfile(entry)
    with pytest.raises(BadData, match="a link or a device"):
        unpack(archive, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as packed:
        entry = zipfile.ZipInfo("x.png")
        entry.external_attr = 0o120777 << 16
        packed.writestr(entry, "/etc/passwd")
    with pytest.raises(BadData, match="a link or a device"):
        unpack(tmp_path / "bad.zip", tmp_path / "into")


def test_an_archive_made_to_fill_the_disk_is_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr("zatlas.data.archive.SMALL", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.png", b"\0" * (8 << 20))
    with pytest.raises(BadData, match="made to fill disks"):
        unpack(tmp_path / "bomb.zip", tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("names", [("a.png", "a.png"), ("a.png", "A.PNG")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_of_one_name_are_refused(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as packed:
        for name in names:
            packed.writestr(name, b"x")
    with pytest.raises(BadData, match="twice"):
        unpack(tmp_path / "twice.zip", tmp_path / "into")


def test_a_broken_archive_is_named(tmp_path):
    picture(tmp_path / "0.png")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.write(tmp_path / "0.png", "0.png")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[45] ^= 255
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(BadData, match="cannot be unpacked"):
        sources.load(str(tmp_path / "a.zip"))
    (tmp_path / "b.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(BadData, match="cannot be unpacked"):
        sources.load(str(tmp_path / "b.tar"))


def test_what_is_not_there_says_what_could_be(tmp_path):
    with pytest.raises(NotHere, match="There is no file or folder"):
        sources.load(str(tmp_path / "none"))
    (tmp_path / "a.doc").touch()
    with pytest.raises(NotHere, match="holds no set of images"):
        sources.load(str(tmp_path / "a.doc"))


def member(name, size=1):
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry
