"""Metrics of how likely a model finds images it has not seen, and of what its loss weighs."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Rows
from zatlas.core.seeds import derive, stream
from zatlas.metrics.importance import TREATMENT_TEXT, Bounds, Treatment, importance_bound
from zatlas.metrics.metric import Better, Metric, mean_and_error
from zatlas.models import bring
from zatlas.models.description import load_weights
from zatlas.models.likelihood import Gaussian
from zatlas.models.vae import VAE
from zatlas.workspace import Workspace

BOUND_IMAGES, BOUND_DRAWS = 256, 1000
MAX_PIXELS = 1 << 27  # that are decoded for the bound by itself: large images get fewer draws
ELBO_IMAGES, ELBO_DRAWS = 2000, 8  # images and draws for the ELBO alone, of which two are compared


@dataclass(frozen=True)
class _Asked:
    """A model with what it is asked, and how."""

    workspace: Workspace
    model: VAE
    treatment: Treatment
    seed: int

    def bounds(self, rows: Rows, k: int) -> Bounds:
        """The bounds of these images from k draws each."""
        device = torch.device(self.workspace.generator.device)
        x = torch.from_numpy(self.workspace.images.images(rows)).to(device)
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
) -> list[Metric]:
    """What the likelihood tells of a run, of so many images with so many draws from the posterior of each.

    Pixels are treated as in training unless something else is said. A model without a likelihood has
    only its rebuilding error.
    """
    if not workspace.coded or workspace.imagined or workspace.given is not None:
        return []
    seen, unseen = (_some(workspace, split, images, seed) for split in ("train", "test"))
    rebuilding = _rebuilding(workspace, unseen)
    if bring.brought_of(workspace.run) is not None:
        return [rebuilding]
    model = load_weights(workspace.run.weights)[1].to(workspace.generator.device)
    if not isinstance(model, VAE):
        return [rebuilding, *_overfit(_rebuilding(workspace, seen), rebuilding, workspace)]
    asked = _Asked(workspace, model, treatment or _own(model), seed)
    pixels = math.prod(workspace.images.shape)
    k = draws or int(np.clip(MAX_PIXELS // (len(unseen) * pixels), 1, BOUND_DRAWS))
    found = _bounds(asked, asked.bounds(unseen, k), k, pixels)
    pair = _rebuilding(workspace, seen), rebuilding
    if model.likelihood.bound:
        many = max(images, min(ELBO_IMAGES, MAX_PIXELS // (4 * ELBO_DRAWS * pixels)))
        rows = [_some(workspace, split, many, seed) for split in ("train", "test")]
        pair = (
            _elbo(asked, asked.bounds(rows[0], ELBO_DRAWS)),
            _elbo(asked, asked.bounds(rows[1], ELBO_DRAWS)),
        )
    return [*found, rebuilding, *_weighing(model, pixels, rebuilding), *_overfit(*pair, workspace)]


def _bounds(asked: _Asked, found: Bounds, k: int, pixels: int) -> list[Metric]:
    model = asked.model
    if not model.likelihood.bound:
        about = "squared error of an image, summed over its pixels, from draws of the posterior; no nats"
        return [_nats("distortion", found.distortion, about, "lower"), _rate(found)]
    how = TREATMENT_TEXT[asked.treatment]
    bound = _nats(
        "importance_bound",
        found.importance,
        f"log p(x) of an image from below, by {k:,} weighed draws of its posterior; {how}"
        f"{_bits(found.importance, asked.treatment, pixels)}",
        "higher",
    )
    about = f"-log p(x | z) of an image, the mean over its posterior; {how}"
    distortion = _nats("distortion", found.distortion, about, "lower")
    return [_elbo(asked, found), distortion, _rate(found), bound]


def _elbo(asked: _Asked, found: Bounds) -> Metric:
    about = f"log p(x) of an image from below: -(distortion + rate); {TREATMENT_TEXT[asked.treatment]}"
    if not asked.model.bound:
        about += "; training made something else small"
    return _nats("elbo", found.elbo, about, "higher")


def _rate(found: Bounds) -> Metric:
    about = "divergence of an image's posterior from the prior: what its code costs"
    return _nats("rate", found.rate, about, "neither")


def _bits(bound: Tensor, treatment: Treatment, pixels: int) -> str:
    """The same in the unit of those who compress images."""
    if treatment != "levels":
        return ""
    return f"; {-float(bound.mean()) / pixels / math.log(2):.3f} bits a dimension"


def _weighing(model: VAE, pixels: int, rebuilding: Metric) -> list[Metric]:
    """What a nat of rate costs, and how far off a pixel may be."""
    config = model.config
    charge = config.beta * (pixels / config.dim if config.reduction == "mean" else 1.0)
    scale = "" if model.likelihood.bound else " (half the squared error's unit counts as a nat here)"
    about = (
        "what the loss charges for a nat of rate, where a nat of distortion costs 1; 1 is the ELBO"
        f"{scale}. From the recipe: beta {config.beta:g}"
    )
    if config.reduction == "mean":
        about += f", times {pixels:,} pixels over {config.dim} axes, for means are compared"
    found = [Metric("effective_beta", "likelihood", charge, about, 0)]
    if config.likelihood == "bernoulli":
        return found
    if isinstance(model.likelihood, Gaussian):
        spread, about = model.likelihood.spread, "spread of a pixel in the gaussian likelihood"
    else:
        # error + charge * rate is, but for scale, the ELBO of a gaussian of this spread.
        spread = math.sqrt(charge / (8 if config.signed else 2))
        about = "spread of the gaussian likelihood whose ELBO weighs squared error and rate alike"
    noise = Metric(
        "noise",
        "likelihood",
        spread,
        f"{about}, in [0, 1] of grey",
        rebuilding.n,
        unit="grey",
        baseline=rebuilding.value,
        baseline_name="the rebuilding error, which is the spread that would fit",
    )
    return [*found, noise]


def _rebuilding(workspace: Workspace, rows: Rows) -> Metric:
    """Root mean square error of rebuilt images; its standard error by the delta method."""
    x, labels = workspace.images.images(rows), workspace.labels(rows)
    told = labels if workspace.generator.classes else None
    again = workspace.generator.decode(workspace.generator.encode(x, told), told)
    mean, error = mean_and_error(((again - x) ** 2).reshape(len(x), -1).mean(axis=1))
    root = math.sqrt(mean)
    seen = "which training has not seen" if workspace.holds_out else "the same that it was trained on"
    about = f"root mean square error of images rebuilt from their points, {seen}"
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


def _overfit(seen: Metric, unseen: Metric, workspace: Workspace) -> list[Metric]:
    """How much better training images fare; nothing, where no others are known."""
    if not workspace.holds_out:
        return []
    sign = 1 if seen.better == "higher" else -1
    what = "ELBO" if seen.name == "elbo" else "rebuilding error"
    about = f"{what} of training images against that of others: how much better they fare"
    error = math.hypot(seen.error or 0.0, unseen.error or 0.0)
    value = sign * (seen.value - unseen.value)
    n = min(seen.n, unseen.n)
    metric = Metric(
        "generalization_gap",
        "likelihood",
        value,
        about,
        n,
        error,
        seen.unit,
        "lower",
        0.0,
        "as good on images that it has not seen",
    )
    return [metric]


def _nats(name: str, values: Tensor, about: str, better: Better) -> Metric:
    mean, error = mean_and_error(values.cpu().numpy())
    unit = "" if about.endswith("no nats") else "nats"
    return Metric(name, "likelihood", mean, about, len(values), error, unit, better)


def _own(model: VAE) -> Treatment:
    """How the model was trained to see pixels."""
    return "levels" if isinstance(model.likelihood, Gaussian) else model.config.pixels


def _some(workspace: Workspace, split: str, n: int, seed: int) -> Rows:
    """So many rows of a split, or all."""
    rows = workspace.rows(split)
    if len(rows) <= n:
        return rows
    return np.sort(stream(seed, "likelihood", split).choice(rows, n, replace=False))
