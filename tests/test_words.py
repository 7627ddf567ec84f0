"""Old words do not come back: identifiers and prose use the field's own terms.

As a script it prints every finding and the count of each package: python tests/test_words.py [ROOT] [PACKAGE]
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

# A part of an identifier: `way` is found in `way_of`, `WAY` and `WayStore`.
PARTS = {
    "ways? steer steered": "direction",
    "bends? bent bending": "nonlinear, field",
    "prove proof proofs proved trials?": "evaluate, report",
    "told tell tells": "label; separate; name the value",
    "kept": "saved, cached",
    "asked asks": "request",
    "said": "setting; name the value",
    "seen": "name the value",
    "learnt taught teach": "fitted, trained",
    "illness ails ail cure complaints?": "finding, suggestion",
    "scorers? assessors?": "classifier, predictor",
    "lanes?": "queue",
    "shelf shelves": "assets",
    "watchers?": "callbacks",
    "company": "process_group",
    "knobs?": "slider",
    "tastes?": "preference",
    "belief believed": "posterior",
    "bring brought": "import, imported",
    "imagined": "generated, decoded",
    "spots?": "anchor, position",
    "spreads?": "std",
    "slopes?": "gradient",
    "deviations?": "std",
    "chance": "rng, seed, baseline",
    "middles?": "mean, center",
    "apart": "separate, distance",
    "amid": "inside",
}

# A whole identifier, leading underscores aside.
NAMES = {
    "again": "resumed; say what is meant",
    "alone": "only; say what is meant",
    "beside": "other; say what is meant",
    "codes?_of codes most_codes code_labels": "latents",
    "drawn": "sampled, rendered, selected",
    "found known": "result; name the value",
    "keep home rooms? no_room check_room": "save, mask, cache, memory, group",
    "learn learn_it": "fit, train",
    "made": "created; name the value",
    "many most some one whole": "count, limit, row; name the value",
    "pictures?": "figure, image",
    "places? middle_place new_place": "position(s), anchor",
    "shown": "handlers, shown_rows; name the value",
    "stops": "anchors",
    "wanted": "request; name the value",
    "what which": "name the value",
}

# Prose, by what to write instead: docstrings, comments, messages, pages. Upper and lower case are the same.
PROSE = {
    "nonlinear (direction)": (
        r"ways? (that|which) bends?\b",
        r"\bstraight (ways?|or bent|and bent)\b",
        r"\b(bends|bent)\b",
    ),
    "direction": (
        r"\b(saved|kept|linear|learnt|each|every) ways? (of|in|from|through) (a|the) (run|latent|model)",
        r"\balong (a|the|each|every|this|one) ways?\b",
        r"\bways? (to steer|of a run)\b|\bkeeps and its ways\b",
        r"\bsteer(s|ed|ing)?\b",
    ),
    "evaluate, evaluation": (r"\b(proofs?|proves?|proved|proven|proving)\b",),
    "latents, latent": (
        r"(?<!error )(?<!exit )(?<!status )(?<!language )(?<!hair )\bcodes\b",
        r"\blatent code\b",
        r"\b(a|its|each|every|one) code\b(?! of)(?! (path|block))",
    ),
    "classifier, predictor": (r"\b(scorer|assessor)s?\b",),
    "fitted, trained": (r"\b(learnt|unlearnt|taught|teach|teaches|teaching)\b",),
    "import": (r"\b(brings?|brought|bringing)\b",),
    "saved, cached, stored": (r"\bkept\b",),
    "name the value that is passed": (r"\b(is|are|was|were|be|been|not|of|what|it) told\b(?! apart)",),
    "separate": (r"\b(tell|tells|told|telling) [\w ]{0,20}apart\b",),
    "finding, suggestion": (r"\b(illness|illnesses|ails?|ailments?|complaints?|cures?)\b",),
    "generated, decoded": (r"\bimagined\b", r"\bmade[- ]up\b(?! of)"),
    "standard deviation, std": (
        r"\bspreads?\b(?! (over|across|out|evenly|between))",
        r"(?<!standard )(?<!absolute )(?<!std )\bdeviations?\b(?! from)",
    ),
    "gradient": (r"(?<!negative )(?<!downward )\bslopes?\b",),
    "random, sampled": (r"\b(by|of|with|what|all) chance\b",),
    "count, number": (r"\bso many\b(?! (that|images|of them))",),
    "inside": (r"\bamid\b",),
    "anchor(s)": (
        r"\bstops (of|on|along) (a|the)\b",
        r"\b(two|several|more|its|the|many|these|first|last) stops\b",
    ),
    "position, anchor, region": (
        r"\bspots?\b",
        r"\b(empty|neighbouring|every|chart|map)('s)? places?\b",
        r"\bplaces? (of|on|in) (a|the|its|every) (chart|map|plane)\b",
    ),
    "mean, center": (r"\bmiddles\b", r"\bmiddle of (a|the|each|every) (class|group|data|latent|cluster)"),
    "queue, assets, slider, callbacks, preference": (r"\b(lanes?|shelf|shelves|knobs?|watchers?|tastes?)\b",),
    "dimension(s)": (
        r"\b(axis|axes) of (the|a|its) (latent|model|space|code)",
        r"\blatent (axes|axis)\b",
        r"\b(\d+|two|three|many|few) axes\b",
    ),
    "figure, image": (r"(?<!docs/)\bpictures?\b",),
    "the command's new name (CHANGELOG.md)": (
        r"zatlas (bring|points|place|attribute|spiral|score|scorer|steer|saved)\b(?! (is|was|has))",
    ),
    "the option's new name (CHANGELOG.md)": (
        r"(?<![\w-])--(way|without|scorer|stop|start|axes|drawn|each|even)\b(?!-)",
        r"--prior own\b",
        r"\b(points|scatter|chart)\b[^`]* --by\b",
    ),
}

# (file, regular expression of the old word, why it stays)
ALLOWED: tuple[tuple[str, str, str], ...] = (
    ("src/zatlas/data/faces", "spots?|bent|bends|slopes?|pictures?|middles?", "drawing shapes in an image"),
    ("src/zatlas/render", "middles?|apart", "the middle of an image"),
    ("src/zatlas/models/nets", "slopes?", "LeakyReLU's argument"),
    ("src/zatlas/metrics", "chance", "chance level of an accuracy"),
    ("docs/commands.md", "deviations", "a line break after standard"),
    ("web/src/app", "middles?|place", "the layout of the page"),
    ("src/zatlas/latent/descent", r"trials?|trial_\w+", "trial steps of a line search"),
    ("src/zatlas/latent/inversion", "trials?|trial_share", "trial steps of a line search"),
    ("src/zatlas/latent/layouts", "spreads?", "UMAP's parameter"),
    ("src/zatlas/latent/umap_layout", "spreads?", "UMAP's parameter"),
    ("docs/layouts.md", "spreads?", "UMAP's parameter"),
)


class Problem(NamedTuple):
    """An old word in a file."""

    file: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.word} -> {self.instead}"


def _spelled(table: dict[str, str]) -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile("|".join(words.split())), instead) for words, instead in table.items()]


PART_PATTERNS, NAME_PATTERNS = _spelled(PARTS), _spelled(NAMES)
PROSE_PATTERNS = [
    (re.compile(pattern, re.IGNORECASE), instead)
    for instead, patterns in PROSE.items()
    for pattern in patterns
]


def defined_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Names that a module defines: functions, classes, parameters, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def name_problem(name: str) -> str | None:
    """What to write instead of an identifier; None where it is fine."""
    plain = name.strip("_")
    parts = [part.lower() for part in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", plain)]
    for pattern, instead in NAME_PATTERNS:
        if pattern.fullmatch(plain.lower()):
            return instead
    for pattern, instead in PART_PATTERNS:
        if any(pattern.fullmatch(part) for part in parts):
            return instead
    return None


def prose_of_python(text: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Comments, docstrings and string literals of more than one word, line by line."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value.strip():
            yield from enumerate(node.value.splitlines(), node.lineno)


def prose_of_page(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a page without the targets of its links and its tables of renamed names."""
    renamed = False
    for number, line in enumerate(text.splitlines(), 1):
        renamed = (renamed or line.startswith("| old name")) and line.startswith("|")
        if not renamed:
            yield number, re.sub(r"\]\([^)]*\)|`docs/[^`]*`", "]", line)


def prose_of_web(text: str) -> Iterator[tuple[int, str]]:
    """Comments, text literals and text between tags, line by line."""
    for number, line in enumerate(text.splitlines(), 1):
        for match in re.finditer(r"//.*|/?\*.*|\"[^\"]* [^\"]*\"|`[^`]* [^`]*`|>[^<>{}]* [^<>{}]*<", line):
            yield number, match[0]


def problems(root: Path) -> list[Problem]:
    """Every old word in the source, the pages and the web page below a folder."""
    result = []
    for path in sorted((root / "src" / "zatlas").rglob("*.py")):
        text, file = path.read_text(), path.relative_to(root).as_posix()
        tree = ast.parse(text)
        names = {(line, name) for line, name in defined_names(tree)} | {(1, path.stem)}
        for line, name in sorted(names):
            instead = name_problem(name)
            result += [Problem(file, line, f"`{name}`", instead)] if instead else []
        result += prose_problems(file, prose_of_python(text, tree))
    presets = (root / "src" / "zatlas" / "presets").glob("*.toml")
    stories = (root / "web" / "src" / "stories").glob("*.md")
    pages = [*(root / "docs").glob("*.md"), *stories, *presets, root / "README.md", root / "CHANGELOG.md"]
    for path in sorted(pages):
        result += prose_problems(path.relative_to(root).as_posix(), prose_of_page(path.read_text()))
    for path in sorted((root / "web" / "src").rglob("*")):
        if path.suffix in (".ts", ".svelte"):
            result += prose_problems(path.relative_to(root).as_posix(), prose_of_web(path.read_text()))
    return [problem for problem in result if not allowed(problem)]


def prose_problems(file: str, lines: Iterator[tuple[int, str]]) -> list[Problem]:
    """Old words in lines of prose."""
    return [
        Problem(file, number, match[0], instead)
        for number, line in sorted(set(lines))
        for pattern, instead in PROSE_PATTERNS
        for match in pattern.finditer(line)
    ]


def allowed(problem: Problem) -> bool:
    """Whether the list of exceptions has this word in this file."""
    word = problem.word.strip("`").lower()
    return any(problem.file.startswith(file) and re.search(rf"\b({old})\b", word) for file, old, _ in ALLOWED)


def test_old_words_do_not_come_back() -> None:
    # Its own process: parsing 300 files inside a long test process runs into a bug of Python 3.11.
    done = subprocess.run([sys.executable, __file__], capture_output=True, text=True, check=True)
    assert not done.stdout.strip(), done.stdout


def package_of(file: str) -> str:
    """The package of a source file, else its top folder."""
    parts = Path(file).parts
    if parts[:2] == ("src", "zatlas"):
        return parts[2] if len(parts) > 3 else "roof"
    return parts[0]


def main(root: Path, package: str = "") -> None:
    """Print every finding below a folder, of one package or all, and the counts."""
    result = [problem for problem in problems(root) if package in ("", package_of(problem.file))]
    print("\n".join(map(str, result)))
    for name, count in Counter(package_of(problem.file) for problem in result).most_common():
        names = sum(package_of(p.file) == name and p.word.startswith("`") for p in result)
        print(f"{name:12} {count:5}  ({names} identifiers, {count - names} in prose)")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."), *sys.argv[2:3])
