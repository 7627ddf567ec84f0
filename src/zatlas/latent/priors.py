"""Priors fitted after training to where the codes lie, each kept as a file of the run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from zatlas.core.arrays import Latents, Values
from zatlas.core.errors import BadData, Damaged, UnknownName
from zatlas.core.parsing import from_table
from zatlas.core.seeds import stream
from zatlas.latent.sampling import Mixture, check_sample
from zatlas.models.flow import Flow
from zatlas.store import tensors

KINDS = ("mixture", "flow")
FORMAT = 1
KEY = "zatlas-prior"  # of the metadata
BLOCK = 4096  # points that are judged at a time
HELD_OUT_SHARE = 0.2  # of the codes, where no others are there to judge by


class FittedPrior(Protocol):
    """A density in latent space that was fitted to codes."""

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Draw n points; temperature scales their spread."""

    def log_density(self, z: Latents) -> Values:
        """Of each of these points, in nats."""


@dataclass(frozen=True)
class FlowPrior:
    """A flow as a density of points.

    Dinh et al. 2017, https://arxiv.org/abs/1605.08803
    """

    flow: Flow

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Draw n points; temperature scales the noise that they are made of."""
        check_sample(n, temperature)
        noise = stream(seed, "flow").standard_normal((n, self.flow.dim), dtype=np.float32)
        return self.transform(noise * np.float32(temperature))

    @torch.inference_mode()
    def transform(self, noise: Latents) -> Latents:
        """The points that this noise stands for."""
        return self.flow.inverse(torch.from_numpy(noise)).numpy()

    @torch.inference_mode()
    def log_density(self, z: Latents) -> Values:
        """Of each of these points, in nats."""
        parts = (torch.from_numpy(z[i : i + BLOCK]) for i in range(0, len(z), BLOCK))
        return torch.cat([self.flow.log_density(part) for part in parts]).numpy()


@dataclass(frozen=True)
class PriorDescription:
    """What a prior was fitted to, and how well it fits codes that it was not fitted to."""

    kind: str
    model: str  # digest of the weights
    data: str  # fingerprint of the images
    latents: int  # that it was fitted to
    seed: int
    held_out: int  # codes that it was not fitted to
    nats: float  # mean log-density of those
    own_prior: float  # the same under the run's own prior; without one, under one normal distribution


@dataclass(frozen=True)
class SavedPrior:
    """A fitted prior, its file, and what is known of it."""

    prior: FittedPrior
    description: PriorDescription
    path: Path


def check_kind(kind: str) -> None:
    """Refuse a kind of prior that there is not."""
    if kind not in KINDS:
        raise UnknownName("kind of prior", kind, KINDS)


def check_latents(means: Latents, std: Latents | None) -> None:
    """Refuse codes that have no density."""
    if len(means) < 2:
        raise BadData(f"A prior is fitted to 2 codes or more, and there is {len(means)}.")
    for part in (means, std):
        if part is not None and not np.isfinite(part).all():
            bad = int((~np.isfinite(part)).any(axis=1).sum())
            raise BadData(
                f"{bad:,} of {len(means):,} codes are no numbers, so no prior can be fitted to them. Was "
                "the training stable? Look at the run's curves.png."
            )


# As a file --------------------------------------------------------------------------------------


def save_prior(saved: SavedPrior) -> Path:
    """One safetensors file that is the prior, with what it was fitted to in its metadata."""
    prior = saved.prior
    about: dict[str, Any] = {"format": FORMAT, **vars(saved.description)}
    arrays: Mapping[str, np.ndarray]
    if isinstance(prior, FlowPrior):
        flow = prior.flow
        about |= {"width": flow.width, "couplings": len(flow.couplings)}
        arrays = {name: tensor.numpy() for name, tensor in flow.state_dict().items()}
    else:
        assert isinstance(prior, Mixture)
        arrays = vars(prior)
    return tensors.write(saved.path, KEY, json.dumps(about, sort_keys=True), arrays)


def load_prior(path: Path, model: str, data: str) -> SavedPrior | None:
    """The prior of such a file; None for one that was fitted to codes of other weights or images."""
    about, arrays = tensors.read(path, KEY, "prior", FORMAT)
    sizes: dict[str, Any] = {name: about.pop(name) for name in ("width", "couplings") if name in about}
    facts = from_table(PriorDescription, about, str(path))
    if (facts.model, facts.data) != (model, data):
        return None
    try:
        _check_arrays(facts.kind, arrays, sizes)
        if facts.kind == "mixture":
            return SavedPrior(Mixture(**arrays), facts, path)
        flow = Flow(len(arrays["mean"]), **sizes)
        flow.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise Damaged(f"{path} does not hold the prior that it describes: {error}") from error
    return SavedPrior(FlowPrior(flow.eval()), facts, path)


def _check_arrays(kind: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless the arrays are finite and as large as described: no memory is taken."""
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("its arrays are not finite numbers of 32 bits")
    if kind == "mixture":
        (count,), wide = arrays["weights"].shape, arrays["means"].shape
        if wide[:1] != (count,) or arrays["factors"].shape not in (wide, (*wide, *wide[1:])):
            raise ValueError("its arrays do not fit each other")
        return
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind[:40]!r}")
    dim = len(arrays["mean"])
    number = len({name.split(".")[1] for name in arrays if name.startswith("couplings.")})
    width = arrays["couplings.0.net.0.weight"].shape[0] if number else sizes["width"]
    wanted = {"width": width, "couplings": number if dim > 1 else sizes["couplings"]}
    if not dim > 0 or arrays["factor"].shape != (dim, dim) or wanted != sizes:
        raise ValueError("its arrays do not fit its description")
    if any(type(size) is not int for size in sizes.values()):
        raise ValueError("its sizes are not whole numbers")


# Latents ----------------------------------------------------------------------------------------


def posterior_samples(means: Latents, std: Latents | None, seed: int) -> Latents:
    """Return a sample from each posterior; the means, where there are no deviations."""
    if std is None:
        return means
    noise = stream(seed, "prior-draws").standard_normal(means.shape, dtype=np.float32)
    return means + std * noise


def split_latents(means: Latents, std: Latents | None, seed: int) -> tuple[Latents, Latents | None, Latents]:
    """Where there is but one part, a fifth of it judges."""
    check_latents(means, std)
    order = stream(seed, "prior-held").permutation(len(means))
    held = max(1, int(HELD_OUT_SHARE * len(means)))
    inside, outside = np.sort(order[held:]), np.sort(order[:held])
    if std is None:
        return means[inside], None, means[outside]
    judges = posterior_samples(means[outside], std[outside], seed + 1)
    return means[inside], std[inside], judges
