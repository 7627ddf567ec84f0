"""What a scorer has read of a run's images: attributes for images that nobody has labelled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zatlas.core.errors import Damaged, NotSupported
from zatlas.core.progress import bar
from zatlas.data.image_dataset import Column, ImageDataset
from zatlas.models.classifier import Classifier, resized_for
from zatlas.store import atomic, digests
from zatlas.training.classifier_training import targets_of

KEY = b"zatlas"  # of the file's metadata
MIN_CONFIDENCE = 0.5  # probability from which a flag is true
BLOCK = 1024  # images at a time


@dataclass(frozen=True)
class Predictions:
    """A column for each attribute that a scorer knows, and the images that they are of."""

    data: str  # fingerprint of the images
    columns: Mapping[str, Column]

    def add_to(self, images: ImageDataset) -> ImageDataset:
        """The same images with what was read of them as attributes, beside those they have."""
        if images.fingerprint != self.data:
            raise NotSupported(
                "The scorer has read other images than those that the run has now. Read them again: "
                "zatlas classifier predict FILE RUN"
            )
        digest = hashlib.sha256(images.fingerprint.encode())
        for name, column in self.columns.items():
            digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
        table = {**images.attributes, **self.columns}
        return replace(images, attributes=table, fingerprint=digest.hexdigest())


def predict(classifier: Classifier, images: ImageDataset) -> Predictions:
    """The answers of a scorer: flags are true from a probability of 0.5, of classes the likeliest counts,
    and numbers stay numbers.
    """
    parts = []
    with bar("reading", len(images)) as advance:
        for start in range(0, len(images), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(images)))
            parts.append(classifier.score(resized_for(classifier, images.images(rows))))
            advance(len(rows))
    scores = np.concatenate(parts)
    result: dict[str, Column] = {}
    for target in targets_of(classifier):
        read = scores[:, [classifier.column(name) for name in target.columns]]
        if target.kind == "class":
            result[target.name] = np.array(target.classes)[read.argmax(1)]
        else:
            result[target.name] = read[:, 0] >= MIN_CONFIDENCE if target.kind == "flag" else read[:, 0]
    return Predictions(images.fingerprint, result)


def save_predictions(path: Path, predictions: Predictions, model: str) -> Path:
    """One Parquet file, with the digest of the model whose images they are."""
    table = pa.table({name: pa.array(column) for name, column in predictions.columns.items()})
    made = json.dumps({"data": predictions.data, "model": model}).encode()
    with atomic.file(path) as side:
        pq.write_table(table.replace_schema_metadata({KEY: made}), side)
    return path


def load_predictions(path: Path, model: str) -> Predictions | None:
    """What was read of this model's images; None if nothing was, or it has changed since."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise Damaged(f"{path} cannot be read: {error}. Remove it, and read again.") from error
    try:
        made = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
        if made.get("model") != model:
            return None
        columns = {name: _column(table[name]) for name in table.column_names}
        return Predictions(str(made["data"]), columns)
    except (ValueError, LookupError, AttributeError, RecursionError, pa.ArrowInvalid) as error:
        raise Damaged(f"{path} does not hold what a scorer has read: {error}.") from error


def _column(column: pa.ChunkedArray) -> Column:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    return column.to_numpy()
