"""A few precomputed geodesics, for pages without a server."""

import time
from itertools import combinations

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.latent.geodesic import geodesic
from zatlas.site.subset import PageSubset, typical_rows
from zatlas.workspace import Workspace

STEPS = 49  # latents of a geodesic
ENDS = 4  # latents that are connected, each with each
MAX_SECONDS = 20.0  # in total; a page has the geodesics that are ready by then


def example_geodesics(workspace: Workspace, subset: PageSubset) -> list[tuple[int, int, Latents]]:
    """Geodesics between typical latents that are far apart: start row, end row, latents.

    A conditional model has none, because its geodesics depend on the class.
    """
    if workspace.generator.classes or len(subset) < 2:
        return []
    result: list[tuple[int, int, Latents]] = []
    deadline = time.monotonic() + MAX_SECONDS
    for a, b in combinations(typical_rows(workspace, subset, ENDS), 2):
        if time.monotonic() > deadline:
            break
        try:
            curve = geodesic(workspace.generator.for_class(), subset.latents[[a]], subset.latents[[b]])
        except NotSupported:
            break  # torch cannot differentiate the decoder
        result.append((a, b, curve.sample(STEPS)))
    return result
