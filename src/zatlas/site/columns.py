"""The properties of each point as columns of an Arrow file, and their entries in the manifest."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from zatlas.data.image_dataset import SPLITS, ImageDataset
from zatlas.latent.attributes import pretty
from zatlas.site.quantize import plain
from zatlas.site.subset import PageSubset
from zatlas.workspace import Workspace

MAX_VALUES = 1000  # of a text attribute; more are names rather than classes
RESERVED_NAMES = {"index", "split", "label", "error", "rank"}
METADATA_KEY = b"zatlas"

Columns = dict[str, tuple[dict[str, Any], np.ndarray]]  # by name: manifest entry, values


def columns(workspace: Workspace, subset: PageSubset, error: np.ndarray) -> Columns:
    """The columns of these points by name."""
    result: Columns = {}
    if not subset.has_images:
        return result
    images, rows = workspace.dataset, subset.rows
    if len(np.unique(images.split)) > 1:
        _add(result, "split", "Split", np.array(SPLITS)[images.split[rows]])
    if images.labels is not None and images.classes:
        _add_class(result, "label", "Label", images.classes, images.labels[rows])
    _add(result, "error", "Reconstruction error", error)
    for name, attribute in column_names(images).items():
        _add(result, name, pretty(name), images.attributes[attribute][rows])
    return result


def column_names(images: ImageDataset) -> dict[str, str]:
    """The attributes by the names of their columns, each different from all other columns."""
    result: dict[str, str] = {}
    for attribute in images.attributes:
        name = attribute.encode("utf-8", "replace").decode()  # Arrow accepts no lone surrogates
        while name in result or name in RESERVED_NAMES or name.startswith(("x:", "y:")):
            name = f"_{name}"
        result[name] = attribute
    return result


def arrow(table: Mapping[str, np.ndarray], metadata: bytes | None = None) -> bytes:
    """These columns as an uncompressed Arrow IPC file, with JSON metadata."""
    content = pa.table({name: pa.array(np.ascontiguousarray(v)) for name, v in table.items()})
    if metadata is not None:
        content = content.replace_schema_metadata({METADATA_KEY: metadata})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, content.schema) as writer:
        writer.write_table(content, max_chunksize=max(len(content), 1))
    return sink.getvalue()


def _add(result: Columns, name: str, title: str, values: np.ndarray) -> None:
    """Add a column by the type of its values; skip one without a usable value."""
    if values.dtype.kind == "b":
        result[name] = {"name": name, "title": title, "kind": "flag"}, values.astype(np.uint8)
    elif values.dtype.kind == "U":
        classes, labels = np.unique(values, return_inverse=True)
        if len(classes) <= MAX_VALUES:
            _add_class(result, name, title, classes.tolist(), labels)
    elif (finite := values[np.isfinite(values)]).size:
        limits = plain(np.quantile(finite, [0.01, 0.99]))
        entry = {"name": name, "title": title, "kind": "number", "range": limits}
        result[name] = entry, np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def _add_class(result: Columns, name: str, title: str, values: Any, labels: np.ndarray) -> None:
    size = np.uint8 if len(values) <= 1 << 8 else np.uint16
    entry = {"name": name, "title": title, "kind": "class", "values": list(values)}
    result[name] = entry, labels.astype(size)
