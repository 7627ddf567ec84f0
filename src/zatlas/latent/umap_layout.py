"""UMAP as computed by the package umap-learn, which is an optional dependency."""

import warnings
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from zatlas.core.arrays import Labels, Latents, Plane
from zatlas.core.errors import BadRecipe, first_line
from zatlas.core.extras import require
from zatlas.core.settings import Count, Weight, Within
from zatlas.latent.layouts import Positive, check_min_dist, rescaled


@dataclass(frozen=True)
class UMAP:
    """McInnes et al. 2018, https://arxiv.org/abs/1802.03426; the settings are those of umap-learn.

    With labels the layout is supervised; the label -1 means unknown.
    """

    n_neighbors: Annotated[int, Within(2)] = 15  # neighbors of each latent, itself included
    min_dist: Weight = 0.1  # smallest distance of neighbors on the chart
    spread: Positive = 1.0  # distance over which attraction decays
    metric: str = "euclidean"  # of the distances between latents
    target_weight: Annotated[float, Within(0.0, 1.0)] = 0.5  # of the labels; 0 ignores them
    n_epochs: Count | None = None  # of the optimization; None for umap-learn's default

    def __post_init__(self) -> None:
        check_min_dist(self.min_dist, self.spread)

    def __call__(self, latents: Latents, labels: Labels | None, seed: int) -> Plane:
        """Return the positions, equal for equal seeds."""
        require("umap", "The layout 'umap'")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ImportWarning)  # without tensorflow, parts of it are missing
            import umap
        settings = {**vars(self), "n_neighbors": min(self.n_neighbors, len(latents) - 1)}
        try:
            model = umap.UMAP(random_state=seed & 0xFFFFFFFF, n_jobs=1, **settings)
            positions: Plane = model.fit_transform(rescaled(latents), labels).astype(np.float32)
        except ValueError as error:
            raise BadRecipe(f"umap-learn does not accept these settings: {first_line(error)}.") from error
        return positions
