"""`python -m tests.faults kill 200`, `io`, `disk 50`, `controls` or `explorer 10000`: a table, then JSON."""

import json
import sys

from tests.faults.controls import controls
from tests.faults.explorer import explorer
from tests.faults.kill import kill
from tests.faults.system import disk, io


def main(name: str = "kill", count: str = "200") -> int:
    """Do one of them; 0 if all was as it should be."""
    done = (
        {"kill": kill, "io": io, "disk": disk, "explorer": explorer}[name](int(count))
        if name != "controls"
        else controls()
    )
    for key, value in done.items():
        print(f"{key:32} {value if value else '-'}")
    print(json.dumps(done))
    if name == "controls":
        return 0 if all(done.values()) else 1
    return 1 if done["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
