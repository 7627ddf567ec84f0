"""The latents of a run as tables: Arrow with lists, or a frame of pandas or polars with plain columns."""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.errors import NotSupported, UnknownName
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

LIBRARIES = ("pandas", "polars")


def latent_table(workspace: Workspace, split: str) -> "pa.Table":
    """Return the latents of a split with their std as lists of fixed length in the last columns."""
    import pyarrow as pa

    table = workspace.query("select * from latents", (split,))
    for column, name in (("z", "latents"), ("std", "std")):
        if column in table.column_names:
            values = table[column].cast(pa.list_(pa.float32(), workspace.dim))
            table = table.drop_columns(column).append_column(name, values)
    return table


def latent_frame(workspace: Workspace, split: str, library: str, *, chart: bool = False) -> Any:
    """Return a frame of pandas or polars with a column for each dimension, and for positions on the chart."""
    import pyarrow as pa

    if library not in LIBRARIES:
        raise UnknownName("library of frames", library, LIBRARIES)
    if find_spec(library) is None:
        raise NotSupported(f"A frame of {library} needs its package: pip install {library}")
    table = latent_table(workspace, split)
    latents = workspace.latents(split)
    columns = {"z": latents}
    if "std" in table.column_names:
        columns["std"] = np.array(table["std"].combine_chunks().flatten()).reshape(latents.shape)
    table = table.drop_columns([name for name in ("latents", "std") if name in table.column_names])
    for name, values in columns.items():
        for dimension in range(values.shape[1]):
            table = table.append_column(f"{name}{dimension}", pa.array(values[:, dimension]))
    if chart:
        positions = workspace.chart_of(workspace.charts.request()).transform(latents)
        for name, values in zip(("x", "y"), positions.T, strict=True):
            table = table.append_column(name, pa.array(values))
    module = import_module(library)
    return table.to_pandas() if library == "pandas" else module.from_arrow(table)
