"""What is known of each point as columns of an Arrow file, and what the page is told of each column."""

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

MAX_VALUES = 1000  # of a text; more are names rather than classes
RESERVED_NAMES = {"index", "split", "label", "error", "rank"}
ABOUT = b"zatlas"  # of a file's metadata

Columns = dict[str, tuple[dict[str, Any], np.ndarray]]  # by name: what is told, and the values


def columns(workspace: Workspace, drawn: PageSubset, error: np.ndarray) -> Columns:
    """The columns of these points by name."""
    result: Columns = {}
    if not drawn.real:
        return result
    images, rows = workspace.dataset, drawn.rows
    if len(np.unique(images.split)) > 1:
        _add(result, "split", "Split", np.array(SPLITS)[images.split[rows]])
    if images.labels is not None and images.classes:
        _add_class(result, "label", "Label", images.classes, images.labels[rows])
    _add(result, "error", "Reconstruction error", error)
    for name, attribute in column_names(images).items():
        _add(result, name, pretty(name), images.attributes[attribute][rows])
    return result


def column_names(images: ImageDataset) -> dict[str, str]:
    """The attributes by the names of their columns, which no other column has."""
    result: dict[str, str] = {}
    for attribute in images.attributes:
        name = attribute.encode("utf-8", "replace").decode()  # Arrow holds no halves of letters
        while name in result or name in RESERVED_NAMES or name.startswith(("x:", "y:")):
            name = f"_{name}"
        result[name] = attribute
    return result


def arrow(table: Mapping[str, np.ndarray], about: bytes | None = None) -> bytes:
    """These columns as an Arrow IPC file, not compressed, with what else is told as JSON."""
    made = pa.table({name: pa.array(np.ascontiguousarray(v)) for name, v in table.items()})
    if about is not None:
        made = made.replace_schema_metadata({ABOUT: about})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, made.schema) as writer:
        writer.write_table(made, max_chunksize=max(len(made), 1))
    return sink.getvalue()


def _add(result: Columns, name: str, title: str, values: np.ndarray) -> None:
    """A column by the kind of its values, unless it tells nothing that a page can show."""
    if values.dtype.kind == "b":
        result[name] = {"name": name, "title": title, "kind": "flag"}, values.astype(np.uint8)
    elif values.dtype.kind == "U":
        kinds, latents = np.unique(values, return_inverse=True)
        if len(kinds) <= MAX_VALUES:
            _add_class(result, name, title, kinds.tolist(), latents)
    elif (known := values[np.isfinite(values)]).size:
        span = plain(np.quantile(known, [0.01, 0.99]))
        told = {"name": name, "title": title, "kind": "number", "range": span}
        result[name] = told, np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def _add_class(result: Columns, name: str, title: str, values: Any, latents: np.ndarray) -> None:
    size = np.uint8 if len(values) <= 1 << 8 else np.uint16
    told = {"name": name, "title": title, "kind": "class", "values": list(values)}
    result[name] = told, latents.astype(size)
