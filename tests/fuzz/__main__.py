"""`python -m tests.fuzz TARGET --seconds 60`, `all --seconds 60`, or `seeds` to write the initial corpus."""

import argparse
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

MAX_INPUT = 4096  # bytes of an input that is stored in the corpus
MEMORY = 2048  # MiB that a target may use


def main() -> int:
    """Fuzz one parser or all; return 0 if they raised only errors of zatlas."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--inside", metavar="FOLDER", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return fuzz_here(options.target, options.seconds, Path(options.inside))
    from tests.fuzz.targets import TARGETS

    if options.target == "seeds":
        return write_seeds()
    names = list(TARGETS) if options.target == "all" else [options.target]
    return max(fuzz(name, options.seconds) for name in names)


def fuzz(name: str, seconds: int) -> int:
    """Fuzz one parser in its own process until the time is over."""
    from tests.fuzz.targets import CORPUS

    with tempfile.TemporaryDirectory(prefix="zatlas-fuzz-") as folder:
        command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds)]
        process = subprocess.run(
            [*command, "--inside", folder], capture_output=True, text=True, errors="replace"
        )
        output = process.stdout + process.stderr
        count = re.findall(r"^#(\d+)\s", output, re.MULTILINE) or re.findall(r"Done (\d+)", output)
        crashes = sorted(Path(folder).glob("crash-*")) + sorted(Path(folder).glob("*out-*"))
        for path in crashes:
            data = path.read_bytes()
            stored = CORPUS / name / f"crash-{hashlib.sha256(data).hexdigest()[:12]}"
            stored.parent.mkdir(parents=True, exist_ok=True)
            stored.write_bytes(data)
            print(f"{name}: {path.name} is stored as {stored}")
    last = max(map(int, count), default=0)
    print(f"{name}: {last:,} executions, {len(crashes)} crashes, exit {process.returncode}", flush=True)
    if process.returncode:
        _, raised, error = output.partition(" === Uncaught Python exception: ===")
        print(error.partition("\n==")[0][:3000] if raised else output[-1000:])
    return 1 if crashes or process.returncode else 0


def fuzz_here(name: str, seconds: int, folder: Path) -> int:
    """Fuzz in this process, with zatlas instrumented."""
    import atheris

    with atheris.instrument_imports(include=["zatlas"]):
        from tests.fuzz import targets
    target = targets.TARGETS[name]
    for path in sorted((targets.CORPUS / name).glob("*")):
        with atheris.instrument_imports(include=["zatlas"]):
            targets.attempt(target, path.read_bytes())  # the first input imports the parser
        break
    new_inputs = folder / "corpus"
    new_inputs.mkdir()
    atheris.Setup(
        [
            "fuzz",
            str(new_inputs),
            str(targets.CORPUS / name),
            f"-max_total_time={seconds}",
            f"-max_len={max(MAX_INPUT, 64 << 10)}",
            f"-rss_limit_mb={MEMORY}",
            "-timeout=10",
            f"-artifact_prefix={folder}{os.sep}",
            "-print_final_stats=1",
        ],
        lambda data: targets.attempt(target, data),
    )
    atheris.Fuzz()
    return 0


def write_seeds() -> int:
    """Write the valid files of each corpus."""
    from tests.fuzz import targets

    for name, files in targets.seeds().items():
        folder = targets.CORPUS / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(files):
            (folder / f"seed-{number}").write_bytes(data)
    targets.remove_scratch_folder()
    return 0


if __name__ == "__main__":
    sys.exit(main())
