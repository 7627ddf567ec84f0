import base64
import gzip
import json
import re

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest

from tests.write_export import EXPORTS, POINTS

VERSIONS = sorted(path.name for path in EXPORTS.iterdir())
ELEMENT = re.compile(rb'data-url="([^"]+)" data-encoding="(\w+)">([^<]*)<')


@pytest.mark.parametrize("version", VERSIONS)
def test_an_export_of_an_earlier_version_decodes_to_the_same_pixels(version):
    folder = EXPORTS / version
    manifest = json.loads((folder / "data" / "manifest.json").read_bytes())
    (entry,) = manifest["runs"]
    truth = np.load(folder / "truth.npz")
    net = (folder / entry["decoder"]["url"]).read_bytes()
    session = onnxruntime.InferenceSession(net, providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {session.get_inputs()[0].name: truth["z"]})
    assert np.abs(result - truth["pixels"] / 255).max() <= 1 / 255
    table = pa.ipc.open_file((folder / entry["table"]).read_bytes()).read_all()
    assert manifest["format"] == 1 and table.num_rows == entry["count"] == POINTS


@pytest.mark.parametrize("version", VERSIONS)
def test_a_single_file_of_an_earlier_version_holds_the_same_files_as_its_folder(version):
    folder = EXPORTS / version
    result = ELEMENT.findall((folder / "single.html").read_bytes())
    files = {path for path in (folder / "data").rglob("*") if path.is_file()}
    assert {folder / url.decode() for url, _, _ in result} == files
    for url, encoding, text in result:
        data = base64.b64decode(text)
        data = gzip.decompress(data) if encoding == b"gzip" else data
        assert data == (folder / url.decode()).read_bytes()
