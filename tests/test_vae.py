import pytest
import torch

from zatlas.core.errors import BadRecipe
from zatlas.models.likelihood import transformed
from zatlas.models.nets import MLP, Conv, ConvEven
from zatlas.models.vae import VAEConfig, importance_weighted
from zatlas.training.recipe import make_recipe, preset

X = torch.rand((64, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def terms(model, epoch=1.0, x=X):
    return model.loss(x, None, "model", torch.Generator().manual_seed(1), epoch)


def small(**settings):
    torch.manual_seed(0)
    return VAEConfig(**settings).build(MLP((16,)), (1, 8, 8), 0)


def test_the_elbo_is_minus_distortion_minus_rate_whatever_beta_is():
    for beta in (0.5, 1.0, 4.0):
        result = terms(small(beta=beta))
        torch.testing.assert_close(result["elbo"], -result["distortion"] - result["rate"])
        torch.testing.assert_close(result["loss"], result["distortion"] + beta * result["rate"])


def test_the_rate_is_the_divergence_of_torch():
    model = small()
    mean, std = model.encode(X)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(normal(mean, std), normal(0.0, 1.0))
    torch.testing.assert_close(terms(model)["rate"], divergence.sum(1).mean())


def test_an_image_far_from_all_others_has_a_finite_loss_and_usual_gradients():
    model = small()
    usual = terms(model)["rate"].item()
    with torch.no_grad():
        model.encoder.layers[-1].bias[2:] = 200.0  # of the log-variance: its exp is infinite
    result = terms(model)
    result["loss"].backward()
    assert usual < result["rate"] < 1000
    assert all(weights.grad.abs().max() < 100 for weights in model.parameters())


def test_warm_up_raises_the_weight_of_the_rate_from_zero():
    model = small(warmup=10.0)
    first, center, late = (terms(model, epoch) for epoch in (0.0, 5.0, 50.0))
    torch.testing.assert_close(first["loss"], first["distortion"])
    torch.testing.assert_close(center["loss"], center["distortion"] + center["rate"] / 2)
    torch.testing.assert_close(late["loss"], late["distortion"] + late["rate"])


def test_free_bits_give_no_gradient_to_a_dimension_below_the_limit():
    model = small(free_bits=1e3)
    result = terms(model)
    assert result["loss"] > result["distortion"] + result["rate"]
    rate_alone = result["loss"] - (result["distortion"] + 2 * 1e3)
    assert abs(rate_alone.item()) < 1e-2


def test_more_samples_estimate_the_same_with_less_noise():
    one, many = small(samples=1), small(samples=64)
    std = {}
    for name, model in {"one": one, "many": many}.items():
        result = []
        for seed in range(8):
            rng = torch.Generator().manual_seed(seed)
            result.append(model.loss(X[:4], None, "model", rng, 1.0)["distortion"].item())
        std[name] = torch.tensor(result).std().item()
    assert std["many"] < std["one"] / 3


def test_the_loss_of_source_a_is_exactly_its_formula():
    recipe = make_recipe(preset("faces-a1"))
    assert recipe.training.rate == 3.1e-4 and recipe.training.decay == 0.978654321
    model = recipe.describe((3, 128, 128), ()).build()
    x = torch.rand((2, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    result = model.loss(x, None, "model", rng, 0.0)["loss"]
    signed = 2 * x - 1
    mean, log_variance = model.encoder(signed).chunk(2, 1)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    rebuilt = model.decoder(mean + noise * (log_variance / 2).exp()).tanh()
    divergence = (-0.5 * (1 + log_variance - mean**2 - log_variance.exp())).mean()
    torch.testing.assert_close(result, ((rebuilt - signed) ** 2).mean() + 0.0249673 * divergence)
    assert not model.bound


def test_source_a_s_net_has_its_layers():
    encoder = Conv(32, 4, 0).encoder((3, 128, 128), 128)
    widths = [m.out_channels for m in encoder.modules() if isinstance(m, torch.nn.Conv2d)]
    assert widths == [32, 64, 128, 256]
    assert encoder.head.in_features == 256 * 8 * 8


def test_source_d_s_nets_have_their_layers():
    net = ConvEven()
    generator, judge = net.decoder((3, 128, 128), 100), net.encoder((3, 128, 128), 1)
    ups = [m for m in generator if isinstance(m, torch.nn.ConvTranspose2d)]
    assert [m.out_channels for m in ups] == [128] * 4
    assert generator[0].out_features == 128 * 8 * 8
    assert generator[-1].kernel_size == (8, 8)
    downs = [m for m in judge.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [m.stride[0] for m in downs] == [1, 2, 2, 2, 2]
    assert generator(torch.zeros(1, 100)).shape == (1, 3, 128, 128)


def test_a_conditional_model_of_images_without_labels_is_refused():
    with pytest.raises(BadRecipe, match="needs labels"):
        VAEConfig(conditional=True).build(MLP(), (1, 8, 8), 0)


@pytest.mark.parametrize("size", [4, 8, 12, 20, 28, 36, 64, 100])
def test_conv_takes_every_multiple_of_four(size):
    model = VAEConfig(dim=2).build(Conv(4), (3, size, size), 0)
    assert model.decode(torch.zeros(1, 2)).shape == (1, 3, size, size)


def test_conv_refuses_other_sizes_and_names_one_that_fits():
    with pytest.raises(BadRecipe, match="--size 28"):
        VAEConfig().build(Conv(), (1, 30, 27), 0)


def test_dynamic_pixels_are_resampled_with_the_grey_level_as_probability():
    model = small(pixels="dynamic")
    one, second = terms(model), terms(model)
    torch.testing.assert_close(one["loss"], second["loss"])
    other = model.loss(X, None, "model", torch.Generator().manual_seed(2), 1.0)
    assert other["loss"] != one["loss"]
    black_and_white = transformed(X, "dynamic", torch.Generator().manual_seed(5))
    plain = small()
    torch.testing.assert_close(
        terms(model, x=black_and_white)["rate"], terms(plain, x=black_and_white)["rate"]
    )


def test_encoder_and_likelihood_get_thresholded_pixels():
    cut = (X >= 0.5).float()
    result, plain = terms(small(pixels="threshold")), terms(small(), x=cut)
    torch.testing.assert_close(result["loss"], plain["loss"])
    torch.testing.assert_close(small(pixels="threshold").encode(X), small().encode(cut))


def test_the_importance_weighted_loss_equals_the_bound_from_torch_distributions():
    model = small(importance=True, samples=5, dim=3)
    result = terms(model)["loss"]
    mean, std = model.encode(X)
    noise = torch.randn((5, *mean.shape), generator=torch.Generator().manual_seed(1))
    z = mean + noise * std
    normal = torch.distributions.Normal
    pixels = torch.distributions.Bernoulli(model.decode(z.flatten(0, 1)), validate_args=False)
    nats = pixels.log_prob(X.repeat(5, 1, 1, 1)).flatten(1).sum(1).view(5, -1)
    weights = nats + normal(0.0, 1.0).log_prob(z).sum(2) - normal(mean, std).log_prob(z).sum(2)
    bound = (weights.logsumexp(0) - torch.tensor(5.0).log()).mean()
    torch.testing.assert_close(result, -bound)
    assert result < terms(small(samples=5, dim=3))["loss"]


def test_importance_weighted_gradients_are_exact_for_the_decoder_and_unbiased_for_the_encoder():
    """Doubly reparametrized gradients have the mean of the plain ones, and a smaller std."""
    model = small(importance=True, samples=4)
    x = X[:8]

    def gradients(weigh, seed):
        rng = torch.Generator().manual_seed(seed)
        mean, log_variance = model.posterior(x)
        z = mean + torch.randn((4, *mean.shape), generator=rng) * (log_variance / 2).exp()
        distortion = model.distortion(x.repeat(4, 1, 1, 1), z.flatten(0, 1)).view(4, -1)
        loss = weigh(distortion, z, mean, log_variance, 1.0)
        names = [model.encoder.layers[-1].bias, model.decoder[-2].bias]
        return torch.autograd.grad(loss, names)

    def plain(distortion, z, mean, log_variance, weight):
        above = z.square() - (z - mean).square() / log_variance.exp() - log_variance
        return -(-distortion - 0.5 * above.sum(2)).logsumexp(0).mean()

    result = [(gradients(importance_weighted, seed), gradients(plain, seed)) for seed in range(150)]
    for ours, theirs in result[:3]:
        torch.testing.assert_close(ours[1], theirs[1])
    ours, theirs = (torch.stack([pair[side][0] for pair in result]) for side in (0, 1))
    error = (ours.var(0) / 150 + theirs.var(0) / 150).sqrt()
    assert ((ours.mean(0) - theirs.mean(0)).abs() < 4 * error).all()
    assert ours.var(0).mean() < theirs.var(0).mean()


@pytest.mark.parametrize(
    "settings",
    [
        {"samples": 1},
        {"samples": 4, "likelihood": "mse"},
        {"samples": 4, "reduction": "mean"},
        {"samples": 4, "free_bits": 0.1},
    ],
)
def test_importance_without_several_samples_is_refused(settings):
    with pytest.raises(BadRecipe, match="at least 2"):
        VAEConfig(importance=True, **settings).build(MLP(), (1, 8, 8), 0)


def test_black_and_white_pixels_need_the_bernoulli_likelihood():
    with pytest.raises(BadRecipe, match="bernoulli"):
        VAEConfig(pixels="dynamic", likelihood="gaussian").build(MLP(), (1, 8, 8), 0)
