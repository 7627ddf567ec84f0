import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_run_is_trained_and_explored_without_what_only_posix_has(tmp_path):
    program = Path(__file__).with_name("without_posix.py")
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", program, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=program.parents[1],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(["src", "."])},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "used"
