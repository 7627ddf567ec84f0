"""A few geodesics made beforehand, for pages without a server that could make one."""

import time
from itertools import combinations

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported
from zatlas.latent.geodesic import geodesic
from zatlas.site.subset import PageSubset, typical_rows
from zatlas.workspace import Workspace

STEPS = 49  # points of each
ENDS = 4  # points that are joined, each with each
SECONDS = 20.0  # in all; those that are made by then are those that there are


def example_geodesics(workspace: Workspace, drawn: PageSubset) -> list[tuple[int, int, Latents]]:
    """Curves between points that are typical and far apart, with the numbers of these points.

    The curves of a model that is told a class depend on the class: there are none.
    """
    if workspace.generator.classes or len(drawn) < 2:
        return []
    result: list[tuple[int, int, Latents]] = []
    end = time.monotonic() + SECONDS
    for a, b in combinations(typical_rows(workspace, drawn, ENDS), 2):
        if time.monotonic() > end:
            break
        try:
            curve = geodesic(workspace.generator.for_class(), drawn.latents[[a]], drawn.latents[[b]])
        except NotSupported:
            break  # torch cannot differentiate the decoder
        result.append((a, b, curve.sample(STEPS)))
    return result
