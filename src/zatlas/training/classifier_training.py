"""Train a classifier that predicts the attributes of a dataset from its images, and evaluate it.

The losses are cross-entropy for flags and classes, and the squared error in units of the std for numbers.
Missing values add nothing to the loss. The images are shifted, blurred, dimmed and noisy, so that the
classifier also works on the softer images of a decoder.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadData, BadRecipe, Diverged, UnknownName
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive
from zatlas.data.image_dataset import NO_LABEL, Column, ImageDataset
from zatlas.models.classifier import Classifier, ClassifierNet, Target, from_network
from zatlas.models.device import resolve_device
from zatlas.models.nets import Shape
from zatlas.training.batches import Batches
from zatlas.training.environment import deterministic
from zatlas.training.recipe import Training
from zatlas.training.schedule import rate_at

LABEL = "label"  # name of the attribute that holds the classes of the dataset
MAX_CLASSES = 100  # a text attribute with more values is not a class
NOISE, LIGHT = 0.02, 0.04  # largest noise (std) and change of brightness
SHIFT = 1 / 32  # largest shift, as a share of the side
NET = {"width": 16, "hidden": 128, "norm": "group"}
TRAINING = Training(epochs=12, batch=64, rate=2e-3)


@dataclass(frozen=True)
class AttributeAccuracy:
    """How well the classifier predicts an attribute of images that it was not trained on."""

    measure: Literal["accuracy", "R2"]
    value: float
    baseline: float  # value of the best constant prediction
    images: int  # number of images that have the attribute
    auc: float | None = None  # for a flag: the area under the ROC curve

    @property
    def exceeds_baseline(self) -> bool:
        """Whether the AUC, or else the value, exceeds 97.5 % of those of random predictions.

        Mann and Whitney 1947, https://doi.org/10.1214/aoms/1177730491
        """
        rest = self.images * self.baseline * (1 - self.baseline)
        if self.auc is None:
            error = math.sqrt(rest) / self.images if self.measure == "accuracy" else 0.0
            return self.value > self.baseline + 1.96 * error
        return self.auc > 0.5 + 1.96 * math.sqrt((self.images + 1) / (12 * self.images * rest))


def train_classifier(
    images: ImageDataset,
    names: Sequence[str] | None = None,
    *,
    epochs: int = TRAINING.epochs,
    seed: int = 0,
    show: bool = True,
) -> Classifier:
    """Train on the train split a classifier of these attributes, or of all attributes that vary."""
    if epochs < 1:
        raise BadRecipe(f"A classifier needs at least 1 epoch, not {epochs}.")
    rows = images.rows("train")
    targets = choose(images, rows, names)
    truth = torch.from_numpy(encode(targets, columns_of(images)))
    from lightning_fabric import Fabric  # slow to import

    fabric = Fabric(accelerator=resolve_device(), devices=1)
    with deterministic(seed, fabric):
        network = ClassifierNet(targets, images.shape, *net_for(images.shape)).to(fabric.device)
        batches = Batches(images, rows, TRAINING.batch, fabric.device, labelled=False)
        training = replace(TRAINING, epochs=epochs)
        with bar("training the classifier", epochs * len(rows), show=show) as advance:
            _fit(network, batches, truth, training, seed, advance)
    return from_network(network, str(fabric.device))


def evaluate_classifier(
    classifier: Classifier, images: ImageDataset, rows: Rows | None = None
) -> dict[str, AttributeAccuracy]:
    """Evaluate each attribute of the classifier that the dataset has, on its test split or on `rows`.

    Returns accuracy for flags and classes, also the area under the ROC curve for flags, R2 for numbers.
    """
    if rows is None:
        rows = next(r for split in ("test", "valid", "train") if len(r := images.rows(split)))
    parts = [rows[i : i + classifier.batch] for i in range(0, len(rows), classifier.batch)]
    scores = np.concatenate([classifier.predict(images.images(part)) for part in parts])
    table = columns_of(images)
    checks: dict[str, AttributeAccuracy] = {}
    for target in targets_of(classifier):
        if target.name in table:
            truth = encode([target], {target.name: table[target.name][rows]})[:, 0]
            predicted = scores[:, [classifier.column(name) for name in target.columns]]
            present = ~np.isnan(truth)
            if present.any():
                checks[target.name] = _check(target, predicted[present], truth[present])
    return checks


def _check(target: Target, predicted: np.ndarray, truth: np.ndarray) -> AttributeAccuracy:
    count = len(truth)
    if target.kind == "number":
        error, variance = float(((predicted[:, 0] - truth) ** 2).mean()), float(truth.var())
        return AttributeAccuracy("R2", 1 - error / variance if variance else 0.0, 0.0, count)
    from sklearn.metrics import roc_auc_score

    answer = predicted[:, 0] > 0.5 if target.kind == "flag" else predicted.argmax(1)
    common = np.unique(truth, return_counts=True)[1].max() / count
    area = None
    if target.kind == "flag" and common < 1:
        area = float(roc_auc_score(truth > 0.5, predicted[:, 0]))
    return AttributeAccuracy("accuracy", float((answer == truth).mean()), float(common), count, area)


def targets_of(classifier: Classifier) -> list[Target]:
    """Return the attributes that a classifier predicts."""
    if isinstance(classifier.function, ClassifierNet):
        return list(classifier.function.targets)
    targets: dict[str, Target] = {}
    for name, kind in zip(classifier.names, classifier.kinds, strict=True):
        key, _, word = name.partition("=") if kind == "class" else (name, "", "")
        before = targets[key].classes if key in targets else ()
        targets[key] = Target(key, kind, (*before, word) if word else ())
    return list(targets.values())


# Targets ----------------------------------------------------------------------------------------


def columns_of(images: ImageDataset) -> dict[str, Column]:
    """Return the attributes of a dataset by name, with its classes as the attribute `LABEL`."""
    table = dict(images.attributes)
    if images.labels is not None and LABEL not in table:
        words = ["" if name == NO_LABEL else name for name in images.classes]
        table[LABEL] = np.array(words)[images.labels]
    return table


def choose(images: ImageDataset, rows: Rows, names: Sequence[str] | None) -> list[Target]:
    """Return the targets of these names, or of all attributes that vary over these rows."""
    table = columns_of(images)
    for name in names or ():
        if name not in table:
            raise UnknownName(f"attribute of {images.name}", name, table)
    candidates = {name: _target(name, table[name][rows]) for name in names or table}
    if names:
        for name, target in candidates.items():
            if target is None:
                raise BadData(
                    f"A classifier cannot predict {name!r} of {images.name}: it is equal for all images, "
                    f"or a text with more than {MAX_CLASSES} values. Name another attribute."
                )
    targets = [target for target in candidates.values() if target]
    if not targets:
        raise BadData(f"{images.name} has no attributes to predict. Add a table of attributes to the folder.")
    return targets


def _target(name: str, column: Column) -> Target | None:
    if column.dtype.kind == "U":
        words = tuple(sorted(set(column.tolist()) - {""}))
        return Target(name, "class", words) if 2 <= len(words) <= MAX_CLASSES else None
    values = column[~np.isnan(column)].astype(np.float64) if column.dtype != bool else column
    kinds = set(np.unique(values)[:3].tolist())
    if len(kinds) < 2:
        return None
    if kinds in ({0, 1}, {-1, 1}):  # a flag with missing values is stored as numbers
        return Target(name, "flag")
    return Target(name, "number", (), float(values.mean()), float(values.std()))


def encode(targets: Sequence[Target], table: Mapping[str, Column]) -> np.ndarray:
    """Return float32 columns of the targets: 0 or 1, the number, or the class index; NaN if missing."""
    encoded = [_encode(target, table[target.name]) for target in targets]
    return np.stack(encoded, axis=1).astype(np.float32)


def _encode(target: Target, column: Column) -> np.ndarray:
    if target.kind == "class":
        index = {word: float(i) for i, word in enumerate(target.classes)}
        return np.array([index.get(word, math.nan) for word in column.tolist()])
    if column.dtype.kind == "U":
        raise BadData(f"{target.name!r} is text in this dataset, and a {target.kind} for the classifier.")
    values = column.astype(np.float64)
    if target.kind == "number":
        return values
    return np.where(np.isnan(values), math.nan, values > 0)


# Training ---------------------------------------------------------------------------------------


def net_for(shape: Shape) -> tuple[str, dict[str, Any]]:
    """Return a net for images of this shape: convolutional if both sides are multiples of 4."""
    _, height, width = shape
    conv = not (height % 4 or width % 4)
    return ("conv", dict(NET)) if conv else ("mlp", {"widths": [256, 128]})


def _fit(
    network: ClassifierNet, batches: Batches, truth: Tensor, training: Training, seed: int, advance: Advance
) -> None:
    """Train the weights. The seed determines the order and all random numbers."""
    optimizer = torch.optim.Adam(network.parameters(), betas=(training.beta1, training.beta2))
    rng = torch.Generator(batches.device).manual_seed(derive(seed, "blur"))
    for epoch in range(training.epochs):
        order = batches.order(seed, epoch)
        for index in range(len(batches)):
            rows = batches.own_rows(order, index)
            x, _ = batches.select(rows)
            labels = truth[torch.from_numpy(rows.astype(np.int64))].to(batches.device)
            step = epoch * len(batches) + index
            for group in optimizer.param_groups:
                group["lr"] = rate_at(training, step, len(batches))
            loss = _loss(network, blur_randomly(shift_randomly(x, rng), rng), labels)
            if not math.isfinite(loss.item()):
                raise Diverged(f"The classifier's loss is NaN or infinite at step {step + 1:,}.")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            advance(len(rows))


def _loss(network: ClassifierNet, x: Tensor, labels: Tensor) -> Tensor:
    """Return the sum over the targets of the mean loss over the images that have a value."""
    losses = []
    for target, raw, truth in zip(network.targets, network.outputs(x), labels.unbind(1), strict=True):
        present = ~truth.isnan()
        losses_of_images = _distance(target, raw, truth.nan_to_num())
        losses.append((losses_of_images * present).sum() / present.sum().clamp(min=1))
    return torch.stack(losses).sum()


def _distance(target: Target, raw: Tensor, truth: Tensor) -> Tensor:
    if target.kind == "class":
        return F.cross_entropy(raw, truth.long(), reduction="none")
    if target.kind == "flag":
        return F.binary_cross_entropy_with_logits(raw[:, 0], truth, reduction="none")
    return (raw[:, 0] - (truth - target.mean) / target.std).square()


def shift_randomly(x: Tensor, rng: torch.Generator) -> Tensor:
    """Shift a batch by a few random pixels, and repeat its edges. This reduces overfitting."""
    height, width = x.shape[2:]
    shift = int(SHIFT * min(height, width))
    down, right = torch.randint(2 * shift + 1, (2,), generator=rng, device=x.device).tolist()
    wide = F.pad(x, (shift, shift, shift, shift), mode="replicate")
    return wide[:, :, down : down + height, right : right + width]


def blur_randomly(x: Tensor, rng: torch.Generator) -> Tensor:
    """Make images similar to decoded ones: half of them blurred, all with random brightness and noise."""

    def unit() -> Tensor:
        return torch.rand(len(x), 1, 1, 1, generator=rng, device=x.device)

    # Half of the images stay sharp.
    x = x + (2 * unit() - 1).clamp(min=0) * (_blur(_blur(x)) - x)
    x = x * (1 + LIGHT * (2 * unit() - 1))
    noise = torch.randn(x.shape, generator=rng, device=x.device)
    return (x + NOISE * unit() * noise).clamp(0, 1)


def _blur(x: Tensor) -> Tensor:
    """Blur with a binomial 3x3 kernel; sums of slices are faster than a convolution of one channel."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across = wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]
    return (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 16
