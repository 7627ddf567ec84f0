import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zatlas.models.augmentation import augment
from zatlas.models.gan import GANConfig
from zatlas.models.nets_resize import ConvResize, ResizeConv
from zatlas.models.noise import BatchPart, SharedNoise, first_rows, part_of
from zatlas.training.recipe import make_recipe, preset

X = torch.rand((16, 1, 8, 8), generator=torch.Generator().manual_seed(0))


def rng(seed=1):
    return torch.Generator().manual_seed(seed)


def small(**settings):
    torch.manual_seed(0)
    return GANConfig(dim=4, **settings).build(ConvResize(4), (1, 8, 8), 0)


def test_a_resizing_convolution_equals_upsampling_and_then_a_convolution():
    torch.manual_seed(0)
    layer, x = ResizeConv(3, 2), torch.randn(2, 3, 5, 7)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    # A transposed convolution has its kernel reversed, and its inputs first.
    kernel = layer.weight.flip(2, 3).transpose(0, 1)
    expected = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), kernel, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-5)


def test_a_resizing_convolution_draws_no_checkerboard_where_its_input_is_even():
    torch.manual_seed(0)
    layer, other = ResizeConv(3, 2), nn.ConvTranspose2d(3, 2, 4, 2, 1)
    nn.init.normal_(layer.weight)
    even = torch.ones(1, 3, 6, 6)
    inside = [net(even)[..., 2:-2, 2:-2].std((2, 3)) for net in (layer, other)]
    assert inside[0].max() < 1e-5 < inside[1].min()


@pytest.mark.parametrize("size", [4, 8, 20, 28, 64])
def test_the_default_net_of_a_gan_takes_every_multiple_of_four(size):
    model = GANConfig(dim=2).build(ConvResize(4), (3, size, size), 0)
    images = model.decode(torch.zeros(2, 2))
    assert images.shape == (2, 3, size, size)
    assert model.discriminator(images).shape == (2, 1)


def test_new_weights_preserve_the_size_of_features():
    torch.manual_seed(0)
    net = ConvResize(16)
    raw = net.decoder((3, 64, 64), 64)(torch.randn(64, 64))
    logits = net.encoder((3, 64, 64), 1)(torch.randn(64, 3, 64, 64))
    assert 0.4 < raw.std() < 2 and 0.3 < logits.std() < 2


def test_the_gradient_penalty_is_the_mean_squared_norm_of_the_gradient():
    model = small(r1=2.0, r1_part=1.0)
    result = model.loss(X, None, "discriminator", rng(), 0.0)
    real = (2 * X - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(model.discriminator(real).sum(), real)
    torch.testing.assert_close(result["r1"], gradient.square().flatten(1).sum(1).mean())
    without = small(r1=0.0).loss(X, None, "discriminator", rng(), 0.0)
    torch.testing.assert_close(result["loss"], without["loss"] + result["r1"])


def test_the_penalty_of_a_part_of_the_batch_is_right_on_average():
    complete = small(r1_part=1.0).loss(X, None, "discriminator", rng(), 0.0)["r1"]
    model = small(r1_part=0.25)
    batches = [X.roll(-first, 0) for first in (0, 4, 8, 12)]
    parts = [model.loss(x, None, "discriminator", rng(), 0.0)["r1"] for x in batches]
    torch.testing.assert_close(torch.stack(parts).mean(), complete)


@pytest.mark.parametrize("world", [1, 2, 3, 5])
@pytest.mark.parametrize("total", [2, 7, 16])
def test_processes_share_the_rows_of_a_part_of_the_batch(world, total):
    values, share, shares = torch.arange(1.0, total + 1), 0.3, []
    for rank in range(world):
        noise, part = SharedNoise(), part_of(total, rank, world)
        noise.part = BatchPart(part.rows, part.total, part.images)
        own = values[part.rows]
        count, factor = first_rows(share, len(own), noise)
        shares.append(factor * own[:count].sum() * part.images / total)
    first = -(-3 * total // 10)
    torch.testing.assert_close(torch.stack(shares).sum(), values[:first].mean())


def test_augmented_images_are_shifted_and_have_a_hole_the_same_in_every_channel():
    x = 1 + torch.rand((200, 1, 16, 16), generator=rng()).expand(-1, 3, -1, -1)
    seen = augment(x, rng())
    assert torch.equal(seen[:, 0], seen[:, 2])
    holes = (seen[:, 0] == 0).flatten(1).float().mean(1)
    assert holes.min() >= 0.25 / 4 and holes.max() <= 0.25  # a square of half the side, partly outside
    assert len({tuple((image[0] == 0).nonzero()[0].tolist()) for image in seen}) > 20
    visible = seen[:, 0] != 0
    moved = [torch.roll(x[:, 0], (down, right), (1, 2)) for down in range(-2, 3) for right in range(-2, 3)]
    inner = (slice(None), slice(2, -2), slice(2, -2))
    matches = torch.stack([((seen[:, 0] == each) | ~visible)[inner].all((1, 2)) for each in moved])
    assert matches.any(0).all() and matches.any(1).all()  # every image by one shift, and every shift occurs


def test_gradients_pass_through_the_augmentation_to_the_generator():
    model = small(augment=True)
    model.loss(X, None, "generator", rng(), 0.0)["loss"].backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.generator.parameters())


def test_the_net_of_source_d_stays_as_it_is_on_few_images_too():
    recipe = make_recipe(preset("gan-d2"), (3, 128, 128), 500)
    assert recipe.net == "conv-even" and recipe.training.epochs == 100 and recipe.training.rate == 2e-4
    assert recipe.model["r1"] == 0 and not recipe.model["augment"]
