"""Export of a live figure: a web component, and what it decodes from, as scripts that any page can load."""

import base64
import gzip
import html
import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.locate import Anchor, default_anchors, locate_all
from zatlas.site.quantize import plain
from zatlas.site.static import FIGURE, page_files
from zatlas.site.tree import IDS, Files, RunTree, manifest, run_tree
from zatlas.workspace import Workspace

VIEWS = ("map", "walk", "sliders", "compare", "grid")
POINTS = 1000  # of each run
RUNTIME_SCRIPT, DATA_SCRIPT = "runtime.js", "data.js"
RUNTIME = "runtime/"
REGISTER = "(self.zatlasFiles??={})[document.currentScript.src]="
REGISTER_INLINE = '(self.zatlasFiles??={})[new URL("%s",document.baseURI).href]='
ELEMENT = b'<zatlas-figure src="data.js"'  # identifies a page with a figure
COPIED = """<!-- Copy these two elements, and the scripts beside this page, to any other page. -->
<script src="figure.js" defer></script>
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>{title}</title>
</head>
<body>
{before}<zatlas-figure src="data.js" view="{view}" label="{title}"></zatlas-figure>
{after}</body>
</html>
"""


def figure_files(
    workspaces: Sequence[Workspace], view: str, *, points: int | None = None, anchors: Sequence[str] = ()
) -> Files:
    """The files of a folder with a figure: the component, the runtime, the data, and a page that shows it."""
    text = _page(workspaces, view, before=COPIED)
    page = page_files()
    data = figure_data(workspaces, points=points, anchors=anchors)
    return {
        "index.html": text.encode,
        "licenses.txt": page["licenses.txt"].read_bytes,
        FIGURE: page[FIGURE].read_bytes,
        RUNTIME_SCRIPT: partial(script, _runtime_files()),
        DATA_SCRIPT: partial(script, data),
    }


def figure_page(
    workspaces: Sequence[Workspace], view: str, *, points: int | None = None, anchors: Sequence[str] = ()
) -> bytes:
    """One page with a figure that holds the component, the runtime and the data."""
    _page(workspaces, view)  # raises before the data is made
    page = page_files()
    data = figure_data(workspaces, points=points, anchors=anchors)
    scripts = [
        script(_runtime_files(), REGISTER_INLINE % RUNTIME_SCRIPT),
        script(data, REGISTER_INLINE % DATA_SCRIPT),
        page[FIGURE].read_bytes(),
    ]
    elements = [
        "<script>" + each.decode().replace("</script", r"<\/script") + "</script>\n" for each in scripts
    ]
    licenses = f"<template>{html.escape(page['licenses.txt'].read_text(encoding='utf-8'))}</template>\n"
    return _page(workspaces, view, after="".join((*elements, licenses))).encode()


def _page(workspaces: Sequence[Workspace], view: str, *, before: str = "", after: str = "") -> str:
    """The page of a figure, with elements before and after it."""
    if view not in VIEWS:
        raise UnknownName("view", view, VIEWS)
    if (view == "compare") != (len(workspaces) == 2):
        raise BadRecipe("The view compare shows two runs, and each other view shows one. Name as many runs.")
    title = html.escape(" and ".join(each.name for each in workspaces))
    return PAGE.format(title=title, view=view, before=before, after=after)


def _runtime_files() -> Files:
    return {url: file.read_bytes for url, file in page_files().items() if url.startswith(RUNTIME)}


def figure_data(
    workspaces: Sequence[Workspace], *, points: int | None = None, anchors: Sequence[str] = ()
) -> Files:
    """The files that a figure reads of its runs: points, one chart, directions and the decoder.

    anchors: names of latents of the first run, from which the figure starts. By default, two typical images.
    """
    trees = [
        run_tree(workspace, id, max_points=points or POINTS)
        for id, workspace in zip(IDS, workspaces, strict=False)
    ]
    first = workspaces[0]
    starts = locate_all(first, anchors) if anchors else default_anchors(first, 2)
    if len(starts) < 2:
        raise BadRecipe("A figure starts from 2 anchors or more. Name another one.")
    files: Files = {
        "data/manifest.json": lambda: manifest([_reduced(tree) for tree in trees]),
        "data/figure.json": json.dumps({"anchors": [_entry(first, each) for each in starts]}).encode,
    }
    for tree in trees:
        files = {**files, **{url: tree.files[url] for url in _needed(tree.entry)}}
    return files


def script(files: Files, register: str = REGISTER) -> bytes:
    """A script that registers these files, compressed, by default under its own address."""
    packed = {url: _packed(make()) for url, make in files.items()}
    return (register + json.dumps(packed, separators=(",", ":"))).encode()


def _packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def _reduced(tree: RunTree) -> RunTree:
    """The tree with the entry of what a figure reads."""
    entry = tree.entry
    if entry["decoder"] is None or entry["latents"] is None:
        raise NotSupported(
            f"{entry['name']} has no decoder that a page can run, so it has no live figure. "
            "Export the explorer instead, without --figure (in Python: figure=)."
        )
    left_out = {"encoder": None, "classifier": None, "sprites": None, "samples": None, "fitted_prior": None}
    reduced = {**entry, **left_out, "geodesics": [], "charts": entry["charts"][:1]}
    return replace(tree, entry=reduced)


def _needed(entry: dict[str, Any]) -> list[str]:
    """The URLs that a figure reads."""
    directions = entry["directions"]
    fields = [each["field"]["url"] for each in directions["list"] if each.get("field")]
    vectors = [directions[name] for name in ("vectors", "normals", "weights")]
    return [entry["table"], entry["latents"], entry["decoder"]["url"], *vectors, *fields]


def _entry(workspace: Workspace, anchor: Anchor) -> dict[str, Any]:
    """An anchor as the component reads it."""
    label = anchor.label if workspace.generator.classes and anchor.label is not None else 0
    return {"name": anchor.title or anchor.name, "z": plain(anchor.latent[0]), "label": int(label)}
