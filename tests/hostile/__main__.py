"""`python -m tests.hostile runs`, `runs sample`, `runs 17 18`, or `flips 2000`: counts, then JSON."""

import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.hostile.cases import all_cases, sample
from tests.hostile.trial import table, trial
from tests.hostile.world import make_base


def runs(*numbers: str) -> dict[str, Any]:
    """Open hostile runs: all, those of the default suite, or those of these numbers."""
    cases = list(sample()) if numbers == ("sample",) else all_cases()
    if numbers and numbers != ("sample",):
        cases = [case for case in cases if str(case.number) in numbers]
    seconds = float(os.environ.get("HOSTILE_SECONDS", "10"))
    at_once = int(os.environ.get("HOSTILE_AT_ONCE", "2"))
    place = Path(tempfile.mkdtemp(prefix="zatlas-hostile-"))
    base = make_base(place / "base", sorted({case.run for case in cases}))
    with ThreadPoolExecutor(at_once) as pool:
        verdicts = list(
            pool.map(lambda case: trial(case, base, place / f"case-{case.number}", seconds), cases)
        )
    found = table(zip(cases, verdicts, strict=True))
    if found["wrong"]:
        found["what was printed"] = str(place)
    return found


def main(name: str = "runs", *words: str) -> int:
    """Print counts as lines, then all as JSON; 0 if nothing is wrong."""
    found = runs(*words)
    for key, value in found.items():
        if key == "wrong":
            print(*value, sep="\n")
        else:
            print(f"{key:20} {value}")
    print(json.dumps(found))
    return 1 if found["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
