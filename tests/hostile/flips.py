"""Bytes of a good run are changed, and what reads the file is asked for its result again.

Each change must be named, or make no difference: a result that differs without a word is the failure
that this suite looks for. Every fifth change also restores the file's time, and `zatlas check` must
find it.
"""

import hashlib
import json
import os
import random
import shutil
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.hostile.child import HANG, TRACEBACK, Note, in_child
from tests.hostile.world import Base, prepare

COUNT = 2000
CHECKED = 5  # every so many changes the time is restored, and the run is checked
SECONDS = 30.0
NAMED, SAME, DIFFERENT, UNNAMED = "named", "same", "different", "not named"
FOUND, MISSED = "found by check", "missed by check"
BAD = (DIFFERENT, UNNAMED, TRACEBACK, HANG, MISSED)

Read = Callable[[Path], Any]


@dataclass(frozen=True)
class Kind:
    """A kind of file: the run and the pattern it has there, and what reads it."""

    run: str
    pattern: str
    read: Read


def _atlas(run: Path) -> Any:
    from zatlas.workspace import Workspace

    return Workspace.open(run)


def _decoded(run: Path) -> Any:
    from zatlas.workspace import Workspace

    workspace = Workspace.open(run, trust=True)  # else a changed program is refused for another reason
    z = np.linspace(-1, 1, 8, dtype=np.float32).reshape(4, 2)
    return workspace.description.classes, workspace.decode(z)


def _encoded(run: Path) -> Any:
    workspace = _atlas(run)
    return workspace.generator.encode(np.linspace(0, 1, 256, dtype=np.float32).reshape(4, 1, 8, 8))


def _scores(run: Path) -> Any:

    classifier = _atlas(run).classifier
    return classifier and classifier.predict(np.linspace(0, 1, 256, dtype=np.float32).reshape(4, 1, 8, 8))


def _predictions(run: Path) -> Any:
    workspace = _atlas(run)
    return [(name, column) for name, column in (workspace.dataset.attributes or {}).items()]


def _made(run: Path) -> Any:
    return {
        k: v
        for k, v in _atlas(run).run.provenance().items()
        if k in ("format", "fingerprint", "imported", "dataset")
    }


def _latest(run: Path) -> Any:
    """The checkpoint that training would go on from; a sentence about a newer one is an error here."""
    from zatlas.core.errors import Damaged
    from zatlas.training import checkpoint

    step, result = checkpoint.latest(run / "checkpoints")
    if result:
        raise Damaged(" ".join(result.values()))
    assert step is not None
    tensors, meta = checkpoint.load_checkpoint(run / "checkpoints", step)
    return step, meta, {name: tensor.numpy() for name, tensor in tensors.items()}


def _latents(run: Path) -> Any:
    workspace = _atlas(run)
    result = [(c.rows, c.latents, c.std) for c in map(workspace.table, ("train", "test"))]
    table = workspace.query("select count(*), sum(z[1]) from test").to_pydict()
    return result, str(table)


def _samples(run: Path) -> Any:
    from zatlas.sample import sample_latents

    return sample_latents(_atlas(run), 8, prior="mixture")


def _directions(run: Path) -> Any:
    from zatlas.directions.find import store_of

    return [direction.vector for direction in store_of(_atlas(run)).all()]


def _chart(run: Path) -> Any:
    return _atlas(run).chart("pca").positions


def _page_files(run: Path) -> Any:
    from zatlas.site import run_tree
    from zatlas.site.export import POINTS, POINTS_SINGLE

    workspace = _atlas(run)
    trees = (
        run_tree(workspace, tiled=True),
        run_tree(workspace, max_points=POINTS, geodesics=True, tiled=True),
        run_tree(workspace, max_points=POINTS_SINGLE, geodesics=True),
    )
    return [(json.dumps(tree.entry), {url: make() for url, make in tree.files.items()}) for tree in trees]


def _data(run: Path) -> Any:
    images = _atlas(run).dataset
    return images.pixels, images.split, images.labels, images.classes, images.fingerprint


def _result(run: Path) -> Any:
    """The figures of a finished run, as a sweep reads them."""
    result = _atlas(run).run
    return json.loads(result.read(result.result_file))


KINDS = {
    "weights": Kind("run", "weights.safetensors", _decoded),
    "inverter": Kind("gan", "inverter.safetensors", _encoded),
    "classifier": Kind("run", "classifier.safetensors", _scores),
    "predictions": Kind("run", "predictions.parquet", _predictions),
    "recipe": Kind("run", "recipe.toml", lambda run: str(_atlas(run).recipe)),
    "made": Kind("run", "made.json", _made),
    "metrics": Kind("run", "metrics.jsonl", lambda run: _atlas(run).run.metrics()),
    "result": Kind("run", "result.json", _result),
    "checkpoint": Kind("run", "checkpoints/*/*", _latest),
    "latents": Kind("run", "latents/*", _latents),
    "chart": Kind("run", "charts/pca-*", _chart),
    "page charts": Kind("run", "charts/page-*", _page_files),
    "prior": Kind("run", "priors/*", lambda run: _samples(run)),
    "direction": Kind("run", "directions/*", lambda run: _directions(run)),
    "page files": Kind("run", "site/*/*/*", _page_files),
    "page nets": Kind("run", "site/*/*.onnx", _page_files),
    "digests": Kind("run", "digests.jsonl", lambda run: (_decoded(run), _latents(run), _chart(run))),
    "imported onnx": Kind("imported", "decoder.onnx", _decoded),
    "imported pt2": Kind("exported", "decoder.pt2", _decoded),
    "imported made": Kind("imported", "made.json", _decoded),
    "data cache": Kind("gan", f"../../cache/{24 * '?'}/*", _data),
    "previews": Kind("run", "previews/*", lambda run: None),
    "data report": Kind("run", "data_report.json", lambda run: None),
}


def digest(value: Any) -> str:
    """One number for any result."""
    complete = hashlib.sha256()
    for part in _parts(value):
        complete.update(part)
    return complete.hexdigest()


def _parts(value: Any) -> Iterator[bytes]:
    if isinstance(value, dict):
        value = sorted(value.items())
    if isinstance(value, list | tuple):
        yield b"["
        for one in value:
            yield from _parts(one)
    elif isinstance(value, np.ndarray):
        yield repr((value.dtype.str, value.shape)).encode()
        yield np.ascontiguousarray(value).tobytes()
    else:
        yield value if isinstance(value, bytes) else repr(value).encode()


@dataclass(frozen=True)
class Flip:
    """One change of one file."""

    number: int
    kind: str
    file: str
    what: str
    outcome: str
    words: str = ""


def damage(path: Path, rng: random.Random, *, complete: bool = False) -> str:
    """Flip a bit, replace bytes, fill some with zeros, or cut the file; what was done."""
    data = bytearray(path.read_bytes())
    at = rng.randrange(len(data))
    how = rng.choices(("bit", "byte", "zeros", "cut"), (60, 15, 10, 0 if complete else 15))[0]
    before = bytes(data)
    if how == "bit":
        data[at] ^= 1 << rng.randrange(8)
    elif how == "byte":
        data[at] = (data[at] + rng.randrange(1, 256)) % 256
    elif how == "zeros":
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    else:
        del data[at:]
    if bytes(data) == before:
        data[at] ^= 1
        how = "bit"
    path.write_bytes(data)
    return f"{how} at {at:,} of {len(before):,}"


def flip(number: int, base: Base, folder: Path, undamaged: dict[str, str]) -> Flip:
    """Change one file of a copy and read it; by its number, always the same."""
    rng = random.Random(f"flip {number}")
    name = list(KINDS)[number % len(KINDS)]
    kind = KINDS[name]
    run = _copied(kind, base, folder)
    path = rng.choice(sorted(p for p in run.glob(kind.pattern) if p.is_file()))
    state, checked = path.stat(), number % CHECKED == CHECKED - 1
    what = damage(path, rng, complete=checked)
    if checked:
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        what += ", with its time"
    outcome, words = _outcome(kind, base, run, path, undamaged.get(name, ""), checked)
    shutil.rmtree(folder)
    return Flip(number, name, str(path.relative_to(folder)), what, outcome, words)


def _copied(kind: Kind, base: Base, folder: Path) -> Path:
    shutil.copytree(base.run(kind.run), folder / "runs" / kind.run)
    if "cache" in kind.pattern:
        shutil.copytree(base.cache, folder / "cache")
    (folder / "tmp").mkdir()
    return folder / "runs" / kind.run


def undamaged(base: Base, folder: Path, names: Iterable[str] = KINDS) -> dict[str, str]:
    """The digest of each kind's result, read from a good run."""
    result = {}
    for name in names:
        run = _copied(KINDS[name], base, folder)
        outcome, words = _outcome(KINDS[name], base, run, folder / "none", "", False)
        assert outcome == DIFFERENT, f"{name}: {outcome} {words}"
        result[name] = words
        shutil.rmtree(folder)
    return result


def _outcome(kind: Kind, base: Base, run: Path, path: Path, good: str, checked: bool) -> tuple[str, str]:
    """Read the run in a child; the outcome, and its words."""
    folder = run.parents[1]
    words = folder.with_name(f"{folder.name}.words")
    report = in_child(lambda note: _read(kind, base, run, checked, note), words, seconds=SECONDS, steps=True)
    labelled = words.read_text(errors="replace")
    words.unlink()
    result = report.steps.get("read", HANG if report.ended == HANG else f"ended {report.ended}")
    if checked:
        named = path.name in labelled or path.parent.name in labelled
        results = named or ("cache" in kind.pattern and "cached images" in labelled)
        if path.name == "digests.jsonl":  # without its line, a file is compared no more, or made again
            results = result in ("0", "1")
        return (FOUND if results else _bad(result, MISSED)), labelled[-300:]
    if result.startswith("digest "):
        same = result == f"digest {good}"
        return (SAME if same else DIFFERENT), result.removeprefix("digest ")
    if result == "error":
        names = {path.name, path.parent.name} | ({"data"} if "cache" in kind.pattern else set())
        return (NAMED if any(one in labelled for one in names) else UNNAMED), labelled[-300:]
    return _bad(result, result), labelled[-600:]


def _bad(result: str, other: str) -> str:
    return result if result in (TRACEBACK, HANG) else other


def _read(kind: Kind, base: Base, run: Path, checked: bool, note: Note) -> None:
    from zatlas.core.errors import ZatlasError

    folder = run.parents[1]
    cache = folder / "cache"
    prepare(base, folder, cache if cache.exists() else base.cache)
    os.chdir(folder)
    note("read=")
    try:
        if checked:
            from tests.hostile.reader import command
            from zatlas.commands.run_data import check

            note(f"read={command(lambda: check(run))}")
        else:
            note(f"read=digest {digest(kind.read(run))}")
    except ZatlasError as error:
        print(f"{type(error).__name__}: {error}")
        note("read=error")
    except Exception:
        traceback.print_exc()
        note(f"read={TRACEBACK}")


def table(flips: Iterable[Flip]) -> dict[str, Any]:
    """Counts of the outcomes, by kind of file too, and a line for each that may not be."""
    every = list(flips)
    kinds: dict[str, Counter[str]] = {}
    for one in every:
        kinds.setdefault(one.kind, Counter())[one.outcome] += 1
    wrong = [
        f"{one.number} {one.kind} {one.file}: {one.what}: {one.outcome}: {one.words.strip()[-160:]}"
        for one in every
        if one.outcome in BAD or one.outcome.startswith("ended")
    ]
    return {
        "flips": len(every),
        **{name: sum(one.outcome == name for one in every) for name in (NAMED, SAME, FOUND, *BAD)},
        "kinds": {name: dict(sorted(result.items())) for name, result in kinds.items()},
        "wrong": wrong,
    }
