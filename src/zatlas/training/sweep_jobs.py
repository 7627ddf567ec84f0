"""Train many runs: one after the other, in separate processes, or as tasks of ray."""

import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zatlas.core.cluster import ray_cluster
from zatlas.core.errors import BadRecipe, Interrupted, ZatlasError
from zatlas.core.system import SYSTEM
from zatlas.data import sources
from zatlas.store import atomic
from zatlas.store.run import Run
from zatlas.training import loop, signals
from zatlas.training.callbacks import Callback
from zatlas.training.recipe import Recipe, make_recipe, read_recipe

POLL_SECONDS = 0.05  # time between two checks whether a process has ended


@dataclass(frozen=True)
class SweepJob:
    """One of several trainings: its folder and its recipe."""

    folder: Path
    recipe: Recipe

    @property
    def run(self) -> Run:
        """The run in this folder."""
        return Run(self.folder)

    @property
    def finished(self) -> bool:
        """Whether the training is finished."""
        return (self.folder / "result.json").exists()

    def check(self) -> None:
        """Raise `BadRecipe` if the folder holds a run of another recipe."""
        if not self.run.recipe_file.exists():
            return
        if changes := self.recipe.differences(make_recipe(read_recipe(self.run.recipe_file))):
            raise BadRecipe(
                f"{self.folder} was trained with another recipe: {'; '.join(changes)}. "
                "Undo the changes, or sweep into another folder: --out (in Python: out=)."
            )


Ended = tuple[SweepJob, str]  # a job and its error, empty for none
Ends = Generator[Ended, None, None]  # closing it stops the running trainings, which save a checkpoint


def run_here(jobs: Sequence[SweepJob], callbacks: Callable[[], Sequence[Callback]]) -> Ends:
    """Train one after the other in this process. `callbacks` returns new callbacks for each run."""
    for job in jobs:
        problem = ""
        try:
            _train(job, callbacks())
        except Interrupted:
            raise
        except ZatlasError as error:
            problem = str(error)
        except Exception as error:  # of any kind: the next run may not have it
            problem = f"{type(error).__name__}: {error}"
        yield job, problem


def run_in_processes(
    jobs: Sequence[SweepJob], *, threads: int, workers: int = 0, halt: Path | None = None
) -> Ends:
    """Train each run in a separate process with this many threads.

    `workers` is the number of processes at once; 0 for one per `threads` processor cores. A process that
    is killed does not affect the others. A file `halt` stops all of them, as a signal does.
    """
    waiting, active = deque(jobs), dict[subprocess.Popen, SweepJob]()
    workers = workers or max((os.cpu_count() or 1) // threads, 1)
    with signals.catch_signals() as stop:
        try:
            while waiting or active:
                _wait(stop, halt)
                while waiting and len(active) < workers:
                    job = waiting.popleft()
                    active[_start(job, threads)] = job
                for process in [process for process in active if process.poll() is not None]:
                    job = active.pop(process)
                    yield job, _last_error(job, process.returncode)
        finally:
            for process in active:
                SYSTEM.ask_to_stop(process)
            for process in active:
                process.wait()


def run_on_ray(jobs: Sequence[SweepJob], *, threads: int) -> Ends:
    """Train each run as a task of ray with this many processor cores.

    All machines must share the folder of the sweep. Moritz et al. 2018,
    https://arxiv.org/abs/1712.05889
    """

    # A task of ray receives no signal, but it can read the folder.
    halt = jobs[0].folder.parent / "halt"
    halt.unlink(missing_ok=True)

    def work(job: SweepJob) -> Ended:
        try:
            return next(run_in_processes([job], threads=threads, workers=1, halt=halt))
        except Interrupted as error:
            return job, str(error)

    with ray_cluster("A sweep") as ray, signals.catch_signals() as stop:
        task = ray.remote(num_cpus=threads, max_retries=0)(work)
        waiting: dict[Any, SweepJob] = {task.remote(job): job for job in jobs}
        try:
            while waiting:
                _wait(stop)
                for done in ray.wait(list(waiting), timeout=0)[0]:
                    job = waiting.pop(done)
                    try:
                        yield ray.get(done)
                    except ray.exceptions.RayError as error:  # the machine or ray failed
                        yield job, str(error).strip().splitlines()[-1]
        finally:
            if waiting:
                halt.touch()
                ray.wait(list(waiting), num_returns=len(waiting))
                halt.unlink()


def _wait(stop: signals.StopSignal, halt: Path | None = None) -> None:
    """Wait `POLL_SECONDS`; raise `Interrupted` after a signal, or if the file `halt` exists."""
    if stop or (halt is not None and halt.exists()):
        raise Interrupted("Stopped.", stop.signal or signal.SIGINT)
    time.sleep(POLL_SECONDS)


def _train(job: SweepJob, callbacks: Sequence[Callback]) -> None:
    if job.run.recipe_file.exists():
        loop.resume(job.folder, job.recipe, callbacks)
        return
    recipe = job.recipe
    images = sources.load_verified(recipe.source, size=recipe.size, **recipe.options)
    loop.fit(recipe, images, job.folder, callbacks)


def _start(job: SweepJob, threads: int) -> subprocess.Popen:
    """Start the process of one training. Its stderr goes to a file in `logs/`."""
    recipe = job.folder.parent / "recipes" / f"{job.folder.name}.toml"
    atomic.write_file(recipe, job.recipe.to_toml().encode())
    arguments = ["--recipe", str(recipe), "--out", str(job.folder)]
    if job.run.recipe_file.exists():
        arguments = ["--resume", str(job.folder)]
    log = _log(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "zatlas", "train", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=env,
            **SYSTEM.group_options(),
        )


def _last_error(job: SweepJob, status: int) -> str:
    """Return the last error of a process with this exit status; empty if it succeeded."""
    if status == 0:
        return ""
    text = _log(job).read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    errors = [line.removeprefix("zatlas: ") for line in lines if line.startswith("zatlas: ")]
    if errors:
        return errors[-1]
    if status < 0:
        return f"{signal.Signals(-status).name} ended its process; see {_log(job)}."
    return f"{lines[-1] if lines else f'It ended with status {status}'}; see {_log(job)}"


def _log(job: SweepJob) -> Path:
    return job.folder.parent / "logs" / f"{job.folder.name}.txt"
