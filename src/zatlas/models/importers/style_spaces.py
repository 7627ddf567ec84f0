"""The latent spaces inside a StyleGAN: w, w+ with a row for each layer, and the style channels s.

w+: Abdal et al. 2019, https://arxiv.org/abs/1904.03189 . s: Wu et al. 2021, https://arxiv.org/abs/2011.12799
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import cast, get_args

import torch
from torch import Tensor

from zatlas.core.errors import NotSupported, UnknownName
from zatlas.models import nets_stylegan2, nets_stylegan2_light, nets_stylegan3
from zatlas.models.generator import Generator
from zatlas.models.importers.imported import Adapter, Coarse, InnerSpace, NoiseInput
from zatlas.models.nets_stylegan2 import SMALLEST, StyleNet

SKIPPED = 2  # blocks that coarse images leave out: their side is a quarter
NOISES = get_args(NoiseInput)


def style_spaces(net: StyleNet, psi: float = 1.0, cutoff: int | None = None) -> dict[str, InnerSpace]:
    """Return the spaces w, w+ and, of StyleGAN2 and StyleGAN3, s. Truncation is between w and w+."""
    mapping, synthesis = net.mapping, net.synthesis
    width = len(mapping.mean)
    coarse = partial(coarse_of, net)

    def layered(w: Tensor) -> Tensor:
        return mapping.layered(w, psi, cutoff)

    result = {
        "w": InnerSpace(
            (width,), mapping.single, lambda w: synthesis(layered(w)), mapping.mean, coarse(layered)
        ),
        "w+": InnerSpace(
            (mapping.layers, width), lambda w, y: layered(w), synthesis, coarse=coarse(lambda w: w)
        ),
    }
    if not isinstance(synthesis, nets_stylegan2.Synthesis | nets_stylegan3.Synthesis):
        return result
    sizes = style_sizes(synthesis)
    early, decode = coarse(lambda w: w), cast(Callable[..., Tensor], synthesis.from_styles)
    blocks = 0 if early is None else coarse_blocks(synthesis)
    result["s"] = InnerSpace(
        (sum(sizes),),
        lambda w, y: torch.cat(synthesis.styles(w), 1),
        lambda s: decode(s.split(sizes, 1)),
        coarse=early and replace(early, decode=lambda s: decode(s.split(sizes, 1), blocks=blocks)),
    )
    return result


def coarse_of(net: StyleNet, rows: Callable[..., Tensor]) -> Coarse | None:
    """Return the decoder of small images for a function to w+: the sum of the images of the first blocks.

    Only a model that adds an image in each block has one (the architecture "skip" of StyleGAN2).
    """
    synthesis = net.synthesis
    blocks = coarse_blocks(synthesis)
    if not blocks:
        return None
    return Coarse(lambda *inputs: synthesis(rows(*inputs), blocks=blocks), SMALLEST << (blocks - 1))


def coarse_blocks(synthesis: torch.nn.Module) -> int:
    """Return the number of blocks of the coarse images, whose side is a quarter; 0 if there are none."""
    if isinstance(synthesis, nets_stylegan2_light.Synthesis):
        return max(len(synthesis.blocks) - SKIPPED, 0)
    if not isinstance(synthesis, nets_stylegan2.Synthesis):
        return 0
    adds = all(block.pixels is not None for block in synthesis.blocks)
    return max(len(synthesis.blocks) - SKIPPED, 0) if adds else 0


def with_noise(generator: Generator, noise: str, seed: int = 0) -> Generator:
    """Return a generator of w+ that decodes with the stored noise ("fixed"), with "zero" or "random" noise.

    Random noise depends on the seed only.
    """
    adapter = getattr(generator.decoder, "__self__", None)
    net = getattr(adapter, "owner", None)
    missing = NotSupported("This model has no noise in its layers; a StyleGAN2 has.")
    if not isinstance(adapter, Adapter) or not isinstance(net, StyleNet):
        raise missing
    if not isinstance(net.synthesis, nets_stylegan2.Synthesis):
        raise missing
    if generator.space.shape != (net.mapping.layers, len(net.mapping.mean)):
        raise NotSupported("Noise is chosen for latents of w+: open the model in w+.")
    if noise not in NOISES:
        raise UnknownName("noise", noise, NOISES)
    synthesis = net.synthesis

    def decode(w: Tensor) -> Tensor:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            images: Tensor = synthesis(w, noise)
            return images

    chosen = Adapter(adapter.info, replace(adapter.halves, decode=decode)).to(generator.device).eval()
    return replace(generator, decoder=chosen.decode)


def row_of_weights(net: StyleNet, name: str) -> int | None:
    """Return the number of the layer of w+ that a tensor of a StyleGAN belongs to; None for the mapping."""
    parts = name.split(".")
    if parts[0] != "synthesis":
        return None
    if parts[1] not in ("blocks", "attention"):
        return 0  # the constant or the waves that the layers begin with
    number = int(parts[2])
    if isinstance(net.synthesis, nets_stylegan2_light.Synthesis):
        return number
    if not isinstance(net.synthesis, nets_stylegan2.Synthesis):
        return number + 1
    first, last = max(2 * number - 1, 0), 2 * number  # the convolutions of a block
    return {"conv": last, "pixels": last + 1}.get(parts[3], first)


def style_sizes(synthesis: nets_stylegan2.Synthesis | nets_stylegan3.Synthesis) -> list[int]:
    """Return the number of style channels of each layer."""
    return [layer.style.out_features for _, layer in synthesis.modulated()]
