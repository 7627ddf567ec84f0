"""Stories: Markdown that guides a reader through the explorer. The page reads the same (storyText.ts)."""

import re
from os import PathLike
from pathlib import Path
from typing import NoReturn

from zatlas.core.errors import BadData, CannotRead

NEEDS = (  # of a run
    "autoencoder",
    "charts",
    "classes",
    "correlated",
    "decoder",
    "dimensions",
    "direction",
    "exclusive",
    "gap",
    "images",
    "points",
    "prior",
    "shell",
    "uncorrelated",
)
MAX_STORY = 60_000  # characters
MAX_STEPS = 50
MAX_TITLE = 120  # characters
MAX_CHOICES = 8  # of a question
KEYS = ("title", "about", "needs")  # of the front matter
CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
STATE = re.compile(r"\[[^\[\]]*\]\(#([^\s()]*)\)")
CHOICE = re.compile(r"- \[[ xX]\] +(.+)")
LINK = re.compile(r"\[[^\[\]]+\]\(([^()]*)\)")
CONDITION = re.compile(r"\{if (?:not )?([a-z]+): (?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}")
ADDRESS = re.compile(r"https?://[^\s<>\"']+")


def read_story(file: str | PathLike[str]) -> str:
    """The text of a story's file; raises an error of one sentence for what the page would not show."""
    path = Path(file)
    try:
        if not path.is_file():
            raise BadData(f"{path} is not a file. Name a story: a Markdown file (docs/stories.md).")
        with path.open("rb") as stream:
            data = stream.read(4 * MAX_STORY + 1)
    except OSError as error:
        raise CannotRead(f"{path} cannot be read: {error.strerror or error}.") from None
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        if len(data) <= 4 * MAX_STORY:
            raise BadData(f"{path} is not a text in UTF-8. Save it as UTF-8.") from None
        text = "x" * len(data)  # cut within a character, so it is too long
    try:
        check_story(text)
    except ValueError as problem:
        raise BadData(f"{path} is not a story. {problem}") from None
    return text


def check_story(text: str) -> None:
    """Raise a ValueError that names the first problem of a story, with its line."""
    if len(text) > MAX_STORY:
        raise ValueError(f"The story has more than {MAX_STORY:,} characters; shorten it.")
    for i, line in enumerate(text.split("\n")):
        if control := CONTROL.search(line):
            _fail(i, f"remove the control character U+{ord(control[0]):04X}.")
    lines = [line.strip() for line in text.split("\n")]
    end = lines.index("---", 1) if lines[0] == "---" and "---" in lines[1:] else 0
    if not end:
        _fail(0, "a story starts with a line ---, then title: NAME, then another line ---.")
    _check_front_matter(lines[1:end])
    count = _check_steps(lines, end + 1)
    if not count:
        raise ValueError("The story has no steps; a step starts with ## and its title.")
    if count > MAX_STEPS:
        raise ValueError(f"The story has more than {MAX_STEPS} steps; split it.")


def _check_front_matter(lines: list[str]) -> None:
    values: dict[str, str] = {}
    for i, line in enumerate(lines, 1):
        if not line:
            continue
        key, separator, value = line.partition(":")
        if not separator or key not in KEYS:
            _fail(i, "the front matter holds title:, about: and needs: only.")
        if key in values:
            _fail(i, f"{key}: occurs twice.")
        values[key] = value.strip()
        if key == "needs":
            needs = {name.strip() for name in value.split(",")} - {""}
            if not needs <= set(NEEDS):
                _fail(i, f"a story can need {', '.join(NEEDS)}, and nothing else.")
        else:
            _check_text(i, values[key], MAX_TITLE if key == "title" else 2 * MAX_TITLE)
    if not values.get("title"):
        _fail(0, "the front matter has no title; write title: NAME.")


class _Step:
    """What the lines of a step have contained until now."""

    def __init__(self, line: int) -> None:
        self.line = line
        self.has_state = self.has_text = self.has_question = False
        self.choices = 0

    def read(self, i: int, line: str) -> None:
        """Read a line that is neither blank nor a heading."""
        if STATE.fullmatch(line):
            if self.has_state:
                _fail(i, "a step has one state.")
            self.has_state = True
            return
        question, choice = re.fullmatch(r"Question: +(.+)", line), CHOICE.fullmatch(line)
        answer = re.fullmatch(r"> ?(.*)", line)
        text = next((match[1] for match in (question, choice, answer) if match), line)
        _check_text(i, text)
        if question:
            if self.has_question:
                _fail(i, "a step has one question.")
            self.has_question = True
        elif choice or answer:
            if not self.has_question:
                _fail(i, "write Question: and its text above the choices and the answer.")
            self.choices += bool(choice)
        elif re.match(r"([-*+]|[0-9]+[.)]) ", line):
            _fail(i, "a list holds the choices of a question, each as - [ ] TEXT.")
        elif self.has_question:
            _fail(i, "write > before the answer to a question; other text comes before it.")
        else:
            self.has_text = True

    def finish(self) -> None:
        """Raise if something is missing."""
        if not self.has_text:
            _fail(self.line, "the step has no text.")
        if self.has_question and not 2 <= self.choices <= MAX_CHOICES:
            _fail(self.line, f"a question has 2 to {MAX_CHOICES} choices.")


def _check_steps(lines: list[str], start: int) -> int:
    """The number of steps."""
    count, step = 0, None
    for i in range(start, len(lines)):
        line = lines[i]
        if heading := re.fullmatch(r"## +(.+)", line):
            if step:
                step.finish()
            _check_text(i, heading[1], MAX_TITLE)
            count, step = count + 1, _Step(i)
        elif line:
            if re.match(r"#{1,6}( |$)", line):
                _fail(i, "a step starts with ## and its title; there are no other headings.")
            if step is None:
                _fail(i, "a step starts with ## and its title; there is no text before the first one.")
            step.read(i, line)
    if step:
        step.finish()
    return count


def _check_text(i: int, text: str, limit: int = MAX_STORY) -> None:
    """Refuse images, HTML, unknown conditions, and links to anything but the web."""
    if len(text) > limit:
        _fail(i, f"shorten this to {limit} characters.")
    plain = re.sub(r"`[^`]+`", "", text)
    if "![" in plain:
        _fail(i, "a story has no images of its own; the page shows those of the run.")
    if re.search(r"<[A-Za-z/!?]", plain):
        _fail(i, "HTML is not possible; write *emphasis*, **strong** text, `code` or a link.")
    for begun in re.finditer(r"\{if\b", plain):
        condition = CONDITION.match(plain, begun.start())
        if condition is None or condition[1] not in NEEDS:
            _fail(
                i, "a condition is {if NAME: TEXT} or {if not NAME: TEXT}; docs/stories.md lists the names."
            )
    if any(not ADDRESS.fullmatch(address) for address in LINK.findall(plain)):
        _fail(i, "a link leads to an address with https:// or http://.")


def _fail(i: int, problem: str) -> NoReturn:
    raise ValueError(f"Line {i + 1}: {problem}")
