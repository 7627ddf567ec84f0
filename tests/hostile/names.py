"""Cases in which the run names files outside, or holds markup where a page shows a word."""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from tests.hostile.case import (
    WITH_GALLERY,
    Case,
    edit_json,
    edit_parquet,
    edit_tensors,
    edit_text,
    with_value,
    write,
)
from tests.hostile.reader import LOOKED, USUAL
from tests.hostile.world import TOKEN, Change, World

NAMES = {
    "up": "../../../../../home/Documents/secret.txt",
    "up by three": "../../../.config/autostart/evil.desktop",
    "up twice": "..//..//../..//home/.bashrc",
    "up to nothing": "../../../../home/.config/autostart/evil.desktop",
    "absolute": "/etc/passwd",
    "zero": "table.arrow\0.png",
    "control": "a\r\nSet-Cookie: x\x1b[2J",
    "percent": "%2e%2e/%2e%2e/%2e%2e/%2e%2e/home/.bashrc",
    "twice percent": "%252e%252e%252fhome",
    "backslash": "..\\..\\..\\home\\.bashrc",
    "drive": "C:\\Windows\\win.ini",
    "long": "a" * 5000,
    "look-alike": "\u2025/\u2025/\uff0e\uff0e/home/.bashrc",
    "slash look-alike": "..\u2215..\u2215home\u2215.bashrc",
    "home": "~/.ssh/id",
    "process": "/proc/self/environ",
    "empty": "",
    "dot": ".",
    "dots": "..",
    "surrogate": "\udc80\udcff",
    "device": "/dev/stdin",
    "url": "file:///etc/passwd",
    "stream": "made.json:evil",
}
MARKUP = {
    "tag": f"x<{TOKEN}>",
    "quote": f'x" {TOKEN}="1"><{TOKEN} a="',
    "apostrophe": f"x' {TOKEN}='1'><{TOKEN} a='",
    "script": f"x</script><{TOKEN}><script>{TOKEN}()</script>",
    "comment": f"--><{TOKEN}><!--zatlas:data-->",
    "style": f"</style></title></textarea><{TOKEN}>",
    "link": f"javascript:{TOKEN}()",
    "entity": f"&lt;{TOKEN}&gt;<!--{TOKEN}-->",
}
FILES = "site/*/*/entry.json"


def _toml(value: str) -> str:
    return json.dumps(value, ensure_ascii=True)


def _entry(where: str) -> Callable[[str], Change]:
    return lambda name: edit_json(FILES, lambda value: with_value(value, where, name))


def _listed(name: str) -> Change:
    def add(value: dict[str, Any]) -> dict[str, Any]:
        value["files"] = [*value["files"], name]
        return value

    return edit_json(FILES, add)


def _listed_with_file(name: str) -> Change:
    """The name leads to a file that the stranger has put where it would be found."""

    def change(world: World) -> None:
        _listed(name)(world)
        for folder in world.run.glob("site/*/*"):
            path = folder / name.lstrip("/")
            if "\0" in name or len(name) > 200 or "\udc80" in name or not name.strip("/."):
                continue
            if path.resolve().is_relative_to(world.run.resolve()) and not path.exists():
                with suppress(OSError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text("from a stranger")

    return change


def _outputs(name: str) -> Change:
    """An earlier export that names files outside as its own."""

    def change(world: World) -> None:
        folder = world.out / "site"
        (folder / "data").mkdir(parents=True)
        (folder / "data/written.json").write_text(json.dumps(["index.html", name]))
        (folder / "data/manifest.json").write_text("{}")
        (folder / "index.html").write_text("<!doctype html>")

    return change


def _deep(name: str) -> Any:
    return {"name": name, "files": [name], "folder": name, "rows": [{"name": name}]}


PLACES: dict[str, Callable[[str], Change]] = {
    "entry.json files": _listed,
    "entry.json files, and the file": _listed_with_file,
    "entry.json table": _entry("entry.table"),
    "entry.json latents": _entry("entry.latents"),
    "entry.json lattice": _entry("entry.charts.0.lattice.url"),
    "entry.json coverage": _entry("entry.charts.0.coverage"),
    "entry.json decoder": _entry("entry.decoder.url"),
    "written.json": _outputs,
    "made.json fingerprint": lambda name: edit_json(
        "made.json", lambda v: v | {"fingerprint": name, "dataset": name}
    ),
    "sweep.json": lambda name: write("sweep.json", json.dumps(_deep(name))),
    "recipe.toml family": lambda name: edit_text(
        "recipe.toml", lambda t: t.replace('family = "vae"', f"family = {_toml(name)}")
    ),
    "recipe.toml net": lambda name: edit_text(
        "recipe.toml", lambda t: t.replace('name = "mlp"', f"name = {_toml(name)}")
    ),
    "weights family": lambda name: edit_tensors(
        "weights.safetensors", lambda t: t.replace('"vae"', _toml(name))
    ),
    "chart layout": lambda name: edit_tensors("charts/*.safetensors", lambda t: put_json(t, "layout", name)),
    "direction": lambda name: edit_tensors("directions/*.safetensors", lambda t: put_json(t, "name", name)),
    "prior kind": lambda name: edit_tensors("priors/*.safetensors", lambda t: put_json(t, "kind", name)),
    "latents": lambda name: edit_parquet(
        "latents/*-test.parquet", lambda t: t, name.replace("\udc80\udcff", "x")
    ),
    "checkpoint manifest": lambda name: edit_json(
        "checkpoints/*/MANIFEST.json", lambda v: v | {name: {"size": 1, "sha256": "0" * 64}}
    ),
    "digests.jsonl": lambda name: edit_text("digests.jsonl", lambda t: t + digest_line(name)),
}
VISIBLE = {
    "entry.json files",
    "entry.json table",
    "entry.json lattice",
    "direction",
    "chart layout",
    "latents",
}
RESUMED = {
    "recipe.toml family",
    "recipe.toml net",
    "checkpoint manifest",
    "made.json fingerprint",
    "written.json",
}
WORDS: dict[str, Callable[[str], Change]] = {
    "class names": lambda text: edit_tensors(
        "weights.safetensors", lambda t: put_json(t, "classes", [text, text + "2", text + "3"])
    ),
    "entry.json column": _entry("entry.columns.0.title"),
    "entry.json chart": _entry("entry.charts.0.title"),
    "entry.json direction": lambda text: edit_json(FILES, lambda v: _named(v, text)),
    "made.json dataset": lambda text: edit_json(
        "made.json", lambda v: v | {"dataset": text, "zatlas": text, "device": text}
    ),
    "data_report.json": lambda text: edit_json(
        "data_report.json", lambda v: v | {"dataset": text, "skipped": [{"path": text, "reason": text}]}
    ),
    "result.json": lambda text: edit_json("result.json", lambda v: v | {text: {"elbo": text}}),
    "metrics.jsonl": lambda text: edit_text(
        "metrics.jsonl", lambda t: t.replace("valid/loss", text.replace('"', '\\"'))
    ),
    "recipe.toml data": lambda text: edit_text(
        "recipe.toml", lambda t: t.replace("[model]", f"note = {_toml(text)}\n[model]")
    ),
    "predictions column": lambda text: edit_parquet("predictions.parquet", lambda t: t, text),
    "latents column": lambda text: edit_parquet("latents/*-train.parquet", lambda t: t, text),
}


def put_json(text: str, where: str, value: Any) -> str:
    """JSON text with one part replaced."""
    return json.dumps(with_value(json.loads(text), where, value))


def digest_line(name: str) -> str:
    """A line of digests for a file of this name."""
    line = {"file": name, "size": 1, "mtime": 1, "sha256": "0" * 64}
    return json.dumps(line) + "\n"


def _named(value: dict[str, Any], text: str) -> dict[str, Any]:
    """Every name and title of the entry's directions."""

    def walk(inner: Any) -> Any:
        if isinstance(inner, dict):
            return {
                key: text if key in ("name", "title", "about") else walk(one) for key, one in inner.items()
            }
        return [walk(one) for one in inner] if isinstance(inner, list) else inner

    value["entry"]["directions"] = walk(value["entry"].get("directions"))
    return value


def cases() -> Iterator[Case]:
    """Each place with names in turn; each word of a page with markup; run names and class names."""
    names = list(NAMES)
    for number, (path, change) in enumerate(PLACES.items()):
        many = 5 if path in VISIBLE else 4
        for name in [names[(5 * number + i) % len(names)] for i in range(many)]:
            resumed = path in RESUMED
            yield Case(f"name {path}: {name}", change(NAMES[name]), USUAL if resumed else LOOKED)
    kinds = list(MARKUP)
    for number, (path, change) in enumerate(WORDS.items()):
        for kind in [kinds[(number + 3 * i) % len(kinds)] for i in range(4)]:
            actions = WITH_GALLERY if kind in ("tag", "quote") else LOOKED
            yield Case(f"markup {path}: {kind}", change(MARKUP[kind]), actions)
    for path in ("entry.json files", "entry.json table"):
        for kind in kinds:
            yield Case(f"markup {path}: {kind}", PLACES[path](MARKUP[kind]), LOOKED)
    yield Case("markup in every class and attribute", lambda world: None, WITH_GALLERY, run="marked")
