"""The checks of plugins that need data or a run, on the built-in ones."""

import pytest

from zatlas import testing
from zatlas.core.registry import METRICS
from zatlas.figures.catalogue import entries
from zatlas.render.theme import LIGHT

SMALL = {"digits": {}, "faces": {"count": 40}, "sprites": {"count": 40}, "fashion-mini": {}}


@pytest.mark.parametrize("check", testing.DATASET_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", SMALL)
def test_the_datasets_that_zatlas_has_pass_the_checks(name, check):
    check(name, SMALL[name])


@pytest.mark.parametrize("name", [name for name in METRICS.names() if name != "samples"])
def test_every_group_of_metrics_passes_the_checks(name, digits):
    testing.check_metric(name, digits)


def test_every_figure_of_the_gallery_has_its_texts(wide):
    planned = list(entries(wide, LIGHT))
    for entry in planned:
        assert wide.run.folder in entry.words
        if entry.file.endswith(".png"):  # a film stands under its strip
            testing.check_texts(entry)
    assert len({entry.name for entry in planned}) == len(planned) > 10


def test_the_tensorboard_callback_passes_the_checks():
    testing.check_callback("tensorboard")
