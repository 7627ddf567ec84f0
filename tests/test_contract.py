"""What Python sends is what its schema says, and the page's types are written from that schema."""

import json
from typing import get_args, get_type_hints

import pytest

from tests.conform import conforms, faults
from tests.write_contract import written
from zatlas.server.placeholder import placeholder
from zatlas.server.requests import KINDS
from zatlas.site import frames, manifest, run_tree, schema


def test_the_contract_of_the_page_is_up_to_date():
    for path, text in written().items():
        assert path.read_text() == text, "Run `just docs`."


MORE = [pytest.param(name, marks=pytest.mark.slow) for name in ("wide", "conditional", "plain", "portraits")]


@pytest.mark.parametrize("name", ["digits", "rival", *MORE])
def test_a_manifest_is_as_the_schema_says(name, request):
    conforms([run_tree(request.getfixturevalue(name), max_points=300, geodesics=True)])


def test_the_manifest_of_a_run_in_training_is_as_the_schema_says(digits):
    light = run_tree(digits, "a", light=True)
    empty = placeholder("b", "digits", digits.recipe, digits.dataset)
    document = conforms([light, empty])
    assert document["runs"][0]["training"]["epochs"] and document["runs"][1]["count"] == 0


def test_a_changed_manifest_is_noticed(digits):
    entry = json.loads(manifest([run_tree(digits, max_points=300)]))["runs"][0]
    for change, fault in (
        ({"dim": "2"}, ".dim is '2', not int"),
        ({"mean": [0.5, None]}, ".mean[1] is 'None', not float"),
        ({"prior": "uniform"}, ".prior is 'uniform'"),
        ({"more": 1}, ".more is not in the schema"),
    ):
        assert any(result.startswith(fault) for result in faults({**entry, **change}, schema.RunEntry))
    del entry["charts"][0]["box"]
    assert list(faults(entry, schema.RunEntry)) == [".charts[0].box is missing"]


def test_the_server_answers_the_kinds_of_requests_in_the_schema():
    kinds = [get_args(get_type_hints(request)["kind"])[0] for request in get_args(frames.ServerRequest)]
    assert sorted(kinds) == sorted(KINDS)
