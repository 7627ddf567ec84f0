"""Stories: the checks of their files, and the commands that open the page with one."""

import json
import re
from pathlib import Path

import pytest

import zatlas
from tests.story_cases import FLAWED, GOOD, TOO_LONG
from zatlas.cli import main
from zatlas.core.errors import BadData
from zatlas.site import manifest, run_tree
from zatlas.site.story import check_story, read_story

ROOT = Path(__file__).parents[1]
FLAWS = [pytest.param(*case, id=name) for name, case in FLAWED.items()]


@pytest.fixture
def story(tmp_path):
    """A file with a good story."""
    path = tmp_path / "story.md"
    path.write_text(GOOD, encoding="utf-8")
    return path


@pytest.mark.parametrize(("text", "problem"), FLAWS)
def test_a_flaw_of_a_story_is_named_with_its_line(text, problem):
    with pytest.raises(ValueError) as raised:
        check_story(text)
    assert str(raised.value) == problem


def test_a_good_story_is_read_unchanged_whatever_its_line_ends(story):
    assert read_story(story) == GOOD
    story.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert read_story(story) == GOOD


@pytest.mark.parametrize(
    "data", [b"\xff\xfe---", bytes(range(256)), TOO_LONG.encode() * 9], ids=("utf-16", "bytes", "long")
)
def test_a_file_that_is_no_story_is_an_error_of_its_name(tmp_path, data):
    path = tmp_path / "story.md"
    path.write_bytes(data)
    with pytest.raises(BadData, match=r"story\.md"):
        read_story(path)


def test_a_folder_or_a_missing_file_is_no_story(tmp_path):
    for path in (tmp_path, tmp_path / "none.md"):
        with pytest.raises(BadData, match="is not a file"):
            read_story(path)


def test_markers_without_an_end_are_checked_quickly():
    for sign in ("*a ", "[", "[a](", "`", "<", "**", "{if images: {a} b}"):
        check_story(f"---\ntitle: A\n---\n## B\n\nText {sign.replace('<', '< ') * 3000}\n")
    with pytest.raises(ValueError, match="a condition is"):
        check_story(f"---\ntitle: A\n---\n## B\n\nText {'{if images: {a}' * 3000}\n")


def test_the_example_of_the_documentation_and_the_stories_of_the_page_are_stories():
    example = re.search(r"```markdown\n(.*?)```", (ROOT / "docs" / "stories.md").read_text(), re.DOTALL)
    check_story(example[1])
    shipped = sorted((ROOT / "web" / "src" / "stories").glob("*.md"))
    assert len(shipped) == 6
    for path in shipped:
        read_story(path)


def test_an_export_opens_with_a_story_and_a_flawed_one_writes_nothing(digits, story, tmp_path):
    folder = zatlas.export(digits, tmp_path / "page", points=60, story=story)
    assert json.loads((folder / "data" / "manifest.json").read_text())["story"] == GOOD
    story.write_text(GOOD.replace("Another one", "<script>"), encoding="utf-8")
    with pytest.raises(BadData, match="Line 14: HTML is not possible"):
        zatlas.export(digits, tmp_path / "other.html", points=60, story=story)
    assert not (tmp_path / "other.html").exists()


@pytest.mark.parametrize("command", ["explore", "export"])
def test_a_command_names_the_flaw_of_a_story_and_exits_with_2(command, digits, story, tmp_path, capsys):
    story.write_text(GOOD.replace("https://", "javascript:"), encoding="utf-8")
    out = [str(tmp_path / "page")] if command == "export" else ["--no-open"]
    assert main([command, str(digits.run.folder), *out, "--story", str(story)]) == 2
    printed = capsys.readouterr()
    assert "Line 12: a link leads to an address with https:// or http://." in printed.err
    assert not printed.out and not (tmp_path / "page").exists()


def test_a_page_without_a_story_names_none(digits):
    trees = [run_tree(digits, max_points=60)]
    assert "story" not in json.loads(manifest(trees))
    assert json.loads(manifest(trees, "socket", GOOD))["story"] == GOOD
