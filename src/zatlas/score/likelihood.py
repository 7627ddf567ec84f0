"""Figures of how likely a model finds images it has not seen, and of what its loss weighs."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import Rows
from zatlas.core.seeds import derive, stream
from zatlas.latent_source import Encoded
from zatlas.models import bring
from zatlas.models.description import load_weights
from zatlas.models.likelihood import Gaussian
from zatlas.models.vae import VAE
from zatlas.score.bound import ABOUT, Bounds, Treatment, importance_bound
from zatlas.score.figure import Better, Figure, mean_of
from zatlas.workspace import Workspace

IMAGES, DRAWS = 256, 1000
PIXELS = 1 << 27  # that are decoded for the bound by itself: large images get fewer draws
MANY, FEW = 2000, 8  # images and draws for the ELBO alone, of which two are compared


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
        x = torch.from_numpy(self.workspace.dataset.images(rows)).to(device)
        labels = self.workspace.labels(rows) if self.model.classes else None
        y = None if labels is None else torch.from_numpy(labels).to(device)
        rng = torch.Generator(device).manual_seed(derive(self.seed, "likelihood"))
        return importance_bound(self.model, x, k, rng=rng, y=y, treatment=self.treatment)


def likelihood(
    workspace: Workspace,
    *,
    seed: int = 0,
    images: int = IMAGES,
    draws: int | None = None,
    treatment: Treatment | None = None,
) -> list[Figure]:
    """What the likelihood tells of a run, of so many images with so many draws from the posterior of each.

    Pixels are treated as in training unless something else is said. A model without a likelihood has
    only its rebuilding error.
    """
    if not isinstance(workspace.source, Encoded):
        return []
    seen, unseen = (_some(workspace, split, images, seed) for split in ("train", "test"))
    rebuilding = _rebuilding(workspace, unseen)
    if bring.brought_of(workspace.run) is not None:
        return [rebuilding]
    model = load_weights(workspace.run.weights)[1].to(workspace.generator.device)
    if not isinstance(model, VAE):
        return [rebuilding, *_overfit(_rebuilding(workspace, seen), rebuilding, workspace)]
    asked = _Asked(workspace, model, treatment or _own(model), seed)
    pixels = math.prod(workspace.dataset.shape)
    k = draws or int(np.clip(PIXELS // (len(unseen) * pixels), 1, DRAWS))
    found = _bounds(asked, asked.bounds(unseen, k), k, pixels)
    pair = _rebuilding(workspace, seen), rebuilding
    if model.likelihood.bound:
        many = max(images, min(MANY, PIXELS // (4 * FEW * pixels)))
        rows = [_some(workspace, split, many, seed) for split in ("train", "test")]
        pair = _elbo(asked, asked.bounds(rows[0], FEW)), _elbo(asked, asked.bounds(rows[1], FEW))
    return [*found, rebuilding, *_weighing(model, pixels, rebuilding), *_overfit(*pair, workspace)]


def _bounds(asked: _Asked, found: Bounds, k: int, pixels: int) -> list[Figure]:
    model = asked.model
    if not model.likelihood.bound:
        about = "squared error of an image, summed over its pixels, from draws of the posterior; no nats"
        return [_nats("distortion", found.distortion, about, "less"), _rate(found)]
    how = ABOUT[asked.treatment]
    bound = _nats(
        "importance_bound",
        found.importance,
        f"log p(x) of an image from below, by {k:,} weighed draws of its posterior; {how}"
        f"{_bits(found.importance, asked.treatment, pixels)}",
        "more",
    )
    about = f"-log p(x | z) of an image, the mean over its posterior; {how}"
    distortion = _nats("distortion", found.distortion, about, "less")
    return [_elbo(asked, found), distortion, _rate(found), bound]


def _elbo(asked: _Asked, found: Bounds) -> Figure:
    about = f"log p(x) of an image from below: -(distortion + rate); {ABOUT[asked.treatment]}"
    if not asked.model.bound:
        about += "; training made something else small"
    return _nats("elbo", found.elbo, about, "more")


def _rate(found: Bounds) -> Figure:
    about = "divergence of an image's posterior from the prior: what its code costs"
    return _nats("rate", found.rate, about, "neither")


def _bits(bound: Tensor, treatment: Treatment, pixels: int) -> str:
    """The same in the unit of those who compress images."""
    if treatment != "levels":
        return ""
    return f"; {-float(bound.mean()) / pixels / math.log(2):.3f} bits a dimension"


def _weighing(model: VAE, pixels: int, rebuilding: Figure) -> list[Figure]:
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
    found = [Figure("charge", "likelihood", charge, about, 0)]
    if config.likelihood == "bernoulli":
        return found
    if isinstance(model.likelihood, Gaussian):
        spread, about = model.likelihood.spread, "spread of a pixel in the gaussian likelihood"
    else:
        # error + charge * rate is, but for scale, the ELBO of a gaussian of this spread.
        spread = math.sqrt(charge / (8 if config.signed else 2))
        about = "spread of the gaussian likelihood whose ELBO weighs squared error and rate alike"
    noise = Figure(
        "noise",
        "likelihood",
        spread,
        f"{about}, in [0, 1] of grey",
        rebuilding.n,
        unit="grey",
        floor=rebuilding.value,
        floor_is="the rebuilding error, which is the spread that would fit",
    )
    return [*found, noise]


def _rebuilding(workspace: Workspace, rows: Rows) -> Figure:
    """Root mean square error of rebuilt images; its standard error by the delta method."""
    x, labels = workspace.dataset.images(rows), workspace.labels(rows)
    told = labels if workspace.generator.classes else None
    again = workspace.generator.decode(workspace.generator.encode(x, told), told)
    mean, error = mean_of(((again - x) ** 2).reshape(len(x), -1).mean(axis=1))
    root = math.sqrt(mean)
    seen = "which training has not seen" if workspace.holds_out else "the same that it was trained on"
    about = f"root mean square error of images rebuilt from their points, {seen}"
    return Figure(
        "rebuilding",
        "likelihood",
        root,
        about,
        len(rows),
        error / (2 * root) if root else 0.0,
        "grey",
        "less",
    )


def _overfit(seen: Figure, unseen: Figure, workspace: Workspace) -> list[Figure]:
    """How much better training images fare; nothing, where no others are known."""
    if not workspace.holds_out:
        return []
    sign = 1 if seen.better == "more" else -1
    what = "ELBO" if seen.name == "elbo" else "rebuilding error"
    about = f"{what} of training images against that of others: how much better they fare"
    error = math.hypot(seen.error or 0.0, unseen.error or 0.0)
    value = sign * (seen.value - unseen.value)
    n = min(seen.n, unseen.n)
    figure = Figure(
        "overfit",
        "likelihood",
        value,
        about,
        n,
        error,
        seen.unit,
        "less",
        0.0,
        "as good on images that it has not seen",
    )
    return [figure]


def _nats(name: str, values: Tensor, about: str, better: Better) -> Figure:
    mean, error = mean_of(values.cpu().numpy())
    unit = "" if about.endswith("no nats") else "nats"
    return Figure(name, "likelihood", mean, about, len(values), error, unit, better)


def _own(model: VAE) -> Treatment:
    """How the model was trained to see pixels."""
    return "levels" if isinstance(model.likelihood, Gaussian) else model.config.pixels


def _some(workspace: Workspace, split: str, n: int, seed: int) -> Rows:
    """So many rows of a split, or all."""
    rows = workspace.rows(split)
    if len(rows) <= n:
        return rows
    return np.sort(stream(seed, "likelihood", split).choice(rows, n, replace=False))
