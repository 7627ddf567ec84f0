"""Priors fitted to the latents after training, each saved in a file of the run."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from zatlas.core.arrays import Latents, Values, check_finite
from zatlas.core.errors import BadData, Damaged, UnknownName
from zatlas.core.parsing import from_table
from zatlas.core.seeds import stream
from zatlas.latent.sampling import Mixture, check_sample
from zatlas.models.flow import Flow
from zatlas.store import tensors

KINDS = ("mixture", "flow")
FORMAT = 1
KEY = "zatlas-prior"  # of the metadata
BLOCK = 4096  # latents whose density is computed at a time
HELD_OUT_SHARE = 0.2  # of the latents, if there is no test split


class FittedPrior(Protocol):
    """A density in latent space, fitted to latents."""

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Sample n latents; temperature scales their std."""

    def log_density(self, z: Latents) -> Values:
        """Return the log-density of each latent, in nats."""


@dataclass(frozen=True)
class FlowPrior:
    """A normalizing flow as a density.

    Dinh et al. 2017, https://arxiv.org/abs/1605.08803
    """

    flow: Flow

    def sample(self, n: int, *, seed: int, temperature: float = 1.0) -> Latents:
        """Sample n latents; temperature scales the std of the noise."""
        check_sample(n, temperature)
        noise = stream(seed, "flow").standard_normal((n, self.flow.dim), dtype=np.float32)
        return self.transform(noise * np.float32(temperature))

    @torch.inference_mode()
    def transform(self, noise: Latents) -> Latents:
        """Turn standard normal noise into latents."""
        return self.flow.inverse(torch.from_numpy(noise)).numpy()

    @torch.inference_mode()
    def log_density(self, z: Latents) -> Values:
        """Return the log-density of each latent, in nats."""
        blocks = (torch.from_numpy(z[i : i + BLOCK]) for i in range(0, len(z), BLOCK))
        return torch.cat([self.flow.log_density(block) for block in blocks]).numpy()


@dataclass(frozen=True)
class PriorDescription:
    """The latents that a prior was fitted to, and its log-density on held-out latents."""

    kind: str
    model: str  # digest of the weights
    data: str  # fingerprint of the images
    latents: int  # number of latents in the fit
    seed: int
    held_out: int  # number of held-out latents
    nats: float  # mean log-density of the held-out latents
    own_prior: float  # the same for the model's prior, or a normal distribution if it has none


@dataclass(frozen=True)
class SavedPrior:
    """A fitted prior, its description and its file."""

    prior: FittedPrior
    description: PriorDescription
    path: Path

    def __repr__(self) -> str:
        gain = self.description.nats - self.description.own_prior
        return f"<SavedPrior {self.description.kind}: held-out latents gain {gain:+.2f} nats>"


def check_kind(kind: str) -> None:
    """Refuse an unknown kind of prior."""
    if kind not in KINDS:
        raise UnknownName("kind of prior", kind, KINDS)


def check_latents(means: Latents, std: Latents | None) -> None:
    """Refuse fewer than 2 latents, NaN and infinity."""
    if len(means) < 2:
        raise BadData(f"A prior needs at least 2 latents, not {len(means)}.")
    for array in (means, std):
        if array is not None:
            check_finite(array, "No prior can be fitted to them. Check the training in the run's curves.png.")


# Files


def save_prior(saved: SavedPrior) -> Path:
    """Write the prior to a safetensors file, with its description in the metadata."""
    prior = saved.prior
    metadata: dict[str, Any] = {"format": FORMAT, **vars(saved.description)}
    arrays: Mapping[str, np.ndarray]
    if isinstance(prior, FlowPrior):
        flow = prior.flow
        metadata |= {"width": flow.width, "couplings": len(flow.couplings)}
        arrays = {name: tensor.numpy() for name, tensor in flow.state_dict().items()}
    else:
        assert isinstance(prior, Mixture)
        arrays = vars(prior)
    return tensors.write(saved.path, KEY, json.dumps(metadata, sort_keys=True), arrays)


def load_prior(path: Path, model: str, data: str) -> SavedPrior | None:
    """Read a prior from a file; return None if it was fitted for other weights or images."""
    metadata, arrays = tensors.read(path, KEY, "prior", FORMAT)
    sizes: dict[str, Any] = {name: metadata.pop(name) for name in ("width", "couplings") if name in metadata}
    description = from_table(PriorDescription, metadata, str(path))
    if (description.model, description.data) != (model, data):
        return None
    try:
        _check_arrays(description.kind, arrays, sizes)
        if description.kind == "mixture":
            return SavedPrior(Mixture(**arrays), description, path)
        flow = Flow(len(arrays["mean"]), **sizes)
        flow.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    except (TypeError, ValueError, KeyError, IndexError, RuntimeError) as error:
        raise Damaged(f"{path} does not contain the prior that it describes: {error}") from error
    return SavedPrior(FlowPrior(flow.eval()), description, path)


def _check_arrays(kind: str, arrays: Mapping[str, np.ndarray], sizes: Mapping[str, Any]) -> None:
    """Raise `ValueError` unless the arrays are finite and have the described shapes; allocates nothing."""
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("its arrays are not finite 32-bit floats")
    if kind == "mixture":
        (count,), shape = arrays["weights"].shape, arrays["means"].shape
        if shape[:1] != (count,) or arrays["factors"].shape not in (shape, (*shape, *shape[1:])):
            raise ValueError("the shapes of its arrays differ")
        return
    if kind not in KINDS:
        raise ValueError(f"there is no kind {kind[:40]!r}")
    dim = len(arrays["mean"])
    number = len({name.split(".")[1] for name in arrays if name.startswith("couplings.")})
    width = arrays["couplings.0.net.0.weight"].shape[0] if number else sizes["width"]
    expected = {"width": width, "couplings": number if dim > 1 else sizes["couplings"]}
    if not dim > 0 or arrays["factor"].shape != (dim, dim) or expected != sizes:
        raise ValueError("its arrays do not match its description")
    if any(type(size) is not int for size in sizes.values()):
        raise ValueError("its sizes are not whole numbers")


# Latents


def posterior_samples(means: Latents, std: Latents | None, seed: int) -> Latents:
    """Return a sample from each posterior; without std, the means."""
    if std is None:
        return means
    noise = stream(seed, "prior-draws").standard_normal(means.shape, dtype=np.float32)
    return means + std * noise


def split_latents(means: Latents, std: Latents | None, seed: int) -> tuple[Latents, Latents | None, Latents]:
    """Split latents randomly into means and std for the fit, and held-out samples for its evaluation."""
    check_latents(means, std)
    order = stream(seed, "prior-held").permutation(len(means))
    count = max(1, int(HELD_OUT_SHARE * len(means)))
    fit, held_out = np.sort(order[count:]), np.sort(order[:count])
    if std is None:
        return means[fit], None, means[held_out]
    samples = posterior_samples(means[held_out], std[held_out], seed + 1)
    return means[fit], std[fit], samples
