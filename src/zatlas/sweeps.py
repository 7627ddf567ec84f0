"""A sweep: one training for each combination of settings, a table that compares them, and its pictures."""

import json
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal

from zatlas.core.errors import BadRecipe, Interrupted, UnknownName, ZatlasError
from zatlas.core.progress import console
from zatlas.create import compose, watchers
from zatlas.data import sources
from zatlas.data.sources import value_of
from zatlas.figures import file_name
from zatlas.figures.sweep_plots import draw_sweep
from zatlas.store import atomic
from zatlas.training.recipe import make_recipe, presets
from zatlas.training.sweeping import Ends, Job, here, in_processes, on_ray

Where = Literal["here", "processes", "ray"]
MAX_NAME_LENGTH = 120  # letters of a folder's name
COLUMNS = ("epochs", "seconds", "loss", "elbo", "distortion", "rate", "ssim")  # columns, in this order
METRICS = COLUMNS[2:]  # of result.json, on test images


@dataclass(frozen=True)
class SweepRow:
    """What came of one combination."""

    name: str  # of its folder
    settings: Mapping[str, Any]  # those that vary
    error: str = ""
    epochs: int | None = None
    seconds: float | None = None  # of training, in all its sittings
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sweep:
    """A finished sweep: its folder, what varied, and a row for each combination."""

    folder: Path
    varied: Mapping[str, Sequence[Any]]
    rows: Sequence[SweepRow]

    @property
    def broken(self) -> list[SweepRow]:
        """The combinations that could not be trained."""
        return [row for row in self.rows if row.error]


def sweep(
    recipe: str | Path,
    settings: Mapping[str, Any],
    *,
    on: Where = "here",
    threads: int = 1,
    out: Path | str | None = None,
    show: bool = True,
) -> Sweep:
    """Train each combination of settings, and compare them.

    `recipe` is a preset, a recipe file or images as `zatlas train` takes them; a setting with several
    values varies, as {"model.beta": [1, 4, 16]}. What is finished already is not trained again, and
    what was stopped goes on to the bit. `threads` are those of each process, or task of ray.
    """
    if on not in ("here", "processes", "ray"):
        raise UnknownName("place to run on", on, ("here", "processes", "ray"))
    if threads < 1:
        raise BadRecipe(f"A process has 1 thread or more, not {threads}.")
    choices = {key: _choices(key, value) for key, value in settings.items()}
    varied = {key: values for key, values in choices.items() if len(values) > 1}
    folder = Path(out) if out else Path("runs") / f"{file_name(Path(recipe).stem)}-sweep"
    combinations = [dict(zip(choices, some, strict=True)) for some in product(*choices.values())]
    rows, jobs = _prepared(str(recipe), combinations, varied, folder.absolute())
    runners: dict[str, Callable[[Sequence[Job]], Ends]] = {
        "here": partial(here, watchers=lambda: watchers(show)),
        "processes": partial(in_processes, threads=threads),
        "ray": partial(on_ray, threads=threads),
    }
    waiting = [job for job in jobs.values() if not job.finished]
    if show:
        done = len(jobs) - len(waiting)
        _tell(f"{len(waiting)} runs -> {folder}" + (f" ({done} are there already)" if done else ""))
        for row in rows:
            if row.error:
                _tell(f"{row.name} cannot be trained: {row.error}")
    problems = _watched(runners[on], waiting, folder, show) if waiting else {}
    rows = [replace(row, error=problems.get(row.name, row.error)) for row in rows]
    rows = [row if row.error else _measured(row, jobs[row.name]) for row in rows]
    found = Sweep(folder, varied, rows)
    atomic.write_file(folder / "sweep.json", atomic.as_json(_told(str(recipe), found)))
    draw_sweep(folder, varied, [(row.name, row.settings, _numbers(row)) for row in rows])
    return found


def parse_values(text: str) -> list[Any]:
    """The values that a comma parts, where it stands in neither brackets nor quotes: 1,4 or [64],[64,64]."""
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


def as_rows(found: Sweep) -> list[dict[str, Any]]:
    """The rows as a person reads them: what varied, and what came of it."""
    known = {name for row in found.rows for name in _numbers(row)}
    lines = []
    for row in found.rows:
        told = zip(_short(row.settings), row.settings.values(), strict=True)
        line: dict[str, Any] = dict(told) if row.settings else {"run": row.name}
        numbers = {name: f"{n:.4g}" for name, n in _numbers(row).items()}
        line |= {name: numbers.get(name, "") for name in COLUMNS if name in known}
        lines.append(line | ({"failed": bool(row.error)} if found.broken else {}))
    return lines


def _prepared(
    recipe: str, combinations: Sequence[Mapping[str, Any]], varied: Mapping[str, Any], folder: Path
) -> tuple[list[SweepRow], dict[str, Job]]:
    """A row for each combination, and the job of each whose recipe means something.

    What is wrong with all of them, or was trained by another recipe, is said before anything begins.
    """
    rows: list[SweepRow] = []
    jobs: dict[str, Job] = {}
    shapes: dict[str, tuple[int, int, int]] = {}
    wrong: list[ZatlasError] = []
    for settings in combinations:
        some = {key: settings[key] for key in varied}
        name = _name(some, [row.name for row in rows])
        rows.append(SweepRow(name, some))
        try:
            tables = _tables(recipe, settings)
            whole = make_recipe(tables)
            key = repr((whole.source, whole.size, sorted(whole.options.items())))
            if key not in shapes:
                shapes[key] = sources.load(whole.source, size=whole.size, **whole.options).shape
            jobs[name] = Job(folder / name, make_recipe(tables, shapes[key]))
        except ZatlasError as error:
            wrong.append(error)
            rows[-1] = replace(rows[-1], error=str(error))
    if not jobs:
        raise wrong[0]
    for job in jobs.values():
        job.check()
    return rows, jobs


def _tables(recipe: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The tables of a preset, a file or images, with these settings changed."""
    if recipe in presets():
        return compose(recipe, None, settings)
    if recipe.endswith(".toml"):
        return compose(None, Path(recipe), settings)
    source, options = sources.settle(recipe)
    data = {"data.source": source, **{f"data.{key}": value for key, value in options.items()}}
    return compose(None, None, {**data, **settings})


def _watched(
    runner: Callable[[Sequence[Job]], Ends], jobs: Sequence[Job], folder: Path, show: bool
) -> dict[str, str]:
    """What went wrong, by run, when all have ended."""
    problems: dict[str, str] = {}
    ended = []
    try:
        with closing(runner(jobs)) as ends:
            for job, problem in ends:
                ended.append(job)
                if problem:
                    problems[job.folder.name] = problem
                if show:
                    what = f"failed: {problem}" if problem else "done"
                    _tell(f"{len(ended)} of {len(jobs)}, {job.folder.name}: {what}")
    except (KeyboardInterrupt, Interrupted) as stopped:
        number = stopped.signal if isinstance(stopped, Interrupted) else int(signal.SIGINT)
        raise Interrupted(
            f"Stopped by {signal.Signals(number).name} after {len(ended)} of {len(jobs)} runs; those "
            f"under way are saved in {folder}. Give the same command to go on.",
            number,
        ) from None
    return problems


def _measured(row: SweepRow, job: Job) -> SweepRow:
    """The row of a run that is finished."""
    result = json.loads(job.run.read(job.run.result_file))
    last = job.run.metrics()[-1]
    figures = {name: result["test"][name] for name in METRICS if name in result["test"]}
    return replace(row, epochs=last["epoch"], seconds=last["seconds"], figures=figures)


def _numbers(row: SweepRow) -> dict[str, float]:
    told = {**row.figures, "epochs": row.epochs, "seconds": row.seconds}
    return {name: float(n) for name, n in told.items() if n is not None}


def _told(recipe: str, found: Sweep) -> dict[str, Any]:
    return {"recipe": recipe, "varied": dict(found.varied), "runs": [asdict(row) for row in found.rows]}


def _choices(key: str, value: Any) -> list[Any]:
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if not values or len({json.dumps(one) for one in values}) < len(values):
        raise BadRecipe(f"{key} is to take {values}: give each of its values once, and at least one.")
    return values


def _name(settings: Mapping[str, Any], taken: Sequence[str]) -> str:
    """The settings that vary as the name of a folder: beta-4_dim-2."""
    parts = zip(_short(settings), settings.values(), strict=True)
    words = [f"{key}-{_word(value)}" for key, value in parts]
    plain = "".join(c if c.isalnum() or c in "-_." else "-" for c in "_".join(words))[:MAX_NAME_LENGTH]
    name = plain or "run"
    same = sum(name == other.partition("~")[0] for other in taken)
    return f"{name}~{same + 1}" if same else name


def _short(settings: Mapping[str, Any]) -> list[str]:
    """The names of settings without their tables, where these are not needed to tell them apart."""
    last = [key.rpartition(".")[2] for key in settings]
    plain = len(set(last)) == len(last) and not set(last) & set(COLUMNS)  # training.rate is not the rate
    return last if plain else list(settings)


def _word(value: Any) -> str:
    return "x".join(map(_word, value)) if isinstance(value, (list, tuple)) else str(value).replace("+", "")


def _value(text: str) -> Any:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else value_of(text)


def _tell(line: str) -> None:
    console().print(line, soft_wrap=True, markup=False)
