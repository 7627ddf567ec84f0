"""Steering without data: what the decoder's first weights, or its metric, are most sensitive to."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import finite_differences, decode_tensor, decoder_module, require_gradient, progress_bar
from zatlas.directions.layers import LayerRange, layer_subset
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.generator import Generator

SOURCES = ("weights", "metric")
SENSITIVITY_SAMPLES = 24  # points whose Jacobians are averaged
MAX_DENSE_DIM = 256  # coordinates up to which each is nudged; more are asked by random products
PRODUCTS, BATCH = 1024, 32


def fit(
    generator: Generator,
    latents: Latents,
    *,
    count: int = 10,
    source: str | None = None,
    layers: LayerRange = "",
    names: Sequence[str] = (),
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """The directions to which the decoder's first weights answer most, or, for any net, its images do.

    Of the weights: eigenvectors of their square, Shen and Zhou 2021 (SeFa),
    https://arxiv.org/abs/2007.06600. Of the metric: eigenvectors of the Jacobian's square, averaged over
    points, as in Ramesh, Choi and LeCun 2018, https://arxiv.org/abs/1812.01161. If neither is named, the
    weights where there are any. Of points with layers, some can be taken alone, as layers=0-6.
    """
    part = layer_subset(generator.space, layers)
    if source is not None and source not in SOURCES:
        raise UnknownName("source of closed-form directions", source, SOURCES)
    weight = None if source == "metric" else first_weight(generator)
    if source == "weights" and weight is None:
        raise NotSupported(
            "This decoder does not begin with a linear or a transposed layer that torch can look "
            "into: take source=metric, which needs none."
        )
    rows = _sensitivity(generator, latents, seed, show) if weight is None else weight
    gains, axes = _widest(part.select(rows), count)
    source = "metric" if weight is None else "weights"
    whole = float((rows.astype(np.float64) ** 2).sum()) or 1.0
    result: list[Direction] = []
    for i, (gain, axis) in enumerate(zip(gains, axes, strict=True)):
        facts = {"of": source, "gain": float(gain), "share": float(gain**2) / whole}
        name = names[i] if i < len(names) else f"closed form {i + 1}"
        result.append(part.embed(LinearDirection(name, axis, facts=facts), latents))
    return result


def first_weight(generator: Generator) -> np.ndarray | None:
    """The weights of the first layer that takes a whole point: a row for each thing it answers."""
    module, dim = decoder_module(generator), generator.space.dim
    result: list[np.ndarray] = []

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        fed = given[0][0].numel() if len(given) else 0
        # A conditional decoder is given the point and, after it, the label.
        if result or fed < dim or fed > dim + 1000:
            return
        weight = layer.get_parameter("weight").detach().float().cpu().numpy()
        if isinstance(layer, nn.Linear) and given[0].ndim == 2:
            result.append(weight[:, :dim])
        elif isinstance(layer, nn.ConvTranspose2d) and given[0].shape[2:] == (1, 1):
            result.append(weight[:dim].reshape(dim, -1).T)

    if module is None:
        return None
    kinds = (nn.Linear, nn.ConvTranspose2d)
    layers = [layer for layer in module.modules() if isinstance(layer, kinds)]
    hooks = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        generator.decode(np.zeros((1, dim), np.float32))
    finally:
        for hook in hooks:
            hook.remove()
    return result[0] if result else None


def _sensitivity(generator: Generator, latents: Latents, seed: int, show: bool) -> np.ndarray:
    """Rows whose square is the mean square of the Jacobian, up to a factor."""
    dim = generator.space.dim
    some = stream(seed, "places").choice(len(latents), min(SENSITIVITY_SAMPLES, len(latents)), replace=False)
    if dim > MAX_DENSE_DIM:
        return _products(generator, latents, seed, show)
    square = np.zeros((dim, dim))
    axes = np.eye(dim, dtype=np.float32)
    with progress_bar(show, "nudging", len(some), "points") as advance:
        for change in finite_differences(generator, latents[some], axes):
            square += (change @ change.T) / len(some)
            advance(1)
    values, vectors = np.linalg.eigh(square)
    return (vectors * np.sqrt(np.maximum(values, 0))).T


def _products(generator: Generator, latents: Latents, seed: int, show: bool) -> np.ndarray:
    """Random images taken back through the decoder: their mean square is the metric, too."""
    require_gradient(
        generator, latents, f"A metric of more than {MAX_DENSE_DIM} axes", "take the method principal."
    )
    chance = torch.Generator().manual_seed(derive(seed, "products"))
    rows = []
    with progress_bar(show, "asking the decoder", PRODUCTS, "products") as on:
        for _ in range(PRODUCTS // BATCH):
            some = torch.randint(len(latents), (BATCH,), generator=chance)
            z = torch.tensor(latents[some.numpy()], device=generator.device, requires_grad=True)
            images = decode_tensor(generator, z)
            signs = torch.randint(2, images.shape, generator=chance).to(images) * 2 - 1
            rows.append(torch.autograd.grad((images * signs).sum(), z)[0].cpu().numpy())
            on(BATCH)
    return np.concatenate(rows) / np.float32(np.sqrt(PRODUCTS))


def _widest(rows: np.ndarray, count: int) -> tuple[np.ndarray, Latents]:
    """The largest singular values of these rows, and their directions; the largest part is positive."""
    if len(rows) < rows.shape[1]:
        _, gains, axes = np.linalg.svd(rows.astype(np.float64), full_matrices=False)
    else:
        values, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
        gains, axes = np.sqrt(np.maximum(values[::-1], 0)), vectors.T[::-1]
    gains, axes = gains[:count], axes[:count]
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return gains, (axes * np.sign(largest)).astype(np.float32)
