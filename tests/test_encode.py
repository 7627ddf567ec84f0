"""Images to the table of codes, in blocks."""

import numpy as np
import pytest

from zatlas.latent import latent_blocks as blocks_module
from zatlas.latent.latent_blocks import labels_of, latent_blocks


@pytest.mark.parametrize("run", ["digits", "conditional", "plain"])
def test_latents_of_bytes_equal_latents_of_float_images_to_the_bit(run, request, monkeypatch):
    workspace = request.getfixturevalue(run)
    rows = workspace.rows("train")[:700]
    monkeypatch.setattr(blocks_module, "BLOCK", 300 * int(np.prod(workspace.dataset.shape)))
    monkeypatch.setattr(blocks_module, "FEW", 1)
    blocks = [block.table for block in latent_blocks(workspace.generator, workspace.dataset, rows)]
    assert [len(table) for table in blocks] == [256, 256, 188]
    labels = labels_of(workspace.dataset, rows) if workspace.generator.classes else None
    complete = workspace.generator.latents(workspace.dataset.images(rows), labels)
    result = [[latents.latents for latents in blocks], [codes.std for codes in blocks]]
    for parts, expected in zip(result, complete, strict=True):
        if expected is None:
            assert parts == [None] * len(blocks)
        else:
            np.testing.assert_array_equal(np.concatenate(parts), expected)
