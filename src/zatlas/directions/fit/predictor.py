"""Directions that raise the predictions of any classifier or predictor by the requested amount."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, NotSupported, UnknownName
from zatlas.core.seeds import derive, stream
from zatlas.directions.decoding import decode_tensor, is_differentiable, minimize, progress_bar
from zatlas.directions.estimate import std_along
from zatlas.directions.field_networks import RIDGE, ConstantField, GradientField, fit_network
from zatlas.directions.field_networks import STEPS as NETWORK_STEPS
from zatlas.directions.types import Direction, FieldDirection, LinearDirection
from zatlas.models.classifier import Classifier
from zatlas.models.decoding_time import PASSES, announce_decoding
from zatlas.models.generator import Generator

METHODS = ("linear", "local")
SAMPLES = 2000  # images that are predicted
REGRESSION_RIDGE = 1e-2  # of the latents' variance
STEPS, BATCH, RATE = 40, 16, 0.01
COMPARED_AMOUNT = 1.5  # standard deviations by which two directions are compared
TARGET_CHANGE = 0.5  # of a probability, or of a number's std, for one std during the optimization
CALIBRATION_LATENTS = 128  # latents that define the scale, and as many others for its error
MAX_AMOUNT, AMOUNTS = 6.0, 17  # standard deviations to either side, and the number of amounts measured
REQUESTED_AMOUNTS = 9  # for which the error is measured
MEASURED_AMOUNTS = AMOUNTS + REQUESTED_AMOUNTS + 4  # images of each latent that scale and error take


def fit(
    generator: Generator,
    latents: Latents,
    *,
    classifier: Classifier,
    names: Sequence[str] = (),
    orthogonal_to: Sequence[str] = (),
    method: str = "linear",
    ridge: float = RIDGE,
    steps: int = NETWORK_STEPS,
    samples: int = SAMPLES,
    seed: int = 0,
    show: bool = False,
) -> list[Direction]:
    """A direction for each of the classifier's names; moving by `a` changes its mean prediction by `a`.

    Goetschalckx et al. 2019 (GANalyze), https://arxiv.org/abs/1906.10112. `linear` begins with the
    regression of predictions on latents, which needs no gradients (Stein 1981: it is the mean gradient),
    and is refined by gradients where classifier and decoder have them. `local` follows the gradient of a
    network fitted to the predictions. Those in `orthogonal_to` do not change. `samples` images are predicted.
    """
    if method not in METHODS:
        raise UnknownName("method to raise a prediction", method, METHODS)
    classifier.select([*names, *orthogonal_to])  # raises UnknownName
    targets = list(names or classifier.names)
    extra = _other_labels(classifier, targets) if method == "local" else ()
    used = sorted({*targets, *orthogonal_to, *extra})
    if show:
        _announce(generator, latents, classifier, targets, method, samples)
    z, predictions = _predict(generator, latents, classifier.select(used), samples, seed, show)
    varying = _varying(used, predictions, targets)
    predictions = predictions[:, [used.index(name) for name in varying]]
    network = None
    if method == "local":
        probabilities = all(classifier.kinds[classifier.column(name)] != "number" for name in varying)
        y = predictions if probabilities else _standardized(predictions)
        network = fit_network(z, y, probabilities=probabilities, steps=steps, seed=seed, show=show)
    result: list[Direction] = []
    with progress_bar(show, "raising predictions", len(targets), "names") as advance:
        for name in targets:
            others = [other for other in orthogonal_to if other != name and other in varying]
            columns = [varying.index(each) for each in (name, *others)]
            if network is not None:
                raw: Direction = FieldDirection(name, GradientField(network.select(columns), ridge))
            else:
                step = _regression_vector(z, predictions, columns)
                refined = step if others else _refine(generator, classifier, name, z, step, seed, show)
                raw = LinearDirection(name, refined, std_along(refined, latents))
            result.append(calibrate(generator, z, raw, classifier, name, seed=seed))
            advance(1)
    return result


def _varying(used: Sequence[str], predictions: np.ndarray, targets: Sequence[str]) -> list[str]:
    """The names whose predictions differ between images; all targets must be among them."""
    varying = [name for i, name in enumerate(used) if predictions[:, i].std() > 1e-6]
    for name in targets:
        if name not in varying:
            raise BadData(f"The classifier predicts the same {name!r} for all images of this model.")
    return varying


def _announce(
    generator: Generator,
    latents: Latents,
    classifier: Classifier,
    targets: Sequence[str],
    method: str,
    samples: int,
) -> None:
    """Print how long the fit takes, if that is long."""
    refines = method == "linear" and _has_gradient(generator, classifier, latents)
    measured = min(samples // 2, CALIBRATION_LATENTS) * MEASURED_AMOUNTS
    images = samples + len(targets) * (refines * PASSES * STEPS * BATCH + measured)
    task = f"Fitting {', '.join(targets)}"
    announce_decoding(task, images, generator, latents, measure=classifier.predict)


def calibrate(
    generator: Generator,
    latents: Latents,
    direction: Direction,
    classifier: Classifier,
    name: str,
    *,
    seed: int = 0,
) -> FieldDirection:
    """The direction with a scale: moving by `a` changes the mean prediction by `a`.

    The scale is measured on some latents and its error on others; it ends where one more step does not
    raise the prediction. The facts hold the range of requested amounts, the range in std, and the errors.
    """
    rows = stream(seed, "scale").permutation(len(latents))[: 2 * CALIBRATION_LATENTS]
    # Alternate by prediction, so that both halves have the same mean.
    order = rows[classifier.select([name]).predict(generator.decode(latents[rows]))[:, 0].argsort()]
    calibration, test = latents[order[::2]], latents[order[1::2]]
    stds = np.linspace(-MAX_AMOUNT, MAX_AMOUNT, AMOUNTS, dtype=np.float32)
    changes = _mean_changes(generator, calibration, direction, classifier, name, stds)
    low, high = _increasing_range(changes)
    if high - low < 1:
        raise NotSupported(
            f"No direction of this model raises {name!r} as this classifier predicts it. Choose another name."
        )
    scale = (changes[low : high + 1], stds[low : high + 1])
    if isinstance(direction, FieldDirection):
        scaled = replace(direction, scale=scale)
    else:
        step = ConstantField(direction.vector * np.float32(direction.std))
        scaled = FieldDirection(direction.name, step, direction.score, direction.side_effects, scale=scale)
    requested = np.linspace(scale[0][0], scale[0][-1], REQUESTED_AMOUNTS, dtype=np.float32)
    achieved = _mean_changes(generator, test, scaled, classifier, name, requested)
    errors = np.abs(achieved - requested)
    facts = {
        "unit": f"mean change of {name}",
        "requested": [float(requested[0]), float(requested[-1])],
        "std": [float(scale[1][0]), float(scale[1][-1])],
        "mean_error": float(errors.mean()),
        "max_error": float(errors.max()),
    }
    return replace(scaled, facts=facts)


def _predict(
    generator: Generator, latents: Latents, classifier: Classifier, samples: int, seed: int, show: bool
) -> tuple[Latents, np.ndarray]:
    """A sample of the latents, and the predictions for their images."""
    rows = stream(seed, "read").choice(len(latents), min(samples, len(latents)), replace=False)
    z, result = latents[rows], []
    with progress_bar(show, "predicting", len(z), "images") as advance:
        for images in generator.decode_batches(z):
            result.append(classifier.predict(images))
            advance(len(images))
    return z, np.concatenate(result)


def _other_labels(classifier: Classifier, targets: Sequence[str]) -> list[str]:
    """All labels if the targets are labels, because fitting them together improves each; else none."""
    kinds = dict(zip(classifier.names, classifier.kinds, strict=True))
    if any(kinds[name] == "number" for name in targets):
        return []
    return [name for name, kind in kinds.items() if kind != "number"]


def _standardized(predictions: np.ndarray) -> np.ndarray:
    return (predictions - predictions.mean(axis=0)) / predictions.std(axis=0)


def _regression_vector(z: Latents, predictions: np.ndarray, columns: list[int]) -> Latents:
    """The unit vector of the first column's regression, orthogonal to those of the other columns."""
    mean, std = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-9)
    x = ((z - mean) / std).astype(np.float64)
    y = predictions[:, columns] - predictions[:, columns].mean(axis=0)
    if x.shape[1] <= len(x):
        square = x.T @ x + REGRESSION_RIDGE * len(x) * np.eye(x.shape[1])
        weights = np.linalg.solve(square, x.T @ y)
    else:
        square = x @ x.T + REGRESSION_RIDGE * x.shape[1] * np.eye(len(x))
        weights = x.T @ np.linalg.solve(square, y)
    first = weights[:, 0]
    if len(columns) > 1:
        basis = np.linalg.qr(weights[:, 1:])[0]
        first = first - basis @ (basis.T @ first)
    step = first * std
    return (step / max(float(np.linalg.norm(step)), 1e-12)).astype(np.float32)


def _refine(
    generator: Generator, classifier: Classifier, name: str, z: Latents, step: Latents, seed: int, show: bool
) -> Latents:
    """The unit vector after some steps along the prediction's gradient, if there is one and it helps."""
    if not _has_gradient(generator, classifier, z):
        return step
    column, rng = classifier.column(name), torch.Generator().manual_seed(derive(seed, "raise"))
    length = std_along(step, z)
    start = torch.from_numpy(step * np.float32(length)).to(generator.device)
    offset = torch.zeros_like(start, requires_grad=True)
    is_number = classifier.kinds[column] == "number"
    std = max(float(classifier.predict(generator.decode(z[:256]))[:, column].std()), 1e-6)
    change = TARGET_CHANGE * (std if is_number else 1.0)

    def loss(_: int) -> Tensor:
        rows = torch.randint(len(z), (BATCH,), generator=rng).numpy()
        latent = torch.from_numpy(z[rows]).to(generator.device)
        amount = (2 * torch.rand(BATCH, generator=rng) - 1).to(generator.device) * 3
        with torch.no_grad():
            before = classifier(decode_tensor(generator, latent))[:, column]
        target = before + amount * change
        target = target if is_number else target.clamp(0, 1)
        moved = latent + amount[:, None] * (start + length * offset)
        after = classifier(decode_tensor(generator, moved))[:, column]
        return (after - target).square().mean() / std**2

    minimize([offset], loss, steps=STEPS, rate=RATE, label=f"raising {name}", show=show)
    refined = (start + length * offset.detach()).cpu().numpy()
    refined = (refined / max(float(np.linalg.norm(refined)), 1e-12)).astype(np.float32)

    def rise(vector: Latents) -> float:
        step = COMPARED_AMOUNT * std_along(vector, z) * vector
        ends = [z[:CALIBRATION_LATENTS] + sign * step for sign in (-1, 1)]
        low, high = (classifier.predict(generator.decode(end))[:, column].mean() for end in ends)
        return float(high - low)

    return refined if rise(refined) > rise(step) else step


def _has_gradient(generator: Generator, classifier: Classifier, z: Latents) -> bool:
    """Whether torch has a gradient of the predictions with respect to the latents."""
    if not is_differentiable(generator, z) or classifier.device != generator.device:
        return False
    latent = torch.tensor(z[:1], device=generator.device, requires_grad=True)
    try:
        return classifier(decode_tensor(generator, latent)).requires_grad
    except (RuntimeError, TypeError):  # a classifier in numpy refuses tensors with gradients
        return False


def _mean_changes(
    generator: Generator, z: Latents, direction: Direction, classifier: Classifier, name: str, amounts: Values
) -> Values:
    """The change of the mean prediction by each amount."""
    selected = classifier.select([name])
    moved = [direction.move(z, np.full(len(z), amount)) for amount in amounts]
    before = selected.predict(generator.decode(z)).mean()
    return np.array([selected.predict(generator.decode(m)).mean() - before for m in moved], np.float32)


def _increasing_range(values: Values) -> tuple[int, int]:
    """The first and last index of the increasing run around the middle."""
    low = high = len(values) // 2
    min_step = 1e-3 * float(np.ptp(values))
    while low > 0 and values[low - 1] < values[low] - min_step:
        low -= 1
    while high < len(values) - 1 and values[high + 1] > values[high] + min_step:
        high += 1
    return low, high
