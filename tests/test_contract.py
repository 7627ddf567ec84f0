"""What Python sends is what its schema says, and the page's types are written from that schema."""

import json
import types
from collections.abc import Iterator
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from tests.write_contract import CONTRACT, contract
from zatlas.server.asks import KINDS
from zatlas.server.blank import blank
from zatlas.site import manifest, run_tree, schema


def faults(value: Any, hint: Any, where: str = "") -> Iterator[str]:
    """What of a JSON value is not as a type says, each with its place."""
    origin, several = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        yield from entry_faults(value, hint, where)
    elif origin is NotRequired:
        yield from faults(value, several[0], where)
    elif origin in (Union, types.UnionType):
        if all(list(faults(value, one)) for one in several):
            yield from faults(value, several[0], where) if value is not None else [f"{where} is null"]
    elif origin is Literal:
        if value not in several:
            yield f"{where} is {value!r}, not one of {several}"
    elif origin in (list, tuple):
        fixed = origin is tuple
        if not isinstance(value, list) or (fixed and len(value) != len(several)):
            yield f"{where} is {str(value)[:40]}, not {hint}"
            return
        for number, one in enumerate(value):
            yield from faults(one, several[number if fixed else 0], f"{where}[{number}]")
    elif origin is dict:
        for key, one in value.items():
            yield from faults(one, several[1], f"{where}.{key}")
    elif hint is not type(None) or value is not None:
        whole = {float: (float, int), type(None): ()}.get(hint, hint)
        if not isinstance(value, whole) or (isinstance(value, bool) and hint is not bool):
            yield f"{where} is {str(value)[:40]!r}, not {hint.__name__}"


def entry_faults(value: Any, hint: Any, where: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{where} is {str(value)[:40]!r}, not an object"
        return
    hints = get_type_hints(hint, include_extras=True)
    needed = {name for name, inner in hints.items() if get_origin(inner) is not NotRequired}
    yield from (f"{where}.{name} is missing" for name in sorted(needed - value.keys()))
    yield from (f"{where}.{name} is not in the schema" for name in sorted(value.keys() - hints.keys()))
    for name in value.keys() & hints.keys():
        yield from faults(value[name], hints[name], f"{where}.{name}")


def conforms(trees):
    document = json.loads(manifest(trees, "ws"))
    assert not list(faults(document, schema.Manifest))
    return document


def test_the_contract_of_the_page_is_up_to_date():
    assert CONTRACT.read_text() == contract(), "Run `just docs`."


@pytest.mark.parametrize("name", ["digits", "wide", "told", "plain", "rival", "portraits"])
def test_a_manifest_is_as_the_schema_says(name, request):
    conforms([run_tree(request.getfixturevalue(name), most=300, geodesics=True)])


def test_the_manifest_of_a_run_in_training_is_as_the_schema_says(digits):
    light = run_tree(digits, "a", light=True)
    empty = blank("b", "digits", digits.recipe, digits.images)
    document = conforms([light, empty])
    assert document["runs"][0]["training"]["epochs"] and document["runs"][1]["count"] == 0


def test_a_changed_manifest_is_noticed(digits):
    entry = json.loads(manifest([run_tree(digits, most=300)]))["runs"][0]
    for change, fault in (
        ({"dim": "2"}, ".dim is '2', not int"),
        ({"middle": [0.5, None]}, ".middle[1] is 'None', not float"),
        ({"prior": "uniform"}, ".prior is 'uniform'"),
        ({"more": 1}, ".more is not in the schema"),
    ):
        assert any(found.startswith(fault) for found in faults({**entry, **change}, schema.RunEntry))
    del entry["charts"][0]["box"]
    assert list(faults(entry, schema.RunEntry)) == [".charts[0].box is missing"]


def test_the_server_answers_the_kinds_of_requests_in_the_schema():
    kinds = [get_args(get_type_hints(one)["kind"])[0] for one in get_args(schema.ServerRequest)]
    assert sorted(kinds) == sorted(KINDS)
