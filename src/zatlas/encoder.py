"""Latents of images for a run without an encoder: train one on its samples, or search by optimisation."""

import numpy as np

from zatlas.contents import weights_digest
from zatlas.core.arrays import Images, Labels
from zatlas.core.errors import NotSupported
from zatlas.latent.inversion import STARTS, STEPS, InversionResult
from zatlas.latent.inversion import invert as search
from zatlas.models.inverter import Inverter, save_inverter
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.training.inverter_training import TRAINING, train_inverter
from zatlas.workspace import Workspace

MAX_SAMPLES, MIN_SAMPLES = 16_384, 2048  # limits of the number of samples to train an encoder on
MAX_BYTES = 48 << 20  # bytes of their images


def train_encoder(
    workspace: Workspace,
    *,
    samples: int | None = None,
    epochs: int = TRAINING.epochs,
    seed: int = 0,
    show: bool = True,
) -> Workspace:
    """Train an encoder on the run's own samples, save it in the run, and return the run opened with it."""
    generator = workspace.generator
    if not workspace.source.decodes:
        raise NotSupported("This run has only latents: there is no decoder to train an encoder with.")
    if generator.encoder is not None and not isinstance(generator.encoder, Inverter):
        raise NotSupported(f"{workspace.name} has an encoder already.")
    atomic.check_writable(workspace.run.folder, "Copy the run, and train the encoder of the copy.")
    size = np.prod(workspace.description.shape)
    count = samples or int(np.clip(MAX_BYTES // size, MIN_SAMPLES, MAX_SAMPLES))
    latents = sample_latents(workspace, count, seed=seed)
    labels = np.arange(count) % len(generator.classes) if generator.classes else None
    inverter = train_inverter(generator, latents, labels, epochs=epochs, seed=seed, show=show)
    save_inverter(workspace.run.inverter, inverter, weights_digest(workspace.run))
    return Workspace.open(workspace.run.folder, data_changed=workspace.data_changed)


def invert(
    workspace: Workspace,
    images: Images,
    labels: Labels | None = None,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = True,
) -> InversionResult:
    """Return the latents whose decoded images come nearest to any images, by optimisation.

    The search starts from the encoder's answer where there is an encoder, else from several samples.
    """
    generator = workspace.generator
    guess = None if generator.encoder is None else generator.encode(images, labels)
    pool = workspace.cloud if guess is None and generator.space.prior == "none" else None
    return search(
        generator, images, labels, guess=guess, pool=pool, starts=starts, steps=steps, seed=seed, show=show
    )
