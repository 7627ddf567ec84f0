"""Latents sampled from a run: from the model's own prior, a fitted prior, or around encoded images."""

from pathlib import Path

import numpy as np

from zatlas.core.arrays import Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.core.shell import shell_command
from zatlas.latent.density import reference_samples
from zatlas.latent.priors import (
    KINDS,
    FittedPrior,
    FlowPrior,
    PriorDescription,
    SavedPrior,
    check_kind,
    check_latents,
    load_prior,
    posterior_samples,
    save_prior,
    split_latents,
)
from zatlas.latent.sampling import Mixture, fit_mixture, from_posterior, from_prior
from zatlas.training.flow_training import STEPS, fit_flow
from zatlas.workspace import Workspace


def sample_latents(
    workspace: Workspace,
    n: int,
    *,
    seed: int = 0,
    prior: str = "model",
    temperature: float = 1.0,
    truncation: float | None = None,
) -> Latents:
    """Points drawn by chance; without a prior, the normal distribution that the codes suggest stands in."""
    space = workspace.generator.space
    if prior == "model" and space.prior != "none":
        return from_prior(space, n, seed=seed, temperature=temperature, truncation=truncation)
    if truncation is not None:
        raise NotSupported("Only a prior that is normal is truncated; give --temperature below 1 instead.")
    if prior == "model":
        middle = workspace.cloud.mean(axis=0)
        z = reference_samples(workspace.cloud, space, n, seed=seed)
        return (middle + temperature * (z - middle)).astype(np.float32)
    if prior in KINDS:
        return prior_of(workspace, prior).sample(n, seed=seed, temperature=temperature)
    if prior == "posterior":
        table = workspace.table("test")
        chosen = stream(seed, "posterior").choice(len(table), n, replace=n > len(table))
        if table.std is None:
            return table.latents[chosen]
        std = table.std[chosen] * np.float32(temperature)
        return from_posterior(table.latents[chosen], std, seed=seed)
    raise UnknownName("prior", prior, ("model", *KINDS, "posterior"))


def prior_of(workspace: Workspace, kind: str) -> FittedPrior:
    """The prior of this kind that the run keeps; fitted and kept now, if it has none of these weights."""
    return saved_prior(workspace, kind).prior


def saved_prior(workspace: Workspace, kind: str) -> SavedPrior:
    """The same with its file and what is known of it."""
    check_kind(kind)
    return workspace.cache.get(
        f"{kind} prior", lambda: find_prior(workspace, kind) or fit_prior(workspace, kind)
    )


def find_prior(workspace: Workspace, kind: str) -> SavedPrior | None:
    """The one that the run keeps, if it was fitted to the codes of these weights."""
    path = path_of(workspace, kind)
    return load_prior(path, workspace.digest, workspace.data[1]) if path.exists() else None


def fit_prior(
    workspace: Workspace, kind: str = "flow", *, steps: int = STEPS, seed: int = 0, show: bool = True
) -> SavedPrior:
    """Fit a mixture or a flow to draws from the posteriors of the training images, and keep it.

    Of a conditional model the points of all classes together: a point is meant to tell nothing of the
    class. Two-stage fitting: Dai and Wipf 2019, https://arxiv.org/abs/1903.05789
    """
    check_kind(kind)
    means, std, judges = mixture_components(workspace, seed)
    prior: FittedPrior
    if kind == "mixture":
        prior = fit_mixture(posterior_samples(means, std, seed), seed=seed)
    else:
        prior = FlowPrior(fit_flow(means, std, steps=steps, seed=seed, show=show))
    own = own_prior(workspace, means, std)
    facts = PriorDescription(
        kind,
        workspace.digest,
        workspace.data[1],
        len(means),
        seed,
        len(judges),
        float(prior.log_density(judges).mean()),
        float(own.log_density(judges).mean()),
    )
    made = SavedPrior(prior, facts, path_of(workspace, kind))
    save_prior(made)
    workspace.cache.set(f"{kind} prior", made)
    return made


def path_of(workspace: Workspace, kind: str) -> Path:
    """The file that keeps the prior of this kind."""
    return workspace.folder("priors") / f"{kind}.safetensors"


def mixture_components(workspace: Workspace, seed: int) -> tuple[Latents, Latents | None, Latents]:
    """Codes to fit to and their deviations, and draws from those of other images to judge by."""
    if workspace.generator.space.prior == "sphere":
        raise NotSupported(
            f"The points of {workspace.name} lie on a sphere, and are drawn evenly from it: nothing is "
            "fitted there."
        )
    if not workspace.source.indexed and workspace.source.decodes:
        raise NotSupported(
            f"No image of {workspace.name} has a point, so there are no codes to fit a prior to. Teach it an "
            f"encoder first: {shell_command('invert', workspace.run.folder, '--learn')}"
        )
    if not workspace.source.indexed or not workspace.holds_out:
        return split_latents(*_codes(workspace, "train"), seed)
    means, std = _codes(workspace, "train")
    check_latents(means, std)
    return means, std, posterior_samples(*_codes(workspace, "test"), seed + 1)


def own_prior(workspace: Workspace, means: Latents, std: Latents | None) -> Mixture:
    """The run's own prior as a density; without one, the normal distribution of the codes."""
    dim = workspace.dim
    if workspace.generator.space.prior == "none":
        return fit_mixture(posterior_samples(means, std, 0), components=1)
    middle, spread = np.zeros((1, dim), np.float32), np.ones((1, dim), np.float32)
    return Mixture(np.ones(1, np.float32), middle, spread)


def own_prior_text(workspace: Workspace) -> str:
    """What the run's own prior is, in words."""
    none = workspace.generator.space.prior == "none"
    return "one normal distribution of the codes" if none else "its own prior, N(0, 1)"


def _codes(workspace: Workspace, split: str) -> tuple[Latents, Latents | None]:
    if not workspace.source.indexed:
        return workspace.cloud, None
    table = workspace.table(split)
    return table.latents, table.std
