import numpy as np
import pytest

from zatlas.core.space import Space
from zatlas.metrics import latent_usage as figures
from zatlas.metrics.latent_usage import space_metrics

N, AXES = 4000, 8


def posteriors(*telling, n=N, seed=0):
    """Posteriors whose mixture is the prior: each axis tells its image by so much correlation."""
    result = np.array(telling)
    means = np.random.default_rng(seed).standard_normal((n, len(result))) * result
    std = np.broadcast_to(np.sqrt(1 - result**2), means.shape)
    return means.astype(np.float32), std.astype(np.float32)


def samples(means, std, seed=1):
    noise = np.random.default_rng(seed).standard_normal(means.shape)
    return (means + noise * std).astype(np.float32)


@pytest.mark.parametrize("alive", [0, 3, 8])
def test_active_dimensions_are_counted(alive):
    means, std = posteriors(*[0.9] * alive, *[0.0] * (AXES - alive))
    result = figures.active_units(means)
    assert result.value == alive
    assert result.baseline == AXES and result.parts["dimension 7"] == pytest.approx(
        0.81 * (alive == 8), abs=0.05
    )
    rate = figures.dimension_rate(means, std)
    each = -0.5 * np.log(1 - 0.9**2)
    assert rate.value == pytest.approx(alive * each / AXES, rel=0.03, abs=1e-9)
    assert sum(value > 0.1 for value in rate.parts.values()) == alive


@pytest.mark.parametrize("telling", [(0.95,), (0.95, 0.9), (0.9, 0.6, 0.0, 0.3)])
def test_the_information_of_a_normal_channel_is_estimated_within_three_hundredths(telling):
    means, std = posteriors(*telling, n=6000)
    result = figures.mutual_information(means, std, draws=3000)
    exact = -0.5 * np.log(1 - np.array(telling) ** 2).sum()
    assert result.value == pytest.approx(exact, rel=0.03)
    assert result.parts["at least"] <= result.parts["at most"]


def test_information_of_few_latents_is_bounded_from_both_sides():
    means, std = posteriors(*[0.99] * AXES, n=500)
    result = figures.mutual_information(means, std)
    exact = -0.5 * AXES * np.log(1 - 0.99**2)
    assert result.value <= np.log(500) + 1e-9 < exact
    assert result.parts["at most"] == pytest.approx(exact, rel=0.05)
    assert "6.21" in result.about


def test_unused_dimensions_have_no_information():
    assert figures.mutual_information(*posteriors(0.0, 0.0)).value == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dim", [2, 8, 64])
def test_latents_distributed_as_the_prior_have_distance_zero(dim):
    latents = samples(*posteriors(*[0.9] * dim))
    result = figures.prior_distance(latents, Space((dim,)))
    assert result.value < max(result.baseline, 3 * result.error)
    assert figures.relative_norm(latents).value == pytest.approx(1, abs=0.02)
    assert figures.outside_prior(latents).value == pytest.approx(0.001, abs=0.002)


def test_the_distance_to_the_prior_grows_with_the_mismatch():
    latents = samples(*posteriors(*[0.9] * AXES))
    position = Space((AXES,))
    result = [figures.prior_distance(latents + shift, position) for shift in (0.2, 0.5, 1.0)]
    values = [figure.value for figure in result]
    assert values == sorted(values) and values[0] > result[0].baseline
    narrow = figures.prior_distance(latents / 2, position)
    assert narrow.value > 10 * narrow.baseline
    assert figures.relative_norm(latents / 2).value == pytest.approx(0.5, abs=0.01)
    assert figures.outside_prior(latents * 3).value > 0.5


def test_the_kernel_distance_is_zero_on_average_and_that_of_one_kernel_by_its_formula():
    rng = np.random.default_rng(0)
    same = [
        figures.kernel_distance(*rng.standard_normal((2, 50, 3)).astype(np.float32), 6.0) for _ in range(200)
    ]
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(200)
    # Of two normals whose means differ, the kernel means' distance is known.
    a = rng.standard_normal((1500, 1)).astype(np.float32)
    b = 1 + rng.standard_normal((1500, 1)).astype(np.float32)
    wide = np.array(figures.KERNEL_WIDTHS) * 2.0 / 2  # variance of the kernel exp(-d / (2 variance))
    exact = np.mean(2 * np.sqrt(wide / (wide + 2)) * (1 - np.exp(-1 / (2 * (wide + 2)))))
    assert figures.kernel_distance(a, b, 2.0) == pytest.approx(exact, rel=0.15)


def test_holes_are_detected_only_where_the_prior_has_no_latents():
    latents = samples(*posteriors(0.9, 0.9))
    full = figures.holes(latents, Space((2,)))
    assert full.value < 0.02 and full.baseline < 0.02
    half = figures.holes(latents[latents[:, 0] > 0], Space((2,)))
    assert half.value == pytest.approx(0.5, abs=0.1)


def by_name(workspace, **output):
    return {figure.name: figure for figure in space_metrics(workspace, **output)}


def test_a_vae_of_few_dimensions_has_every_metric(digits):
    result = by_name(digits)
    assert set(result) == {
        "active_units",
        "dimension_rate",
        "mutual_information",
        "prior_distance",
        "relative_norm",
        "outside_prior",
        "holes",
    }
    rate = 2 * result["dimension_rate"].value
    assert 0 < result["mutual_information"].value < rate
    assert result["active_units"].value == 2
    assert all(figure.group == "space" and figure.about and figure.n for figure in result.values())
    assert space_metrics(digits) == space_metrics(digits)


def test_figures_are_only_those_that_apply(wide, plain, rival):
    assert "holes" not in by_name(wide)
    assert set(by_name(plain)) == {"holes"}
    assert space_metrics(rival) == []
