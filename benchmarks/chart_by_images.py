"""Charts of a model without an encoder: by its latents, and by what its samples look like.

python benchmarks/chart_by_images.py RUN

The first table shows the trustworthiness of each chart, of all pixels of the images and of the latents. The
second shows the inverse of the chart by images, for several numbers of averaged latents, at 400 random
positions inside the data. image distance: from the decoded image to those of the 8 nearest samples on the
chart, divided by the mean distance of two samples. round trip: from a position to its latent and back, in
diagonals of the chart. jump: change of the image for a step of 1 % of the chart's width, divided by the
mean distance of two samples.
"""

import sys
from pathlib import Path

import numpy as np

from zatlas.core.seeds import stream
from zatlas.latent import chart as charts
from zatlas.latent.chart import trustworthiness
from zatlas.latent.neighbors import nearest
from zatlas.latent.pixel_features import decoded_pixels
from zatlas.latent.saved_charts import ChartRequest
from zatlas.workspace import Workspace

POSITIONS, NEAREST = 400, 8
AVERAGED = (1, 2, 3, 4, 8, 16)


def main(run: Path) -> None:
    """Print both tables."""
    workspace = Workspace.open(run)
    chart = workspace.chart("grid_umap")
    by_latents = ChartRequest("grid_umap").fit(chart.latents, chart.rows)
    images = workspace.decode(chart.latents).reshape(len(chart.latents), -1)
    print(f"{len(chart.latents):,} samples of {workspace.name}, {workspace.dim} dimensions")
    for name, each in (("by images", chart), ("by latents", by_latents)):
        trust = (trustworthiness(table, each.positions) for table in (images, chart.latents))
        print(f"{name:>10}: trustworthiness of images {next(trust):.3f}, of latents {next(trust):.3f}")

    rng = stream(0, "positions")
    xy = rng.uniform(*chart.box, (20 * POSITIONS, 2)).astype(np.float32)
    xy = xy[chart.covers(xy)][:POSITIONS]
    near = chart.features[nearest(xy, chart.positions, NEAREST)[0]]
    pairs = chart.features - chart.features[rng.permutation(len(chart.features))]
    usual = np.linalg.norm(pairs, axis=1).mean()
    low, high = chart.box
    for count in AVERAGED:
        charts.INVERSE_BY_IMAGES = count
        z, moved = (chart.inverse_transform(at) for at in (xy, xy + np.float32([[0.01, 0]]) * (high - low)))
        features, after = (chart.pixels(decoded_pixels(workspace.decode, each)) for each in (z, moved))
        distance = np.linalg.norm(near - features[:, None], axis=2).mean() / usual
        jump = np.linalg.norm(after - features, axis=1).mean() / usual
        trip = np.median(np.linalg.norm(chart.transform(z) - xy, axis=1)) / np.linalg.norm(high - low)
        print(f"{count:>3} averaged: image distance {distance:.3f}, round trip {trip:.4f}, jump {jump:.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
