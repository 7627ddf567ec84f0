"""Check that the files of a run are as zatlas wrote them, and repair those that can be made again."""

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
# Made again when needed. Priors, directions and predictions are not: a user chose their settings.
DERIVED_FILES = ("charts/", "latents/", "site/", *IMAGE_FOLDERS)
# They have their own manifests, or belong to another program.
UNRECORDED = ("checkpoints", "tensorboard")
UNNAMED = (".lock", ".lock-held", digests.FILE)


@dataclass
class CheckResult:
    """File names relative to the run's folder; damaged and repaired files with an explanation."""

    files: int = 0
    damaged: dict[str, str] = field(default_factory=dict)
    repaired: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    unrecorded: list[str] = field(default_factory=list)


def check(folder: Path | str, accept: Sequence[str] = ()) -> CheckResult:
    """Compare every file of a run with its record, byte for byte, and repair what can be made again.

    `accept` names files or folders whose present content is correct: it becomes the record. "." is the
    whole run.
    """
    run = Run(Path(folder))
    if not safe_paths.is_file(run.folder / "made.json"):
        raise BadRun(f"{folder} is not a run: it has no made.json.")
    if (trainer := run.lock_holder) is not None:
        raise Busy(f"{folder} is being trained by {trainer}. Check it after the training.")
    for name in accept:
        _accept(run, name)
    result = CheckResult()
    _compare(run, result)
    _compare_checkpoints(run, result)
    for name in discard_damaged(_fingerprint(run)):
        result.repaired[f"cached images of {name}"] = "removed; zatlas reads them again from their source"
    result.unrecorded = sorted(_names(run) - set(digests.entries(run.folder)))
    _repair(run, result)
    return result


def _fingerprint(run: Run) -> object:
    """The fingerprint of the run's images; None if made.json has none."""
    try:
        return run.provenance().get("fingerprint")
    except (ZatlasError, ValueError, AttributeError):
        return None


def _accept(run: Run, name: str) -> None:
    """Record the present content of a file, or of every file of a folder."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise BadData(f"The file to accept is a path relative to the run's folder, not {name!r}.")
    safe_paths.check_links(run.folder, path.parts)
    files = {file for file in _names(run) if path in (Path(file), *Path(file).parents)}
    if not files:
        raise NotFound(f"There is no file {name!r} in {run.folder} that zatlas records.")
    recorded = digests.entries(run.folder)
    grows = {file for file, rows in recorded.items() if rows[-1].grows} | {"metrics.jsonl"}
    digests.accept_files(run.folder, [(run.folder / file, file in grows) for file in sorted(files)])


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
    with suppress(BadRun):  # a link in place of the folder is listed as unrecorded
        for step in checkpoint.steps(run.checkpoints):
            folder = run.path("checkpoints", f"{step:09d}")
            try:
                atomic.verify(folder)
                result.files += sum(1 for _ in folder.iterdir())
            except ZatlasError as error:
                result.damaged[f"checkpoints/{folder.name}"] = str(error)


def _names(run: Run) -> set[str]:
    """The files of the run that belong into the record, including links."""
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
    """Rewrite files that a checkpoint reproduces exactly; remove files that are made again when needed."""
    sources = {"recipe.toml": recipe_text, "metrics.jsonl": metrics_text, "weights.safetensors": best_weights}
    for name in [*result.damaged, *result.missing]:
        repair = ""
        if name in sources:
            repair = _rewrite(run, name, sources[name](run))
        elif name.startswith(DERIVED_FILES) and name in result.damaged:
            repair = _remove(run, name)
        if repair:
            result.repaired[name] = repair
            result.damaged.pop(name, None)
            if name in result.missing:
                result.missing.remove(name)


def _rewrite(run: Run, name: str, data: bytes | None) -> str:
    """Write these bytes to the file if they are the recorded ones; say so, or return an empty text."""
    entry = digests.entries(run.folder)[name][-1]
    if data is None or not digests.matches(entry, data):
        return ""
    atomic.write_file(run.folder / name, data, grows=entry.grows)
    return "written again from a checkpoint, byte for byte"


def _remove(run: Run, name: str) -> str:
    """Remove a file that is made again when needed, with the seal of its table, and say so."""
    path = run.folder / name
    try:
        atomic.remove_file(path)
    except BadRun:  # a link or a pipe, which zatlas did not write
        return ""
    if path.name.startswith("part-"):
        atomic.remove_file(path.with_name(tables.PARTS_FILE))
        return "removed; encode the images again: zatlas encode"
    if name.startswith(IMAGE_FOLDERS):
        return "removed; draw the figures again: zatlas gallery"
    return "removed; it is made again when needed"
