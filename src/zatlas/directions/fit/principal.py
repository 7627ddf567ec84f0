"""Principal components: of latents, of prior samples, or of the activations of a layer of the decoder."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.decoding import decode_tensor, decoder_module, progress_bar
from zatlas.directions.estimate import principal_directions, std_along
from zatlas.directions.layers import LayerRange, LayerSubset, layer_subset
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.generator import Generator

SOURCES = ("latents", "samples", "layer")
SAMPLES = 20_000
CHUNK = 256  # samples in memory at a time
MAX_ACTIVATIONS = 512  # larger layers are projected to this many numbers at random
JITTER = 0.1  # std of the noise added to latents that replace samples of a missing prior

Activations = Callable[[Latents], np.ndarray]


def fit(
    generator: Generator,
    latents: Latents,
    *,
    count: int = 10,
    source: str = "latents",
    layer: str = "",
    layers: LayerRange = "",
    samples: int = SAMPLES,
    names: Sequence[str] = (),
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """The directions of largest variance, of latents or samples; or, mapped to latents by regression, of the
    activations of a layer: Härkönen et al. 2020 (GANSpace), https://arxiv.org/abs/2004.02546.

    `layer` is a module name, by default the first layer with weights. Of latents with layers, `layers`
    selects some, as layers=0-6. Memory does not grow with the number of samples. The facts hold the share
    of the variance.
    """
    subset = layer_subset(generator.space, layers)
    if source not in SOURCES:
        raise UnknownName("source of principal directions", source, SOURCES)
    if samples < 2 or count < 1:
        raise BadRecipe(
            f"Principal directions take samples=2 or more, not {samples}, and count=1 or more, not {count}."
        )
    if source == "latents":
        components = principal_directions(subset.select(latents), count)
        directions = [subset.embed(direction, latents) for direction in components]
        total = float(latents.var(axis=0).sum()) or 1.0
        return [
            LinearDirection(
                _name(names, i), d.vector, d.std, facts={"source": source, "share": d.std**2 / total}
            )
            for i, d in enumerate(directions)
        ]
    activations = _layer_activations(generator, layer) if source == "layer" else subset.select
    moments = _moments(generator, latents, activations, subset, samples, seed, show)
    return [
        subset.embed(direction, latents)
        for direction in _components(moments, subset.select(latents), count, source, names)
    ]


@dataclass
class Moments:
    """Running sums of activations and latents, and of their products."""

    n: int
    activation: np.ndarray
    latent: np.ndarray
    squares: np.ndarray  # activations with activations
    mixed: np.ndarray  # activations with latents


def _moments(
    generator: Generator,
    latents: Latents,
    activations: Activations,
    subset: LayerSubset,
    samples: int,
    seed: int,
    show: bool,
) -> Moments:
    moments, means, projection = None, None, None
    with progress_bar(show, "sampling", samples, "latents") as advance:
        for z in prior_samples(generator, latents, samples, seed):
            x, z = activations(z), subset.select(z)
            if x.shape[1] > MAX_ACTIVATIONS:
                projection = projection or RandomProjection(x.shape[1], seed)
                x = projection(x)
            if moments is None or means is None:  # sums of deviations from a first mean keep precision
                means = x.mean(axis=0), z.mean(axis=0)
                width, dim = x.shape[1], z.shape[1]
                moments = Moments(0, *map(np.zeros, (width, dim, (width, width), (width, dim))))
            a, b = x - means[0], z - means[1]
            moments.n += len(z)
            moments.activation += a.sum(axis=0)
            moments.latent += b.sum(axis=0)
            moments.squares += a.T @ a
            moments.mixed += a.T @ b
            advance(len(z))
    assert moments is not None
    return moments


class RandomProjection:
    """Sums of a few numbers each with random signs, which preserve angles: a count sketch.

    Charikar, Chen and Farach-Colton 2002, https://doi.org/10.1007/3-540-45465-9_59
    """

    def __init__(self, width: int, seed: int) -> None:
        rng = stream(seed, "mixer")
        self.order = rng.permutation(width)
        self.signs = rng.choice(np.array([-1, 1], np.float32), width)
        self.padding = -width % MAX_ACTIVATIONS

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        shuffled = np.pad(rows[:, self.order] * self.signs, ((0, 0), (0, self.padding)))
        return shuffled.reshape(len(rows), -1, MAX_ACTIVATIONS).sum(axis=1)


def _components(
    moments: Moments, latents: Latents, count: int, source: str, names: Sequence[str]
) -> list[LinearDirection]:
    mean = moments.activation / moments.n
    covariance = moments.squares / moments.n - np.outer(mean, mean)
    mixed = moments.mixed / moments.n - np.outer(mean, moments.latent / moments.n)
    values, vectors = np.linalg.eigh(covariance)
    total = float(values.sum()) or 1.0
    result: list[LinearDirection] = []
    for i, k in enumerate(np.argsort(values)[::-1][: min(count, latents.shape[1])]):
        # The least-squares step of a latent for one unit of this component.
        step = mixed.T @ vectors[:, k]
        length = float(np.linalg.norm(step))
        if values[k] <= 1e-12 * total or length < 1e-9:
            break
        vector = (step / length).astype(np.float32)
        facts = {"source": source, "share": float(values[k]) / total}
        result.append(LinearDirection(_name(names, i), vector, std_along(vector, latents), facts=facts))
    return result


def prior_samples(generator: Generator, latents: Latents, samples: int, seed: int) -> Iterator[Latents]:
    """Samples of the prior in batches; where there is no prior, latents with a little noise."""
    space, rng = generator.space, stream(seed, "drawn")
    std = latents.std(axis=0)
    if space.prior == "mapped":
        yield from np.array_split(space.sample(samples, seed=seed), -(-samples // CHUNK))
        return
    for start in range(0, samples, CHUNK):
        n = min(CHUNK, samples - start)
        noise = rng.standard_normal((n, space.dim), np.float32)
        if space.prior == "none":
            rows = latents[rng.integers(len(latents), size=n)]
            yield (rows + JITTER * std * noise).astype(np.float32)
        else:
            yield noise / np.linalg.norm(noise, axis=1, keepdims=True) if space.prior == "sphere" else noise


class _Stop(Exception):
    """Ends a decoder call after the layer."""


def _layer_activations(generator: Generator, name: str) -> Activations:
    """A function that returns a layer's activations for latents; it does not run the layers after it."""
    module = decoder_module(generator)
    if module is None:
        raise NotSupported("This decoder is no torch module: take source=latents or source=samples.")
    table = dict(module.named_modules())
    if name and name not in table:
        raise UnknownName("layer of this decoder", name, [each for each in table if each])
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    chosen = [table[name]] if name else [layer for layer in table.values() if isinstance(layer, kinds)]
    recorded: list[np.ndarray] = []

    def record(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        recorded.append(output.detach().flatten(1).float().cpu().numpy())
        raise _Stop

    def activations(z: Latents) -> np.ndarray:
        hooks = [layer.register_forward_hook(record) for layer in chosen]
        recorded.clear()
        try:
            with torch.inference_mode():
                decode_tensor(generator, torch.as_tensor(z, device=generator.device))
        except _Stop:
            return recorded[0]
        finally:
            for hook in hooks:
                hook.remove()
        raise NotSupported(f"The decoder does not use the layer {name!r}: name another one.")

    return activations


def _name(names: Sequence[str], i: int) -> str:
    return names[i] if i < len(names) else f"principal {i + 1}"
