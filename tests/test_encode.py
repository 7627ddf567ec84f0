"""Images to the table of codes, in blocks."""

import numpy as np
import pytest

from zatlas.latent import encode
from zatlas.latent.encode import encoded, labels_of


@pytest.mark.parametrize("run", ["digits", "told", "plain"])
def test_codes_of_bytes_are_those_of_the_images_to_the_bit(run, request, monkeypatch):
    workspace = request.getfixturevalue(run)
    rows = workspace.rows("train")[:700]
    monkeypatch.setattr(encode, "BLOCK", 300 * int(np.prod(workspace.dataset.shape)))
    blocks = [block.codes for block in encoded(workspace.generator, workspace.dataset, rows)]
    assert [len(codes) for codes in blocks] == [256, 256, 188]
    whole = workspace.generator.codes(workspace.dataset.images(rows), labels_of(workspace.dataset, rows))
    found = [[codes.points for codes in blocks], [codes.deviations for codes in blocks]]
    for parts, expected in zip(found, whole, strict=True):
        if expected is None:
            assert parts == [None] * len(blocks)
        else:
            np.testing.assert_array_equal(np.concatenate(parts), expected)
