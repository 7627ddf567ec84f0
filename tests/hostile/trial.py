"""One hostile case: the world is made, changed, read by a reader, and judged."""

import base64
import gzip
import re
import shutil
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.hostile.cases import Case
from tests.hostile.child import HANG, TRACEBACK, Report, in_child
from tests.hostile.reader import read
from tests.hostile.seal import DIGESTS, record_changes
from tests.hostile.world import SECRET, TOKEN, Base, World, make_world, walk

SECONDS = 10.0  # that one step may take
EXPECTED = ("site", "page.html", "sample.png", "imported")  # what the reader asked for
UNRECORDED = 3  # every third run has no record of its files
MEMORY = 1024  # MiB that a case may need beyond what is loaded already
KINDS = (
    "executions",
    "reads outside",
    "writes outside",
    "deletions",
    "markup",
    "tracebacks",
    "hangs",
    "memory",
    "odd ends",
)
ERROR = re.compile(r"[A-Za-z_][\w.]*(Error|Exception|Iteration|Exit|Warning|Damaged)\b")
DATA = re.compile(rb'data-url="([^"]*)" data-encoding="(\w+)">([^<]*)</script>')


@dataclass
class Verdict:
    """What went wrong in a case, by kind, and how its steps ended."""

    failures: dict[str, list[str]] = field(default_factory=dict)
    steps: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def add(self, kind: str, what: str) -> None:
        self.failures.setdefault(kind, []).append(what)


def run_case(case: Case, base: Base, folder: Path, seconds: float = SECONDS) -> Verdict:
    """Open the hostile run as a reader would, and say what it did that it may not do."""
    world = make_world(base, folder, case.run)
    before_change = {path: _stamp(path) for path in walk(world.run)}
    case.change(world)
    if case.sealed:
        changed = [p for p in walk(world.run) if before_change.get(p) != _stamp(p)]
        record_changes(world.run, changed)
    if case.number % UNRECORDED == UNRECORDED - 1 and "digests" not in case.name:
        book = world.run / DIGESTS  # a stranger may also leave the record out
        if not book.is_symlink() and book.is_file():
            book.unlink()
    outputs = {path.name for path in world.out.iterdir()}
    before, words = world.record(), folder.with_name(f"{folder.name}.words")
    report = in_child(lambda note: read(world, words, case.actions, note), words, seconds=seconds, steps=True)
    verdict = judge(case, world, report, before, outputs, words.read_bytes())
    shutil.rmtree(folder, ignore_errors=True)
    if not verdict.failures:
        words.unlink()
    return verdict


def _stamp(path: Path) -> object:
    state = path.lstat()
    return state.st_ino, state.st_mtime_ns, state.st_size


def judge(
    case: Case, world: World, report: Report, before: dict[str, str], outputs: set[str], words: bytes
) -> Verdict:
    """Compare the world with what it was, and look through everything that came out."""
    verdict = Verdict(steps=report.steps, seconds=report.seconds)
    if world.marker.exists() or b"HOSTILE EXECUTED" in words:
        verdict.add("executions", "the marker was written")
        world.marker.unlink(missing_ok=True)
    after = world.record()
    for name, was in before.items():
        if name not in after:
            verdict.add("deletions", name)
        elif after[name] != was:
            verdict.add("writes outside", f"{name} changed")
    for name in after.keys() - before.keys():
        verdict.add("writes outside", f"{name} was made")
    for path in world.out.iterdir():
        if path.name not in EXPECTED and path.name not in outputs:
            verdict.add("writes outside", f"out/{path.name} was made")
    _judge_outputs(case, world, words, verdict)
    _judge_ends(report, words, verdict)
    return verdict


def _judge_ends(report: Report, words: bytes, verdict: Verdict) -> None:
    for action, result in report.steps.items():
        if result == HANG:
            verdict.add("hangs", action)
        elif result == TRACEBACK:
            verdict.add("tracebacks", f"{action}: {last_line(words)}")
        elif result not in ("0", "1", "2"):
            verdict.add("odd ends", f"{action} ended with {result}")
    if report.ended not in ("0", HANG):
        verdict.add("odd ends", f"the process ended with {report.ended}")
    if b"Traceback (most recent" in words and "tracebacks" not in verdict.failures:
        verdict.add("tracebacks", f"printed: {last_line(words)}")
    if report.grown > MEMORY:
        verdict.add("memory", f"{report.grown:.0f} MiB")


def last_line(words: bytes) -> str:
    """The line that names the error of the first traceback."""
    after = words[words.find(b"Traceback (most recent") :].decode(errors="replace")
    lines = [line for line in after.splitlines() if ERROR.match(line)]
    return lines[0][:200] if lines else "?"


def _judge_outputs(case: Case, world: World, words: bytes, verdict: Verdict) -> None:
    opened = world.folder / "tmp" / "opened"
    if opened.exists() and not case.may_open and (lines := opened.read_text().split("\n")[:-1]):
        verdict.add("reads outside", lines[0])
    for name, data in [("what was printed", words), *_outputs(world)]:
        if SECRET.encode() in data or b"root:x:0:0" in data:
            verdict.add("reads outside", f"the secret is in {name}")
        if name.endswith(("html", "pages")) and (result := find_markup(data)):
            verdict.add("markup", f"{name}: {result}")
        if name.endswith(".png") and "sprites" in name and has_private_photos(data):
            verdict.add("reads outside", f"private photos are in {name}")


def _outputs(world: World) -> Iterator[tuple[str, bytes]]:
    """Everything that is given away or seen: exports, answers, the gallery's pages."""
    pages = [p for p in walk(world.run) if p.suffix == ".html"] if world.run.is_dir() else []
    for path in (*walk(world.out), *walk(world.folder / "tmp"), *pages):
        if path.is_symlink() or not path.is_file() or path.name == "opened":
            continue
        data, name = path.read_bytes(), path.relative_to(world.folder).as_posix()
        yield name, data
        for url, encoding, text in DATA.findall(data):
            inner = base64.b64decode(text)
            with_names = f"{name} {url.decode(errors='replace')}"
            yield with_names, gzip.decompress(inner) if encoding == b"gzip" else inner


def has_private_photos(data: bytes) -> bool:
    """Whether a sheet of thumbnails shows white photos."""
    try:
        pixels = np.asarray(Image.open(BytesIO(data)).convert("L"))
    except (OSError, ValueError, zlib.error):
        return False
    return bool((pixels > 240).mean() > 0.2)


class _Markup(HTMLParser):
    """Finds a tag, an attribute or a script of the stranger."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found = ""
        self.within = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.within = tag
        names = {tag, *(name for name, _ in attrs)}
        links = [value or "" for name, value in attrs if name in ("href", "src", "action")]
        if any(TOKEN in name for name in names):
            self.found = f"<{tag} {attrs}"[:150]
        if any(link.strip().lower().startswith("javascript:") for link in links):
            self.found = f"a link to a script: {links}"[:150]

    def handle_data(self, data: str) -> None:
        if self.within in ("script", "style") and TOKEN in data:
            self.found = f"within <{self.within}>: {data[:100]}"

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_comment(self, data: str) -> None:
        if TOKEN in data:
            self.found = f"within a comment: {data[:100]}"


def find_markup(page: bytes) -> str:
    """What of the stranger's markup is markup in this page; empty if it is text only."""
    parser = _Markup()
    parser.feed(page.decode(errors="replace"))
    return parser.found


def table(verdicts: Iterable[tuple[Case, Verdict]]) -> dict[str, Any]:
    """Counts of what went wrong, and a line for each case that was not as it should be."""
    counts: Counter[str] = Counter()
    lines, ends = [], Counter[str]()
    for case, verdict in verdicts:
        counts["cases"] += 1
        ends.update(f"{action} {result}" for action, result in verdict.steps.items())
        for kind, results in verdict.failures.items():
            counts[kind] += 1
            lines.append(f"{case.number} {case.name}: {kind}: {results[0]}")
    return {
        "cases": counts["cases"],
        **{kind: counts[kind] for kind in KINDS},
        "ends": dict(sorted(ends.items())),
        "wrong": lines,
    }
