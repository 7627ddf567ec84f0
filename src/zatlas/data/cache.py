"""Sets kept between starts: pixels, labels and every attribute as files that are mapped, not read."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData, CannotWrite
from zatlas.data.imageset import Column, ImageSet, Split, image_set
from zatlas.store import atomic

FORMAT = 1  # raise it when what is kept, or the way images are read, changes


@dataclass(frozen=True)
class Table:
    """What a source knows of its images besides their pixels: one value for each it has written."""

    labels: Sequence[Any] | np.ndarray | None = None
    classes: Sequence[str] = ()
    attributes: Mapping[str, Column] = field(default_factory=dict)
    split: Split | None = None
    report: Mapping[str, Any] = field(default_factory=dict)


Build = Callable[[Callable[[Pixels], None]], Table]


def cached(name: str, key: Mapping[str, Any], build: Build) -> ImageSet:
    """The set of this key: opened if it was built before, else built and kept.

    `build` is handed a function that takes pixels block by block, so that a set may be larger
    than memory, and returns the table. The key must name all that the result depends on.
    """
    text = json.dumps({"format": FORMAT, **key}, sort_keys=True, default=str)
    place = cache_root() / hashlib.sha256(f"{name} {text}".encode()).hexdigest()[:24]
    if not place.exists():
        try:
            with atomic.folder(place) as side:
                _keep(name, side, build)
        except CannotWrite:
            if not place.exists():  # else another process has just built the same
                raise
    return _open(name, place)


def cache_root() -> Path:
    """Where sets are kept: $ZATLAS_CACHE, else the user's cache folder."""
    if place := os.environ.get("ZATLAS_CACHE"):
        return Path(place)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "zatlas"


def _keep(name: str, side: Path, build: Build) -> None:
    with (side / "pixels.npy").open("wb") as file:
        writer = _PixelWriter(file)
        table = build(writer.append)
        writer.finish(name)
    images = image_set(
        name,
        np.load(side / "pixels.npy", mmap_mode="r"),
        labels=table.labels,
        classes=table.classes,
        attributes=table.attributes,
        split=table.split,
        fingerprint=writer.digest.hexdigest(),
    )
    np.save(side / "split.npy", images.split)
    if images.labels is not None:
        np.save(side / "labels.npy", images.labels)
    for number, column in enumerate(images.attributes.values()):
        np.save(side / f"attribute-{number}.npy", column)  # its name may be no file name
    about = {
        "name": name,
        "classes": images.classes,
        "attributes": list(images.attributes),
        "fingerprint": images.fingerprint,
        "report": table.report,
    }
    (side / "about.json").write_text(json.dumps(about))


def _open(name: str, place: Path) -> ImageSet:
    about = json.loads((place / "about.json").read_bytes())

    def column(file: str) -> np.ndarray:
        # Copy-on-write: nothing is ever written, but torch wants the array to allow it.
        return np.load(place / file, mmap_mode="c")

    return ImageSet(
        name=name,
        pixels=column("pixels.npy"),
        split=column("split.npy"),
        labels=column("labels.npy") if (place / "labels.npy").exists() else None,
        classes=tuple(about["classes"]),
        attributes={
            key: column(f"attribute-{number}.npy") for number, key in enumerate(about["attributes"])
        },
        fingerprint=about["fingerprint"],
        report=about["report"],
    )


class _PixelWriter:
    """Rows appended to a .npy file whose length is not known before the end."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.shape: tuple[int, ...] = ()
        self.count = 0
        self.digest = hashlib.sha256()

    def append(self, block: Pixels) -> None:
        if not self.count:
            self.shape = block.shape[1:]
            self._header()
        if block.dtype != np.uint8 or block.shape[1:] != self.shape:
            raise BadData(f"Images of {block.shape[1:]} cannot join a set of {self.shape}.")
        data = np.ascontiguousarray(block).data
        self.digest.update(data)
        self.file.write(data)
        self.count += len(block)

    def finish(self, name: str) -> None:
        if not self.count:
            raise BadData(f"{name} holds no image that can be used.")
        self.file.seek(0)
        self._header()  # numpy leaves room for the count to grow, so this is as long as before

    def _header(self) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (self.count, *self.shape)}
        np.lib.format.write_array_header_1_0(self.file, header)
