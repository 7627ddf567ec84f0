"""Python modules that a run names: imported from installed packages, never from where a run lies.

Python looks for a module in the current folder first, or beside the script that it runs. A downloaded
run may lie there with a module of its maker, so those folders are left out here.
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
from urllib.parse import unquote, urlparse

STANDARD = ("stdlib", "platstdlib")
PACKAGES = ("purelib", "platlib")


def imported(name: str, folders: Sequence[str] = (), run: Path | None = None) -> ModuleType:
    """The module of this name: the loaded one, an installed one, or one below these folders.

    Raises ImportError for one that is only found elsewhere. Packages that are installed from the
    current folder, or from the folder that holds `run`, count as found elsewhere.
    """
    if name in sys.modules:
        return sys.modules[name]
    top, system = name.partition(".")[0], _system()
    more = [one for one in _editable() if one not in _avoided(run)]
    more += map(os.path.realpath, folders)
    places = [*system, *more]
    with _searching(system, more):
        spec = sys.modules[top].__spec__ if top in sys.modules else find_spec(top)
        if spec is None:
            raise ImportError(f"no installed package is called {top}")
        if top not in sys.modules and not _lies_in(spec, places):
            raise ImportError(f"{top} was found in {_home(spec)}, where nothing is installed")
        return import_module(name)


def source_folder(module: str) -> str:
    """The folder that a loaded module was imported from; empty for what is installed."""
    top = module.partition(".")[0]
    spec = sys.modules[top].__spec__ if top in sys.modules else None
    if spec is None or _lies_in(spec, [*_system(), *_editable()]):
        return ""
    return _home(spec)


def python_path(run: Path | None = None) -> list[str]:
    """The absolute folders of PYTHONPATH; those of a run, but for the current folder and its own."""
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    named = [one for one in named if Path(one).is_absolute()]
    if run is None:
        return named
    avoided, inside = _avoided(run), os.path.realpath(run)
    found = [os.path.realpath(one) for one in named]
    return [one for one in found if one not in avoided and not _below(one, inside)]


def _avoided(run: Path | None) -> list[str]:
    """The current folder, and the one that holds the run."""
    try:
        here = [os.path.realpath(Path.cwd())]
    except FileNotFoundError:  # it has been removed
        here = []
    return here if run is None else [*here, os.path.dirname(os.path.realpath(run))]  # noqa: PTH120


def _system() -> list[str]:
    """Folders of the standard library and of installed packages."""
    paths = sysconfig.get_paths()
    folders = [paths[key] for key in STANDARD] + _packages()
    folders += [one for one in sys.path if one.endswith(".zip") and _below(one, sys.base_prefix)]
    return [os.path.realpath(one) for one in folders]


def _packages() -> list[str]:
    found = [sysconfig.get_paths()[key] for key in PACKAGES] + site.getsitepackages()
    if site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    return [one for one in dict.fromkeys(found) if Path(one).is_dir()]


def _editable() -> list[str]:
    """Folders of packages that are installed as editable: by a .pth file, or by their record."""
    found = []
    for folder in map(Path, _packages()):
        for file in sorted(folder.glob("*.pth")):
            lines = map(str.strip, file.read_text(errors="replace").splitlines())
            names = [one for one in lines if one and not one.startswith(("import ", "import\t", "#"))]
            found += [folder / name for name in names]  # the name alone, if it is absolute
    for one in distributions(path=_packages()):
        url = urlparse(_origin(one.read_text("direct_url.json")))
        if url.scheme == "file":
            found.append(Path(unquote(url.path)))
    return [os.path.realpath(one) for one in found if one.is_dir()]


def _origin(text: str | None) -> str:
    """The address in a record of where a package was installed from, if that is editable."""
    if not text:
        return ""
    try:
        about = json.loads(text)
        return str(about["url"]) if about.get("dir_info", {}).get("editable") else ""
    except (ValueError, KeyError, AttributeError):
        return ""


def _lies_in(spec: ModuleSpec, places: Sequence[str]) -> bool:
    """Whether all of a module's files are below one of these folders."""
    if spec.origin in ("built-in", "frozen"):
        return True
    files = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return bool(files) and all(any(_below(one, place) for place in places) for one in files)


def _home(spec: ModuleSpec) -> str:
    """The folder that a top-level module lies in."""
    parts = list(spec.submodule_search_locations or ()) or [spec.origin or ""]
    return os.path.dirname(os.path.realpath(parts[0]))  # noqa: PTH120


def _below(path: str, folder: str) -> bool:
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))


@contextmanager
def _searching(system: Sequence[str], more: Sequence[str]) -> Iterator[None]:
    """Let Python look for modules below the system's folders and in these others, nowhere else."""
    before = list(sys.path)
    real = {one: os.path.realpath(one) for one in before if Path(one).is_absolute()}
    kept = [one for one, path in real.items() if path in more or any(_below(path, place) for place in system)]
    sys.path[:] = kept + [one for one in more if one not in real.values()]
    try:
        yield
    finally:
        sys.path[:] = before
