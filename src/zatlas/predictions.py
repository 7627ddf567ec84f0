"""Predictions of a classifier for the images of a run, used as attributes of unlabelled images."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from zatlas.core.errors import Damaged, NotSupported
from zatlas.core.progress import bar
from zatlas.data.image_dataset import Column, ImageDataset
from zatlas.models.classifier import Classifier
from zatlas.store import atomic, digests
from zatlas.training.classifier_training import targets_of

KEY = b"zatlas"  # metadata key
MIN_CONFIDENCE = 0.5  # probability from which a flag is true
BLOCK = 1024  # images


@dataclass(frozen=True)
class Predictions:
    """One column for each attribute of a classifier, and the fingerprint of the images."""

    data: str  # fingerprint of the images
    columns: Mapping[str, Column]
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # of classifiers, by SHA-256

    def add_to(self, images: ImageDataset) -> ImageDataset:
        """Return the images with the predictions as further attributes."""
        if images.fingerprint != self.data:
            raise NotSupported(
                "The predictions are for other images than the run has now. Predict again: "
                "zatlas classifier predict FILE RUN"
            )
        digest = hashlib.sha256(images.fingerprint.encode())
        for name, column in self.columns.items():
            digest.update(name.encode() + np.ascontiguousarray(column).tobytes())
        table = {**images.attributes, **self.columns}
        return replace(images, attributes=table, fingerprint=digest.hexdigest())

    def updated(self, newer: "Predictions") -> "Predictions":
        """Return newer predictions, with those of the same images that they do not replace."""
        older = self.columns if self.data == newer.data else {}
        return replace(
            newer, columns={**older, **newer.columns}, settings={**self.settings, **newer.settings}
        )


def predict(classifier: Classifier, images: ImageDataset) -> Predictions:
    """Return the predictions of a classifier: flags (probability of at least 0.5), classes and numbers."""
    parts = []
    with bar("predicting", len(images)) as advance:
        for start in range(0, len(images), BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(images)))
            parts.append(classifier.predict(images.images(rows)))
            advance(len(rows))
    scores = np.concatenate(parts)
    columns: dict[str, Column] = {}
    for target in targets_of(classifier):
        values = scores[:, [classifier.column(name) for name in target.columns]]
        if target.kind == "class":
            columns[target.name] = np.array(target.classes)[values.argmax(1)]
        else:
            columns[target.name] = values[:, 0] >= MIN_CONFIDENCE if target.kind == "flag" else values[:, 0]
    settings = {classifier.digest: classifier.settings} if classifier.digest else {}
    return Predictions(images.fingerprint, columns, settings)


def save_predictions(path: Path, predictions: Predictions, model: str) -> Path:
    """Write one Parquet file, with the model's digest and the classifiers' settings in its metadata."""
    table = pa.table({name: pa.array(column) for name, column in predictions.columns.items()})
    metadata = {"fingerprint": predictions.data, "model": model, "settings": predictions.settings}
    with atomic.file(path) as side:
        pq.write_table(table.replace_schema_metadata({KEY: json.dumps(metadata).encode()}), side)
    return path


def load_predictions(path: Path, model: str) -> Predictions | None:
    """Return the saved predictions; None if there are none, or the model has changed."""
    if not path.exists():
        return None
    digests.verify(path)
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise Damaged(
            f"{path} cannot be read: {error}. Remove it, and predict again: zatlas classifier predict"
        ) from error
    try:
        metadata = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
        if metadata.get("model") != model:
            return None
        columns = {name: _column(table[name]) for name in table.column_names}
        settings = {str(digest): dict(values) for digest, values in metadata.get("settings", {}).items()}
        return Predictions(str(metadata["fingerprint"]), columns, settings)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, pa.ArrowInvalid) as error:
        raise Damaged(f"{path} does not contain predictions of a classifier: {error}.") from error


def _column(column: pa.ChunkedArray) -> Column:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=np.str_)
    return column.to_numpy()
