"""Directions that imitate edits of images, such as a zoom, a shift, a rotation or brightness."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import (
    decode_tensor,
    finite_differences,
    is_differentiable,
    minimize,
    progress_bar,
    require_gradient,
)
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import (
    AttributeNetwork,
    VectorField,
    forward,
    initial_network,
    parameters,
    with_weights,
)
from zatlas.directions.image_edits import EDITS, Edit, get_edit, measure_edit, unexplained_change
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.decoding_time import PASSES, announce_decoding
from zatlas.models.generator import Generator

METHODS = ("linear", "net")
SAMPLES, BATCH = 1920, 16  # images of the optimization, and of each of its steps
RATE, NETWORK_RATE = 0.03, 3e-3
WIDTH = 64  # of the network
FIELD_STEPS = 4  # integration steps of an edit by max_amount
DIFFERENCES, MAX_DENSE_DIM = 24, 256  # latents and dimensions of finite differences
TEST_LATENTS = 32  # latents on which a direction is measured
MAX_AMOUNT, AMOUNTS = 6.0, 17  # standard deviations to either side, and the number of amounts measured
MAX_ERROR = 0.25  # of the requested amount, inside the range where the edit is linear
MIN_AMOUNT = 0.1  # of an edit's max_amount: a direction that never reaches it does not imitate the edit
MIN_GRADIENT = 1 / 3  # of the gradient around 0: with less, the edit is saturated
COLOR_EDITS = ("colour", "warmth")


def fit(
    generator: Generator,
    latents: Latents,
    *,
    names: Sequence[str] = (),
    method: str = "linear",
    samples: int = SAMPLES,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """A direction for each of these edits (zoom, shift_x, rotation, brightness ...), linear or by a network.

    Jahanian, Chai and Isola 2020, https://arxiv.org/abs/1907.07171. `samples` is the number of images that
    each fit decodes. The facts come from decoded images, see `TransformFit.facts`.
    """
    if method not in METHODS:
        raise UnknownName("method to imitate an edit", method, METHODS)
    if method == "net":
        require_gradient(generator, latents, "method=net", "take method=linear, which needs no gradient.")
    edits = [get_edit(name) for name in names or _possible_edits(generator, latents)]
    fit_edit, steps = _fit_network if method == "net" else _fit_linear, max(samples // BATCH, 1)
    if show:
        images = len(edits) * (_fit_images(generator, latents, steps) + (AMOUNTS + 1) * TEST_LATENTS)
        announce_decoding(f"Fitting {', '.join(edit.name for edit in edits)}", images, generator, latents)
    result: list[Direction] = []
    with progress_bar(show, "imitating edits", len(edits), "edits") as advance:
        for edit in edits:
            direction = fit_edit(generator, latents, edit, steps, seed, show)
            measured = evaluate_transform(generator, latents, direction, edit, seed=seed)
            result.append(replace(direction, facts=measured.facts(edit)))
            advance(1)
    return result


def _fit_images(generator: Generator, latents: Latents, steps: int) -> int:
    """The number of images that the fit of an edit decodes."""
    if is_differentiable(generator, latents):
        return PASSES * steps * BATCH
    return DIFFERENCES * (min(generator.space.dim, MAX_DENSE_DIM) + 1)


@dataclass(frozen=True)
class TransformFit:
    """How much of an edit each amount of a direction produces in decoded images."""

    requested: Values  # amounts of the direction, in std
    achieved: Values  # median amount of the edit, in its unit
    explained: Values  # median share of the images' change that the edit explains

    def facts(self, edit: Edit) -> dict[str, object]:
        """The measurements in a few values.

        `amount_per_std` is the gradient around 0; `requested` the range in std where the edit is linear
        within MAX_ERROR, and `achieved` the amounts at its ends; `saturation` the std beyond which the edit
        grows no further, None where it does not saturate; `explained` the mean share inside the range. If
        the model cannot do the edit, `requested` is None and `reason` says why.
        """
        center = len(self.requested) // 2
        near = slice(center - 2, center + 3)
        gradient = float(np.polyfit(self.requested[near], self.achieved[near], 1)[0])
        error = np.abs(self.achieved - gradient * self.requested)
        linear = error <= MAX_ERROR * np.abs(gradient * self.requested) + 0.02 * edit.max_amount
        relative_gradients = np.gradient(self.achieved, self.requested) / (gradient or 1.0)
        low, high = _run(linear, center)
        first, last = _run(relative_gradients > MIN_GRADIENT, center)
        facts: dict[str, object] = {"unit": edit.unit, "amount_per_std": gradient}
        if np.abs(self.achieved[low : high + 1]).max() < MIN_AMOUNT * edit.max_amount:
            largest = np.abs(self.achieved).max()
            reason = f"this model cannot do it: the largest amount is {largest:.3g}"
            return {**facts, "requested": None, "reason": reason}
        saturates = [first > 0, last < len(self.requested) - 1]
        return {
            **facts,
            "requested": [float(self.requested[low]), float(self.requested[high])],
            "achieved": [float(self.achieved[low]), float(self.achieved[high])],
            "saturation": [
                float(self.requested[i]) if end else None
                for i, end in zip((first, last), saturates, strict=True)
            ],
            "explained": float(self.explained[low : high + 1].mean()),
        }


def evaluate_transform(
    generator: Generator, latents: Latents, direction: Direction, edit: Edit, *, seed: int = 0
) -> TransformFit:
    """Move some latents by -MAX_AMOUNT to MAX_AMOUNT std, and measure the edit in the decoded images."""
    n = min(TEST_LATENTS, len(latents))
    z = latents[stream(seed, "tested").choice(len(latents), n, replace=False)]
    before = torch.from_numpy(generator.decode(z))
    requested = np.linspace(-MAX_AMOUNT, MAX_AMOUNT, AMOUNTS, dtype=np.float32)
    achieved, explained = [], []
    for amount in requested:
        after = torch.from_numpy(generator.decode(direction.move(z, np.full(n, amount))))
        measured, share = measure_edit(edit, before, after)
        achieved.append(float(measured.median()))
        explained.append(float(share.median()) if amount else 1.0)
    return TransformFit(requested, np.array(achieved, np.float32), np.array(explained, np.float32))


def _run(flags: np.ndarray, center: int) -> tuple[int, int]:
    """The first and last index of the run of true values around the center."""
    low = high = center
    while low > 0 and flags[low - 1]:
        low -= 1
    while high < len(flags) - 1 and flags[high + 1]:
        high += 1
    return low, high


def _possible_edits(generator: Generator, latents: Latents) -> list[str]:
    has_color = generator.decode(latents[:1]).shape[1] == 3
    return [name for name in EDITS if has_color or name not in COLOR_EDITS]


def _fit_linear(
    generator: Generator, latents: Latents, edit: Edit, steps: int, seed: int, show: bool
) -> LinearDirection:
    if is_differentiable(generator, latents):
        step = _optimize_step(generator, latents, edit, steps, seed, show)
    else:
        step = _regress_step(generator, latents, edit, seed, show)
    length = float(np.linalg.norm(step))
    if not np.isfinite(length) or length < 1e-9:
        raise BadData(f"No direction of this model imitates {edit.name}: choose another edit.")
    vector = (step / length).astype(np.float32)
    return LinearDirection(edit.name, vector, std_along(vector, latents))


def _optimize_step(
    generator: Generator, latents: Latents, edit: Edit, steps: int, seed: int, show: bool
) -> Latents:
    """The step (d,) that produces the edit's max_amount, by gradient descent on decoded images."""
    std = torch.from_numpy(latents.std(axis=0)).to(generator.device)
    step = torch.zeros(latents.shape[1], device=generator.device, requires_grad=True)
    sample = _edited_samples(generator, latents, edit, seed)

    def loss(_: int) -> Tensor:
        z, target, valid, amount = sample()
        moved = z + (amount / edit.max_amount)[:, None] * std * step
        return unexplained_change(target, valid, decode_tensor(generator, moved)).mean()

    label = f"imitating {edit.name}"
    minimize([step], loss, steps=steps, rate=RATE, label=label, show=show)
    return (step.detach() * std).cpu().numpy()


def _regress_step(generator: Generator, latents: Latents, edit: Edit, seed: int, show: bool) -> Latents:
    """The same without gradients: least squares between the images' finite differences and the edit's."""
    rng = stream(seed, "differences")
    z = latents[rng.choice(len(latents), min(DIFFERENCES, len(latents)), replace=False)]
    dim = latents.shape[1]
    vectors = np.eye(dim, dtype=np.float32)
    if dim > MAX_DENSE_DIM:
        vectors = np.linalg.qr(rng.standard_normal((dim, MAX_DENSE_DIM)))[0].T.astype(np.float32)
    square, mixed = np.zeros((len(vectors), len(vectors))), np.zeros(len(vectors))
    small = torch.tensor([0.2 * edit.max_amount, -0.2 * edit.max_amount])
    with progress_bar(show, f"imitating {edit.name}", len(z), "latents") as advance:
        changes = finite_differences(generator, z, vectors)
        for image, change in zip(generator.decode(z), changes, strict=True):
            pair, valid = edit.apply(torch.from_numpy(image).expand(2, -1, -1, -1), small)
            mask = (valid[0] * valid[1]).expand_as(pair[0]).flatten().numpy()
            target = ((pair[0] - pair[1]).flatten() / 0.4).numpy() * mask
            square += change @ (change * mask).T
            mixed += change @ target
            advance(1)
    square[np.diag_indices_from(square)] += 1e-3 * float(np.trace(square)) / len(vectors) + 1e-12
    return np.linalg.solve(square, mixed) @ vectors


def _fit_network(
    generator: Generator, latents: Latents, edit: Edit, steps: int, seed: int, show: bool
) -> FieldDirection:
    """A vector field that is integrated for a time proportional to the amount of the edit."""
    network = initial_network(latents, latents.shape[1], seed=derive(seed, edit.name), width=WIDTH)
    variables = [v.detach().to(generator.device).requires_grad_() for v in parameters(network)]
    mean, std = (torch.from_numpy(each).to(generator.device) for each in (network.mean, network.std))
    sample = _edited_samples(generator, latents, edit, seed)

    def loss(_: int) -> Tensor:
        z, target, valid, amount = sample()
        time = (amount / edit.max_amount / FIELD_STEPS)[:, None]
        x = (z - mean) / std
        for _ in range(FIELD_STEPS):
            x = x + time * forward(variables, x)
        return unexplained_change(target, valid, decode_tensor(generator, x * std + mean)).mean()

    label = f"imitating {edit.name}"
    minimize(variables, loss, steps=steps, rate=NETWORK_RATE, label=label, show=show)
    return FieldDirection(edit.name, VectorField(_normalized(with_weights(network, variables), latents)))


def _normalized(network: AttributeNetwork, latents: Latents) -> AttributeNetwork:
    """The network scaled to a root mean square step of one std, so that amounts are in std."""
    length = np.float32(np.sqrt((network(latents[:2000]) ** 2).sum(axis=1).mean()) or 1.0)
    weights = (*network.weights[:2], network.weights[2] / length)
    offsets = (*network.offsets[:2], network.offsets[2] / length)
    return replace(network, weights=weights, offsets=offsets)


def _edited_samples(
    generator: Generator, latents: Latents, edit: Edit, seed: int
) -> Callable[[], tuple[Tensor, Tensor, Tensor, Tensor]]:
    """A function that returns latents, their images edited by random amounts, valid pixels and amounts."""
    rng = torch.Generator().manual_seed(derive(seed, "edits", edit.name))

    def sample() -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = torch.randint(len(latents), (BATCH,), generator=rng).numpy()
        z = torch.from_numpy(latents[rows]).to(generator.device)
        amount = (2 * torch.rand(BATCH, generator=rng) - 1).to(generator.device) * edit.max_amount
        with torch.no_grad():
            target, valid = edit.apply(decode_tensor(generator, z), amount)
        return z, target, valid, amount

    return sample
