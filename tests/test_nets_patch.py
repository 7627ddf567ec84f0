"""The net of large images: convolutions on patches of pixels."""

import pytest
import torch

from zatlas.core.errors import BadRecipe
from zatlas.models.nets import Conv, begin_at
from zatlas.models.nets_patch import ConvPatch


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 48, 64), (3, 52, 60), (3, 128, 128), (1, 4, 4)])
def test_it_takes_any_sides_that_are_multiples_of_the_patch(shape):
    net, x = ConvPatch(width=4, hidden=8), torch.rand(2, *shape)
    hot = torch.eye(3)[:2]
    assert net.encoder(shape, 6)(x).shape == (2, 6)
    assert net.encoder(shape, 6, classes=3)(x, hot).shape == (2, 6)
    assert net.decoder(shape, 5)(torch.randn(2, 5)).shape == x.shape


def test_another_size_says_which_to_use():
    with pytest.raises(BadRecipe, match=r"multiples of 4, not 66x50\. Add --size 48"):
        ConvPatch().encoder((3, 50, 66), 2)
    ConvPatch(patch=2).encoder((3, 50, 66), 2)


@pytest.mark.parametrize("net", [ConvPatch(width=4), ConvPatch(width=4, patch=2), Conv(width=4)])
def test_an_untrained_decoder_starts_at_the_mean_colour(net):
    torch.manual_seed(0)
    decoder = net.decoder((3, 32, 32), 2)
    raw = torch.tensor([-1.0, 0.5, 2.0])[:, None, None].expand(3, 32, 32)
    before = decoder(torch.randn(8, 2))
    last = [layer for layer in decoder.modules() if getattr(layer, "bias", None) is not None][-1]
    spread = before.mean((0, 2, 3)) - last.bias.view(3, -1).mean(1)
    begin_at(decoder, raw)
    colours = decoder(torch.randn(8, 2)).mean((0, 2, 3))
    torch.testing.assert_close(colours - spread, raw[:, 0, 0], atol=0.05, rtol=0)


def test_positions_in_a_patch_start_at_their_own_mean():
    decoder = ConvPatch(width=4, patch=2).decoder((1, 8, 8), 2)
    tile = torch.tensor([[0.0, 1.0], [2.0, 3.0]])
    begin_at(decoder, tile.repeat(4, 4)[None])
    weights = [layer for layer in decoder.modules() if isinstance(layer, torch.nn.Conv2d)][-1].weight
    torch.nn.init.zeros_(weights)
    torch.testing.assert_close(decoder(torch.zeros(1, 2))[0, 0], tile.repeat(4, 4))
