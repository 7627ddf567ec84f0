"""`Importer`: the base class of what reads the models of one program or format, and the search among them."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zatlas.core.errors import BadPlugin, NotSupported, ZatlasError, first_line
from zatlas.core.registry import IMPORTERS
from zatlas.core.requirements import accepted
from zatlas.models.importers.imported import Find, Halves, ImportOptions, SourceInfo

SUPPORTED_TEXT = (
    "a decoder (.onnx, .pt2, TorchScript), weights (.safetensors, .pt, .pth, .tar, .bin), latents (.npy, "
    ".npz, .parquet)"
)


class Importer(ABC):
    """Reads the models of one program or format.

    `load` may also take `find`, a function that imports an installed module by its name.
    """

    summary: str  # what it reads, such as "a folder saved by pythae"
    data_only: bool = False  # whether `load` executes nothing of the files, so that it needs no consent

    @abstractmethod
    def matches(self, source: Path) -> bool:
        """Return whether this importer reads this file or folder; look at it without executing it."""

    @abstractmethod
    def write(self, source: Path, folder: Path, options: ImportOptions) -> SourceInfo:
        """Copy what the model needs into the folder of the run, and describe it.

        The files have one of the roles decoder, encoder, weights and config.
        """

    @abstractmethod
    def load(self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str) -> Halves:
        """Return the model of the files of a run, by role, and of the settings of its `SourceInfo`."""


def supported_text() -> str:
    """Return what zatlas and its plugins import, for messages."""
    return ", ".join([SUPPORTED_TEXT, *(importer.summary for _, importer in _importers())])


def write_model(source: Path, folder: Path, options: ImportOptions) -> SourceInfo | None:
    """Copy a model into the folder by the first importer that matches it; None if none does."""
    for name, importer in _importers():
        try:
            if not importer.matches(source):
                continue
        except Exception as error:  # a plugin that fails for a file of another format
            IMPORTERS.warn_failed(name, error)
            continue
        with _explained(name):
            info: SourceInfo = importer.write(source, folder, options)
        by = () if IMPORTERS.is_built_in(name) else (f"Read by {IMPORTERS.title(name)}.",)
        return replace(info, kind=name, lines=(*by, *info.lines))
    return None


def load_model(
    kind: str, files: Mapping[str, Path], settings: Mapping[str, Any], device: str, find: Find
) -> Halves:
    """Return the model of a run that this importer wrote."""
    importer = _importer(kind)
    with _explained(kind):
        return importer.load(files, settings, device, **accepted(importer.load, find=find))


def is_data_only(kind: str) -> bool:
    """Return whether opening a model of this kind executes nothing of its files."""
    return bool(_importer(kind).data_only)


def check_known(kind: str) -> None:
    """Raise `NotSupported` for a run of an importer that is not installed here."""
    if kind not in IMPORTERS.names():
        raise NotSupported(
            f"This run was imported by a plugin that is not installed here: the importer {kind!r}. Install "
            "its package."
        )


def _importer(kind: str) -> Any:
    check_known(kind)
    plugin = IMPORTERS.get(kind)
    return plugin() if isinstance(plugin, type) else plugin


def _importers() -> Iterator[tuple[str, Any]]:
    """Yield the importers by name; those of plugins first, because they are more specific."""
    named = sorted(IMPORTERS.working(), key=lambda pair: IMPORTERS.is_built_in(pair[0]))
    for name, plugin in named:
        yield name, plugin() if isinstance(plugin, type) else plugin


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Raise `BadPlugin`, which names the plugin, where it fails."""
    try:
        yield
    except (ZatlasError, MemoryError):
        raise
    except Exception as error:
        if IMPORTERS.is_built_in(name):
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise BadPlugin(f"{IMPORTERS.title(name, 'The')} failed: {reason}.") from error
