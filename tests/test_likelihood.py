import math

import pytest
import torch
from torch.nn import functional as F

from zatlas.models.likelihood import Bernoulli, Gaussian, MeanSquare


@pytest.fixture
def pair():
    rng = torch.Generator().manual_seed(0)
    raw = 5 * torch.randn((3, 1, 4, 4), generator=rng)
    return raw.requires_grad_(), torch.rand((3, 1, 4, 4), generator=rng)


def test_cross_entropy_equals_that_of_torch_in_value_and_gradient(pair):
    raw, x = pair
    ours = Bernoulli().distortion(raw, x)
    theirs = F.binary_cross_entropy_with_logits(raw, x, reduction="none").flatten(1).sum(1)
    torch.testing.assert_close(ours, theirs)
    weights = torch.tensor([1.0, -2.0, 0.5])
    gradients = [torch.autograd.grad((weights * d).sum(), raw)[0] for d in (ours, theirs)]
    torch.testing.assert_close(*gradients)


def test_cross_entropy_stays_finite_far_out():
    raw = torch.tensor([[[[-1e4, 1e4]]]], requires_grad=True)
    result = Bernoulli().distortion(raw, torch.tensor([[[[0.0, 1.0]]]]))
    result.sum().backward()
    assert result.item() == 0
    assert torch.isfinite(raw.grad).all()


@pytest.mark.parametrize("sigma", [0.1, 0.0], ids=["fixed", "learned"])
def test_gaussian_distortion_is_minus_its_log_density(pair, sigma):
    raw, x = pair
    gaussian = Gaussian(sigma)
    std = sigma or Gaussian.START
    density = torch.distributions.Normal(raw.sigmoid(), std).log_prob(x).flatten(1).sum(1)
    torch.testing.assert_close(gaussian.distortion(raw, x), -density)


@pytest.mark.parametrize("signed", [False, True], ids=["sigmoid", "tanh"])
def test_the_gradient_of_a_squared_error_is_that_of_its_formula(pair, signed):
    raw, x = pair
    weights = torch.arange(1.0, len(raw) + 1)  # each image has its own gradient
    (MeanSquare(signed).distortion(raw, x) * weights).sum().backward()
    ours, raw.grad = raw.grad, None
    by_hand = (raw.tanh() - (2 * x - 1)) ** 2 if signed else (raw.sigmoid() - x) ** 2
    (by_hand.flatten(1).sum(1) * weights).sum().backward()
    torch.testing.assert_close(ours, raw.grad)


def test_a_fitted_std_converges_to_the_error_of_the_images(pair):
    raw, x = pair[0].detach(), pair[1]
    gaussian = Gaussian(0.0)
    optimizer = torch.optim.Adam(gaussian.parameters(), 1e-2)
    for _ in range(300):
        optimizer.zero_grad()
        gaussian.distortion(raw, x).mean().backward()
        optimizer.step()
    error = (raw.sigmoid() - x).square().mean().sqrt().item()
    assert math.exp(gaussian.log_sigma.item() * Gaussian.SPEED) == pytest.approx(error, rel=0.02)


def test_squared_error_in_the_signed_range_is_four_times_that_in_the_unit_range(pair):
    raw, x = pair
    signed = MeanSquare(signed=True)
    by_hand = ((raw.tanh() - (2 * x - 1)) ** 2).flatten(1).sum(1)
    torch.testing.assert_close(signed.distortion(raw, x), by_hand)
    torch.testing.assert_close(signed.mean(raw), (raw.tanh() + 1) / 2)


def test_only_likelihoods_are_bounds():
    assert Bernoulli().bound and Gaussian(0.0).bound
    assert not MeanSquare(signed=False).bound
