"""Directions from the decoder alone: singular vectors of its first weights, or of its Jacobian."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import (
    decode_tensor,
    decoder_module,
    finite_differences,
    progress_bar,
    require_gradient,
)
from zatlas.directions.layers import LayerRange, LayerSubset, layer_subset
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.decoding_time import PASSES, announce_decoding
from zatlas.models.generator import Generator

SOURCES = ("weights", "metric")
JACOBIANS = 24  # latents whose Jacobians are averaged
MAX_DENSE_DIM = 256  # dimensions up to which the Jacobian is computed; above, by random products
PRODUCTS, BATCH = 1024, 32
SAME_ROW = 0.9999  # cosine above which a layer takes this row of a latent
MAX_LABEL_INPUTS = 1000  # inputs of a conditional decoder's first layer, besides the latent


def fit(
    generator: Generator,
    latents: Latents,
    *,
    count: int = 10,
    source: str | None = None,
    layers: LayerRange = "",
    samples: int | None = None,
    names: Sequence[str] = (),
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """The directions to which the first layers that take the latent, or the images, are most sensitive.

    source=weights: right singular vectors of the first layer, Shen and Zhou 2021 (SeFa),
    https://arxiv.org/abs/2007.06600. In w and w+ of a StyleGAN these are all layers that take w, and a
    direction moves the selected layers alike. source=metric: those of the Jacobian, averaged over latents, as
    in Ramesh, Choi and LeCun 2018, https://arxiv.org/abs/1812.01161. The default is the weights if the
    decoder has them. Of latents with layers, `layers` selects some, as layers=0-6. `samples` is the number of
    latents whose Jacobians are averaged, by default 24, or 1024 in more than 256 dimensions.

    The facts hold the singular value and its share of the total variance.
    """
    subset = layer_subset(generator.space, layers)
    if source is not None and source not in SOURCES:
        raise UnknownName("source of closed-form directions", source, SOURCES)
    weight = None if source == "metric" else style_weight(generator, subset)
    repeats = 1 if weight is None else len(subset.columns) // weight.shape[1]
    if weight is None and source != "metric":
        weight = first_weight(generator)
    if source == "weights" and weight is None:
        raise NotSupported(
            "This decoder does not begin with a linear or transposed convolution layer of torch: take "
            "source=metric, which works for any decoder."
        )
    rows = _jacobian(generator, latents, samples, seed, show) if weight is None else weight
    selected = rows if rows.shape[1] * repeats == len(subset.columns) else subset.select(rows)
    values, vectors = _singular_vectors(selected, count)
    vectors = np.tile(vectors, repeats) / np.float32(np.sqrt(repeats))
    source = "metric" if weight is None else "weights"
    total = float((rows.astype(np.float64) ** 2).sum()) or 1.0
    result: list[Direction] = []
    for i, (value, vector) in enumerate(zip(values, vectors, strict=True)):
        facts = {"source": source, "singular_value": float(value), "share": float(value**2) / total}
        name = names[i] if i < len(names) else f"closed form {i + 1}"
        result.append(subset.embed(LinearDirection(name, vector, facts=facts), latents))
    return result


def style_weight(generator: Generator, subset: LayerSubset) -> np.ndarray | None:
    """The weights (outputs, width) of all linear layers that take one of the selected rows of a latent.

    The latents of w are one row, those of w+ one for each layer. None if the space has no such layers.
    """
    space, module = generator.space, decoder_module(generator)
    if space.prior != "mapped" or module is None:
        return None
    width = space.shape[-1]
    chosen = set((subset.columns // width).tolist())
    inputs: list[list[tuple[nn.Linear, np.ndarray]]] = [[], []]
    z = stream(0, "rows").standard_normal((2, space.dim), dtype=np.float32)
    layers = [each for each in module.modules() if isinstance(each, nn.Linear) and each.in_features == width]
    for latent, recorded in zip(z, inputs, strict=True):

        def record(layer: nn.Module, taken: tuple[Tensor, ...], to: list[Any] = recorded) -> None:
            to.append((layer, taken[0].detach().float().cpu().numpy().ravel()))

        hooks = [layer.register_forward_pre_hook(record) for layer in layers]
        try:
            generator.decode(latent[None])
        finally:
            for hook in hooks:
                hook.remove()
    # Truncation may scale a row before the layer takes it, so only the angle of its change counts.
    changes = (z[1] - z[0]).reshape(-1, width)
    unit = changes / np.linalg.norm(changes, axis=1, keepdims=True)
    weights = []
    for (layer, before), (_, after) in zip(*inputs, strict=True):
        if len(before) != width:
            continue
        cosine = unit @ (after - before) / max(float(np.linalg.norm(after - before)), 1e-12)
        if cosine.max() > SAME_ROW and int(cosine.argmax()) in chosen:
            weights.append(layer.weight.detach().float().cpu().numpy())
    return np.concatenate(weights) if weights else None


def first_weight(generator: Generator) -> np.ndarray | None:
    """The weights (outputs, d) of the first layer that takes the whole latent; None if there is none."""
    module, dim = decoder_module(generator), generator.space.dim
    result: list[np.ndarray] = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        size = inputs[0][0].numel() if len(inputs) else 0
        # A conditional decoder takes the label after the latent.
        if result or size < dim or size > dim + MAX_LABEL_INPUTS:
            return
        weight = layer.get_parameter("weight").detach().float().cpu().numpy()
        if isinstance(layer, nn.Linear) and inputs[0].ndim == 2:
            result.append(weight[:, :dim])
        elif isinstance(layer, nn.ConvTranspose2d) and inputs[0].shape[2:] == (1, 1):
            result.append(weight[:dim].reshape(dim, -1).T)

    if module is None:
        return None
    kinds = (nn.Linear, nn.ConvTranspose2d)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_pre_hook(record) for layer in layers]
    try:
        generator.decode(np.zeros((1, dim), np.float32))
    finally:
        for hook in hooks:
            hook.remove()
    return result[0] if result else None


def _jacobian(
    generator: Generator, latents: Latents, samples: int | None, seed: int, show: bool
) -> np.ndarray:
    """Rows R (m, d) so that R'R is the mean of J'J over latents, up to a factor."""
    dim = generator.space.dim
    if dim > MAX_DENSE_DIM:
        return _random_products(generator, latents, samples or PRODUCTS, seed, show)
    rows = stream(seed, "places").choice(len(latents), min(samples or JACOBIANS, len(latents)), replace=False)
    if show:
        announce_decoding("Computing Jacobians", len(rows) * (dim + 1), generator, latents)
    square = np.zeros((dim, dim))
    with progress_bar(show, "computing Jacobians", len(rows), "latents") as advance:
        for change in finite_differences(generator, latents[rows], np.eye(dim, dtype=np.float32)):
            square += (change @ change.T) / len(rows)
            advance(1)
    values, vectors = np.linalg.eigh(square)
    return (vectors * np.sqrt(np.maximum(values, 0))).T


def _random_products(
    generator: Generator, latents: Latents, samples: int, seed: int, show: bool
) -> np.ndarray:
    """Products of random sign images with the Jacobian: the mean of their outer products is that of J'J."""
    require_gradient(
        generator, latents, f"A metric of more than {MAX_DENSE_DIM} dimensions", "take the method principal."
    )
    if show:
        announce_decoding("Computing Jacobians", (PASSES - 1) * samples, generator, latents)
    rng = torch.Generator().manual_seed(derive(seed, "products"))
    products = []
    with progress_bar(show, "computing Jacobians", samples, "products") as advance:
        for start in range(0, samples, BATCH):
            count = min(BATCH, samples - start)
            rows = torch.randint(len(latents), (count,), generator=rng)
            z = torch.tensor(latents[rows.numpy()], device=generator.device, requires_grad=True)
            images = decode_tensor(generator, z)
            signs = torch.randint(2, images.shape, generator=rng).to(images) * 2 - 1
            products.append(torch.autograd.grad((images * signs).sum(), z)[0].cpu().numpy())
            advance(count)
    return np.concatenate(products) / np.float32(np.sqrt(samples))


def _singular_vectors(rows: np.ndarray, count: int) -> tuple[np.ndarray, Latents]:
    """The largest singular values and their right vectors, whose largest entry is positive."""
    if len(rows) < rows.shape[1]:
        _, values, vectors = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    else:
        squares, columns = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
        values, vectors = np.sqrt(np.maximum(squares[::-1], 0)), columns.T[::-1]
    values, vectors = values[:count], vectors[:count]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return values, (vectors * np.sign(largest)).astype(np.float32)
