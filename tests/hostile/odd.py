"""Cases with locks, checkpoints, digests, data and values that a good run never has."""

import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests.hostile.case import (
    Case,
    cleared,
    edit_json,
    edit_parquet,
    edit_tensors,
    edit_text,
    single_path,
    write,
)
from tests.hostile.links import replace
from tests.hostile.reader import USUAL
from tests.hostile.world import SECRET, Change, World

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    10**6,
    10**18,
    10**40,
    1e308,
    "",
    "x",
    "\0",
    [],
    {},
    [1],
    [[]],
    [-1, -1],
    {"a": {}},
    "9" * 5000,
    [10**9] * 3,
    [None],
    "NaN",
    [0.5],
)
LOCKS: dict[str, str | bytes] = {
    "word": "process abc on x\n",
    "huge": f"process {10**20} on x\n",
    "negative": "process -1 on x\n",
    "own": f"process {os.getpid()} on x\n",
    "bytes": b"process \xff\xfe on \x80\n",
    "empty": b"",
    "zeros": bytes(100_000),
    "digits": "process ٣٣ on x\n",
}
STEPS = (
    "5",
    "٣",
    "-1",
    "1e9",
    "000000005x",
    "0" * 200,
    "9" * 30,
    "00",
    "damaged-000000005",
    "²",
    "000000099",
    ".side-x",
    "tmp 1",
    "MANIFEST.json",
)
DIGESTS: dict[str, str | bytes] = {
    "not json": "{{{{\n",
    "a list": "[1, 2]\n",
    "deep": "[" * 100_000 + "\n",
    "no keys": "{}\n",
    "odd types": '{"file": 3, "size": "x", "mtime": [], "sha256": null}\n',
    "huge number": f'{{"file": "made.json", "size": {10**40}, "mtime": {10**40}, "sha256": "x"}}\n',
    "infinite": '{"file": "made.json", "size": Infinity, "mtime": NaN, "sha256": "x"}\n',
    "bytes": b"\xff\xfe\x00",
    "zeros": bytes(2_000_000),
    "long line": '{"file": "' + "a" * 5_000_000 + '"}\n',
    "many lines": '{"file": "x", "size": 1, "mtime": 1, "sha256": "y"}\n' * 100_000,
    "empty": b"",
    "half a line": '{"file": "made.json", "si',
}
SOURCES = (
    "{home}/Documents/photos",
    "../home/Documents/photos",
    "~/Documents/photos",
    "$HOME/Documents/photos",
    "{home}/Documents/private.npz",
    "../home/Documents/private.npz",
    "{home}/Documents/secret.txt",
    "{home}/.ssh/id",
    "{home}",
    "/etc/passwd",
    "/dev/zero",
    "/proc/self/environ",
    "run/../../home/Documents/photos",
    "run/photos",
    "hf:evil/evil",
    "npz:{home}/Documents/private.npz",
    "",
    "\0",
    "evilnet:load",
    "faces:count=1000000000",
)
Edit = Callable[[str], str]


def cases() -> Iterator[Case]:
    """Locks, checkpoints, digests, private data, earlier exports, then single odd values."""
    yield from _locks()
    for number, name in enumerate(STEPS):
        for kind in ("copy", ("folder", "file")[number % 2])[len(name) > 3 :]:
            yield Case(
                f"checkpoint {name[:20]} is a {kind}", _checkpoint(name, kind), ("resume", "open", "check")
            )
    yield Case("no checkpoints", lambda world: cleared(world.run / "checkpoints") and None)
    for name, text in DIGESTS.items():
        yield Case(f"digests {name}", write("digests.jsonl", text), sealed=False)
    for number, source in enumerate(SOURCES):
        for weights in (True, False)[: 1 + (number < 10)]:
            name = f"recipe source {source!r}{'' if weights else ', nothing encoded'}"
            yield Case(name, _source(source, weights), may_open=True)
    for name in EXPORTS:
        own = name in ("is a link to home", "page is a link", "page is a link to an export")
        yield Case(f"earlier export {name}", _earlier(name), ("site", "page"), may_open=own)
    yield from _values()


def _locks() -> Iterator[Case]:
    for name, text in LOCKS.items():
        yield Case(f"lock {name}", write(".lock", text), ("resume", "explore"))
    for kind in ("fifo", "device", "secret", "new", "hard", "loop", "a-folder"):
        yield Case(
            f"lock is {kind}",
            lambda w, k=kind: replace(w, cleared(w.run / ".lock"), k),
            ("resume", "explore"),
        )


def _checkpoint(name: str, kind: str) -> Change:
    def change(world: World) -> None:
        path = cleared(world.run / "checkpoints" / name)
        if kind == "file":
            path.write_text("x")
        elif kind == "folder":
            path.mkdir()
            (path / "MANIFEST.json").write_text("{}")
        else:
            os.rename(single_path("checkpoints/0*", world.run), path)

    return change


def _source(source: str, encoded: bool) -> Change:
    """The recipe names the reader's own data."""

    def change(world: World) -> None:
        text = source.replace("{home}", str(world.home))
        (world.run / "photos").symlink_to(world.home / "Documents" / "photos")
        for name in ("latents", "site", "charts", "predictions.parquet") if not encoded else ():
            cleared(world.run / name)

        def edit(recipe: str) -> str:
            lines = [
                f"source = {json.dumps(text)}" if line.startswith("source") else line
                for line in recipe.splitlines()
            ]
            return "\n".join(lines) + "\n"

        edit_text("recipe.toml", edit)(world)

    return change


EXPORTS = (
    "is a link to home",
    "data is a link",
    "index is a link",
    "is a pipe",
    "names home",
    "page is a link",
    "page is a pipe",
    "page is a link to an export",
    "index is a hard link",
    "written.json is a pipe",
    "written.json is a link",
    "written.json is deep",
    "names links",
    "side folder is a link",
)


def _earlier(name: str) -> Change:
    """What lies where the reader exports to was put there by the stranger."""

    def change(world: World) -> None:
        site, page, home = world.out / "site", world.out / "page.html", world.home
        written = site / "data" / "written.json"
        if name == "is a link to home":
            site.symlink_to(home / "Documents")
            return
        if name == "is a pipe":
            os.mkfifo(site)
            return
        written.parent.mkdir(parents=True)
        written.write_text(json.dumps(["index.html", "data/written.json", "../../home/.bashrc", "x"]))
        (site / "index.html").write_text("<!doctype html>")
        actions: dict[str, Callable[[], Any]] = {
            "data is a link": lambda: replace(world, cleared(site / "data"), "documents"),
            "index is a link": lambda: replace(world, cleared(site / "index.html"), "secret"),
            "index is a hard link": lambda: replace(world, cleared(site / "index.html"), "hard"),
            "page is a link": lambda: page.symlink_to(home / ".bashrc"),
            "page is a pipe": lambda: os.mkfifo(page),
            "page is a link to an export": lambda: _linked_page(world),
            "written.json is a pipe": lambda: os.mkfifo(cleared(written)),
            "written.json is a link": lambda: replace(world, cleared(written), "secret"),
            "written.json is deep": lambda: written.write_text("[" * 100_000),
            "names links": lambda: replace(world, site / "x", "documents"),
            "side folder is a link": lambda: (world.out / ".side-site").symlink_to(home),
        }
        actions.get(name, lambda: None)()

    return change


def _linked_page(world: World) -> None:
    own = world.home / "Documents" / "own.html"
    own.write_text(f"<!-- data/manifest.json {SECRET} -->")
    (world.out / "page.html").symlink_to(own)


def _values() -> Iterator[Case]:
    """One value of a described file is replaced by an odd one, drawn by the case's number."""
    kinds: dict[str, Callable[[Edit], Change]] = {
        "weights.safetensors": lambda edit: edit_tensors("weights.safetensors", edit),
        "made.json": lambda edit: edit_text("made.json", edit),
        "result.json": lambda edit: edit_text("result.json", edit),
        "data_report.json": lambda edit: edit_text("data_report.json", edit),
        "entry.json": lambda edit: edit_json("site/*/*/entry.json", through(edit)),
        "chart": lambda edit: edit_tensors("charts/*.safetensors", edit),
        "prior": lambda edit: edit_tensors("priors/*.safetensors", edit),
        "direction": lambda edit: edit_tensors("directions/*.safetensors", edit),
        "classifier": lambda edit: edit_tensors("classifier.safetensors", edit),
        "latents": lambda edit: edit_parquet("latents/*-test.parquet", edit),
        "predictions": lambda edit: edit_parquet("predictions.parquet", edit),
        "meta.json": lambda edit: edit_json("checkpoints/*/meta.json", through(edit)),
        "metrics.jsonl": lambda edit: edit_text("metrics.jsonl", lambda t: _lines(t, edit)),
        "imported": lambda edit: edit_text("made.json", edit),
    }
    number = 0
    while True:
        for name, change in kinds.items():
            rng = random.Random(f"values {number}")
            run = "imported" if name == "imported" else "run"
            yield Case(f"value {number} of {name}", change(_odd_edit(rng)), USUAL, run=run)
            number += 1


def through(edit: Edit) -> Callable[[Any], Any]:
    """The same edit, of a value."""
    return lambda value: json.loads(edit(json.dumps(value)))


def _lines(text: str, edit: Edit) -> str:
    first, *rest = text.splitlines()
    return "\n".join([edit(first), *rest]) + "\n"


def _odd_edit(rng: random.Random) -> Edit:
    """An edit of JSON text: one part, anywhere in it, is replaced, removed or the whole is no JSON."""

    def edit(text: str) -> str:
        if rng.random() < 0.1:
            return rng.choice(("3", "{}", "[1]", "null", "[" * 900 + "]" * 900, "1e999", '"x"'))
        value = json.loads(text)
        positions = list(_places(value))
        if not positions:
            return json.dumps(rng.choice(ODD))
        holder, key = rng.choice(positions)
        if rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = rng.choice(ODD)
        return json.dumps(value)

    return edit


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in range(len(value)) if isinstance(value, list) else list(value):
            yield value, key
            yield from _places(value[key])
