"""Checks that every plugin must pass, for its author's own tests.

>>> import pytest
>>> from zatlas import testing
>>> @pytest.mark.parametrize("check", testing.MODEL_CHECKS)
... def test_my_model(check):
...     check(testing.described("my-model"))

`check_dataset`, `check_model`, `check_net`, `check_layout`, `check_direction_method`, `check_metric`,
`check_figure`, `check_importer` and `check_callback` run all checks of a kind. A check raises AssertionError
with the rule that is broken.
"""

from zatlas.testing.dataset_checks import DATASET_CHECKS, check_dataset
from zatlas.testing.direction_checks import DIRECTION_CHECKS, check_direction_method
from zatlas.testing.layout_checks import LAYOUT_CHECKS, check_layout
from zatlas.testing.model_checks import MODEL_CHECKS, check_model, check_net, described
from zatlas.testing.run_checks import check_callback, check_figure, check_importer, check_metric, check_texts
from zatlas.testing.samples import small_run

__all__ = [
    "DATASET_CHECKS",
    "DIRECTION_CHECKS",
    "LAYOUT_CHECKS",
    "MODEL_CHECKS",
    "check_callback",
    "check_dataset",
    "check_direction_method",
    "check_figure",
    "check_importer",
    "check_layout",
    "check_metric",
    "check_model",
    "check_net",
    "check_texts",
    "described",
    "small_run",
]
