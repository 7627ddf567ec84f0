"""Any image dataset of the Hugging Face hub, or whatever else the package `datasets` can open."""

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np

from zatlas.core.arrays import Pixels
from zatlas.core.errors import BadData, NotHere
from zatlas.core.progress import bar
from zatlas.data.cache import Table, cached
from zatlas.data.files import refuse_many
from zatlas.data.imageset import ImageSet
from zatlas.data.read import BadImage, read_image
from zatlas.data.table import typed

PARTS = {"train": 0, "valid": 1, "validation": 1, "val": 1, "test": 2}
BLOCK = 256
LABELS = ("label", "labels", "fine_label", "class")


def load(
    repository: str,
    *,
    size: int | None = None,
    image: str | None = None,
    label: str | None = None,
    count: int | None = None,
    channels: int | None = None,
    tolerate: float = 0.05,
    name: str | None = None,
    classes: Sequence[str] = (),
) -> ImageSet:
    """The images of a dataset; `image` and `label` name its columns where they cannot be guessed.

    `count` takes the first images of each part only.
    """
    if find_spec("datasets") is None:
        raise NotHere(f"hf:{repository} needs the hub's package: pip install 'zatlas[hub]'")
    parts = _open(repository, count)
    features = next(iter(parts.values())).features
    image = image or _image_column(repository, features)
    label = label or next((n for n in features if n.lower() in LABELS), None)
    names = tuple(classes) or tuple(getattr(features.get(label), "names", None) or ())
    prints = {part: rows._fingerprint for part, rows in parts.items()}

    def build(write: Callable[[Pixels], None]) -> Table:
        return _read(repository, parts, image, label, names, size, channels, tolerate, write)

    choices = {"size": size, "image": image, "label": label, "channels": channels}
    key = {"hub": repository, "prints": prints, "count": count, "tolerate": tolerate, **choices}
    return cached(name or repository.rstrip("/").rpartition("/")[2], key, build)


def _open(repository: str, count: int | None) -> dict[str, Any]:
    """The parts of the dataset that have a place in a split."""
    import datasets

    with warnings.catch_warnings(), _quiet("huggingface_hub"):
        warnings.simplefilter("ignore")
        try:
            whole = datasets.load_dataset(repository)
        except Exception as error:  # its own, the network's and the file formats' errors are many
            why = str(error).partition("\n")[0][:200]
            raise NotHere(
                f"hf:{repository} could not be brought: {why}. Check the name and the network, or "
                "give a folder of images."
            ) from error
    parts = {part: whole[part] for part in whole if part in PARTS}
    parts = parts or {"train": whole[next(iter(whole))]}
    return {
        p: rows.select(range(min(count, len(rows)))) if count else rows for p, rows in parts.items()
    }


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Without this package's own log: that it tries again is nobody's concern, that it failed is said."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _image_column(repository: str, features: Mapping[str, Any]) -> str:
    for name, feature in features.items():
        if type(feature).__name__ == "Image":
            return name
    raise BadData(
        f"hf:{repository} has no column of images; its columns are {', '.join(features)}. Name one "
        "as hf:owner/name:image=COLUMN."
    )


def _read(
    repository: str,
    parts: Mapping[str, Any],
    image: str,
    label: str | None,
    classes: tuple[str, ...],
    size: int | None,
    channels: int | None,
    tolerate: float,
    write: Callable[[Pixels], None],
) -> Table:
    import datasets

    asides: list[dict[str, str]] = []
    notes: Counter[str] = Counter()
    said: dict[str, list[Any]] = {}
    split: list[int] = []
    total = sum(len(rows) for rows in parts.values())
    with bar(f"reading {repository}", total) as advance:
        for part, rows in parts.items():
            raw = rows.cast_column(image, datasets.Image(decode=False))
            for block in _blocks(raw):
                good = []
                for number, cell in block:
                    advance(1)
                    try:
                        picture = read_image(_bytes(cell[image]), channels=channels, size=size)
                    except BadImage as error:
                        about = {"reason": error.reason, "detail": error.detail}
                        asides.append({"file": f"{part}/{number}", **about})
                        continue
                    channels = channels or len(picture.pixels)  # the first image decides
                    good.append(picture.pixels)
                    notes.update(picture.notes)
                    split.append(PARTS.get(part, 0))
                    for column, value in cell.items():
                        if column != image:
                            said.setdefault(column, []).append(value)
                _write(repository, good, write)
    refuse_many(f"hf:{repository}", total, asides, tolerate)
    labels = said.pop(label, None) if label else None
    plain = {key: values for key, values in said.items() if _scalar(values)}
    return Table(
        labels=labels,
        classes=classes if labels is not None else (),
        attributes={key: typed(values) for key, values in plain.items()},
        split=np.array(split, np.uint8),
        report={"used": len(split), "set_aside": asides, "converted": dict(notes)},
    )


def _blocks(rows: Any) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    for start in range(0, len(rows), BLOCK):
        chosen = rows.select(range(start, min(start + BLOCK, len(rows))))
        yield list(enumerate(chosen, start))


def _bytes(cell: Mapping[str, Any] | None) -> bytes:
    if cell is None:
        raise BadImage("empty", "no image in this row")
    if cell.get("bytes"):
        return bytes(cell["bytes"])
    from pathlib import Path

    return Path(cell["path"]).read_bytes()


def _write(repository: str, good: list[np.ndarray], write: Callable[[Pixels], None]) -> None:
    if not good:
        return
    shapes = {pixels.shape for pixels in good}
    if len(shapes) > 1:
        sides = " and ".join(f"{w}x{h}" for _, h, w in sorted(shapes)[:2])
        raise BadData(
            f"The images of hf:{repository} differ in size, as {sides}. Give one: --size 64."
        )
    write(np.stack(good))


def _scalar(values: Sequence[Any]) -> bool:
    return all(value is None or isinstance(value, (bool, int, float, str)) for value in values)
