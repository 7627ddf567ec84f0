"""What is known of each point as columns of an Arrow file, and what the page is told of each column."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from zatlas.data.imageset import SPLITS, ImageSet
from zatlas.latent.attributes import pretty
from zatlas.site.draw import Draw
from zatlas.site.numbers import plain
from zatlas.workspace import Workspace

MOST_VALUES = 1000  # of a text; more are names rather than classes
TAKEN = {"index", "split", "label", "error", "rank"}
ABOUT = b"zatlas"  # of a file's metadata

Columns = dict[str, tuple[dict[str, Any], np.ndarray]]  # by name: what is told, and the values


def columns(workspace: Workspace, drawn: Draw, error: np.ndarray) -> Columns:
    """The columns of these points by name."""
    found: Columns = {}
    if not drawn.real:
        return found
    images, rows = workspace.dataset, drawn.rows
    if len(np.unique(images.split)) > 1:
        _add(found, "split", "Split", np.array(SPLITS)[images.split[rows]])
    if images.labels is not None and images.classes:
        _add_class(found, "label", "Label", images.classes, images.labels[rows])
    _add(found, "error", "Reconstruction error", error)
    for name, attribute in column_names(images).items():
        _add(found, name, pretty(name), images.attributes[attribute][rows])
    return found


def column_names(images: ImageSet) -> dict[str, str]:
    """The attributes by the names of their columns, which no other column has."""
    found: dict[str, str] = {}
    for attribute in images.attributes:
        name = attribute.encode("utf-8", "replace").decode()  # Arrow holds no halves of letters
        while name in found or name in TAKEN or name.startswith(("x:", "y:")):
            name = f"_{name}"
        found[name] = attribute
    return found


def arrow(table: Mapping[str, np.ndarray], about: bytes | None = None) -> bytes:
    """These columns as an Arrow IPC file, not compressed, with what else is told as JSON."""
    made = pa.table({name: pa.array(np.ascontiguousarray(v)) for name, v in table.items()})
    if about is not None:
        made = made.replace_schema_metadata({ABOUT: about})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, made.schema) as writer:
        writer.write_table(made, max_chunksize=max(len(made), 1))
    return sink.getvalue()


def _add(found: Columns, name: str, title: str, values: np.ndarray) -> None:
    """A column by the kind of its values, unless it tells nothing that a page can show."""
    if values.dtype.kind == "b":
        found[name] = {"name": name, "title": title, "kind": "flag"}, values.astype(np.uint8)
    elif values.dtype.kind == "U":
        kinds, codes = np.unique(values, return_inverse=True)
        if len(kinds) <= MOST_VALUES:
            _add_class(found, name, title, kinds.tolist(), codes)
    elif (known := values[np.isfinite(values)]).size:
        span = plain(np.quantile(known, [0.01, 0.99]))
        told = {"name": name, "title": title, "kind": "number", "range": span}
        found[name] = told, np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def _add_class(found: Columns, name: str, title: str, values: Any, codes: np.ndarray) -> None:
    size = np.uint8 if len(values) <= 1 << 8 else np.uint16
    told = {"name": name, "title": title, "kind": "class", "values": list(values)}
    found[name] = told, codes.astype(size)
