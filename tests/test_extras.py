"""Each optional package is named with the command that installs it, and the gallery works without any."""

import re
import subprocess
import sys
import tomllib

import pytest

from tests.write_docs import ROOT
from zatlas.core.extras import PACKAGES, install_command

BLOCKED = """
import sys
sys.modules.update(dict.fromkeys({packages!r}))  # Python treats a module that is None as missing
from zatlas.cli import main
sys.exit(main(sys.argv[1:]))
"""
QUERY = """
import sys
sys.modules["duckdb"] = None
import zatlas
try:
    zatlas.load(sys.argv[1]).query("select 1")
except zatlas.ZatlasError as error:
    sys.exit(f"zatlas: {error}")
"""
CALLS = {
    "hub": (["train", "hf:owner/name", "--out", "{out}/run"], "hf:owner/name"),
    "ray": (["encode", "{run}", "--on", "ray", "--out", "{out}/parts"], "Encoding on a cluster"),
    "sql": (None, "A query"),
    "umap": (["chart", "{run}", "--layout", "umap", "--out", "{out}/a.png"], "The layout 'umap'"),
    "video": (
        ["interpolate", "{run}", "class:1", "class:7", "--out", "{out}/a.mp4"],
        "An MP4 film (a .webp or .gif does not)",
    ),
}


def without(packages, words):
    """A command in a process where these packages are missing."""
    script = BLOCKED.format(packages=sorted(packages))
    return subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True)


@pytest.mark.parametrize(  # without `notebook` there is no error: a notebook gets a frame
    "extra", [pytest.param(name, marks=[] if name == "video" else pytest.mark.slow) for name in CALLS]
)
def test_a_missing_package_gets_one_sentence_with_the_command_that_installs_it(extra, digits, tmp_path):
    words, purpose = CALLS[extra]
    run = str(digits.run.folder)
    if words is None:
        done = subprocess.run([sys.executable, "-c", QUERY, run], capture_output=True, text=True)
    else:
        done = without([PACKAGES[extra]], [word.format(run=run, out=tmp_path) for word in words])
        assert done.returncode == 2
    expected = f"zatlas: {purpose} needs the package {PACKAGES[extra]}: {install_command(extra)}"
    assert done.stderr.splitlines()[-1] == expected
    assert done.stdout == "" and not list(tmp_path.iterdir())


@pytest.mark.posix
def test_the_command_that_installs_an_extra_is_quoted_for_bash():
    assert install_command("video") == "pip install 'zatlas[video]'"


def test_every_extra_is_in_the_project_file_and_in_all_and_on_the_page():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert extras.keys() - {"all", "dev", "docs"} == PACKAGES.keys()
    assert extras["all"] == [f"zatlas[{','.join(sorted(PACKAGES))}]"]
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "install.md").read_text(), re.MULTILINE)
    assert set(rows) - {"all"} == PACKAGES.keys()


def test_no_module_outside_its_extra_imports_an_optional_package_at_the_top():
    pattern = re.compile(rf"^(?:import|from) ({'|'.join(PACKAGES.values())})\b", re.MULTILINE)
    found = {path.name for path in (ROOT / "src").rglob("*.py") if pattern.search(path.read_text())}
    assert found == {"widget.py"}  # a class of anywidget; `notebook.show` imports it


@pytest.mark.nightly
def test_a_gallery_needs_no_optional_package(digits, tmp_path):
    done = without(
        PACKAGES.values(), ["gallery", str(digits.run.folder), "--out", str(tmp_path), "--no-open"]
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*.webp")) and not list(tmp_path.glob("*.mp4"))
    page = (tmp_path / "index.html").read_text()
    assert all(f'src="{path.name}"' in page for path in tmp_path.glob("*.webp"))
