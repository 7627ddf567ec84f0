"""Steering by a predictor: ways that raise what any scorer reads from images by as much as is asked."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, NotSupported, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import is_differentiable, minimize, decode_tensor, progress_bar
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import RIDGE, ConstantField, GradientField, fit_network
from zatlas.directions.field_networks import STEPS as READING
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator

METHODS = ("linear", "local")
SAMPLES = 2000  # images that the scorer reads
RIDGE = 1e-2
STEPS, BATCH, RATE = 40, 16, 0.01
TRIED_AMOUNTS = 1.5  # spreads by which two directions are compared
CALIBRATION_TARGETS = 0.5  # of the range of scores, while learning
CALIBRATION_IMAGES = 128  # points of the scale, and as many others for its error
FARTHEST, PLACES = 6.0, 17  # spreads to either side, and amounts in them


def fit(
    generator: Generator,
    latents: Latents,
    *,
    classifier: Classifier,
    names: Sequence[str] = (),
    orthogonal_to: Sequence[str] = (),
    method: str = "linear",
    ridge: float = RIDGE,
    steps: int = READING,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """A way for each of the scorer's names that changes its mean answer by the amount that is asked.

    Goetschalckx et al. 2019 (GANalyze), https://arxiv.org/abs/1906.10112. It begins with the regression
    of the answers to decoded images on their points, which needs no gradients (Stein 1981: it is the mean
    slope), and goes on by gradients where scorer and decoder have them. A local way follows the slope of
    a small net that has learnt those answers. The answers in `without` are held.
    """
    if method not in METHODS:
        raise UnknownName("way to raise a score", method, METHODS)
    for name in (*names, *orthogonal_to):
        classifier.column(name)
    wanted = list(names or classifier.names)
    used = sorted({*wanted, *orthogonal_to, *(_beside(classifier, wanted) if method == "local" else ())})
    z, answers = _read(generator, latents, classifier.only(used), seed, show)
    saved = [name for i, name in enumerate(used) if answers[:, i].std() > 1e-6]
    for name in wanted:
        if name not in saved:
            raise BadData(f"The scorer answers {name!r} the same for all images of this model.")
    answers = answers[:, [used.index(name) for name in saved]]
    flags = [classifier.kinds[classifier.column(name)] != "number" for name in saved]
    result: list[Direction] = []
    nets = None
    if method == "local":
        nets = fit_network(
            z, _targets(answers, flags), probabilities=all(flags), steps=steps, seed=seed, show=show
        )
    for name in wanted:
        others = [other for other in orthogonal_to if other != name and other in saved]
        columns = [saved.index(each) for each in (name, *others)]
        if nets is not None:
            raw: Direction = FieldDirection(name, GradientField(nets.select(columns), ridge))
        else:
            step = _slope(z, answers, columns)
            step = _descended(generator, classifier, name, z, step, answers[:, columns[1:]], seed, show)
            raw = LinearDirection(name, step, std_along(step, latents))
        result.append(calibrated(generator, z, raw, classifier, name, seed=seed))
    return result


def calibrated(
    generator: Generator,
    latents: Latents,
    direction: Direction,
    classifier: Classifier,
    name: str,
    *,
    seed: int = 0,
) -> FieldDirection:
    """The way by amounts of the score: asked for +a, the mean answer changes by a.

    Measured on some points, and the error of what is then asked on others. The scale ends where a spread
    more raises the score no further.
    """
    some = stream(seed, "scale").permutation(len(latents))[: 2 * CALIBRATION_IMAGES]
    # Every other one by its answer, so that both parts begin with the same mean.
    order = some[classifier.only([name]).score(generator.decode(latents[some]))[:, 0].argsort()]
    scale_points, others = latents[order[::2]], latents[order[1::2]]
    spreads = np.linspace(-FARTHEST, FARTHEST, PLACES, dtype=np.float32)
    means = _means(generator, scale_points, direction, classifier, name, spreads)
    low, high = _rising(means)
    if high - low < 1:
        raise NotSupported(f"No way in this model raises {name!r}, as this scorer reads it.")
    scale = (means[low : high + 1], spreads[low : high + 1])
    move = (
        direction.vector_field
        if isinstance(direction, FieldDirection)
        else ConstantField(direction.vector * np.float32(direction.std))
    )
    steer = FieldDirection(direction.name, move, direction.score, direction.side_effects, {}, scale)
    asked = np.linspace(scale[0][0], scale[0][-1], 9, dtype=np.float32)
    got = _means(generator, others, steer, classifier, name, asked)
    facts = {
        "unit": f"mean change of {name}",
        "follows": [float(asked[0]), float(asked[-1])],
        "error": float(np.abs(got - asked).mean()),
        "largest_error": float(np.abs(got - asked).max()),
        "spreads": [float(scale[1][0]), float(scale[1][-1])],
    }
    return replace(steer, facts=facts)


def _read(
    generator: Generator, latents: Latents, classifier: Classifier, seed: int, show: bool
) -> tuple[Latents, np.ndarray]:
    """Some of the points, and what the scorer reads from their images; a portion at a time."""
    chance = stream(seed, "read")
    chosen = chance.choice(len(latents), min(SAMPLES, len(latents)), replace=False)
    z, result, done = latents[chosen], [], 0
    with progress_bar(show, "asking the scorer", len(z), "images") as advance:
        for images in generator.decode_batches(z):
            result.append(classifier.score(images))
            done += len(images)
            advance(len(images))
    return z, np.concatenate(result)


def _beside(classifier: Classifier, wanted: Sequence[str]) -> list[str]:
    """What is read as chances like those that are wanted: learnt together, each is learnt better."""
    kinds = dict(zip(classifier.names, classifier.kinds, strict=True))
    if any(kinds[name] == "number" for name in wanted):
        return []
    return [name for name, kind in kinds.items() if kind != "number"]


def _targets(answers: np.ndarray, flags: list[bool]) -> np.ndarray:
    """Chances as they are; beside numbers, all in spreads from their means."""
    if all(flags):
        return answers
    return (answers - answers.mean(axis=0)) / answers.std(axis=0)


def _slope(z: Latents, answers: np.ndarray, columns: list[int]) -> Latents:
    """The unit vector along which the first answer rises and, if they are told apart, others do not."""
    middle, std = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-9)
    x = ((z - middle) / std).astype(np.float64)
    told = answers[:, columns] - answers[:, columns].mean(axis=0)
    if x.shape[1] <= len(x):
        square = x.T @ x + RIDGE * len(x) * np.eye(x.shape[1])
        gradients = np.linalg.solve(square, x.T @ told)
    else:
        square = x @ x.T + RIDGE * x.shape[1] * np.eye(len(x))
        gradients = x.T @ np.linalg.solve(square, told)
    up = gradients[:, 0]
    if len(columns) > 1:
        basis = np.linalg.qr(gradients[:, 1:])[0]
        up = up - basis @ (basis.T @ up)
    step = up * std
    return (step / max(float(np.linalg.norm(step)), 1e-12)).astype(np.float32)


def _descended(
    generator: Generator,
    classifier: Classifier,
    name: str,
    z: Latents,
    step: Latents,
    held: np.ndarray,
    seed: int,
    show: bool,
) -> Latents:
    """The same made better by gradients of the score, where there are any and nothing is held."""
    if held.shape[1] or not _differentiable(generator, classifier, z):
        return step
    column, chance = classifier.column(name), torch.Generator().manual_seed(derive(seed, "raise"))
    whole = std_along(step, z)
    start = torch.from_numpy(step * np.float32(whole)).to(generator.device)
    turn = torch.zeros_like(start, requires_grad=True)
    kind = classifier.kinds[column]

    def loss(number: int) -> Tensor:
        some = torch.randint(len(z), (BATCH,), generator=chance).numpy()
        point = torch.from_numpy(z[some]).to(generator.device)
        amount = (2 * torch.rand(BATCH, generator=chance) - 1).to(generator.device) * 3
        with torch.no_grad():
            before = classifier.function(decode_tensor(generator, point))[:, column]
        target = before + amount * size
        target = target.clamp(0, 1) if kind != "number" else target
        moved = point + amount[:, None] * (start + whole * turn)
        after = classifier.function(decode_tensor(generator, moved))[:, column]
        return (after - target).square().mean() / std**2

    answers = classifier.score(generator.decode(z[:256]))[:, column]
    std = max(float(answers.std()), 1e-6)
    size = CALIBRATION_TARGETS * (1.0 if kind != "number" else std)
    minimize([turn], loss, steps=STEPS, rate=RATE, label=f"raising {name}", show=show)
    result = (start + whole * turn.detach()).cpu().numpy()
    result = (result / max(float(np.linalg.norm(result)), 1e-12)).astype(np.float32)

    def rise(step: Latents) -> float:
        ends = [z[:CALIBRATION_IMAGES] + sign * TRIED_AMOUNTS * std_along(step, z) * step for sign in (-1, 1)]
        low, high = (classifier.score(generator.decode(end))[:, column].mean() for end in ends)
        return float(high - low)

    return result if rise(result) > rise(step) else step


def _differentiable(generator: Generator, classifier: Classifier, z: Latents) -> bool:
    if not is_differentiable(generator, z) or classifier.device != generator.device:
        return False
    point = torch.tensor(z[:1], device=generator.device, requires_grad=True)
    try:
        return classifier.function(decode_tensor(generator, point)).requires_grad
    except (RuntimeError, TypeError):  # a scorer that goes by numpy refuses what has gradients
        return False


def _means(
    generator: Generator, z: Latents, direction: Direction, classifier: Classifier, name: str, asked: Values
) -> Values:
    """By how much the mean answer changes, for each amount."""
    one = classifier.only([name])
    before = one.score(generator.decode(z)).mean()
    result = [
        one.score(generator.decode(direction.move(z, np.full(len(z), amount)))).mean() - before
        for amount in asked
    ]
    return np.array(result, np.float32)


def _rising(means: Values) -> tuple[int, int]:
    """The ends of the run around the middle in which the score rises from place to place."""
    low = high = len(means) // 2
    least = 1e-3 * float(np.ptp(means))
    while low > 0 and means[low - 1] < means[low] - least:
        low -= 1
    while high < len(means) - 1 and means[high + 1] > means[high] + least:
        high += 1
    return low, high
