"""The documents name files, commands, options, tests and Python names that exist."""

import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

from tests.write_docs import DOCS
from tests.write_docs import PAGES as GENERATED
from zatlas.core.registry import REGISTRIES

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
README = (ROOT / "README.md").read_text()


@pytest.mark.parametrize("name", GENERATED)
def test_generated_pages_are_up_to_date(name):
    assert (DOCS / name).read_text() == GENERATED[name](), "give the command: just docs"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_names_in_backticks_exist(page):
    groups = {registry.group for registry in REGISTRIES.values()}
    names = set(
        re.findall(r"`((?:zatlas|Atlas|Workspace|Chart|Generator)(?:\.[A-Za-z_]\w*)+)", page.read_text())
    )
    for name in sorted(names - groups - {"zatlas.directions.fit.METHOD.fit"}):
        path = name if name.startswith("zatlas.") else f"zatlas.{name}"
        owner, _, last = path.rpartition(".")
        try:
            pkgutil.resolve_name(path)
        except AttributeError:  # a field without a default is known to its dataclass alone
            assert last in getattr(pkgutil.resolve_name(owner), "__dataclass_fields__", {}), name


def commands_of(text):
    """Commands in blocks and in backticks, without comments."""
    fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
    blocks = [block for language, block in fence.findall(text) if language in ("", "bash")]
    prose = fence.sub("", text)
    lines = [line for block in blocks for line in block.splitlines()]
    lines += re.findall(r"^    (\S.*)$", prose, re.MULTILINE)
    lines += [span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", prose)]
    for line in lines:
        for command in re.findall(r"(?:^|&& |srun |-m )(zatlas [a-z].*?)(?= && |  #|$)", line):
            yield command.split(" # ")[0].strip()


def test_every_command_and_option_in_the_pages_exists():
    sections = re.split(r"(?m)^##+ (?=zatlas )", (DOCS / "commands.md").read_text())[1:]
    helps = {section.partition("\n")[0]: section for section in sections}
    groups = {" ".join(name.split()[:2]) for name in helps}
    unknown, count = [], 0
    for page in [*PAGES, ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"]:
        text = re.sub(r"(?m)^\| old name .*\n(\|.*\n)*", "", page.read_text())
        for command in commands_of(text) if page.name != "commands.md" else ():
            words, count = command.split(), count + 1
            names = [" ".join(words[:size]) for size in (3, 2) if " ".join(words[:size]) in helps]
            options = re.findall(r"(?<!\S)--[a-z][a-z-]*", re.sub("'[^']*'|\"[^\"]*\"", "", command))
            if not names and " ".join(words[:2]) not in groups:
                unknown.append(f"{page.name}: {command}")
            elif names:
                unknown += [f"{page.name}: {command}: {o}" for o in options if f"{o} " not in helps[names[0]]]
    assert count > 100 and not unknown, "\n".join(unknown)


def test_every_script_that_a_page_names_exists():
    named = {
        path
        for page in PAGES
        for path in re.findall(r"\b(?:tests|benchmarks|examples)/[\w/.]+\w", page.read_text())
    }
    modules = {
        path for page in PAGES for path in re.findall(r"-m ((?:tests|benchmarks)[\w.]*\w)", page.read_text())
    }
    assert named and not [path for path in sorted(named) if not (ROOT / path).exists()]
    paths = [ROOT / name.replace(".", "/") for name in sorted(modules)]
    assert paths and not [path for path in paths if not (path.is_dir() or path.with_suffix(".py").exists())]


def test_every_test_that_a_page_names_exists():
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    names = {
        name for page in PAGES for name in re.findall(r"`(?:test_\w+\.py::)?(test_\w+)`", page.read_text())
    }
    assert names and not [name for name in sorted(names) if f"def {name}(" not in tests]


def test_the_readme_has_its_two_commands():
    assert "\npip install -c constraints.txt . && zatlas demo\n" in README
    assert "\npip install -c constraints.txt -e '.[dev]' && pytest\n" in README


@pytest.mark.slow
def test_python_in_the_readme_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})


def test_everything_needed_is_pinned_for_the_tests():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().split()}
    extras = project["optional-dependencies"]
    needed = sum((extras[name] for name in ("dev", "docs", "hub", "sql", "video")), project["dependencies"])
    names = {re.match(r"[a-z0-9_-]+", each)[0] for each in needed} - {"zatlas"}
    assert names <= pinned, names - pinned


def test_every_row_of_the_coverage_table_names_a_test_that_is_there():
    rows = re.findall(r"^\| \w.*\|$", (DOCS / "coverage.md").read_text(), re.MULTILINE)
    named = [re.findall(r"`(test_\w+\.py)::(\w+)`", row) for row in rows if "| test |" not in row]
    assert named and all(named)
    for file, name in [one for row in named for one in row]:
        result = list((ROOT / "tests").rglob(file))
        assert result and f"def {name}(" in result[0].read_text(), (file, name)
