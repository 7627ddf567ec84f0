"""What the documents say is so."""

import pkgutil
import re
import tomllib
from pathlib import Path

import pytest

from tests.write_docs import DOCS
from tests.write_docs import PAGES as GENERATED
from zatlas.commands.registration import COMMANDS

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
    groups = {f"zatlas.{name}" for name in ("datasets", "models", "nets", "layouts", "direction_methods")}
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


def test_every_command_in_the_readme_is_a_command():
    known = {name.partition(" ")[0] for name in COMMANDS}
    blocks = "".join(re.findall(r"```\n(.*?)```", README, re.DOTALL))
    named = set(re.findall(r"^zatlas ([a-z]+)", blocks, re.MULTILINE))
    assert named and named <= known


def test_the_readme_has_its_two_commands():
    assert "\npip install -c constraints.txt . && zatlas demo\n" in README
    assert "\npip install -c constraints.txt -e '.[dev]' && pytest\n" in README


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
    for wanted in [*project["dependencies"], *extras["dev"], *extras["hub"]]:
        assert re.match(r"[a-z0-9-]+", wanted)[0] in pinned, wanted


def test_every_row_of_the_coverage_table_names_a_test_that_is_there():
    rows = re.findall(r"^\| \w.*\|$", (DOCS / "coverage.md").read_text(), re.MULTILINE)
    named = [re.findall(r"`(test_\w+\.py)::(\w+)`", row) for row in rows if "| test |" not in row]
    assert named and all(named)
    for file, name in [one for row in named for one in row]:
        result = list((ROOT / "tests").rglob(file))
        assert result and f"def {name}(" in result[0].read_text(), (file, name)
