"""The files of several latent spaces in one page."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from zatlas.core.errors import UnknownName
from zatlas.models.generator import INPUT
from zatlas.site.schema import SpaceEntry
from zatlas.site.tree import RunTree

Files = dict[str, Callable[[], bytes]]


def with_spaces(tree: RunTree, names: Sequence[str]) -> RunTree:
    """A tree that also has the files of these other latent spaces, and names no further ones.

    Raises `UnknownName` if the model has no such space.
    """
    entries: list[SpaceEntry] = tree.entry["spaces"]
    names_of_all = [entry["name"] for entry in entries] or [INPUT]
    for name in names:
        if name not in names_of_all:
            raise UnknownName("latent space of this model", name, names_of_all)
    offered = [entry for entry in entries if entry["name"] in names or entry["entry"] is None]
    files: Files = dict(tree.files)
    for entry in offered:
        if entry["entry"] is not None:
            other = tree.in_space(entry["name"])
            files |= {**other.files, entry["entry"]: partial(entry_file, other)}
    spaces = offered if len(offered) > 1 else []
    return replace(tree, entry={**tree.entry, "spaces": spaces}, files=files)


def entry_file(tree: RunTree) -> bytes:
    """The manifest entry of a tree as a file."""
    return json.dumps(tree.entry, allow_nan=False, separators=(",", ":")).encode()
