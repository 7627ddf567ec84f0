"""Import Python modules that a run names from installed packages, never from the folder around a run.

Python first searches the current folder, or the folder of the script. A downloaded run may have put
modules of its author there, so those folders are not searched here.
"""

import json
import os
import site
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from urllib.parse import urlparse

STANDARD = ("stdlib", "platstdlib")
PACKAGES = ("purelib", "platlib")


def imported(name: str, folders: Sequence[str] = (), run: Path | None = None) -> ModuleType:
    """Return the module of this name: already loaded, installed, or below one of `folders`.

    Raises ImportError for a module that exists only elsewhere. Editable packages in the current folder,
    or in the folder that contains `run`, count as elsewhere.
    """
    if name in sys.modules:
        return sys.modules[name]
    top, system = name.partition(".")[0], _system()
    extra = [folder for folder in _editable() if folder not in _avoided(run)]
    extra += map(os.path.realpath, folders)
    with _restricted_path(system, extra):
        spec = sys.modules[top].__spec__ if top in sys.modules else find_spec(top)
        if spec is None:
            raise ImportError(f"no installed package is called {top}")
        if top not in sys.modules and not _is_inside(spec, [*system, *extra]):
            raise ImportError(f"{top} is in {_folder_of(spec)}, which is not a folder of installed packages")
        return import_module(name)


def source_folder(module: str) -> str:
    """Return the folder that a loaded module was imported from; "" for an installed module."""
    top = module.partition(".")[0]
    spec = sys.modules[top].__spec__ if top in sys.modules else None
    if spec is None or _is_inside(spec, [*_system(), *_editable()]):
        return ""
    return _folder_of(spec)


def python_path(run: Path | None = None) -> list[str]:
    """Return the absolute folders of PYTHONPATH; for a run, without the current folder and the run's own."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    folders = [folder for folder in folders if Path(folder).is_absolute()]
    if run is None:
        return folders
    avoided, inside = _avoided(run), os.path.realpath(run)
    folders = list(map(os.path.realpath, folders))
    return [folder for folder in folders if folder not in avoided and not _below(folder, inside)]


def _avoided(run: Path | None) -> list[str]:
    """Return the current folder and the folder that contains the run."""
    try:
        here = [os.path.realpath(Path.cwd())]
    except FileNotFoundError:  # the current folder was deleted
        here = []
    return here if run is None else [*here, os.path.dirname(os.path.realpath(run))]  # noqa: PTH120


def _system() -> list[str]:
    """Return the folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in STANDARD] + _packages()
    folders += [path for path in sys.path if path.endswith(".zip") and _below(path, sys.base_prefix)]
    return [os.path.realpath(folder) for folder in folders]


def _packages() -> list[str]:
    folders = [sysconfig.get_paths()[key] for key in PACKAGES] + site.getsitepackages()
    if site.ENABLE_USER_SITE:
        folders.append(site.getusersitepackages())
    return [folder for folder in dict.fromkeys(folders) if Path(folder).is_dir()]


def _editable() -> list[str]:
    """Return the folders of editable packages, from .pth files and from installation records."""
    from urllib.request import url2pathname

    folders = []
    for folder in map(Path, _packages()):
        for file in sorted(folder.glob("*.pth")):
            lines = map(str.strip, file.read_text(encoding="utf-8", errors="replace").splitlines())
            names = [line for line in lines if line and not line.startswith(("import ", "import\t", "#"))]
            folders += [folder / name for name in names]  # an absolute name replaces `folder`
    for distribution in distributions(path=_packages()):
        url = urlparse(_origin(distribution.read_text("direct_url.json")))
        if url.scheme == "file":
            folders.append(Path(url2pathname(url.path)))
    return [os.path.realpath(path) for path in folders if path.is_dir()]


def _origin(text: str | None) -> str:
    """Return the URL in an installation record, if the package is editable; else ""."""
    if not text:
        return ""
    try:
        record = json.loads(text)
        return str(record["url"]) if record.get("dir_info", {}).get("editable") else ""
    except (ValueError, KeyError, AttributeError):
        return ""


def _is_inside(spec: ModuleSpec, folders: Sequence[str]) -> bool:
    """Return whether all files of a module are below these folders."""
    if spec.origin in ("built-in", "frozen"):
        return True
    files = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(files) and all(any(_below(file, folder) for folder in folders) for file in files)


def _folder_of(spec: ModuleSpec) -> str:
    """Return the folder that contains a top-level module."""
    parts = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return os.path.dirname(os.path.realpath(parts[0]))  # noqa: PTH120


def _below(path: str, folder: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


@contextmanager
def _restricted_path(system: Sequence[str], extra: Sequence[str]) -> Iterator[None]:
    """Inside the block, let Python import only from below `system` and from `extra`."""
    before = list(sys.path)
    real = {path: os.path.realpath(path) for path in before if Path(path).is_absolute()}
    allowed = [
        path
        for path, target in real.items()
        if target in extra or any(_below(target, folder) for folder in system)
    ]
    sys.path[:] = allowed + [folder for folder in extra if folder not in real.values()]
    try:
        yield
    finally:
        sys.path[:] = before
