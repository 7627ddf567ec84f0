"""Metrics of likelihood on held-out images, and of the weight of the rate in the loss."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Rows
from zatlas.core.seeds import derive, stream
from zatlas.latent_source import Encoded
from zatlas.metrics.importance import TREATMENT_TEXT, Bounds, Treatment, importance_bound
from zatlas.metrics.metric import Better, Metric, mean_and_error
from zatlas.models.description import load_weights
from zatlas.models.importers import imported_run
from zatlas.models.likelihood import Gaussian
from zatlas.models.vae import VAE
from zatlas.workspace import Workspace

BOUND_IMAGES, BOUND_DRAWS = 256, 1000
MAX_PIXELS = 1 << 27  # pixels decoded for the bound; large images get fewer samples
ELBO_IMAGES, ELBO_DRAWS = 2000, 8  # for the ELBO of training and of held-out images


@dataclass(frozen=True)
class _Task:
    """A model with its pixel treatment and seed."""

    workspace: Workspace
    model: VAE
    treatment: Treatment
    seed: int

    def bounds(self, rows: Rows, k: int) -> Bounds:
        """The bounds of these images from k posterior samples each."""
        device = torch.device(self.workspace.generator.device)
        x = torch.from_numpy(self.workspace.dataset.images(rows)).to(device)
        labels = self.workspace.labels(rows) if self.model.classes else None
        y = None if labels is None else torch.from_numpy(labels).to(device)
        rng = torch.Generator(device).manual_seed(derive(self.seed, "likelihood"))
        return importance_bound(self.model, x, k, rng=rng, y=y, treatment=self.treatment)


def likelihood_metrics(
    workspace: Workspace,
    *,
    seed: int = 0,
    images: int = BOUND_IMAGES,
    draws: int | None = None,
    treatment: Treatment | None = None,
    limit: int = ELBO_IMAGES,
) -> list[Metric]:
    """Metrics of likelihood from `images` held-out images with `draws` posterior samples each.

    No metric uses more than `limit` images. Pixels are treated as in training by default. A model without a
    likelihood has only its reconstruction error.
    """
    if not isinstance(workspace.source, Encoded):
        return []
    images = min(images, limit)
    train, test = (_rows(workspace, split, images, seed) for split in ("train", "test"))
    reconstruction = _reconstruction(workspace, test)
    if imported_run.imported_model_of(workspace.run) is not None:
        return [reconstruction]
    model = load_weights(workspace.run.weights)[1].to(workspace.generator.device)
    if not isinstance(model, VAE):
        return [
            reconstruction,
            *_generalization_gap(_reconstruction(workspace, train), reconstruction, workspace),
        ]
    task = _Task(workspace, model, treatment or _treatment_of(model), seed)
    pixels = math.prod(workspace.dataset.shape)
    k = draws or int(np.clip(MAX_PIXELS // (len(test) * pixels), 1, BOUND_DRAWS))
    deep = task.bounds(test, k)
    pair = _reconstruction(workspace, train), reconstruction
    if model.likelihood.bound:
        count = max(images, min(ELBO_IMAGES, limit, MAX_PIXELS // (4 * ELBO_DRAWS * pixels)))
        wide = [task.bounds(_rows(workspace, split, count, seed), ELBO_DRAWS) for split in ("train", "test")]
        pair = _elbo(task, wide[0]), _elbo(task, wide[1])
        result = [*_bounds(task, wide[1]), _importance(task, deep, k, pixels)]
    else:
        about = "squared error of an image, summed over pixels, from posterior samples; not in nats"
        result = [_nats("distortion", deep.distortion, about, "lower"), _rate(deep)]
    return [
        *result,
        reconstruction,
        *_weighing(model, pixels, reconstruction),
        *_generalization_gap(*pair, workspace),
    ]


def bound_images(pixels: int, limit: int = ELBO_IMAGES) -> int:
    """The number of images that the metrics of a VAE decode, each of this number of pixels."""
    images = min(BOUND_IMAGES, limit)
    return int(min(max(MAX_PIXELS // pixels, images), images * BOUND_DRAWS)) + 2 * ELBO_DRAWS * limit


def _bounds(task: _Task, result: Bounds) -> list[Metric]:
    """The ELBO and its two terms."""
    about = f"-log p(x | z) of an image, mean over its posterior; {TREATMENT_TEXT[task.treatment]}"
    return [_elbo(task, result), _nats("distortion", result.distortion, about, "lower"), _rate(result)]


def _importance(task: _Task, result: Bounds, k: int, pixels: int) -> Metric:
    about = f"lower bound of log p(x), from {k:,} importance-weighted posterior samples; "
    about += TREATMENT_TEXT[task.treatment] + _bits(result.importance, task.treatment, pixels)
    return _nats("importance_bound", result.importance, about, "higher")


def _elbo(task: _Task, result: Bounds) -> Metric:
    about = f"lower bound of log p(x): -(distortion + rate); {TREATMENT_TEXT[task.treatment]}"
    if not task.model.bound:
        about += "; training minimized a different loss"
    return _nats("elbo", result.elbo, about, "higher")


def _rate(result: Bounds) -> Metric:
    about = "KL divergence of an image's posterior from the prior"
    return _nats("rate", result.rate, about, "neither")


def _bits(bound: Tensor, treatment: Treatment, pixels: int) -> str:
    """The bound in bits per dimension, the unit of image compression."""
    if treatment != "levels":
        return ""
    return f"; {-float(bound.mean()) / pixels / math.log(2):.3f} bits per dimension"


def _weighing(model: VAE, pixels: int, reconstruction: Metric) -> list[Metric]:
    """The effective beta, and the noise that the likelihood assumes."""
    config = model.config
    charge = config.beta * (pixels / config.dim if config.reduction == "mean" else 1.0)
    scale = "" if model.likelihood.bound else " (half a unit of squared error counts as one nat)"
    about = (
        "weight of the rate (KL) in the loss relative to the distortion (reconstruction); 1 is the ELBO"
        f"{scale}. From the recipe: beta {config.beta:g}"
    )
    if config.reduction == "mean":
        about += f", times {pixels:,} pixels over {config.dim} dimensions, because the loss uses means"
    metrics = [Metric("effective_beta", "likelihood", charge, about, 0)]
    if config.likelihood == "bernoulli":
        return metrics
    if isinstance(model.likelihood, Gaussian):
        std, about = model.likelihood.std, "standard deviation of the Gaussian likelihood"
    else:
        # Up to scale, error + beta * rate is the ELBO of a Gaussian with this standard deviation.
        std = math.sqrt(charge / (8 if config.signed else 2))
        about = "standard deviation of the Gaussian likelihood whose ELBO has the weights of this loss"
    noise = Metric(
        "noise",
        "likelihood",
        std,
        f"{about}, for grey levels in [0, 1]",
        reconstruction.n,
        unit="grey",
        baseline=reconstruction.value,
        baseline_name="the reconstruction error: the standard deviation that fits the data",
    )
    return [*metrics, noise]


def _reconstruction(workspace: Workspace, rows: Rows) -> Metric:
    """Root mean square error of reconstructions; its standard error by the delta method."""
    x, condition = workspace.dataset.images(rows), workspace.conditions(rows)
    decoded = workspace.generator.decode(workspace.generator.encode(x, condition), condition)
    mean, error = mean_and_error(((decoded - x) ** 2).reshape(len(x), -1).mean(axis=1))
    root = math.sqrt(mean)
    images = "held-out images" if workspace.holds_out else "training images"
    about = f"root mean square error of reconstructions, on {images}"
    return Metric(
        "reconstruction",
        "likelihood",
        root,
        about,
        len(rows),
        error / (2 * root) if root else 0.0,
        "grey",
        "lower",
    )


def _generalization_gap(train: Metric, held_out: Metric, workspace: Workspace) -> list[Metric]:
    """How much better the model is on training images; an empty list without held-out images."""
    if not workspace.holds_out:
        return []
    sign = 1 if train.better == "higher" else -1
    quantity = "ELBO" if train.name == "elbo" else "reconstruction error"
    about = f"{quantity} on training images compared with held-out images: how much better it is"
    error = math.hypot(train.error or 0.0, held_out.error or 0.0)
    value = sign * (train.value - held_out.value)
    n = min(train.n, held_out.n)
    metric = Metric(
        "generalization_gap",
        "likelihood",
        value,
        about,
        n,
        error,
        train.unit,
        "lower",
        0.0,
        "equally good on held-out images",
    )
    return [metric]


def _nats(name: str, values: Tensor, about: str, better: Better) -> Metric:
    mean, error = mean_and_error(values.cpu().numpy())
    unit = "" if about.endswith("not in nats") else "nats"
    return Metric(name, "likelihood", mean, about, len(values), error, unit, better)


def _treatment_of(model: VAE) -> Treatment:
    """The pixel treatment that the model was trained with."""
    return "levels" if isinstance(model.likelihood, Gaussian) else model.config.pixels


def _rows(workspace: Workspace, split: str, n: int, seed: int) -> Rows:
    """At most n random rows of a split."""
    rows = workspace.rows(split)
    if len(rows) <= n:
        return rows
    return np.sort(stream(seed, "likelihood", split).choice(rows, n, replace=False))
