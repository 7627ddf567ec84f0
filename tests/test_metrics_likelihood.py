import json
import math

import numpy as np
import pytest
import torch

from tests.conftest import small_run
from zatlas.core.errors import BadRecipe, UnknownName
from zatlas.metrics.elbo import likelihood_metrics
from zatlas.metrics.importance import apply_treatment, importance_bound
from zatlas.models.likelihood import Gaussian
from zatlas.models.nets import MLP
from zatlas.models.vae import VAEConfig

PIXELS, AXES, NOISE = 40, 3, 0.5


class Linear:
    """Probabilistic principal components (Tipping and Bishop 1999): x = W z + noise, W orthogonal."""

    def __init__(self, shift=0.0, stretch=1.0):
        rng = torch.Generator().manual_seed(3)
        free = torch.randn(PIXELS, AXES, generator=rng, dtype=torch.float64)
        self.weights = torch.linalg.qr(free).Q * torch.tensor([3.0, 2.0, 1.0], dtype=torch.float64)
        self.shift, self.stretch = shift, stretch

    def draw(self, n):
        rng = torch.Generator().manual_seed(4)
        z, noise = (torch.randn(n, size, generator=rng, dtype=torch.float64) for size in (AXES, PIXELS))
        return (z @ self.weights.T + NOISE * noise).view(n, 1, 1, PIXELS)

    def exact(self, x):
        covariance = self.weights @ self.weights.T + NOISE**2 * torch.eye(PIXELS)
        normal = torch.distributions.MultivariateNormal(torch.zeros(PIXELS, dtype=torch.float64), covariance)
        return normal.log_prob(x.flatten(1))

    def posterior(self, x, y=None):
        precision = 1 + self.weights.square().sum(0) / NOISE**2
        mean = x.flatten(1) @ self.weights / NOISE**2 / precision
        std = precision.rsqrt()
        log_variance = 2 * (std * self.stretch).log().expand_as(mean)
        return mean + self.shift * std, log_variance

    def distortion(self, x, z, y=None):
        far = (x.flatten(1) - z @ self.weights.T).square().sum(1) / (2 * NOISE**2)
        return far + PIXELS * math.log(NOISE * math.sqrt(math.tau))


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_with_the_true_posterior_one_draw_is_the_exact_log_likelihood():
    model = Linear()
    x = model.draw(50)
    result = importance_bound(model, x, 1, rng=rng())
    torch.testing.assert_close(result.importance, model.exact(x))


@pytest.mark.parametrize("wrong", [{"shift": 0.5}, {"stretch": 1.5}, {"shift": 0.7, "stretch": 1.3}])
def test_with_a_wrong_posterior_many_draws_come_within_a_twentieth_of_a_nat(wrong):
    model = Linear(**wrong)
    x = model.draw(128)
    exact = model.exact(x)
    result = [importance_bound(model, x, k, rng=rng(k)) for k in (4, 5000)]
    missing = [float((bounds.importance - exact).mean()) for bounds in result]
    assert missing[0] < missing[1]
    assert abs(missing[1]) < 0.05
    assert float((result[1].elbo - exact).mean()) < missing[0]


def test_the_elbo_misses_the_exact_value_by_the_divergence_from_the_true_posterior():
    model = Linear(stretch=1.5)
    x = model.draw(20)
    result = importance_bound(model, x, 20_000, rng=rng())
    divergence = AXES * (0.5 * (1.5**2 - 1) - math.log(1.5))
    missing = model.exact(x) - result.elbo
    torch.testing.assert_close(missing, torch.full_like(missing, divergence), atol=0.05, rtol=0)


def test_the_bound_does_not_depend_on_how_draws_are_cut_into_blocks(monkeypatch):
    model = Linear()
    x = model.draw(40)
    monkeypatch.setattr("zatlas.metrics.importance.BLOCK", 8 * PIXELS * 7)
    result = importance_bound(model, x, 50, rng=rng())
    torch.testing.assert_close(result.importance, model.exact(x))
    assert result.elbo.shape == (40,)


def test_levels_have_the_probability_of_their_cells():
    """A normal density so wide that it is flat over a step gives a level its density times the step."""
    torch.manual_seed(0)
    model = VAEConfig(likelihood="gaussian", sigma=0.5).build(MLP((8,)), (1, 4, 4), 0).eval()
    x = (torch.rand((16, 1, 4, 4), generator=rng()) * 255).round() / 255
    levels = importance_bound(model, x, 200, rng=rng(1), treatment="levels")
    density = importance_bound(model, x, 200, rng=rng(1))
    missing = density.importance - levels.importance
    torch.testing.assert_close(missing.mean(), torch.tensor(16 * math.log(255)).double(), atol=0.05, rtol=0)


def test_pixels_get_the_requested_treatment():
    x = torch.rand((400, 1, 8, 8), generator=rng(9))
    binary = apply_treatment(x, "dynamic", rng())
    assert set(binary.unique().tolist()) == {0.0, 1.0}
    assert abs(float((binary - x).mean())) < 0.01
    torch.testing.assert_close(binary, apply_treatment(x, "dynamic", rng()))
    assert not torch.equal(binary, apply_treatment(x, "dynamic", rng(1)))
    torch.testing.assert_close(apply_treatment(x, "threshold", rng()), (x >= 0.5).float())
    assert float((apply_treatment(x, "levels", rng()) - x).abs().max()) <= 0.5 / 255 + 1e-6
    with pytest.raises(UnknownName, match="dynamic"):
        apply_treatment(x, "dithered", rng())


def test_a_bound_takes_images_and_draws():
    with pytest.raises(BadRecipe, match="at least one"):
        importance_bound(Linear(), Linear().draw(2), 0, rng=rng())


def by_name(workspace, **output):
    return {figure.name: figure for figure in likelihood_metrics(workspace, **output)}


def test_metrics_of_a_vae_are_consistent(wide):
    result = by_name(wide, draws=200)
    assert set(result) == {
        "elbo",
        "distortion",
        "rate",
        "importance_bound",
        "reconstruction",
        "effective_beta",
        "generalization_gap",
    }
    elbo, bound = result["elbo"], result["importance_bound"]
    assert elbo.value == pytest.approx(-result["distortion"].value - result["rate"].value)
    assert elbo.n == len(wide.rows("test")) > bound.n  # all images for which the ELBO is computed
    assert elbo.value < bound.value < elbo.value + 10
    labelled = json.loads(wide.run.path("result.json").read_text())["test"]["elbo"]
    assert elbo.value == pytest.approx(labelled, abs=3 * elbo.error)
    assert result["effective_beta"].value == 1
    assert "not a likelihood" in bound.about
    dynamic = by_name(wide, draws=50, treatment="dynamic")["importance_bound"]
    assert "binarized at random" in dynamic.about and dynamic.value != bound.value


def test_metrics_are_equal_for_equal_seeds(digits):
    assert likelihood_metrics(digits, draws=20) == likelihood_metrics(digits, draws=20)
    assert likelihood_metrics(digits, draws=20) != likelihood_metrics(digits, draws=20, seed=1)


def test_the_likelihood_of_a_conditional_vae_uses_its_labels(conditional):
    assert by_name(conditional, draws=20)["importance_bound"].value > -40


def test_models_without_a_likelihood_have_only_what_they_rebuild(plain, rival):
    assert set(by_name(plain)) == {"reconstruction", "generalization_gap"}
    assert likelihood_metrics(rival) == []


def test_the_effective_beta_and_the_noise_of_the_likelihood(tmp_path):
    blind = small_run(
        tmp_path / "blind",
        "digits",
        dim=4,
        epochs=1,
        **{"model.likelihood": "mse", "model.reduction": "mean", "model.beta": 2.0},
    )
    result = by_name(blind, draws=20)
    assert "elbo" not in result and "importance_bound" not in result
    assert result["effective_beta"].value == pytest.approx(2 * 64 / 4)
    assert result["noise"].value == pytest.approx(math.sqrt(result["effective_beta"].value / 2))
    assert result["distortion"].unit == ""
    sharp = small_run(tmp_path / "sharp", "digits", dim=4, epochs=3, **{"model.likelihood": "gaussian"})
    result = by_name(sharp, draws=20)
    assert result["noise"].value == pytest.approx(result["noise"].baseline, rel=0.2)
    assert "bits per dimension" in result["importance_bound"].about
    density = json.loads(sharp.run.path("result.json").read_text())["test"]["elbo"]
    expected = density - 64 * math.log(255)
    assert result["elbo"].value == pytest.approx(expected, abs=3 * result["elbo"].error)


def test_the_std_of_a_gaussian_likelihood_enters_the_bound():
    assert Gaussian(0.3).std == 0.3
    assert Gaussian(0.0).std == pytest.approx(Gaussian.START)


def test_a_small_dataset_is_used_completely(digits):
    result = by_name(digits, images=10_000, draws=2)
    assert result["elbo"].n == len(digits.rows("test"))
    assert np.isfinite(result["elbo"].error)
