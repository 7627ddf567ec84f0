"""Build a release, and check it: `python tools/release.py [VERSION]`, or `just release VERSION`.

With a VERSION it first writes the version and the date into pyproject.toml, CITATION.cff and CHANGELOG.md.
It then builds the source archive and the wheel twice, from two copies of the last commit, compares their
SHA-256, checks them, and writes a bill of materials (CycloneDX) and the digests beside them. Needs
`pip install build twine cyclonedx-bom`. CONTRIBUTING.md has the steps that follow.
"""

import argparse
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
PLACEHOLDER = "github.com/OWNER/"


def run(*words: str | Path, folder: Path = ROOT, **variables: str) -> str:
    """Run a program and return what it prints; its messages are shown."""
    environment = {**os.environ, **variables}
    done = subprocess.run(words, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def change(file: str, pattern: str, text: str) -> None:
    """Replace the only match of a pattern in a file of the repository."""
    path = ROOT / file
    result, count = re.subn(pattern, text, path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    if count != 1:
        sys.exit(f"{file} has {count} places for {text!r}; it should have one.")
    path.write_text(result, encoding="utf-8")


def set_version(version: str) -> None:
    """Write a version, and the date of today, where they belong."""
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        sys.exit(f"{version!r} is not a version such as 1.2.0 or 1.2.0rc1.")
    today = datetime.now(UTC).date().isoformat()
    change("pyproject.toml", r'^version = ".*"$', f'version = "{version}"')
    dated = f"version: {version}\ndate-released: {today}"
    change("CITATION.cff", r"^version: .*$(\ndate-released: .*$)?", dated)
    change("CHANGELOG.md", r"^## Unreleased$", f"## Unreleased\n\n## {version}, {today}")


def build(folder: Path) -> dict[str, str]:
    """Build both archives from a copy of the last commit; return the SHA-256 of each."""
    archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    seconds = run("git", "log", "-1", "--format=%ct")
    run(sys.executable, "-m", "build", folder=folder, SOURCE_DATE_EPOCH=seconds)
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted((folder / "dist").iterdir())}


def build_twice() -> dict[str, str]:
    """Put reproducible archives into dist/; exit if two builds differ."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        digests, others = build(Path(first)), build(Path(second))
        if digests != others:
            sys.exit(f"Two builds of one commit differ: {digests} and {others}.")
        (ROOT / "dist").mkdir(exist_ok=True)
        for name in digests:
            (ROOT / "dist" / name).write_bytes((Path(first) / "dist" / name).read_bytes())
    return digests


def write_bill_of_materials(version: str) -> Path:
    """Write what the default installation of the tests' versions consists of, as CycloneDX JSON."""
    out = ROOT / "dist" / f"zatlas-{version}.cdx.json"
    words = ["-m", "cyclonedx_py", "requirements", "constraints.txt", "--pyproject", "pyproject.toml"]
    run(sys.executable, *words, "--output-reproducible", "--output-file", str(out))
    return out


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("version", nargs="?", help="the new version; without it, only build and check")
    options = parser.parse_args()
    if options.version:
        if PLACEHOLDER in (ROOT / "pyproject.toml").read_text(encoding="utf-8"):
            sys.exit(f"{PLACEHOLDER} in pyproject.toml is a placeholder. Write the repository's own address.")
        if run("git", "status", "--porcelain"):
            sys.exit("There are changes that are not committed. Commit or discard them first.")
        set_version(options.version)
        run("git", "commit", "--all", "--message", f"Release {options.version}")
    digests = build_twice()
    run(sys.executable, "-m", "twine", "check", "--strict", *(ROOT / "dist" / name for name in digests))
    version = re.search(r"^zatlas-(.+)\.tar\.gz$", "\n".join(digests), re.MULTILINE)
    assert version is not None
    materials = write_bill_of_materials(version[1])
    digests[materials.name] = hashlib.sha256(materials.read_bytes()).hexdigest()
    lines = "".join(f"{digest}  {name}\n" for name, digest in digests.items())
    (ROOT / "dist" / "SHA256SUMS").write_text(lines)
    print(lines, end="")


if __name__ == "__main__":
    main()
