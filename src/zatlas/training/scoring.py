"""Teaching a net to read the attributes of a set from its images, and telling how well it does.

Flags by cross-entropy, numbers by squared error in spreads, texts as classes. An image that lacks a
value teaches the others alone. The images are moved, blurred, dimmed and made noisy a little, so that
what was learnt from sharp ones is read from a decoder's softer pictures as well.
"""

import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from zatlas.core.arrays import Rows
from zatlas.core.errors import BadData, BadRecipe, Diverged, UnknownName
from zatlas.core.progress import Advance, bar
from zatlas.core.seeds import derive
from zatlas.data.imageset import UNLABELLED, Column, ImageSet
from zatlas.models.nets import Shape
from zatlas.models.scorer import Reader, Scorer, Target, scorer
from zatlas.training.batches import Batches
from zatlas.training.recipe import Training
from zatlas.training.schedule import rate_at
from zatlas.training.setting import exactly

LABEL = "label"  # the set's classes, as an attribute
MOST_CLASSES = 100  # beyond this a text is taken for a name, not for a kind
NOISE, LIGHT = 0.02, 0.04  # at most, of the range of grey
SHIFT = 1 / 32  # at most, of the side
NET = {"width": 16, "hidden": 128, "norm": "group"}
TRAINING = Training(epochs=12, batch=64, rate=2e-3)


@dataclass(frozen=True)
class Check:
    """How well an attribute is read from images that were not learnt from."""

    measure: Literal["accuracy", "R2"]
    value: float
    chance: float  # the same of the best constant answer
    images: int  # that have a value
    area: float | None = None  # of a flag: chance that a yes is read higher than a no


def train_scorer(
    images: ImageSet,
    names: Sequence[str] | None = None,
    *,
    epochs: int = TRAINING.epochs,
    seed: int = 0,
    show: bool = True,
) -> Scorer:
    """A scorer of these attributes of the set, or of all that can be learnt, from its train split."""
    if epochs < 1:
        raise BadRecipe(f"A scorer is taught for at least 1 epoch, not {epochs}.")
    rows = images.rows("train")
    targets = choose(images, rows, names)
    truth = torch.from_numpy(encode(targets, columns_of(images)))
    fabric = Fabric(devices=1)
    with exactly(seed, fabric):
        reader = Reader(targets, images.shape, *net_for(images.shape)).to(fabric.device)
        batches = Batches(images, rows, TRAINING.batch, fabric.device, labelled=False)
        training = replace(TRAINING, epochs=epochs)
        told = bar("teaching the scorer", epochs * len(rows)) if show else nullcontext(silent)
        with told as advance:
            _teach(reader, batches, truth, training, seed, advance)
    return scorer(reader, str(fabric.device))


def check(scorer: Scorer, images: ImageSet, rows: Rows | None = None) -> dict[str, Check]:
    """How well the scorer reads each attribute that the set has, on its test split or on some rows.

    Flags and classes by the part that is read rightly, flags by the area under their ROC curve as well,
    numbers by the part of their variance that is read.
    """
    if rows is None:
        rows = next(r for split in ("test", "valid", "train") if len(r := images.rows(split)))
    parts = [rows[i : i + scorer.batch] for i in range(0, len(rows), scorer.batch)]
    scores = np.concatenate([scorer.score(images.images(part)) for part in parts])
    table = columns_of(images)
    found: dict[str, Check] = {}
    for target in targets_of(scorer):
        if target.name in table:
            truth = encode([target], {target.name: table[target.name][rows]})[:, 0]
            read = scores[:, [scorer.column(name) for name in target.columns]]
            known = ~np.isnan(truth)
            if known.any():
                found[target.name] = _judge(target, read[known], truth[known])
    return found


def silent(count: int) -> None:
    """Progress that nobody is told of."""


def _judge(target: Target, read: np.ndarray, truth: np.ndarray) -> Check:
    count = len(truth)
    if target.kind == "number":
        missed, spread = float(((read[:, 0] - truth) ** 2).mean()), float(truth.var())
        return Check("R2", 1 - missed / spread if spread else 0.0, 0.0, count)
    from sklearn.metrics import roc_auc_score

    answer = read[:, 0] > 0.5 if target.kind == "flag" else read.argmax(1)
    common = np.unique(truth, return_counts=True)[1].max() / count
    area = None
    if target.kind == "flag" and common < 1:
        area = float(roc_auc_score(truth > 0.5, read[:, 0]))
    return Check("accuracy", float((answer == truth).mean()), float(common), count, area)


def targets_of(scorer: Scorer) -> list[Target]:
    """The attributes that a scorer's columns are of."""
    if isinstance(scorer.function, Reader):
        return list(scorer.function.targets)
    found: dict[str, Target] = {}
    for name, kind in zip(scorer.names, scorer.kinds, strict=True):
        key, _, word = name.partition("=") if kind == "class" else (name, "", "")
        before = found[key].classes if key in found else ()
        found[key] = Target(key, kind, (*before, word) if word else ())
    return list(found.values())


# What there is to learn -------------------------------------------------------------------------


def columns_of(images: ImageSet) -> dict[str, Column]:
    """The attributes of a set, and its classes as one more."""
    table = dict(images.attributes)
    if images.labels is not None and LABEL not in table:
        words = ["" if name == UNLABELLED else name for name in images.classes]
        table[LABEL] = np.array(words)[images.labels]
    return table


def choose(images: ImageSet, rows: Rows, names: Sequence[str] | None) -> list[Target]:
    """The targets of these names, or of all attributes that differ among these rows."""
    table = columns_of(images)
    for name in names or ():
        if name not in table:
            raise UnknownName(f"attribute of {images.name}", name, table)
    found = {name: _target(name, table[name][rows]) for name in names or table}
    if names:
        for name, target in found.items():
            if target is None:
                raise BadData(
                    f"{name!r} of {images.name} cannot be learnt: it is the same for all images, "
                    f"or a text of more than {MOST_CLASSES} kinds."
                )
    targets = [target for target in found.values() if target]
    if not targets:
        raise BadData(f"{images.name} has no attributes to learn. Bring a table of them.")
    return targets


def _target(name: str, column: Column) -> Target | None:
    if column.dtype.kind == "U":
        words = tuple(sorted(set(column.tolist()) - {""}))
        return Target(name, "class", words) if 2 <= len(words) <= MOST_CLASSES else None
    values = column[~np.isnan(column)].astype(np.float64) if column.dtype != bool else column
    kinds = set(np.unique(values)[:3].tolist())
    if len(kinds) < 2:
        return None
    if kinds in ({0, 1}, {-1, 1}):  # a flag that some images lack comes as numbers
        return Target(name, "flag")
    return Target(name, "number", (), float(values.mean()), float(values.std()))


def encode(targets: Sequence[Target], table: Mapping[str, Column]) -> np.ndarray:
    """A float32 column for each target: 0 and 1, the value, or the number of the class; NaN is missing."""
    encoded = [_encode(target, table[target.name]) for target in targets]
    return np.stack(encoded, axis=1).astype(np.float32)


def _encode(target: Target, column: Column) -> np.ndarray:
    if target.kind == "class":
        index = {word: float(i) for i, word in enumerate(target.classes)}
        return np.array([index.get(word, math.nan) for word in column.tolist()])
    if column.dtype.kind == "U":
        raise BadData(f"{target.name!r} is text here; the scorer reads it as a {target.kind}.")
    values = column.astype(np.float64)
    if target.kind == "number":
        return values
    return np.where(np.isnan(values), math.nan, values > 0)


# Teaching ---------------------------------------------------------------------------------------


def net_for(shape: Shape) -> tuple[str, dict[str, Any]]:
    """The net that reads images of this shape: convolutions where their sides can be halved twice."""
    _, height, width = shape
    conv = not (height % 4 or width % 4)
    return ("conv", dict(NET)) if conv else ("mlp", {"widths": [256, 128]})


def _teach(
    reader: Reader, batches: Batches, truth: Tensor, training: Training, seed: int, advance: Advance
) -> None:
    """Move the weights, in an order and with chances that the seed alone decides."""
    optimizer = torch.optim.Adam(reader.parameters(), betas=(training.beta1, training.beta2))
    chance = torch.Generator(batches.device).manual_seed(derive(seed, "blur"))
    for epoch in range(training.epochs):
        order = batches.order(seed, epoch)
        for index in range(len(batches)):
            rows = batches.chosen(order, index)
            x, _ = batches.take(rows)
            told = truth[torch.from_numpy(rows.astype(np.int64))].to(batches.device)
            step = epoch * len(batches) + index
            for group in optimizer.param_groups:
                group["lr"] = rate_at(training, step, len(batches))
            loss = _loss(reader, soften(move(x, chance), chance), told)
            if not math.isfinite(loss.item()):
                raise Diverged(f"The scorer's loss is no longer a number at step {step + 1:,}.")
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            advance(len(rows))


def _loss(reader: Reader, x: Tensor, told: Tensor) -> Tensor:
    """The sum over the targets of the mean loss of the images that have a value."""
    losses = []
    for target, raw, truth in zip(reader.targets, reader.parts(x), told.unbind(1), strict=True):
        known = ~truth.isnan()
        each = _distance(target, raw, truth.nan_to_num())
        losses.append((each * known).sum() / known.sum().clamp(min=1))
    return torch.stack(losses).sum()


def _distance(target: Target, raw: Tensor, truth: Tensor) -> Tensor:
    if target.kind == "class":
        return F.cross_entropy(raw, truth.long(), reduction="none")
    if target.kind == "flag":
        return F.binary_cross_entropy_with_logits(raw[:, 0], truth, reduction="none")
    return (raw[:, 0] - (truth - target.mean) / target.spread).square()


def move(x: Tensor, chance: torch.Generator) -> Tensor:
    """The images of a batch a few pixels aside, their edges drawn out: else details are learnt by heart."""
    height, width = x.shape[2:]
    far = int(SHIFT * min(height, width))
    down, right = torch.randint(2 * far + 1, (2,), generator=chance, device=x.device).tolist()
    wide = F.pad(x, (far, far, far, far), mode="replicate")
    return wide[:, :, down : down + height, right : right + width]


def soften(x: Tensor, chance: torch.Generator) -> Tensor:
    """The images as a decoder might show them: some blurred, each a little dimmed or lit, and noisy."""

    def unit() -> Tensor:
        return torch.rand(len(x), 1, 1, 1, generator=chance, device=x.device)

    # Half of them stay as sharp as they are.
    x = x + (2 * unit() - 1).clamp(min=0) * (_blur(_blur(x)) - x)
    x = x * (1 + LIGHT * (2 * unit() - 1))
    noise = torch.randn(x.shape, generator=chance, device=x.device)
    return (x + NOISE * unit() * noise).clamp(0, 1)


def _blur(x: Tensor) -> Tensor:
    """Each pixel with its neighbours; sums of slices, for a convolution of one channel is slow."""
    wide = F.pad(x, (1, 1, 1, 1), mode="replicate")
    across = wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]
    return (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 16
