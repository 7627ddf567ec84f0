import io
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.test_files import jpeg, picture
from zatlas.core.errors import BadData
from zatlas.data import sources
from zatlas.data.archive import unpack, unpacked_folder


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


def test_a_single_top_folder_of_an_archive_is_not_a_class(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for part in ("train", "test"):
            for kind in ("a", "b"):
                packed.writestr(f"photos/{part}/{kind}/0.jpg", jpeg())
        packed.writestr("photos/labels.csv", "file,age\ntrain/a/0.jpg,3\n")
        packed.writestr("__MACOSX/photos/._x.jpg", b"not for us")
    images = sources.load(str(tmp_path / "set.zip"))
    assert images.classes == ("a", "b") and sorted(images.split.tolist()) == [0, 0, 2, 2]
    assert np.isfinite(images.attributes["age"]).sum() == 1


HOSTILE_NAMES = ["../x.png", "/x.png", "a/../../x.png", "..\\x.png", "C:\\x.png", "C:x.png", "a\nb.png", ".."]


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_never_writes_outside_its_folder(tmp_path, name, kind):
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


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
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


def test_a_decompression_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("zatlas.data.archive.MIN_CHECKED_BYTES", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("x.png", b"\0" * (8 << 20))
    with pytest.raises(BadData, match="decompression bomb"):
        unpack(tmp_path / "bomb.zip", tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("names", [("a.png", "a.png"), ("a.png", "A.PNG")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_entries_with_the_same_name_are_refused(tmp_path, names):
    with zipfile.ZipFile(tmp_path / "twice.zip", "w") as packed:
        for name in names:
            packed.writestr(name, b"x")
    with pytest.raises(BadData, match="two files named"):
        unpack(tmp_path / "twice.zip", tmp_path / "into")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.png", "a.png/b.png"), "a file and a folder with the same name"),
        (("x" * 300 + ".png",), "is too long"),
        (("a.doc",), "has no images"),
    ],
)
def test_an_unusable_archive_raises_an_error_with_the_reason(tmp_path, names, message):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as packed:
        for name in names:
            packed.writestr(name, jpeg())
    with pytest.raises(BadData, match=message):
        sources.load(str(tmp_path / "odd.zip"))


@pytest.mark.parametrize("damage", ["a bit", "the checksum", "the end", "all"])
def test_a_damaged_tar_is_detected_before_its_files_are_used(tmp_path, damage):
    archive = tmp_path / "set.tar.gz"
    with tarfile.open(archive, "w:gz") as rolled:
        for index in range(30):
            data = jpeg(index)
            rolled.addfile(member(f"{index}.jpg", len(data)), io.BytesIO(data))
    data = bytearray(archive.read_bytes())
    if damage in ("a bit", "the checksum"):
        data[len(data) // 2 if damage == "a bit" else -6] ^= 1
    archive.write_bytes(data[: {"the end": len(data) // 2, "all": 0}.get(damage)])
    with pytest.raises(BadData, match=r"set.tar.gz cannot be unpacked: [^\n]*\.$"):
        unpack(archive, tmp_path / "into")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.tar.gz"]


def test_two_processes_unpack_an_archive_into_the_same_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as packed:
        for index in range(200):
            packed.writestr(f"{index}.jpg", jpeg())
    with ThreadPoolExecutor(4) as pool:
        positions = set(pool.map(unpacked_folder, [tmp_path / "set.zip"] * 4))
    assert len(positions) == 1 and len(list(positions.pop().glob("*.jpg"))) == 200


def test_the_error_of_a_broken_archive_names_it(tmp_path):
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


def member(name, size=1):
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry
