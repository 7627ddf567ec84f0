"""Many trainings, one after another, in processes of their own or as tasks of ray; none stops the others."""

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
from zatlas.data import sources
from zatlas.store import atomic
from zatlas.store.run import Run
from zatlas.training import loop, signals
from zatlas.training.recipe import Recipe, make_recipe, read_recipe
from zatlas.training.watch import Watcher

LOOK = 0.05  # seconds between two looks at whether a process has ended


@dataclass(frozen=True)
class Job:
    """One training of several: its folder, and the recipe that it must have been trained by."""

    folder: Path
    recipe: Recipe

    @property
    def run(self) -> Run:
        """Where it is left."""
        return Run(self.folder)

    @property
    def finished(self) -> bool:
        """Whether it has been trained to its end."""
        return (self.folder / "result.json").exists()

    def check(self) -> None:
        """Refuse to go on with what another recipe has begun."""
        if not self.run.recipe_file.exists():
            return
        if odd := self.recipe.differences(make_recipe(read_recipe(self.run.recipe_file))):
            raise BadRecipe(
                f"{self.folder} was trained by another recipe than the one given now: {'; '.join(odd)}. "
                "Take the changes back, or sweep into another folder with --out."
            )


Ended = tuple[Job, str]  # and what went wrong, if anything did
Ends = Generator[Ended, None, None]  # closed early, it stops what is under way, and that is saved


def here(jobs: Sequence[Job], watchers: Callable[[], Sequence[Watcher]]) -> Ends:
    """One after another, in this process."""
    for job in jobs:
        problem = ""
        try:
            _train(job, watchers())
        except Interrupted:
            raise
        except ZatlasError as error:
            problem = str(error)
        except Exception as error:  # whatever it is, the next may be spared it
            problem = f"{type(error).__name__}: {error}"
        yield job, problem


def in_processes(jobs: Sequence[Job], *, threads: int, workers: int = 0, halt: Path | None = None) -> Ends:
    """Each in a process of its own with so many threads, as many at once as the processor has room for.

    A process that runs out of memory, or is killed, takes no other with it. A file `halt` stops all, as
    a signal does.
    """
    waiting, active = deque(jobs), dict[subprocess.Popen, Job]()
    workers = workers or max((os.cpu_count() or 1) // threads, 1)
    with signals.noticed() as stop:
        try:
            while waiting or active:
                _rest(stop, halt)
                while waiting and len(active) < workers:
                    job = waiting.popleft()
                    active[_begun(job, threads)] = job
                for process in [one for one in active if one.poll() is not None]:
                    job = active.pop(process)
                    yield job, _said(job, process.returncode)
        finally:
            for process in active:  # each has its own session, so it hears of this once
                process.terminate()  # below ray, an interrupt would not come through
            for process in active:
                process.wait()


def on_ray(jobs: Sequence[Job], *, threads: int) -> Ends:
    """Each as a task of ray with so many processors, wherever its cluster has them free.

    The folder of the sweep must be the same on all machines. Moritz et al. 2018,
    https://arxiv.org/abs/1712.05889
    """

    # A task of ray hears of no signal, but it sees the folder.
    halt = jobs[0].folder.parent / "halt"
    halt.unlink(missing_ok=True)

    def work(job: Job) -> Ended:
        try:
            return next(in_processes([job], threads=threads, workers=1, halt=halt))
        except Interrupted as stopped:
            return job, str(stopped)

    with ray_cluster("A sweep") as ray, signals.noticed() as stop:
        task = ray.remote(num_cpus=threads, max_retries=0)(work)
        waiting: dict[Any, Job] = {task.remote(job): job for job in jobs}
        try:
            while waiting:
                _rest(stop)
                for done in ray.wait(list(waiting), timeout=0)[0]:
                    job = waiting.pop(done)
                    try:
                        yield ray.get(done)
                    except ray.exceptions.RayError as error:  # the machine, or ray itself
                        yield job, str(error).strip().splitlines()[-1]
        finally:
            if waiting:
                halt.touch()
                ray.wait(list(waiting), num_returns=len(waiting))
                halt.unlink()


def _rest(stop: signals.Stop, halt: Path | None = None) -> None:
    """A moment between two looks, unless a signal has come, or a file that means the same."""
    if stop or (halt is not None and halt.exists()):
        raise Interrupted("Stopped.", stop.signal or signal.SIGINT)
    time.sleep(LOOK)


def _train(job: Job, watchers: Sequence[Watcher]) -> None:
    if job.run.recipe_file.exists():
        loop.resume(job.folder, job.recipe, watchers)
        return
    recipe = job.recipe
    images = sources.load_verified(recipe.source, size=recipe.size, **recipe.options)
    loop.fit(recipe, images, job.folder, watchers)


def _begun(job: Job, threads: int) -> subprocess.Popen:
    """The process of one training; what it says is kept beside its folder."""
    begin = job.folder.parent / "recipes" / f"{job.folder.name}.toml"
    atomic.write_file(begin, job.recipe.to_toml().encode())
    words = ["--recipe", str(begin), "--out", str(job.folder)]
    if job.run.recipe_file.exists():
        words = ["--resume", str(job.folder)]
    log = _log(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "zatlas", "train", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=file,
            env=env,
            start_new_session=True,
        )


def _said(job: Job, status: int) -> str:
    """What a process that failed said last."""
    if status == 0:
        return ""
    lines = [line for line in _log(job).read_text(errors="replace").splitlines() if line.strip()]
    told = [line.removeprefix("zatlas: ") for line in lines if line.startswith("zatlas: ")]
    if told:
        return told[-1]
    if status < 0:
        return f"Its process was ended by {signal.Signals(-status).name}; see {_log(job)}."
    return f"{lines[-1] if lines else f'It ended with status {status}'}; see {_log(job)}"


def _log(job: Job) -> Path:
    return job.folder.parent / "logs" / f"{job.folder.name}.txt"
