"""What every layout must do."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from zatlas.latent.layouts import compute_layout
from zatlas.testing.samples import SEED, numpy_state, random_latents


def check_layout(name: str, **settings: Any) -> None:
    """Run every check of a registered layout with these settings."""
    for check in LAYOUT_CHECKS:
        check(name, settings)


def lays_out_any_latents(name: str, settings: Mapping[str, Any]) -> None:
    """Positions are finite, float32 and (n, 2), whatever the latents."""
    random = np.random.default_rng(SEED)
    for n in (0, 1, 2, 3, 5, 60):
        for kind, latents in {
            "constant": np.full((n, 8), 3.0),
            "one-dimensional": random.normal(size=(n, 1)),
            "on a line": np.outer(np.arange(n), np.ones(5)),
            "huge": 1e30 * random.normal(size=(n, 4)),
            "tiny": 1e-30 * random.normal(size=(n, 4)),
        }.items():
            positions = compute_layout(name, latents.astype(np.float32), seed=1, **settings)
            right = positions.shape == (n, 2) and positions.dtype == np.float32
            assert right and np.isfinite(positions).all(), f"{n} {kind} latents have no finite positions."


def lays_out_alike_for_a_seed(name: str, settings: Mapping[str, Any]) -> None:
    """The same seed gives the same positions; the latents and numpy's global generator stay as they were."""
    latents = random_latents(60, 8)
    before, state = latents.copy(), numpy_state()
    first, second = (compute_layout(name, latents, seed=4, **settings) for _ in range(2))
    assert np.array_equal(first, second), "The same seed gives other positions."
    assert np.array_equal(latents, before), "The layout changes the latents that it is given."
    assert np.array_equal(state, numpy_state()), "The layout uses numpy's global generator."


def accepts_any_labels(name: str, settings: Mapping[str, Any]) -> None:
    """Labels may be all alike, all different, or -1 for none."""
    latents = random_latents(60, 8)
    for labels in (np.zeros(60), np.arange(60), np.full(60, -1), np.arange(60) % 2 - 1):
        positions = compute_layout(name, latents, labels.astype(np.int64), **settings)
        assert np.isfinite(positions).all(), "Positions are not finite for some labels."


LAYOUT_CHECKS: tuple[Callable[[str, Mapping[str, Any]], None], ...] = (
    lays_out_any_latents,
    lays_out_alike_for_a_seed,
    accepts_any_labels,
)
