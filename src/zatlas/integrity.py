"""Whether every file of a run holds what zatlas wrote, and the repair of what can be made again."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from zatlas.core.errors import BadData, BadRun, Busy, Damaged, NotFound, ZatlasError
from zatlas.core.progress import bar
from zatlas.data.pixel_cache import discard_damaged
from zatlas.store import atomic, digests, safe_paths
from zatlas.store import latent_table as tables
from zatlas.store.run import Run
from zatlas.training import checkpoint
from zatlas.training.recovery import best_weights, metrics_text, recipe_text

IMAGE_FOLDERS = ("previews/", "gallery/", "curves.png", "report.html")
# What is made again when it is needed. Fitted priors, directions and readings are not: a person
# chose their settings.
DERIVED_FILES = ("charts/", "latents/", "site/", *IMAGE_FOLDERS)
# Sealed by manifests of their own, or another program's.
UNRECORDED = ("checkpoints", "tensorboard")
UNNAMED = (".lock", ".lock-held", digests.FILE)


@dataclass
class CheckResult:
    """What was found: names from the run's folder, and of damage a sentence each."""

    files: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    repaired: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)


def check(folder: Path | str, accept: Sequence[str] = ()) -> CheckResult:
    """Compare every file of a run with its record, byte for byte, and repair what can be made again.

    `accept` names files, or folders with all their files, that are right as they are: they are
    recorded so. "." is the whole run.
    """
    run = Run(Path(folder))
    if not safe_paths.is_file(run.folder / "made.json"):
        raise BadRun(f"{folder} is not a run: it has no made.json.")
    if (trainer := run.lock_holder) is not None:
        raise Busy(f"{folder} is being trained by {trainer}. Check it when the training has ended.")
    for name in accept:
        _accept(run, name)
    result = CheckResult()
    _compare(run, result)
    _compare_checkpoints(run, result)
    for name in discard_damaged(_fingerprint(run)):
        result.repaired[f"cached images of {name}"] = "removed; they are read again from their source"
    result.unrecorded = sorted(_names(run) - set(digests.entries(run.folder)))
    _repair(run, result)
    return result


def _fingerprint(run: Run) -> object:
    """The fingerprint of the run's images; None where made.json does not say."""
    try:
        return run.provenance().get("data")
    except (ZatlasError, ValueError, AttributeError):
        return None


def _accept(run: Run, name: str) -> None:
    """Record a file as it is, or every file of a folder."""
    place = Path(name)
    if place.is_absolute() or ".." in place.parts:
        raise BadData(f"--accept names a file of the run, from its folder, not {name!r}.")
    safe_paths.check_links(run.folder, place.parts)
    wanted = {one for one in _names(run) if place in (Path(one), *Path(one).parents)}
    if not wanted:
        raise NotFound(f"There is no file {name!r} in {run.folder} that zatlas records.")
    known = digests.entries(run.folder)
    grows = {one for one, rows in known.items() if rows[-1].grows} | {"metrics.jsonl"}
    digests.accept_files(run.folder, [(run.folder / one, one in grows) for one in sorted(wanted)])


def _compare(run: Run, result: CheckResult) -> None:
    current = {
        name: rows[-1]
        for name, rows in digests.entries(run.folder).items()
        if rows[-1].size != digests.REMOVED
    }
    with bar("checking", len(current), "files") as advance:
        for name in current:
            path = run.folder / name
            try:
                safe_paths.check_links(run.folder, Path(name).parts)
                if safe_paths.is_file(path):
                    result.files += 1
                    digests.verify(path, thorough=True)
                else:
                    result.missing.append(name)
            except (Damaged, BadRun) as error:
                result.damaged[name] = str(error)
            advance(1)


def _compare_checkpoints(run: Run, result: CheckResult) -> None:
    with suppress(BadRun):  # a link in their place is among the unrecorded
        for step in checkpoint.steps(run.checkpoints):
            place = run.path("checkpoints", f"{step:09d}")
            try:
                atomic.verify(place)
                result.files += sum(1 for _ in place.iterdir())
            except ZatlasError as error:
                result.damaged[f"checkpoints/{place.name}"] = str(error)


def _names(run: Run) -> set[str]:
    """The files of the run that a record should name, links included."""
    return {path.relative_to(run.folder).as_posix() for path in _files(run.folder)}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in UNNAMED or path.name.startswith(safe_paths.TEMPORARY_PREFIX):
            continue
        if path.is_dir() and not path.is_symlink():
            if path.name not in UNRECORDED and not (path / atomic.MANIFEST).exists():
                yield from _files(path)
        else:
            yield path


def _repair(run: Run, result: CheckResult) -> None:
    """Mend what is damaged or missing, if that can be made again to the byte, or when it is needed."""
    made = {"recipe.toml": recipe_text, "metrics.jsonl": metrics_text, "weights.safetensors": best_weights}
    for name in [*result.damaged, *result.missing]:
        how = ""
        if name in made:
            how = _rewritten(run, name, made[name](run))
        elif name.startswith(DERIVED_FILES) and name in result.damaged:
            how = _removed(run, name)
        if how:
            result.repaired[name] = how
            result.damaged.pop(name, None)
            if name in result.missing:
                result.missing.remove(name)


def _rewritten(run: Run, name: str, data: bytes | None) -> str:
    """Write the file again from a checkpoint, if these are the bytes that were recorded."""
    entry = digests.entries(run.folder)[name][-1]
    if data is None or not digests.holds(entry, data):
        return ""
    atomic.write_file(run.folder / name, data, grows=entry.grows)
    return "written again from a checkpoint, byte for byte"


def _removed(run: Run, name: str) -> str:
    """Remove a file that is made again when it is needed; of a table in parts, what says it is whole."""
    path = run.folder / name
    try:
        atomic.remove_file(path)
    except BadRun:  # a link or a pipe in its place, which zatlas did not write
        return ""
    if path.name.startswith("part-"):
        atomic.remove_file(path.with_name(tables.SEAL))
        return "removed; encode the images again: zatlas encode"
    if name.startswith(IMAGE_FOLDERS):
        return "removed; draw the run's pictures again: zatlas gallery"
    return "removed; it is made again when it is needed"
