"""The fixtures of the page's tests are what Python computes today."""

import base64
import json

import numpy as np
import pytest
from safetensors.numpy import load

from tests.write_fixtures import FIXTURES, fixtures

CLOSE = 2e-6  # relative above 1, absolute below: sums depend on the processor in their last digits


@pytest.fixture(scope="module")
def computed():
    return fixtures()


def test_every_fixture_is_written_by_python(computed):
    assert {path.name for path in FIXTURES.iterdir()} == set(computed)


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.iterdir()))
def test_a_fixture_is_up_to_date(name, computed):
    data = (FIXTURES / name).read_bytes()
    if name.endswith(".json"):
        same(json.loads(data), computed[name], name)
    else:
        assert data == computed[name], f"{name} is outdated: run `just docs`."


def same(written, computed, where):
    """Compare two values: names and texts exactly, numbers closely, files of tensors by content."""
    outdated = f"{where} is outdated: run `just docs`, and read what changed."
    if isinstance(computed, dict):
        assert written.keys() == computed.keys(), outdated
        for key, value in computed.items():
            inner = f"{where} {key}"
            if key == "file":
                tensors(written[key], value, inner)
            else:
                same(written[key], value, inner)
    elif isinstance(computed, list) and not all(isinstance(value, int | float) for value in computed):
        assert len(written) == len(computed), outdated
        for number, (left, right) in enumerate(zip(written, computed, strict=True)):
            same(left, right, f"{where} {number}")
    elif isinstance(computed, list | int | float):
        np.testing.assert_allclose(written, computed, rtol=CLOSE, atol=CLOSE, err_msg=outdated)
    else:
        assert written == computed, outdated


def tensors(written, computed, where):
    left, right = (load(base64.b64decode(text)) for text in (written, computed))
    same({name: left[name].tolist() for name in left}, {name: right[name].tolist() for name in right}, where)
