"""`python -m tests.fuzz TARGET --seconds 60`, `all --seconds 60`, or `seeds` to write the first corpus."""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST = 4096  # bytes of an input that is stored in the corpus
MEMORY = 2048  # MiB that a target may use


def main() -> int:
    """Fuzz one parser or all; 0 if nothing but errors of zatlas left them."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.inside:
        return inside(asked.target, asked.seconds, Path(asked.inside))
    from tests.fuzz.targets import TARGETS

    if asked.target == "seeds":
        return write_seeds()
    names = list(TARGETS) if asked.target == "all" else [asked.target]
    return max(fuzz(name, asked.seconds) for name in names)


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one parser in a process of its own, again and again until the time is over."""
    from tests.fuzz.targets import CORPUS

    with tempfile.TemporaryDirectory(prefix="zatlas-fuzz-") as place:
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds)]
        done = subprocess.run([*command, "--inside", place], capture_output=True, text=True, errors="replace")
        words = done.stdout + done.stderr
        count = re.findall(r"^#(\d+)\s", words, re.MULTILINE) or re.findall(r"Done (\d+)", words)
        result = sorted(Path(place).glob("crash-*")) + sorted(Path(place).glob("*out-*"))
        for path in result:
            data = path.read_bytes()
            into = CORPUS / name / f"found-{hashlib.sha256(data).hexdigest()[:12]}"
            into.parent.mkdir(parents=True, exist_ok=True)
            into.write_bytes(data)
            print(f"{name}: {path.name} is stored as {into}")
    last = max(map(int, count), default=0)
    print(f"{name}: {last:,} executions, {len(result)} findings, exit {done.returncode}", flush=True)
    if done.returncode:
        _, raised, error = words.partition(" === Uncaught Python exception: ===")
        print(error.partition("\n==")[0][:3000] if raised else words[-1000:])
    return 1 if result or done.returncode else 0


def inside(name: str, seconds: int, place: Path) -> int:
    """Fuzz in this process, with zatlas instrumented."""
    import atheris

    with atheris.instrument_imports(include=["zatlas"]):
        from tests.fuzz import targets
    target = targets.TARGETS[name]
    for path in sorted((targets.CORPUS / name).glob("*")):
        with atheris.instrument_imports(include=["zatlas"]):
            targets.attempt(target, path.read_bytes())  # the first input imports the parser
        break
    known = place / "corpus"
    known.mkdir()
    atheris.Setup(
        [
            "fuzz",
            str(known),
            str(targets.CORPUS / name),
            f"-max_total_time={seconds}",
            f"-max_len={max(LONGEST, 64 << 10)}",
            f"-rss_limit_mb={MEMORY}",
            "-timeout=10",
            f"-artifact_prefix={place}{os.sep}",
            "-print_final_stats=1",
        ],
        lambda data: targets.attempt(target, data),
    )
    atheris.Fuzz()
    return 0


def write_seeds() -> int:
    """Write the good files that each corpus begins with."""
    from tests.fuzz import targets

    for name, files in targets.seeds().items():
        folder = targets.CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(files):
            (folder / f"seed-{number}").write_bytes(data)
    targets.sweep()
    return 0


if __name__ == "__main__":
    sys.exit(main())
