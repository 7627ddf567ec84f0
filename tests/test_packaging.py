"""What is published: the README with absolute links, the files of the project, the checks of a release."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest

from tests.write_docs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def published_readme():
    """README.md after the substitutions of pyproject.toml, in order."""
    text = (ROOT / "README.md").read_text()
    for each in PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text, count = re.subn(each["pattern"], each["replacement"], text)
        assert count, each["pattern"]
    return text


def test_the_published_readme_has_absolute_links_only():
    targets = re.findall(r"\]\(([^)]+)\)", published_readme())
    assert len(targets) > 15
    assert not [each for each in targets if not each.startswith(("https://", "#"))]


def test_the_first_command_of_the_published_readme_installs_the_package():
    blocks = re.findall(r"^```(\w*)\n(.+?)\n```", published_readme(), re.MULTILINE | re.DOTALL)
    commands = [block for language, block in blocks if not language]
    assert commands[0] == "pip install zatlas && zatlas demo"
    assert "pip install -c constraints.txt -e '.[dev]' && pytest" in commands


def test_the_files_that_an_absolute_link_names_are_in_the_repository():
    source = PROJECT["project"]["urls"]["Source"]
    paths = re.findall(rf"{re.escape(source)}/(?:raw|blob)/main/([^)#]+)", published_readme())
    assert paths and not [path for path in paths if not (ROOT / path).exists()]


def test_the_version_is_the_same_in_every_file():
    version = PROJECT["project"]["version"]
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize(
    "name",
    ["LICENSE", "SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "CHANGELOG.md", "CITATION.cff"],
)
def test_the_files_of_a_public_project_exist(name):
    assert (ROOT / name).read_text().strip()


def test_a_release_is_refused_while_the_address_of_the_repository_is_a_placeholder():
    command = [sys.executable, str(ROOT / "tools" / "release.py"), "9.9.9"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "is a placeholder" in done.stderr
    assert "9.9.9" not in (ROOT / "CHANGELOG.md").read_text()


def test_every_hook_of_pre_commit_is_a_program_of_the_development_tools():
    text = (ROOT / ".pre-commit-config.yaml").read_text()
    programs = set(re.findall(r"entry: ([\w-]+)", text))
    needed = " ".join(PROJECT["project"]["optional-dependencies"]["dev"])
    assert programs == {"ruff", "mypy", "lint-imports"}
    assert all(name in needed for name in ("ruff", "mypy", "import-linter"))


def test_every_task_of_a_workflow_is_a_recipe_of_the_justfile():
    just = Path(sysconfig.get_path("scripts")) / "just"
    recipes = subprocess.run([just, "--summary"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tasks = re.search(r"task: \[(.+)\]", (ROOT / ".github" / "workflows" / "nightly.yml").read_text())
    assert {*tasks[1].split(", "), "lint"} <= set(recipes.split())
