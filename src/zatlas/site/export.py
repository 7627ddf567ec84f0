"""A run to give away: a folder for any static host, or one file that opens by a double click."""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from zatlas.atlas import Atlas
from zatlas.core.errors import BadRecipe, CannotWrite, NotSupported
from zatlas.core.progress import bar, console
from zatlas.core.shell import quote
from zatlas.site.static import SINGLE, page_files
from zatlas.site.tree import Files, RunTree, manifest, run_tree
from zatlas.store import atomic

POINTS, POINTS_SINGLE = 20_000, 3000  # of each run
LIMIT = 50.0  # million bytes of a single file
MANIFEST = "data/manifest.json"
WRITTEN = "data/written.json"  # the names of an export's own files
RUNTIME = "runtime/"  # files of the page that are fetched when they are needed
PLACE = b"<!--zatlas:data-->"  # in the page, for the data
PACKED = (".png", ".webp")  # what gzip does not make smaller


def export(
    atlases: Sequence[Atlas], out: Path, *, points: int | None = None, limit: float = LIMIT,
    prior: str | None = None,
) -> Path:  # fmt: skip
    """Write the page of a run, or of two to compare: one file if its name ends in .html, else a folder."""
    if not 1 <= len(atlases) <= 2:
        raise BadRecipe(f"A page shows one run or compares two, not {len(atlases)}.")
    if points is not None and points < 2:
        raise BadRecipe(f"A page shows 2 points or more, not {points}.")
    single = out.suffix.lower() == ".html"
    page = page_files()
    (_check_file if single else _check_folder)(out)
    most = points or (POINTS_SINGLE if single else POINTS)
    trees = [
        run_tree(
            atlas, name, most=most, geodesics=True, prior=prior, tiled=points is None and not single
        )
        for name, atlas in zip("ab", atlases, strict=False)
    ]
    made: Files = {MANIFEST: lambda: manifest(trees)}
    for tree in trees:
        made = {**made, **tree.files}
        _tell(tree)  # its codes are encoded by now, if need be, under a bar of their own
    if single:
        runtime = {url: file.read_bytes for url, file in page.items() if url.startswith(RUNTIME)}
        return _write_single(out, page[SINGLE].read_bytes(), {**made, **runtime}, limit)
    rest = {url: file.read_bytes for url, file in page.items() if url != SINGLE}
    return _write_folder(out, {**rest, **made})


def one_file(template: bytes, files: Files) -> bytes:
    """The page with these files written into it."""
    before, found, after = template.partition(PLACE)
    if not found or PLACE in after:
        raise NotSupported(
            f"The built page has no place for data ({PLACE.decode()}): build it again."
        )
    return b"".join((before, *_elements(files), after))


def _elements(files: Files) -> Iterator[bytes]:
    with bar("writing", len(files), "files") as advance:
        for url, make in files.items():
            data, packed = make(), PurePosixPath(url).suffix in PACKED
            encoding = "identity" if packed else "gzip"
            text = base64.b64encode(data if packed else gzip.compress(data, 9, mtime=0))
            kind = f'type="application/octet-stream" data-url="{url}" data-encoding="{encoding}"'
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
    names = sorted([*files, WRITTEN])
    size = 0
    with (
        atomic.folder(out.resolve(), sealed=False, replace=True) as side,
        bar("writing", len(files), "files") as advance,
    ):
        for url, make in files.items():
            data = make()
            (side / url).parent.mkdir(parents=True, exist_ok=True)
            atomic.write_new(side / url, data)
            size += len(data)
            advance(1)
        atomic.write_new(side / WRITTEN, atomic.as_json(names))
    console().print(
        f"{size / 1e6:.1f} MB. Put it on any static host, or look at it here: "
        f"python -m http.server --directory {quote(out)}",
        soft_wrap=True, markup=False,
    )  # fmt: skip
    return out


def _check_file(out: Path) -> None:
    """Refuse to write over what no export wrote."""
    if out.exists() and not (out.is_file() and MANIFEST.encode() in out.read_bytes()):
        raise CannotWrite(f"{out} is there already and is no earlier export. Choose another name.")


def _check_folder(out: Path) -> None:
    """Refuse a folder that holds what no export wrote."""
    if not out.exists():
        return
    if not out.is_dir():
        raise CannotWrite(f"{out} is a file. Name a folder, or a file that ends in .html.")
    try:
        written = set(map(str, json.loads((out / WRITTEN).read_bytes())))
    except (OSError, ValueError, TypeError):
        written = set()
    there = {f.relative_to(out).as_posix() for f in out.rglob("*") if f.is_symlink() or f.is_file()}
    if others := sorted(there - written):
        what = "holds" if written else "is no earlier export: it holds"
        raise CannotWrite(
            f"{out} {what} {others[0]!r}, which no export wrote. Choose another folder; "
            "nothing in this one was touched."
        )


def _tell(tree: RunTree) -> None:
    """Say what is shown, and what a page without a server will lack."""
    entry, screen = tree.entry, console()
    lack = "" if entry["decoder"] else "; its page decodes nothing"
    words = f"{entry['name']}: {len(tree.rows):,} points of {entry['total']:,}{lack}"
    screen.print(words, soft_wrap=True, markup=False)
