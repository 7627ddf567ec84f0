"""The latent spaces inside a StyleGAN: w, w+ with a row for each layer, and the style channels s.

w+: Abdal et al. 2019, https://arxiv.org/abs/1904.03189 . s: Wu et al. 2021, https://arxiv.org/abs/2011.12799
"""

import torch
from torch import Tensor

from zatlas.models import nets_stylegan2
from zatlas.models.importers.imported import InnerSpace
from zatlas.models.nets_stylegan2 import StyleNet


def style_spaces(net: StyleNet, psi: float = 1.0, cutoff: int | None = None) -> dict[str, InnerSpace]:
    """Return the spaces w, w+ and, of a StyleGAN2, s. Truncation is between w and w+."""
    mapping, synthesis = net.mapping, net.synthesis
    width = len(mapping.mean)

    def layered(w: Tensor) -> Tensor:
        return mapping.layered(w, psi, cutoff)

    result = {
        "w": InnerSpace((width,), mapping.single, lambda w: synthesis(layered(w)), mapping.mean),
        "w+": InnerSpace((mapping.layers, width), lambda w, y: layered(w), synthesis),
    }
    if not isinstance(synthesis, nets_stylegan2.Synthesis):
        return result
    sizes = style_sizes(synthesis)
    result["s"] = InnerSpace(
        (sum(sizes),),
        lambda w, y: torch.cat(synthesis.styles(w), 1),
        lambda s: synthesis.from_styles(s.split(sizes, 1)),
    )
    return result


def style_sizes(synthesis: nets_stylegan2.Synthesis) -> list[int]:
    """Return the number of style channels of each modulated convolution."""
    return [layer.style.out_features for _, layer in synthesis.modulated()]
