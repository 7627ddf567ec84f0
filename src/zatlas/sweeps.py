"""A sweep: train each combination of settings, and compare the runs in a table and figures."""

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import product
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Literal

from zatlas.core.errors import BadRecipe, Interrupted, UnknownName, ZatlasError
from zatlas.core.extras import require
from zatlas.core.logs import LOG
from zatlas.create import compose
from zatlas.data import sources
from zatlas.data.sources import value_of
from zatlas.figures import file_name
from zatlas.figures.sweep_plots import draw_sweep
from zatlas.render.html import html_table
from zatlas.store import atomic
from zatlas.training.presets import presets
from zatlas.training.recipe import make_recipe
from zatlas.training.sweep_jobs import Ends, SweepJob, run_here, run_in_processes, run_on_ray
from zatlas.training.trackers import all_callbacks_of

Backend = Literal["here", "processes", "ray"]
MAX_NAME_LENGTH = 120  # characters of a folder name
COLUMNS = ("epochs", "seconds", "loss", "elbo", "distortion", "rate", "ssim")  # of the table, in this order
METRICS = COLUMNS[2:]  # of result.json, on test images


@dataclass(frozen=True)
class SweepRow:
    """The result of one combination of settings."""

    name: str  # of the run folder
    settings: Mapping[str, Any]  # the varied ones
    error: str = ""
    epochs: int | None = None
    seconds: float | None = None  # of training, including resumed parts
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: its folder, the varied settings, and a row for each combination.

    A notebook shows a table of the metrics.

    Examples
    --------
    >>> result = zatlas.sweep("shapes.npz", {"model.dim": [2, 3], "training.epochs": 1}, verbose=False)
    >>> [row.name for row in result.rows]
    ['dim-2', 'dim-3']
    """

    folder: Path
    varied: Mapping[str, Sequence[Any]]
    rows: Sequence[SweepRow]

    @property
    def failed(self) -> list[SweepRow]:
        """The combinations that could not be trained."""
        return [row for row in self.rows if row.error]

    def __repr__(self) -> str:
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"<Sweep of {len(self.rows)} runs in {self.folder}{failed}: {', '.join(self.varied)}>"

    def _repr_html_(self) -> str:
        return html_table(as_rows(self))


def sweep(
    recipe: str | PathLike[str],
    settings: Mapping[str, object],
    *,
    on: Backend = "here",
    threads: int = 1,
    out: str | PathLike[str] | None = None,
    verbose: bool = True,
) -> Sweep:
    """Train each combination of settings, and compare the runs in a table and figures.

    Finished runs are not trained again, and interrupted runs are resumed exactly.

    Parameters
    ----------
    recipe : str or Path
        A preset, a recipe file, or images by name or path, as `train` takes them.
    settings : mapping
        Settings of the recipe. One with several values varies, as ``{"model.beta": [1, 4, 16]}``.
    on : {"here", "processes", "ray"}
        Train one after the other, in several processes, or as tasks of ray.
    threads : int
        Threads of each process or task.
    out : str or Path
        Folder of the sweep (default: a new one in ``runs/``).
    verbose : bool
        Show progress in the terminal.

    Returns
    -------
    Sweep

    Raises
    ------
    BadRecipe
        No combination is valid, or a folder holds a run of another recipe.

    Examples
    --------
    >>> settings = {"model.beta": [1, 4], "training.epochs": 1}
    >>> len(zatlas.sweep("shapes.npz", settings, out="runs/betas", verbose=False).rows)
    2
    """
    if on not in ("here", "processes", "ray"):
        raise UnknownName("backend", on, ("here", "processes", "ray"))
    if on == "ray":
        require("ray", "A sweep on a cluster")
    if threads < 1:
        raise BadRecipe(f"A process needs at least 1 thread, not {threads}.")
    choices = {key: _choices(key, value) for key, value in settings.items()}
    varied = {key: values for key, values in choices.items() if len(values) > 1}
    folder = Path(out) if out else Path("runs") / f"{file_name(Path(recipe).stem)}-sweep"
    combinations = [
        dict(zip(choices, combination, strict=True)) for combination in product(*choices.values())
    ]
    rows, jobs = _prepared(fspath(recipe), combinations, varied, folder.absolute())
    runners: dict[str, Callable[[Sequence[SweepJob]], Ends]] = {
        "here": partial(run_here, callbacks=lambda: all_callbacks_of((), verbose)),
        "processes": partial(run_in_processes, threads=threads),
        "ray": partial(run_on_ray, threads=threads),
    }
    waiting = [job for job in jobs.values() if not job.finished]
    if verbose:
        done = len(jobs) - len(waiting)
        LOG.info(f"{len(waiting)} runs -> {folder}" + (f" ({done} are finished already)" if done else ""))
        for row in rows:
            if row.error:
                LOG.info(f"{row.name} cannot be trained: {row.error}")
    problems = _run_jobs(runners[on], waiting, folder, verbose) if waiting else {}
    rows = [replace(row, error=problems.get(row.name, row.error)) for row in rows]
    rows = [row if row.error else _with_metrics(row, jobs[row.name]) for row in rows]
    result = Sweep(folder, varied, rows)
    atomic.write_file(folder / "sweep.json", atomic.as_json(_as_dict(fspath(recipe), result)))
    draw_sweep(folder, varied, [(row.name, row.settings, _numbers(row)) for row in rows])
    return result


def parse_values(text: str) -> list[Any]:
    """The values of a comma-separated list, except commas in brackets or quotes: [64],[64,64]."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote or letter in "'\"":
            quote = "" if letter == quote else quote or letter
        depth += (letter == "[") - (letter == "]") if not quote else 0
        if letter == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [_value(part.strip()) for part in parts]


def as_rows(sweep: Sweep) -> list[dict[str, Any]]:
    """The rows of the table: varied settings and metrics."""
    present = {name for row in sweep.rows for name in _numbers(row)}
    lines = []
    for row in sweep.rows:
        settings = zip(_short(row.settings), row.settings.values(), strict=True)
        line: dict[str, Any] = dict(settings) if row.settings else {"run": row.name}
        numbers = _numbers(row)
        line |= {name: numbers.get(name) for name in COLUMNS if name in present}
        lines.append(line | ({"failed": bool(row.error)} if sweep.failed else {}))
    return lines


def _prepared(
    recipe: str, combinations: Sequence[Mapping[str, Any]], varied: Mapping[str, Any], folder: Path
) -> tuple[list[SweepRow], dict[str, SweepJob]]:
    """A row for each combination, and a job for each with a valid recipe.

    Raises the first error if no combination is valid, or if a folder holds a run of another recipe.
    """
    rows: list[SweepRow] = []
    jobs: dict[str, SweepJob] = {}
    sizes: dict[str, tuple[tuple[int, int, int], int]] = {}
    wrong: list[ZatlasError] = []
    for settings in combinations:
        varied_settings = {key: settings[key] for key in varied}
        name = _name(varied_settings, [row.name for row in rows])
        rows.append(SweepRow(name, varied_settings))
        try:
            tables = _tables(recipe, settings)
            resolved = make_recipe(tables)
            key = repr((resolved.source, resolved.size, sorted(resolved.options.items())))
            if key not in sizes:
                images = sources.load(resolved.source, size=resolved.size, **resolved.options)
                sizes[key] = images.shape, len(images.rows("train"))
            jobs[name] = SweepJob(folder / name, make_recipe(tables, *sizes[key]))
        except ZatlasError as error:
            wrong.append(error)
            rows[-1] = replace(rows[-1], error=str(error))
    if not jobs:
        raise wrong[0]
    for job in jobs.values():
        job.check()
    return rows, jobs


def _tables(recipe: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe tables of a preset, a file or images, with changed settings."""
    if recipe in presets():
        return compose(recipe, None, settings)
    if recipe.endswith(".toml"):
        return compose(None, Path(recipe), settings)
    source, options = sources.resolve(recipe)
    data = {"data.source": source, **{f"data.{key}": value for key, value in options.items()}}
    return compose(None, None, {**data, **settings})


def _run_jobs(
    runner: Callable[[Sequence[SweepJob]], Ends], jobs: Sequence[SweepJob], folder: Path, show: bool
) -> dict[str, str]:
    """Run the jobs; return the error messages by run name."""
    problems: dict[str, str] = {}
    ended = []
    try:
        with closing(runner(jobs)) as ends:
            for job, problem in ends:
                ended.append(job)
                if problem:
                    problems[job.folder.name] = problem
                if show:
                    status = f"failed: {problem}" if problem else "done"
                    LOG.info(f"{len(ended)} of {len(jobs)}, {job.folder.name}: {status}")
    except (KeyboardInterrupt, Interrupted) as stopped:
        number = stopped.signal if isinstance(stopped, Interrupted) else int(signal.SIGINT)
        raise Interrupted(
            f"Stopped by {signal.Signals(number).name} after {len(ended)} of {len(jobs)} runs; unfinished "
            f"runs are saved in {folder}. Repeat the command to resume.",
            number,
        ) from None
    return problems


def _with_metrics(row: SweepRow, job: SweepJob) -> SweepRow:
    """The row of a finished run, with its metrics."""
    result = json.loads(job.run.read(job.run.result_file))
    last = job.run.metrics()[-1]
    metrics = {name: result["test"][name] for name in METRICS if name in result["test"]}
    return replace(row, epochs=last["epoch"], seconds=last["seconds"], metrics=metrics)


def _numbers(row: SweepRow) -> dict[str, float]:
    numbers = {**row.metrics, "epochs": row.epochs, "seconds": row.seconds}
    return {name: float(n) for name, n in numbers.items() if n is not None}


def _as_dict(recipe: str, sweep: Sweep) -> dict[str, Any]:
    return {"recipe": recipe, "varied": dict(sweep.varied), "runs": [asdict(row) for row in sweep.rows]}


def _choices(key: str, value: Any) -> list[Any]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values or len({json.dumps(value) for value in values}) < len(values):
        raise BadRecipe(f"{key} has the values {values}: give at least one value, and each only once.")
    return values


def _name(settings: Mapping[str, Any], taken: Sequence[str]) -> str:
    """The folder name of varied settings, such as beta-4_dim-2."""
    parts = zip(_short(settings), settings.values(), strict=True)
    words = [f"{key}-{_value_text(value)}" for key, value in parts]
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in "_".join(words))[:MAX_NAME_LENGTH]
    name = plain or "run"
    same = sum(name == other.partition("~")[0] for other in taken)
    return f"{name}~{same + 1}" if same else name


def _short(settings: Mapping[str, Any]) -> list[str]:
    """The names of settings, without their tables if the short names are unique."""
    last = [key.rpartition(".")[2] for key in settings]
    plain = len(set(last)) == len(last) and not set(last) & set(COLUMNS)  # training.rate is not the rate
    return last if plain else list(settings)


def _value_text(value: Any) -> str:
    return (
        "x".join(map(_value_text, value)) if isinstance(value, (list, tuple)) else str(value).replace("+", "")
    )


def _value(text: str) -> Any:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else value_of(text)
