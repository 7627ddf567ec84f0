"""Open the model and the dataset of a run, and find the folder for files that are computed from them."""

import hashlib
from dataclasses import replace
from pathlib import Path

from zatlas.core.system import SYSTEM
from zatlas.data import sources
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.classifier import Classifier, ClassifierNet, save_classifier
from zatlas.models.description import Description
from zatlas.models.generator import INPUT, Generator
from zatlas.models.importers import imported_run
from zatlas.models.inverter import Inverter, load_inverter
from zatlas.predictions import Predictions, load_predictions, save_predictions
from zatlas.store import atomic, digests, safe_paths
from zatlas.store.run import Run
from zatlas.training.recipe import make_recipe, read_recipe


def load_model(run: Run, device: str, trust: bool = False) -> tuple[Description, Generator]:
    """Return the model of a run, with the encoder that was trained for it afterwards, if there is one."""
    description, generator = imported_run.open_imported(run, device, trusted=trust)
    return description, with_inverter(run, INPUT, generator)


def with_inverter(run: Run, space: str, generator: Generator) -> Generator:
    """Return a generator of this latent space with the encoder that was trained for it, if there is one."""
    path = inverter_file(run, space)
    if generator.encoder is not None or not path.exists():
        return generator
    return replace(generator, encoder=load_inverter(path, weights_digest(run), generator.device))


def inverter_file(run: Run, space: str) -> Path:
    """Return the file of the encoder that is trained for a latent space."""
    return run.path(*place_of(run.inverter.name, space))


def place_of(name: str, space: str) -> tuple[str, ...]:
    """Return the path in a run of a file or folder that belongs to a latent space."""
    return (name,) if space == INPUT else ("spaces", safe_paths.file_name(space), name)


def predictions_of(run: Run, generator: Generator) -> Predictions | None:
    """Return the saved predictions of a classifier for the images of a run, if there are any."""
    if not run.predictions.exists():
        return None
    return load_predictions(run.predictions, model_digest(run, generator))


def save_labels(run: Run, classifier: Classifier, predictions: Predictions, digest: str) -> None:
    """Save the predictions of a classifier in a run, and the classifier if zatlas trained it."""
    atomic.check_writable(run.folder, "Copy the run, and annotate the copy.")
    save_predictions(run.predictions, predictions, digest)
    atomic.remove_file(run.classifier)
    if isinstance(classifier.function, ClassifierNet):
        save_classifier(run.classifier, classifier)


def open_dataset(run: Run, *, data_changed: bool = False) -> ImageDataset:
    """Return the images of the recipe with the labels of imported latents; only the labels if there are
    no images.

    Raise `DataMismatch` if the images are not those that the run was made with, unless `data_changed`.
    """
    labels = imported_run.dataset_of(run)
    if labels is not None and not run.recipe_file.exists():
        return labels
    recipe = make_recipe(read_recipe(run.recipe_file))
    images = sources.load_same(
        recipe.source_in(run),
        fingerprint=run.provenance().get("fingerprint"),
        run=run.folder,
        data_changed=data_changed,
        size=recipe.size,
        **recipe.options,
    )
    if labels is None:
        return images
    labelled = Predictions(images.fingerprint, labels.attributes).add_to(images)
    if images.labels is not None or labels.labels is None:
        return labelled
    return replace(labelled, labels=labels.labels, classes=labels.classes)


def folder_for(run: Run, name: str, space: str = INPUT) -> Path:
    """Return a folder of the run; a folder of the cache if the run is read-only."""
    names = place_of(name, space)
    if atomic.is_writable(run.folder):
        return run.path(*names)
    location = str(run.folder.resolve())
    folder = SYSTEM.cache_folder() / "runs" / hashlib.sha256(repr(location).encode()).hexdigest()[:12]
    digests.ensure(folder)
    return safe_paths.path(folder, *names)


def weights_digest(run: Run) -> str:
    """Return the SHA-256 of the weights, without an encoder that was trained later."""
    if imported := imported_run.imported_model_of(run):
        return imported.digest
    with run.weights.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def model_digest(run: Run, generator: Generator) -> str:
    """Return the SHA-256 of the weights and of the encoder that was trained later, if there is one."""
    weights = weights_digest(run)
    if not isinstance(generator.encoder, Inverter):
        return weights
    both = hashlib.sha256(weights.encode())
    for tensor in generator.encoder.state_dict().values():
        both.update(tensor.cpu().numpy().tobytes())
    return both.hexdigest()
