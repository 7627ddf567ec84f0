import pytest
import torch

from zatlas.core.errors import BadRecipe
from zatlas.models.nets import MLP, Conv, ConvEven
from zatlas.models.vae import VAEConfig
from zatlas.training.recipe import make_recipe, preset

X = torch.rand((64, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def terms(model, epoch=1.0, x=X):
    return model.loss(x, None, "model", torch.Generator().manual_seed(1), epoch)


def small(**settings):
    torch.manual_seed(0)
    return VAEConfig(**settings).build(MLP((16,)), (1, 8, 8), 0)


def test_the_elbo_is_minus_distortion_minus_rate_whatever_beta_is():
    for beta in (0.5, 1.0, 4.0):
        found = terms(small(beta=beta))
        torch.testing.assert_close(found["elbo"], -found["distortion"] - found["rate"])
        torch.testing.assert_close(found["loss"], found["distortion"] + beta * found["rate"])


def test_the_rate_is_the_divergence_of_torch():
    model = small()
    mean, spread = model.encode(X)
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(normal(mean, spread), normal(0.0, 1.0))
    torch.testing.assert_close(terms(model)["rate"], divergence.sum(1).mean())


def test_warm_up_raises_the_weight_of_the_rate_from_nothing():
    model = small(warmup=10.0)
    first, middle, late = (terms(model, epoch) for epoch in (0.0, 5.0, 50.0))
    torch.testing.assert_close(first["loss"], first["distortion"])
    torch.testing.assert_close(middle["loss"], middle["distortion"] + middle["rate"] / 2)
    torch.testing.assert_close(late["loss"], late["distortion"] + late["rate"])


def test_free_bits_leave_no_slope_on_an_axis_that_is_cheap():
    model = small(free_bits=1e3)
    found = terms(model)
    assert found["loss"] > found["distortion"] + found["rate"]
    rate_alone = found["loss"] - (found["distortion"] + 2 * 1e3)
    assert abs(rate_alone.item()) < 1e-2


def test_more_samples_estimate_the_same_with_less_noise():
    one, many = small(samples=1), small(samples=64)
    spread = {}
    for name, model in {"one": one, "many": many}.items():
        found = []
        for seed in range(8):
            rng = torch.Generator().manual_seed(seed)
            found.append(model.loss(X[:4], None, "model", rng, 1.0)["distortion"].item())
        spread[name] = torch.tensor(found).std().item()
    assert spread["many"] < spread["one"] / 3


def test_the_loss_of_source_a_is_exactly_its_formula():
    recipe = make_recipe(preset("faces-a1"))
    assert recipe.training.rate == 3.1e-4 and recipe.training.decay == 0.978654321
    model = recipe.describe((3, 128, 128), ()).build()
    x = torch.rand((2, 3, 128, 128), generator=torch.Generator().manual_seed(0))
    rng = torch.Generator().manual_seed(1)
    found = model.loss(x, None, "model", rng, 0.0)["loss"]
    signed = 2 * x - 1
    mean, log_variance = model.encoder(signed).chunk(2, 1)
    noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(1))
    rebuilt = model.decoder(mean + noise * (log_variance / 2).exp()).tanh()
    divergence = (-0.5 * (1 + log_variance - mean**2 - log_variance.exp())).mean()
    torch.testing.assert_close(found, ((rebuilt - signed) ** 2).mean() + 0.0249673 * divergence)
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
