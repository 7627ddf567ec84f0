"""Shared code: environments for other software, repetitions in turn, and the matrix product rate."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter

from zatlas.core.runtime import use_large_pages
from zatlas.core.system import SYSTEM

RIVALS = Path(__file__).parent / "rivals"
use_large_pages()  # as the command line does


def environment(name: str, *packages: str) -> Path:
    """The Python of an environment with these packages; made at first use."""
    path = SYSTEM.cache_folder().parent / "zatlas-benchmarks" / name
    python = path / "bin" / "python"
    if not (path / "ready").exists():
        print(f"installing {' '.join(packages)} into {path}", file=sys.stderr)
        venv.create(path, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
        (path / "ready").touch()
    return python


def call(python: Path | str, script: Path, **options: object) -> dict:
    """Run a script with --name value options; return the JSON of its last line."""
    words = [word for key, value in options.items() for word in (f"--{key}", str(value))]
    done = subprocess.run(
        [str(python), str(script), *words], check=True, capture_output=True, text=True, env=quiet()
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def in_turns(repeats: int, runs: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure each in turn, several times, so that disturbances affect all."""
    result: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(repeats):
        for name, run in runs.items():
            value = run()
            result[name].append(value)
            print(f"  turn {turn + 1}: {name} {value:,.1f}", file=sys.stderr)
    return result


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def medians(result: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of the repeats of each."""
    return {name: median(values) for name, values in result.items()}


def machine_line() -> str:
    """The processor, its threads, and what it does natively."""
    import torch

    from zatlas.training.precision import native_bfloat16

    native = native_bfloat16(torch.device("cpu")) or "no native bfloat16"
    capability = torch.backends.cpu.get_cpu_capability()
    threads = f"{torch.get_num_threads()} threads"
    return f"{SYSTEM.processor_name()}, {threads}, {capability}, {native}, torch {torch.__version__}"


def matrix_product_rate(size: int = 2048, repeats: int = 8, *, half: bool = False) -> float:
    """Floating-point operations per second of square matrix products, the best; `half` in bfloat16."""
    import torch

    dtype = torch.bfloat16 if half else torch.float32
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    a @ b
    best = 0.0
    for _ in range(repeats):
        begun = perf_counter()
        a @ b
        best = max(best, 2 * size**3 / (perf_counter() - begun))
    return best


def peak_memory(process: str = "self") -> float:
    """Peak megabytes of this process; getrusage would include the parent at the start."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def quiet() -> dict[str, str]:
    """The environment of a measured process."""
    return {**os.environ, "PYTHONWARNINGS": "ignore", "TOKENIZERS_PARALLELISM": "false"}
