"""`python -m tests.hostile all`, `tenth`, `runs`, `runs 17 18`, `flips` or `flips 17:18`.

Each prints counts, then all as JSON. `tenth` is part of the slow suite, `all` is for the night.
"""

import json
import os
import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.hostile import flips as flipping
from tests.hostile.case import Case
from tests.hostile.cases import all_cases
from tests.hostile.trial import run_case, table
from tests.hostile.world import RUNS, Base, make_base

AT_ONCE = int(os.environ.get("HOSTILE_AT_ONCE", "2"))
SECONDS = float(os.environ.get("HOSTILE_SECONDS", "10"))  # that a step may take; more on a busy machine


SHARES = {"tenth": (10, 207)}  # which cases are tried, as a step through all, and how many flips


def runs(cases: list[Case], base: Base, path: Path) -> dict[str, Any]:
    """Open these hostile runs; counts of what went wrong."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = list(
            pool.map(lambda case: run_case(case, base, path / f"case-{case.number}", SECONDS), cases)
        )
    return table(zip(cases, verdicts, strict=True))


def flips(numbers: range, base: Base, path: Path) -> dict[str, Any]:
    """Damage files of good runs; counts of the outcomes."""
    names = list(flipping.KINDS)
    requested = [
        number for number in numbers if base.run(flipping.KINDS[names[number % len(names)]].run).exists()
    ]
    good = flipping.undamaged(base, path / "good", {names[number % len(names)] for number in requested})
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = pool.map(lambda number: flipping.flip(number, base, path / f"flip-{number}", good), requested)
        return flipping.table(done)


def numbers_of(text: str) -> range:
    """`2000` is 0 to 1999; `17:18` is 17."""
    first, colon, last = text.partition(":")
    return range(int(first), int(last)) if colon else range(int(first))


def main(name: str = "all", *words: str) -> int:
    """Print counts as lines, then all as JSON; 0 if nothing is wrong."""
    step, count = SHARES.get(name, (1, flipping.COUNT))
    path = Path(tempfile.mkdtemp(prefix="zatlas-hostile-"))
    base = make_base(path / "base", RUNS)
    result: dict[str, Any] = {}
    if name != "flips":
        cases = [case for case in all_cases()[::step] if not words or str(case.number) in words]
        result["runs"] = runs(cases, base, path)
    if name != "runs":
        result["flips"] = flips(numbers_of(words[0]) if words else range(count), base, path)
    wrong = [line for part in result.values() for line in part["wrong"]]
    for part in result.values():
        for key, value in part.items():
            print(*value, sep="\n") if key == "wrong" else print(f"{key:20} {value}")
    if wrong:
        print(f"What was printed lies in {path}.")
    else:
        shutil.rmtree(path)
    print(json.dumps(result))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
