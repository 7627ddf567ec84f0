"""Export of a run's page: a folder for any static host, or one file that opens by a double click."""

import base64
import gzip
import html
import json
import os
import re
import secrets
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib.resources.abc import Traversable
from os import PathLike
from pathlib import Path, PurePosixPath

from zatlas.core.errors import BadRecipe, BadRun, CannotWrite, NotSupported
from zatlas.core.logs import LOG
from zatlas.core.progress import bar
from zatlas.site import figure_export
from zatlas.site.figure_export import REGISTER, figure_data, figure_files, figure_page, script
from zatlas.site.preview import preview
from zatlas.site.space_files import with_spaces
from zatlas.site.static import INDEX_PAGE, SINGLE_PAGE, explorer_files
from zatlas.site.story import read_story
from zatlas.site.tree import IDS, Files, RunTree, manifest, run_tree
from zatlas.store import atomic, safe_paths
from zatlas.workspace import Workspace

POINTS, POINTS_SINGLE = 20_000, 3000  # of each run, in a folder and in a single file
LIMIT = 50.0  # MB of a single file
MANIFEST = "data/manifest.json"
WRITTEN = "data/written.json"  # the names of the files that the export wrote
ELEMENT = b'data-url="data/manifest.json"'  # identifies a single file
URL = re.compile(
    r"(index|single)\.html|preview\.png|licenses\.txt|(figure|runtime|data)\.js"
    r"|data/(manifest|written)\.json|data/[ab](-[0-9]+)?/[a-z0-9][a-z0-9.-]*"
    r"|(assets|runtime|gpu)/[A-Za-z0-9_][A-Za-z0-9._-]*"
)  # of an exported file
MAX_RECORD_BYTES = 64 << 20  # of the list of written names
PREVIEW = "preview.png"  # of a folder
TITLE = b"<title>zatlas</title>"  # in the built page
RUNTIME = "runtime/"  # files that the page loads when it decodes
GPU = "gpu/"  # and when it decodes large images by WebGPU
GPU_PIXELS = 128 * 128  # of an image from which on the page tries the GPU
PLACEHOLDER = b"<!--zatlas:data-->"  # in the page, for the data
DATA_SUFFIX = ".js"  # of a file with the data of a figure
COMPRESSED = (".png", ".webp")  # formats that gzip does not make smaller


def export(
    workspaces: Sequence[Workspace],
    out: Path,
    *,
    points: int | None = None,
    limit: float = LIMIT,
    prior: str | None = None,
    story: str | PathLike[str] | None = None,
    other_spaces: Sequence[str] = (),
    figure: str | None = None,
    anchors: Sequence[str] = (),
) -> Path:
    """Write the page of one run, or of two to compare: one file if `out` ends in .html, otherwise a folder.

    points: number of points of each run. limit: MB of a single file. prior: "mixture" or "flow", the fitted
    prior that the page samples from. story: file of a story that the page opens with. other_spaces: latent
    spaces that the page can switch to. figure: write a live figure with this view instead, which starts from
    the anchors. `out` that ends in .js gets only the data of a figure.
    """
    if not 1 <= len(workspaces) <= 2:
        raise BadRecipe(f"A page shows one run or compares two, not {len(workspaces)}.")
    if points is not None and points < 2:
        raise BadRecipe(f"A page shows 2 points or more, not {points}.")
    if figure is not None or out.suffix.lower() == DATA_SUFFIX:
        if story is not None or other_spaces:
            problem = "no story" if story is not None else "one latent space"
            raise BadRecipe(f"A live figure has {problem}. Leave out --figure (in Python: figure=).")
        return _export_figure(workspaces, out, figure, points, anchors, limit)
    if anchors:
        raise BadRecipe("Only a live figure starts from anchors. Add --figure VIEW (in Python: figure=).")
    markdown = None if story is None else read_story(story)
    single = out.suffix.lower() == ".html"
    page = explorer_files()
    (_check_file if single else _check_folder)(out)
    max_points = points or (POINTS_SINGLE if single else POINTS)
    tiled = points is None and not single
    make = partial(run_tree, max_points=max_points, geodesics=True, prior=prior, tiled=tiled)
    named = zip(IDS, workspaces, strict=False)
    trees = [with_spaces(make(workspace, id), other_spaces) for id, workspace in named]
    data: Files = {MANIFEST: lambda: manifest(trees, story=markdown)}
    for tree in trees:
        data = {**data, **tree.files}
        _print_summary(tree)
    image_data = preview(trees[0])
    names = " and ".join(tree.entry["name"] for tree in trees)
    about = "; ".join(tree.entry["summary"] for tree in trees)
    if single:
        runtime = {url: file.read_bytes for url, file in page.items() if url.startswith(RUNTIME)}
        address = "" if image_data is None else _data_url(image_data)
        template = with_preview(page[SINGLE_PAGE].read_bytes(), names, about, address)
        return _write_single(out, template, {**data, **runtime}, limit)
    assets = _assets(page, trees)
    if image_data is not None:
        assets[PREVIEW] = partial(bytes, image_data)
    index = with_preview(page[INDEX_PAGE].read_bytes(), names, about, PREVIEW if image_data else "")
    return _write_folder(out, {**assets, INDEX_PAGE: partial(bytes, index), **data})


def _assets(page: Mapping[str, Traversable], trees: Sequence[RunTree]) -> dict[str, Callable[[], bytes]]:
    """The files of the page in a folder, with the template of a single file."""
    shapes = [tree.entry["image"] for tree in trees]
    large = any(shape["width"] * shape["height"] >= GPU_PIXELS for shape in shapes)
    return {url: file.read_bytes for url, file in page.items() if large or not url.startswith(GPU)}


def _data_url(image: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def with_preview(page: bytes, title: str, about: str, image: str) -> bytes:
    """The page with the texts and the image that are shown beside a link to it."""
    tags = {
        "og:type": "website",
        "og:title": title,
        "og:description": f"{about}. Made with zatlas.",
        "og:image": image,
    }
    lines = [
        f'<meta property="{name}" content="{html.escape(text, quote=True)}" />'
        for name, text in tags.items()
        if text
    ]
    head = f"<title>{html.escape(title)} · zatlas</title>\n    " + "\n    ".join(lines)
    return page.replace(TITLE, head.encode(), 1)


def _export_figure(
    workspaces: Sequence[Workspace],
    out: Path,
    view: str | None,
    points: int | None,
    anchors: Sequence[str],
    limit: float,
) -> Path:
    """Write a live figure: a folder, or one page. Without a view, write only the script with its data."""
    if view is None:
        _check_data(out)
        atomic.write_file(out, script(figure_data(workspaces, points=points, anchors=anchors)))
        LOG.info(f"{out.stat().st_size / 1e6:.1f} MB. Name it as the src of a zatlas-figure.")
        return out
    if out.suffix.lower() == DATA_SUFFIX:
        raise BadRecipe(f"{out} gets only the data of a figure, which has no view. Leave out {out.suffix}.")
    if out.suffix.lower() == ".html":
        _check_file(out)
        return _write_page(out, figure_page(workspaces, view, points=points, anchors=anchors), limit)
    _check_folder(out)
    return _write_folder(out, figure_files(workspaces, view, points=points, anchors=anchors))


def one_file(template: bytes, files: Files) -> bytes:
    """The page with these files embedded."""
    before, placeholder, after = template.partition(PLACEHOLDER)
    if not placeholder or PLACEHOLDER in after:
        raise NotSupported(f"The built page has no placeholder {PLACEHOLDER.decode()}. Build it again.")
    return b"".join((before, *_elements(files), after))


def check_url(url: str) -> str:
    """The URL unchanged; raises for a name that no export writes, which could lead outside the folder."""
    if not URL.fullmatch(url):
        raise NotSupported(
            f"The export has a file named {url[:200]!r}, which no page of zatlas uses. zatlas wrote "
            "nothing. Remove the run's folder 'site' and export again."
        )
    return url


def _elements(files: Files) -> Iterator[bytes]:
    with bar("writing", len(files), "files") as advance:
        for url, make in files.items():
            data, compressed = make(), PurePosixPath(url).suffix in COMPRESSED
            encoding = "identity" if compressed else "gzip"
            text = base64.b64encode(data if compressed else gzip.compress(data, 9, mtime=0))
            name = html.escape(check_url(url), quote=True)
            kind = f'type="application/octet-stream" data-url="{name}" data-encoding="{encoding}"'
            yield b"<script " + kind.encode() + b">" + text + b"</script>\n"
            advance(1)


def _write_single(out: Path, template: bytes, files: Files, limit: float) -> Path:
    return _write_page(out, one_file(template, files), limit)


def _write_page(out: Path, data: bytes, limit: float) -> Path:
    size = len(data) / 1e6
    if size > limit:
        raise NotSupported(
            f"{out} would take {size:.1f} MB, more than the limit of {limit:g} MB. Show fewer points "
            f"(--points; in Python: points=), raise the limit (--limit {size + 1:.0f}), or export a folder, "
            "whose files are loaded on demand: leave out .html."
        )
    atomic.write_file(out, data)
    LOG.info(f"{size:.1f} MB. A double click opens it; it needs no network.")
    return out


def _write_folder(out: Path, files: Files) -> Path:
    names = sorted(map(check_url, (*files, WRITTEN)))
    target, earlier, size = out.resolve(), None, 0
    try:
        with atomic.folder(target, sealed=False) as temporary, bar("writing", len(files), "files") as advance:
            for url, make in files.items():
                data = make()
                _write_below(temporary, url, data)
                size += len(data)
                advance(1)
            _write_below(temporary, WRITTEN, atomic.as_json(names))
            earlier = _set_aside(target)
    except BaseException:
        if earlier is not None:
            earlier.rename(target)
        raise
    if earlier is not None:
        _remove_export(earlier)
    LOG.info(
        f"{size / 1e6:.1f} MB. Put it on any static host, or open it here: "
        f"python -m http.server --directory {shlex.quote(str(out))}"
    )
    return out


def _write_below(folder: Path, url: str, data: bytes) -> None:
    """Write a new file of an export, never outside its folder."""
    path = folder / check_url(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise CannotWrite(f"{path} would lie outside {folder}. zatlas wrote nothing there.")
    atomic.write_new(path, data)  # fails if the name exists, even as a link


def _check_file(out: Path) -> None:
    """Raise if `out` exists and is no export."""
    if out.is_symlink():
        raise CannotWrite(f"{out} is a link. Name the file that it points to.")
    if out.exists() and not (out.is_file() and _is_page(out.read_bytes())):
        raise CannotWrite(f"{out} exists and is no earlier export. Choose another name.")


def _is_page(data: bytes) -> bool:
    return ELEMENT in data or figure_export.ELEMENT in data


def _check_data(out: Path) -> None:
    """Raise if `out` exists and is no data of a figure."""
    if out.is_symlink():
        raise CannotWrite(f"{out} is a link. Name the file that it points to.")
    if out.exists() and not (out.is_file() and out.read_bytes().startswith(REGISTER.encode())):
        raise CannotWrite(f"{out} exists and is no data of a figure. Choose another name.")


def _check_folder(out: Path) -> None:
    """Raise if the folder holds files that no export wrote."""
    if out.is_symlink():
        raise CannotWrite(f"{out} is a link. Name the folder that it points to.")
    if not out.exists():
        return
    if not out.is_dir():
        raise CannotWrite(f"{out} is a file. Name a folder, or a file that ends in .html.")
    written = _recorded(out)
    if others := sorted(_foreign(out, written)):
        problem = "holds" if written else "is no earlier export: it holds"
        raise CannotWrite(
            f"{out} {problem} {others[0]!r}, which no export wrote. Choose another folder; "
            "zatlas changed nothing in this one."
        )


def _recorded(folder: Path) -> set[str]:
    """The names that an earlier export recorded in its folder; never follows a link."""
    try:
        names = json.loads(safe_paths.read_below(folder, WRITTEN, limit=MAX_RECORD_BYTES))
    except (OSError, ValueError, RecursionError, BadRun):
        return set()
    if not isinstance(names, list):
        return set()
    return {name for name in names if isinstance(name, str) and URL.fullmatch(name)}


def _foreign(folder: Path, written: set[str]) -> set[str]:
    """The other files, links, special files and folders in a folder."""
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


def _set_aside(target: Path) -> Path | None:
    """Rename an earlier export and check again that it holds nothing else; None if there is none."""
    if not target.exists() or not any(target.iterdir()):
        return None
    name = f"{safe_paths.TEMPORARY_PREFIX}{target.name[:60]}-{secrets.token_hex(4)}"
    aside = atomic.unused_path(target.with_name(name))
    target.rename(aside)
    try:
        _check_folder(aside)
    except CannotWrite:
        aside.rename(target)
        _check_folder(target)
        raise
    return aside


def _remove_export(folder: Path) -> None:
    """Remove the files that an export recorded, and the folders that become empty."""
    names = _recorded(folder)
    folders = {parent for name in names for parent in PurePosixPath(name).parents}
    for name in names:
        (folder / name).unlink(missing_ok=True)
    for subfolder in sorted(folders, key=lambda path: len(path.parts), reverse=True):
        with suppress(OSError):  # files that appeared since the last check stay
            (folder / subfolder).rmdir()


def _print_summary(tree: RunTree) -> None:
    """Print the number of points, and whether the page can decode."""
    entry = tree.entry
    warning = "" if entry["decoder"] else "; the page cannot decode"
    text = f"{entry['name']}: {len(tree.rows):,} points of {entry['total']:,}{warning}"
    LOG.info(text)
