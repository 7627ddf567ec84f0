"""The benchmarks of the explorer, at their smallest: they read what a page reads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.browser
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def benchmark(name, *words):
    """What a benchmark prints."""
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / name), *words],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_soak_decodes_loads_pages_and_makes_charts_without_an_error():
    printed = benchmark("soak.py", "--minutes", "0.15", "--clients", "3")
    assert "\n0 errors" in printed
    assert int(re.search(r"all: +([\d,]+) pictures", printed)[1].replace(",", "")) > 100
    assert re.search(r"[1-9]\d* reloads", printed)


def test_the_page_s_latents_agree_with_those_of_the_chart():
    printed = benchmark("explorer.py", "places")
    errors = re.findall(r"images differ by ([\d.]+)", printed)
    assert len(errors) == 2 and float(errors[0]) < 1
