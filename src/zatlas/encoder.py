"""Latents of images without an encoder, by training one or by optimisation; and the class of an image."""

from typing import Any

import numpy as np

from zatlas.contents import inverter_file, weights_digest
from zatlas.core.arrays import Images, Labels
from zatlas.core.errors import NotSupported
from zatlas.latent.inversion import STARTS, STEPS, InversionResult
from zatlas.latent.inversion import invert as search
from zatlas.latent.names import LABEL
from zatlas.models.inverter import Inverter, save_inverter
from zatlas.models.realism import Features, feature_distance
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.training.inverter_training import TRAINING, train_inverter
from zatlas.workspace import Workspace

MAX_SAMPLES, MIN_SAMPLES = 16_384, 2048  # limits of the number of samples to train an encoder on
MAX_BYTES = 48 << 20  # bytes of their images
MAX_CLASSES = 20  # classes in which an image is searched for without an encoder, a search for each


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
    file = inverter_file(workspace.run, workspace.space)
    save_inverter(file, inverter, weights_digest(workspace.run))
    return Workspace.open(workspace.run.folder, data_changed=workspace.data_changed, space=workspace.space)


def invert(
    workspace: Workspace,
    images: Images,
    labels: Labels | None = None,
    *,
    starts: int = STARTS,
    steps: int = STEPS,
    seed: int = 0,
    show: bool = True,
    perceptual: Features = None,
) -> InversionResult:
    """Return the latents whose decoded images come nearest to any images, by optimisation.

    The search starts from the encoder's answer where there is an encoder, else from several samples. With
    `perceptual`, the features of a network must be similar, too: "discriminator", or an ONNX file.
    """
    generator = workspace.generator
    guess = None if generator.encoder is None else generator.encode(images, labels)
    pool = workspace.cloud if guess is None and generator.space.prior == "none" else None
    distance = None if perceptual is None else feature_distance(generator, perceptual)
    settings: dict[str, Any] = {"starts": starts, "steps": steps, "seed": seed, "show": show}
    return search(generator, images, labels, guess=guess, pool=pool, distance=distance, **settings)


def predict_class(workspace: Workspace, image: Images) -> tuple[int, str]:
    """Return the class number of one image (1, c, h, w) for a conditional model, and how it was predicted.

    The classifier of the run predicts it, or else it is the class in which the model reconstructs the image
    with the smallest error.
    """
    generator, classes = workspace.generator, workspace.generator.classes
    columns = [f"{LABEL}={name}" for name in classes]
    classifier = workspace.classifier
    if classifier is not None and set(columns) <= set(classifier.names):
        scores = classifier.select(columns).predict(image)
        return int(scores[0].argmax()), "predicted by the classifier of the run"
    if generator.encoder is None and len(classes) > MAX_CLASSES:
        raise NotSupported(
            f"This conditional model has {len(classes)} classes and no encoder, so trying every class takes "
            "too long. Give the class with --label CLASS (in Python: label=)."
        )
    images, labels = np.repeat(image, len(classes), axis=0), np.arange(len(classes))
    if generator.encoder is None:
        errors = invert(workspace, images, labels).rms
    else:
        rebuilt = generator.decode(generator.encode(images, labels), labels)
        errors = ((rebuilt - images) ** 2).mean(axis=(1, 2, 3))
    return int(errors.argmin()), "the class in which the model reconstructs it best"
