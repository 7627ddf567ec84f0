import numpy as np
import pytest

from zatlas.core.errors import BadRecipe, NotSupported, ShapeError, UnknownName
from zatlas.core.space import Space
from zatlas.latent.curves import lerp, slerp
from zatlas.latent.density import density, prior_gap
from zatlas.latent.dimensions import ball_volume, norm_density, shell
from zatlas.latent.sampling import fit_mixture, from_posterior, from_prior
from zatlas.sample import sample_latents


def test_a_low_temperature_and_a_truncation_draw_nearer_to_the_middle():
    space = Space((64,))
    default = from_prior(space, 500, seed=0)
    cool = from_prior(space, 500, seed=0, temperature=0.5)
    np.testing.assert_allclose(cool, default / 2)
    cut = from_prior(space, 500, seed=0, truncation=0.7)
    assert np.abs(cut).max() <= 0.7 and len(np.unique(cut)) > 30_000
    inside = np.abs(default) <= 0.7
    np.testing.assert_array_equal(cut[inside], default[inside])  # only the tails are drawn again


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": 1, "temperature": -1}, {"n": 1, "truncation": 0.0}])
def test_impossible_samples_are_refused(wrong):
    with pytest.raises((BadRecipe, ShapeError)):
        from_prior(Space((4,)), seed=0, **wrong)


def test_posterior_draws_have_the_posterior_s_moments():
    mean = np.float32([[1, -2], [0, 5]])
    std = np.float32([[0.1, 2], [1, 0]])
    sampled = from_posterior(mean, std, seed=0, draws=4000).reshape(4000, 2, 2)
    np.testing.assert_allclose(sampled.mean(axis=0), mean, atol=0.15)
    np.testing.assert_allclose(sampled.std(axis=0), std, atol=0.1)


def test_a_mixture_finds_the_heaps_and_draws_from_them():
    rng = np.random.default_rng(0)
    heaps = np.float32([[6, 0, 0], [-6, 0, 0], [0, 6, 0]])
    latents = (heaps[np.arange(900) % 3] + 0.3 * rng.standard_normal((900, 3))).astype(np.float32)
    sampled = fit_mixture(latents, components=3).sample(3000, seed=1)
    near = np.linalg.norm(sampled[:, None] - heaps, axis=2)
    assert (near.min(axis=1) < 1.5).mean() > 0.99
    assert (np.bincount(near.argmin(axis=1)) / 3000 > 0.28).all()


@pytest.mark.parametrize("n", [1, 2, 3, 50])
def test_a_mixture_of_few_or_equal_points_is_finite(n):
    for latents in (np.ones((n, 5), np.float32), Space((100,)).sample(n, seed=0)):
        assert np.isfinite(fit_mixture(latents).sample(10, seed=0)).all()


def test_a_mixture_s_samples_leave_fewer_gaps_than_the_prior_s(digits):
    far = digits.density.relative_distance
    assert (far(sample_latents(digits, 800, prior="mixture")) > 2).mean() < (
        far(sample_latents(digits, 800)) > 2
    ).mean()


def test_every_way_to_sample_is_deterministic_by_seed(digits, plain):
    for workspace in (digits, plain):
        for prior in ("model", "mixture", "posterior"):
            first, loaded = (sample_latents(workspace, 9, seed=3, prior=prior) for _ in range(2))
            other = sample_latents(workspace, 9, seed=4, prior=prior)
            assert first.shape == (9, 2) and (first == loaded).all() and (first != other).any()
    with pytest.raises(UnknownName, match="Did you mean 'posterior'"):
        sample_latents(digits, 2, prior="postrior")
    with pytest.raises(NotSupported, match="temperature"):
        sample_latents(plain, 2, truncation=1.0)


def test_codes_are_near_the_data_and_far_points_are_not(wide):
    default = wide.density.relative_distance(wide.latents("test"))
    assert np.median(default) < 1.5 and (default > 2).mean() < 0.1
    assert wide.density.relative_distance(np.full((1, 12), 9, np.float32))[0] > 2


@pytest.mark.parametrize("dim", [16, 100])
def test_the_center_of_many_dimensions_is_outside_the_data_and_samples_are_inside(dim):
    far = density(Space((dim,)).sample(4000, seed=0)).relative_distance
    sampled = Space((dim,)).sample(400, seed=1)
    half = np.full((200, 1), 0.5, np.float32)
    line, arc = (curve(sampled[:200], sampled[200:], half) for curve in (lerp, slerp))
    assert (far(sampled) > 2).mean() < 0.04 and np.median(far(sampled)) == pytest.approx(1, abs=0.1)
    assert far(np.zeros((1, dim), np.float32))[0] > 2 and np.median(far(1.7 * sampled)) > 2
    assert np.median(far(line)) > np.quantile(far(arc), 0.9)


def test_gaps_in_few_dimensions_are_outside_the_data_and_its_center_is_not():
    rng = np.random.default_rng(0)
    angle, radius = rng.uniform(0, 2 * np.pi, 3000), rng.normal(1, 0.05, 3000)
    ring = (radius * [np.cos(angle), np.sin(angle)]).T.astype(np.float32)
    places = np.float32([[0, 0], [0.5, 0], [0, 1], [0, -1.6]])
    assert (density(ring).relative_distance(places) > 2).tolist() == [True, True, False, True]
    round_cloud = density(Space((2,)).sample(3000, seed=0))
    assert round_cloud.relative_distance(np.zeros((1, 2), np.float32))[0] < 1.5


def test_noise_in_dimensions_without_information_does_not_count_as_distance():
    # As of a VAE that uses 4 of 24 dimensions: the others hold 0 as a mean, and noise as a sample.
    rng = np.random.default_rng(0)
    used = np.arange(24) < 4
    encoded = (rng.standard_normal((3000, 24)) * used).astype(np.float32)
    std = np.where(used, 0.1, 1).astype(np.float32) * np.ones_like(encoded)
    far = density(encoded[:2500], std[:2500]).relative_distance
    held_out = encoded[2500:]
    for inside in (held_out, from_posterior(held_out, std[2500:], seed=1), Space((24,)).sample(500, seed=2)):
        assert (far(inside) > 2).mean() < 0.05
    assert far(np.float32([[5] + [0] * 23]))[0] > 2


def test_the_gap_is_the_share_of_the_prior_without_codes():
    rng = np.random.default_rng(0)
    complete = rng.standard_normal((3000, 2)).astype(np.float32)
    half = complete[complete[:, 0] > 0]
    full, error = prior_gap(complete, Space((2,)))
    empty, _ = prior_gap(half, Space((2,)))
    assert full < 0.01 and 0.35 < empty < 0.5 and 0 <= error < 0.02
    # A ring of codes, as an auto-encoder may leave: its own normal distribution has a hole.
    angle = rng.uniform(0, 2 * np.pi, 3000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float32)
    assert prior_gap(ring, Space((2,), "none"))[0] > 0.5


def test_equal_codes_have_a_density_too():
    assert np.isfinite(
        density(np.ones((5, 3), np.float32)).relative_distance(np.zeros((2, 3), np.float32))
    ).all()


def test_balls_and_shells_are_as_known():
    np.testing.assert_allclose(ball_volume(np.array([1, 2, 3])), [2, np.pi, 4 / 3 * np.pi])
    assert ball_volume(np.arange(30)).argmax() == 5
    for dim in (1, 2, 10, 500):
        norms = np.linalg.norm(Space((dim,)).sample(4000, seed=0), axis=1)
        mean, std = shell(dim)
        assert abs(norms.mean() - mean) < 0.05 and abs(norms.std() - std) < 0.05
        radius = np.linspace(1e-6, mean + 8 * std + 1, 4000)
        assert abs(np.trapezoid(norm_density(radius, dim), radius) - 1) < 1e-3
