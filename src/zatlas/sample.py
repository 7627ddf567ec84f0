"""Latents sampled from a run: from the model's own prior, a fitted prior, or around encoded images."""

from pathlib import Path

import numpy as np

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import NotSupported, UnknownName
from zatlas.core.seeds import stream
from zatlas.core.space import MappedSpace
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
from zatlas.latent.sampling import Mixture, check_sample, fit_mixture, from_posterior, from_prior
from zatlas.models.generator import ClassLabel
from zatlas.training.flow_training import STEPS, fit_flow
from zatlas.workspace import Workspace

NUMBERED = 2000  # samples that a sheet numbers


def sample_latents(
    workspace: Workspace,
    n: int,
    *,
    seed: int = 0,
    prior: str = "model",
    temperature: float = 1.0,
    truncation: float | None = None,
    label: int | None = None,
) -> Latents:
    """Sample n latents (n, dim) from the model's prior, a fitted prior, or the posteriors of test images.

    In a space inside a conditional model, such as w, `label` is the class of the samples.

    A model without a prior samples imported latents, or a normal distribution fitted to its latents. A
    sample keeps its number: a longer list begins with the shorter one of the same seed, except with
    truncation or around test images.
    """
    space = workspace.generator.space
    if isinstance(space, MappedSpace) and prior == "model" and truncation is None:
        check_sample(n, temperature)
        return space.sample(n, seed=seed, temperature=temperature, label=label)
    if isinstance(space, MappedSpace) and label is not None:
        raise NotSupported(
            "Only the model's own prior has samples of one class in this latent space. Omit --prior and "
            "--truncation, or --label (in Python: prior=, label=)."
        )
    if prior == "model" and space.prior != "none":
        return from_prior(space, n, seed=seed, temperature=temperature, truncation=truncation)
    if truncation is not None:
        raise NotSupported(
            "Only a normal prior can be truncated. --temperature 0.7 (in Python: temperature=) moves samples "
            "towards the mean of the latents instead, which is the truncation of a StyleGAN."
        )
    if prior == "model":
        mean = workspace.cloud.mean(axis=0)
        given = workspace.imported_cloud
        z = (
            reference_samples(workspace.cloud, space, n, seed=seed)
            if given is None
            else rows_of(given, n, seed)
        )
        return (mean + temperature * (z - mean)).astype(np.float32)
    if prior in KINDS:
        return prior_of(workspace, prior).sample(n, seed=seed, temperature=temperature)
    if prior == "posterior":
        table = workspace.table("test")
        rows = stream(seed, "posterior").choice(len(table), n, replace=n > len(table))
        if table.std is None:
            return table.latents[rows]
        std = table.std[rows] * np.float32(temperature)
        return from_posterior(table.latents[rows], std, seed=seed)
    raise UnknownName("prior", prior, ("model", *KINDS, "posterior"))


def generate(
    workspace: Workspace,
    n: int,
    label: ClassLabel = None,
    *,
    seed: int = 0,
    prior: str = "model",
    temperature: float = 1.0,
) -> Images:
    """Return n decoded samples. In a space inside a conditional model, such as w, `label` is their class."""
    number = None
    if isinstance(workspace.generator.space, MappedSpace) and isinstance(label, int | str):
        number, label = workspace.generator.class_number(label), None
    z = sample_latents(workspace, n, seed=seed, prior=prior, temperature=temperature, label=number)
    return workspace.decode(z, label)


def rows_of(latents: Latents, n: int, seed: int) -> Latents:
    """Return n of these latents: in their order with seed 0, else in random order; all, then again."""
    order = np.arange(len(latents)) if not seed else stream(seed, "rows").permutation(len(latents))
    return latents[np.resize(order, n)]


def numbered_sample(
    workspace: Workspace, number: int, prior: str = "model", label: int | None = None
) -> Latents:
    """Return the latent (1, dim) of the sample that has this number on a sheet of samples.

    From `NUMBERED` on, which is beyond all sheets, the number is a seed.
    """
    if number < NUMBERED:
        return sample_latents(workspace, number + 1, prior=prior, label=label)[number:]
    return sample_latents(workspace, 1, seed=number, prior=prior, label=label)


def prior_of(workspace: Workspace, kind: str) -> FittedPrior:
    """Return the fitted prior of this kind; fit and save it if the run has none for these weights."""
    return saved_prior(workspace, kind).prior


def saved_prior(workspace: Workspace, kind: str) -> SavedPrior:
    """Return the fitted prior of this kind with its file and its description."""
    check_kind(kind)
    return workspace.cache.get(
        f"{kind} prior", lambda: find_prior(workspace, kind) or fit_prior(workspace, kind)
    )


def find_prior(workspace: Workspace, kind: str) -> SavedPrior | None:
    """Return the saved prior of this kind; None if there is none for these weights."""
    path = path_of(workspace, kind)
    return load_prior(path, workspace.digest, workspace.data[1]) if path.exists() else None


def fit_prior(
    workspace: Workspace, kind: str = "flow", *, steps: int = STEPS, seed: int = 0, show: bool = True
) -> SavedPrior:
    """Fit a mixture or a flow to samples from the posteriors of the training images, and save it.

    For a conditional model it is fitted to all classes together, since its latents should not depend on
    the class. Two-stage fitting: Dai and Wipf 2019, https://arxiv.org/abs/1903.05789
    """
    check_kind(kind)
    means, std, validation = mixture_components(workspace, seed)
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
        len(validation),
        float(prior.log_density(validation).mean()),
        float(own.log_density(validation).mean()),
    )
    saved = SavedPrior(prior, facts, path_of(workspace, kind))
    save_prior(saved)
    workspace.cache.set(f"{kind} prior", saved)
    return saved


def path_of(workspace: Workspace, kind: str) -> Path:
    """Return the file of the prior of this kind."""
    return workspace.folder("priors") / f"{kind}.safetensors"


def mixture_components(workspace: Workspace, seed: int) -> tuple[Latents, Latents | None, Latents]:
    """Return latents to fit to, their std or None, and samples for validation from other images."""
    if workspace.generator.space.prior == "sphere":
        raise NotSupported(
            f"The prior of {workspace.name} is uniform on a sphere, so there is no density to fit."
        )
    sampled = not workspace.source.indexed and workspace.source.decodes
    if sampled and workspace.imported_cloud is None and workspace.generator.space.prior != "mapped":
        raise NotSupported(
            f"The images of {workspace.name} have no latents to fit a prior to. Train an encoder first: "
            f"{workspace.command('invert', workspace.run.folder, '--train-encoder')}"
        )
    if not workspace.source.indexed or not workspace.holds_out:
        return split_latents(*_latents(workspace, "train"), seed)
    means, std = _latents(workspace, "train")
    check_latents(means, std)
    return means, std, posterior_samples(*_latents(workspace, "test"), seed + 1)


def own_prior(workspace: Workspace, means: Latents, std: Latents | None) -> Mixture:
    """Return the model's prior as a density; a normal distribution fitted to the latents without one."""
    dim = workspace.dim
    if workspace.generator.space.prior != "normal":
        return fit_mixture(posterior_samples(means, std, 0), components=1)
    return Mixture(np.ones(1, np.float32), np.zeros((1, dim), np.float32), np.ones((1, dim), np.float32))


def own_prior_text(workspace: Workspace) -> str:
    """Return a description of the model's prior."""
    normal = workspace.generator.space.prior == "normal"
    return "the prior of the model, N(0, 1)" if normal else "a normal distribution of the latents"


def _latents(workspace: Workspace, split: str) -> tuple[Latents, Latents | None]:
    if not workspace.source.indexed:
        return workspace.cloud, None
    table = workspace.table(split)
    return table.latents, table.std
