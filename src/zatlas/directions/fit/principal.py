"""Steering along the widest axes: of codes, of samples, or of what a layer inside the decoder says."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from zatlas.core.arrays import Latents
from zatlas.core.errors import BadRecipe, NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.directions.decoding import decode_tensor, decoder_module, progress_bar
from zatlas.directions.estimate import principal_directions as of_codes
from zatlas.directions.estimate import std_along
from zatlas.directions.layers import LayerRange, LayerSubset, layer_subset
from zatlas.directions.types import Direction, LinearDirection
from zatlas.models.generator import Generator

SOURCES = ("latents", "samples", "layer")
SAMPLES = 20_000
CHUNK = 256  # samples that are held at once
MAX_DIRECTIONS = 512  # numbers of a layer; of larger ones, so many sums by chance stand for all
JITTER = 0.1  # spreads by which codes that stand in for samples are moved


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
    """The axes of greatest spread; of a layer's answers, with the points regressed on them.

    Härkönen et al. 2020 (GANSpace), https://arxiv.org/abs/2004.02546. Samples are drawn and summed up in
    portions, so that memory does not grow with their number. A layer goes by its name in the net; the
    first one that has weights, if none is named. Of points with layers, some can be moved alone, as
    layers=0-6.
    """
    part = layer_subset(generator.space, layers)
    if source not in SOURCES:
        raise UnknownName("source of principal directions", source, SOURCES)
    if samples < 2 or count < 1:
        raise BadRecipe(f"Axes are of 2 samples or more, not {samples}, and at least 1, not {count}.")
    if source == "latents":
        result = [part.embed(way, latents) for way in of_codes(part.select(latents), count)]
        whole = float(latents.var(axis=0).sum()) or 1.0
        shares = [way.std**2 / whole for way in result]
        return [
            LinearDirection(_name(names, i), way.vector, way.std, facts={"of": source, "share": share})
            for i, (way, share) in enumerate(zip(result, shares, strict=True))
        ]
    look = _reader(generator, layer) if source == "layer" else part.select
    sums = _sums(generator, latents, look, part, samples, seed, show)
    axes = _axes(sums, part.select(latents), count, source, names)
    return [part.embed(direction, latents) for direction in axes]


@dataclass
class Sums:
    """Running means and mean products of answers and points."""

    n: int
    answer: np.ndarray
    latent: np.ndarray
    squares: np.ndarray  # answers with answers
    mixed: np.ndarray  # answers with points


def _sums(
    generator: Generator,
    latents: Latents,
    look: Callable[[Latents], np.ndarray],
    part: LayerSubset,
    samples: int,
    seed: int,
    show: bool,
) -> Sums:
    sums, shift, mixer = None, None, None
    with progress_bar(show, "sampling", samples, "points") as advance:
        for z in prior_samples(generator, latents, samples, seed):
            said, z = look(z), part.select(z)
            if said.shape[1] > MAX_DIRECTIONS:
                mixer = mixer or Mixer(said.shape[1], seed)
                said = mixer(said)
            if sums is None or shift is None:  # sums about a first mean lose no digits
                shift = said.mean(axis=0), z.mean(axis=0)
                wide, dim = said.shape[1], z.shape[1]
                sums = Sums(0, *map(np.zeros, (wide, dim, (wide, wide), (wide, dim))))
            a, b = said - shift[0], z - shift[1]
            sums.n += len(z)
            sums.answer += a.sum(axis=0)
            sums.latent += b.sum(axis=0)
            sums.squares += a.T @ a
            sums.mixed += a.T @ b
            advance(len(z))
    assert sums is not None
    return sums


class Mixer:
    """Sums of a few numbers each, with signs by chance: they keep the angles between long rows.

    Charikar, Chen and Farach-Colton 2002, https://doi.org/10.1007/3-540-45465-9_59
    """

    def __init__(self, wide: int, seed: int) -> None:
        chance = stream(seed, "mixer")
        self.order = chance.permutation(wide)
        self.signs = chance.choice(np.array([-1, 1], np.float32), wide)
        self.rest = -wide % MAX_DIRECTIONS

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        mixed = np.pad(rows[:, self.order] * self.signs, ((0, 0), (0, self.rest)))
        return mixed.reshape(len(rows), -1, MAX_DIRECTIONS).sum(axis=1)


def _axes(sums: Sums, latents: Latents, count: int, of: str, names: Sequence[str]) -> list[LinearDirection]:
    middle = sums.answer / sums.n
    square = sums.squares / sums.n - np.outer(middle, middle)
    mixed = sums.mixed / sums.n - np.outer(middle, sums.latent / sums.n)
    values, vectors = np.linalg.eigh(square)
    whole = float(values.sum()) or 1.0
    result: list[LinearDirection] = []
    for i, k in enumerate(np.argsort(values)[::-1][: min(count, latents.shape[1])]):
        # The least-squares step of a point for one unit of this axis.
        step = mixed.T @ vectors[:, k]
        length = float(np.linalg.norm(step))
        if values[k] <= 1e-12 * whole or length < 1e-9:
            break
        axis = (step / length).astype(np.float32)
        facts = {"of": of, "share": float(values[k]) / whole}
        result.append(LinearDirection(_name(names, i), axis, std_along(axis, latents), facts=facts))
    return result


def prior_samples(generator: Generator, latents: Latents, samples: int, seed: int) -> Iterator[Latents]:
    """Points of the prior in portions; codes moved a little, where there is none."""
    space, chance = generator.space, stream(seed, "drawn")
    std = latents.std(axis=0)
    for done in range(0, samples, CHUNK):
        n = min(CHUNK, samples - done)
        if space.prior == "none":
            noise = chance.standard_normal((n, space.dim), np.float32)
            chosen = latents[chance.integers(len(latents), size=n)]
            yield (chosen + JITTER * std * noise).astype(np.float32)
        else:
            z = chance.standard_normal((n, space.dim), np.float32)
            yield z / np.linalg.norm(z, axis=1, keepdims=True) if space.prior == "sphere" else z


class _Seen(Exception):
    """Ends a decoding once the layer has spoken."""


def _reader(generator: Generator, name: str) -> Callable[[Latents], np.ndarray]:
    """What a layer says to points; the decoding ends there, so that an early layer is quick."""
    module = decoder_module(generator)
    if module is None:
        raise NotSupported("Torch cannot look into this decoder: take source=latents or source=samples.")
    table = dict(module.named_modules())
    if name and name not in table:
        raise UnknownName("layer of this decoder", name, [each for each in table if each])
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    chosen = [table[name]] if name else [layer for layer in table.values() if isinstance(layer, kinds)]
    heard: list[np.ndarray] = []

    def hear(layer: nn.Module, given: tuple[Tensor, ...], said: Tensor) -> None:
        heard.append(said.detach().flatten(1).float().cpu().numpy())
        raise _Seen

    def look(z: Latents) -> np.ndarray:
        hooks = [layer.register_forward_hook(hear) for layer in chosen]
        heard.clear()
        try:
            with torch.inference_mode():
                decode_tensor(generator, torch.as_tensor(z, device=generator.device))
        except _Seen:
            return heard[0]
        finally:
            for hook in hooks:
                hook.remove()
        raise NotSupported(f"The layer {name!r} takes no part in decoding; name another.")

    return look


def _name(names: Sequence[str], i: int) -> str:
    return names[i] if i < len(names) else f"principal {i + 1}"
