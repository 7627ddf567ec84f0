"""A run to give away: a folder for any static host, or one file that opens by a double click."""

import base64
import gzip
import html
import json
import os
import re
import secrets
import shlex
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath

from zatlas.core.errors import BadRecipe, BadRun, CannotWrite, NotSupported
from zatlas.core.progress import bar, console
from zatlas.site.static import SINGLE_PAGE, page_files
from zatlas.site.tree import Files, RunTree, manifest, run_tree
from zatlas.store import atomic, safe_paths
from zatlas.workspace import Workspace

POINTS, POINTS_SINGLE = 20_000, 3000  # of each run
LIMIT = 50.0  # million bytes of a single file
MANIFEST = "data/manifest.json"
WRITTEN = "data/written.json"  # the names of an export's own files
ELEMENT = b'data-url="data/manifest.json"'  # in a single file
URL = re.compile(
    r"index\.html|licenses\.txt|data/(manifest|written)\.json|data/[ab]/[a-z0-9][a-z0-9.-]*"
    r"|(assets|runtime)/[A-Za-z0-9_][A-Za-z0-9._-]*"
)  # of a file of an export
MOST_RECORDED = 64 << 20  # bytes of the names
RUNTIME = "runtime/"  # files of the page that are fetched when they are needed
PLACE = b"<!--zatlas:data-->"  # in the page, for the data
PACKED = (".png", ".webp")  # what gzip does not make smaller


def export(
    workspaces: Sequence[Workspace],
    out: Path,
    *,
    points: int | None = None,
    limit: float = LIMIT,
    prior: str | None = None,
) -> Path:
    """Write the page of a run, or of two to compare: one file if its name ends in .html, else a folder."""
    if not 1 <= len(workspaces) <= 2:
        raise BadRecipe(f"A page shows one run or compares two, not {len(workspaces)}.")
    if points is not None and points < 2:
        raise BadRecipe(f"A page shows 2 points or more, not {points}.")
    single = out.suffix.lower() == ".html"
    page = page_files()
    (_check_file if single else _check_folder)(out)
    most = points or (POINTS_SINGLE if single else POINTS)
    trees = [
        run_tree(workspace, name, most=most, geodesics=True, prior=prior, tiled=points is None and not single)
        for name, workspace in zip("ab", workspaces, strict=False)
    ]
    made: Files = {MANIFEST: lambda: manifest(trees)}
    for tree in trees:
        made = {**made, **tree.files}
        _tell(tree)  # its codes are encoded by now, if need be, under a bar of their own
    if single:
        runtime = {url: file.read_bytes for url, file in page.items() if url.startswith(RUNTIME)}
        return _write_single(out, page[SINGLE_PAGE].read_bytes(), {**made, **runtime}, limit)
    rest = {url: file.read_bytes for url, file in page.items() if url != SINGLE_PAGE}
    return _write_folder(out, {**rest, **made})


def one_file(template: bytes, files: Files) -> bytes:
    """The page with these files written into it."""
    before, result, after = template.partition(PLACE)
    if not result or PLACE in after:
        raise NotSupported(f"The built page has no place for data ({PLACE.decode()}): build it again.")
    return b"".join((before, *_elements(files), after))


def check_url(url: str) -> str:
    """This URL, if it is one that an export writes; any other name stops the export."""
    if not URL.fullmatch(url):
        raise NotSupported(
            f"The export has a file named {url[:200]!r}, which no page of zatlas uses: it could lie "
            "outside the export. Nothing was written. Remove the run's folder 'site' and export again."
        )
    return url


def _elements(files: Files) -> Iterator[bytes]:
    with bar("writing", len(files), "files") as advance:
        for url, make in files.items():
            data, packed = make(), PurePosixPath(url).suffix in PACKED
            encoding = "identity" if packed else "gzip"
            text = base64.b64encode(data if packed else gzip.compress(data, 9, mtime=0))
            name = html.escape(check_url(url), quote=True)
            kind = f'type="application/octet-stream" data-url="{name}" data-encoding="{encoding}"'
            yield b"<script " + kind.encode() + b">" + text + b"</script>\n"
            advance(1)


def _write_single(out: Path, template: bytes, files: Files, limit: float) -> Path:
    data = one_file(template, files)
    size = len(data) / 1e6
    if size > limit:
        raise NotSupported(
            f"{out} would take {size:.1f} MB, and {limit:g} are allowed. Show fewer points "
            f"(--points), allow more (--limit {size + 1:.0f}), or export a folder, whose files are "
            f"loaded as they are needed: leave .html out."
        )
    atomic.write_file(out, data)
    console().print(f"{size:.1f} MB; a double click opens it, no network needed.")
    return out


def _write_folder(out: Path, files: Files) -> Path:
    names = sorted(map(check_url, (*files, WRITTEN)))
    place, earlier, size = out.resolve(), None, 0
    try:
        with atomic.folder(place, sealed=False) as side, bar("writing", len(files), "files") as advance:
            for url, make in files.items():
                data = make()
                _write_below(side, url, data)
                size += len(data)
                advance(1)
            _write_below(side, WRITTEN, atomic.as_json(names))
            earlier = _set_aside(place)
    except BaseException:
        if earlier is not None:
            earlier.rename(place)
        raise
    if earlier is not None:
        _remove_export(earlier)
    console().print(
        f"{size / 1e6:.1f} MB. Put it on any static host, or look at it here: "
        f"python -m http.server --directory {shlex.quote(str(out))}",
        soft_wrap=True,
        markup=False,
    )
    return out


def _write_below(folder: Path, url: str, data: bytes) -> None:
    """Write a new file of an export, never one outside its folder."""
    path = folder / check_url(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise CannotWrite(f"{path} would lie outside {folder}. Nothing was written there.")
    atomic.write_new(path, data)  # fails if anything has that name, a link too


def _check_file(out: Path) -> None:
    """Refuse to write over what no export wrote."""
    if out.is_symlink():
        raise CannotWrite(f"{out} is a link. Name the file that it leads to.")
    if out.exists() and not (out.is_file() and ELEMENT in out.read_bytes()):
        raise CannotWrite(f"{out} is there already and is no earlier export. Choose another name.")


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds what no export wrote."""
    if out.is_symlink():
        raise CannotWrite(f"{out} is a link. Name the folder that it leads to.")
    if not out.exists():
        return
    if not out.is_dir():
        raise CannotWrite(f"{out} is a file. Name a folder, or a file that ends in .html.")
    written = _recorded(out)
    if others := sorted(_foreign(out, written)):
        what = "holds" if written else "is no earlier export: it holds"
        raise CannotWrite(
            f"{out} {what} {others[0]!r}, which no export wrote. Choose another folder; "
            "nothing in this one was touched."
        )


def _recorded(folder: Path) -> set[str]:
    """The names of the files that an earlier export recorded in its folder; a link is not read."""
    try:
        names = json.loads(safe_paths.read_below(folder, WRITTEN, limit=MOST_RECORDED))
    except (OSError, ValueError, RecursionError, BadRun):
        return set()
    if not isinstance(names, list):
        return set()
    return {name for name in names if isinstance(name, str) and URL.fullmatch(name)}


def _foreign(folder: Path, written: set[str]) -> set[str]:
    """What a folder holds besides these files: other files, links, special files and other folders."""
    parents = {str(parent) for name in written for parent in PurePosixPath(name).parents}
    result: set[str] = set()
    for root, folders, names in os.walk(folder, followlinks=False):
        for name in (*folders, *names):
            path = Path(root, name)
            url, mode = path.relative_to(folder).as_posix(), path.lstat().st_mode
            expected = stat.S_ISREG(mode) and url in written
            if not expected and not (stat.S_ISDIR(mode) and url in parents):
                result.add(url)
    return result


def _set_aside(place: Path) -> Path | None:
    """Rename an earlier export, and look again that it holds nothing else; None if there is none."""
    if not place.exists() or not any(place.iterdir()):
        return None
    aside = atomic.unused_path(
        place.with_name(f"{safe_paths.TEMPORARY_PREFIX}{place.name[:60]}-{secrets.token_hex(4)}")
    )
    place.rename(aside)
    try:
        _check_folder(aside)
    except CannotWrite:
        aside.rename(place)
        _check_folder(place)
        raise
    return aside


def _remove_export(folder: Path) -> None:
    """Remove the files that an export recorded, and the folders that are empty then."""
    names = _recorded(folder)
    folders = {parent for name in names for parent in PurePosixPath(name).parents}
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for below in sorted(folders, key=lambda one: len(one.parts), reverse=True):
        with suppress(OSError):  # it holds what came after the last look: that stays
            (folder / below).rmdir()


def _tell(tree: RunTree) -> None:
    """Say what is shown, and what a page without a server will lack."""
    entry, screen = tree.entry, console()
    lack = "" if entry["decoder"] else "; its page decodes nothing"
    words = f"{entry['name']}: {len(tree.rows):,} points of {entry['total']:,}{lack}"
    screen.print(words, soft_wrap=True, markup=False)
