"""Feature spaces for comparing images: the last hidden layer of a small network, an ONNX file, or pixels."""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor, nn

from zatlas.contents import open_dataset
from zatlas.core.arrays import Images, Rows
from zatlas.core.errors import BadData
from zatlas.core.seeds import stream
from zatlas.core.system import SYSTEM
from zatlas.data.image_dataset import ImageDataset
from zatlas.models.classifier import Classifier, ClassifierNet, load_classifier, resized, save_classifier
from zatlas.models.device import resolve_device
from zatlas.models.external_classifiers import open_classifier
from zatlas.training.classifier_training import (
    LABEL,
    NET,
    TRAINING,
    AttributeAccuracy,
    choose,
    columns_of,
    evaluate_classifier,
    train_classifier,
)
from zatlas.workspace import Workspace

Table = Float32[np.ndarray, "n d"]

FORMAT = 1  # increase it when the training of the network changes
MIN_TRAINING_IMAGES, MAX_TRAINING_IMAGES = (1000, 20_000)  # training images of the network
MAX_STEPS_IN_IMAGES = 30_000  # epochs times images; more did not improve accuracy
EPOCHS = (4, 20)  # minimum and maximum
MAX_PIXELS = 200_000_000  # epochs times pixels; larger images get fewer steps
MAX_CHECKED = 2000  # held-out images for its accuracy
PIXEL_COMPONENTS = 36  # principal components of the pixels
BATCH = 256  # images at a time


@dataclass(frozen=True)
class Features:
    """A named function from images to feature rows whose distances are meaningful."""

    name: str
    about: str
    function: Callable[[Images], Table]

    def __call__(self, images: Images) -> Table:
        """A feature row for each image."""
        return self.function(images)


@dataclass(frozen=True)
class DatasetFeatures:
    """A network trained on the labels or attributes of a dataset, and its last hidden layer as features."""

    features: Features
    classifier: Classifier
    about: str  # what it predicts, and its accuracy


# A network trained on the dataset -----------------------------------------------------------------


def dataset_features(images: ImageDataset, *, seed: int = 0) -> DatasetFeatures | None:
    """The network trained on the labels of a dataset, or its attributes; None if it has neither.

    It is trained once for each dataset, and saved in the cache.
    """
    names = _target_names(images)
    if not names:
        return None
    settings = (
        FORMAT,
        images.fingerprint,
        images.shape,
        names,
        seed,
        MAX_STEPS_IN_IMAGES,
        EPOCHS,
        MAX_PIXELS,
        NET,
        TRAINING,
    )
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()[:24]
    path = SYSTEM.cache_folder() / "features" / f"{digest}.safetensors"
    if not path.exists():
        save_classifier(path, train_feature_net(images, names, seed=seed))
    classifier = load_classifier(path, resolve_device())
    about = _accuracy_text(
        images, evaluate_classifier(classifier, images, evenly_spaced(_held_out(images), MAX_CHECKED))
    )
    name = f"a network trained on {images.name}"
    features = Features(name, f"the last hidden layer of {about}", last_hidden_layer(classifier))
    return DatasetFeatures(features, classifier, about)


def train_feature_net(images: ImageDataset, names: tuple[str, ...], *, seed: int = 0) -> Classifier:
    """Train a small network to predict these attributes of the dataset."""
    rows, size = images.rows("train"), int(np.prod(images.shape))
    count = min(
        len(rows), int(np.clip(MAX_PIXELS // (EPOCHS[0] * size), MIN_TRAINING_IMAGES, MAX_TRAINING_IMAGES))
    )
    epochs = int(np.clip(min(MAX_STEPS_IN_IMAGES, MAX_PIXELS // size) // count, *EPOCHS))
    split = images.split.copy()
    split[rows] = 1  # images that are not used for training are held out
    split[stream(seed, "taught").permutation(rows)[:count]] = 0
    return train_classifier(replace(images, split=split), list(names), epochs=epochs, seed=seed, show=False)


def last_hidden_layer(classifier: Classifier) -> Callable[[Images], Table]:
    """The input of the network's last layer, as a function of images."""
    assert isinstance(classifier.function, ClassifierNet)
    body = copy.deepcopy(classifier.function.body)
    last = [name for name, part in body.named_modules() if isinstance(part, nn.Linear)][-1]
    owner, _, leaf = last.rpartition(".")
    setattr(body.get_submodule(owner), leaf, nn.Identity())

    def features(images: Images) -> Table:
        with torch.inference_mode():
            x = resized(torch.as_tensor(images, device=classifier.device), classifier.shape)
            hidden: Tensor = body(2 * x - 1)
        return hidden.float().cpu().numpy()

    return features


def _target_names(images: ImageDataset) -> tuple[str, ...]:
    """The label if it can be predicted, else all attributes that can; () if there are none."""
    for names in ([LABEL], None) if LABEL in columns_of(images) else (None,):
        try:
            targets = choose(images, images.rows("train"), names)
        except BadData:  # constant, or unique for each image
            continue
        return tuple(target.name for target in targets)
    return ()


def _held_out(images: ImageDataset) -> Rows:
    return next(rows for split in ("test", "valid", "train") if len(rows := images.rows(split)))


def _accuracy_text(images: ImageDataset, checks: dict[str, AttributeAccuracy]) -> str:
    """What the network predicts, and its accuracy on held-out images."""
    count = max((check.images for check in checks.values()), default=0)
    where = f"of {count:,} held-out images"
    if set(checks) == {LABEL}:
        label = checks[LABEL]
        accuracy = f"accuracy {label.value:.1%} {where}; most frequent label {label.baseline:.0%}"
        return f"a small network trained on the labels of {images.name} ({accuracy})"
    parts = []
    for measure in ("accuracy", "R2"):
        values = [check.value for check in checks.values() if check.measure == measure]
        parts += [f"mean {measure} {np.mean(values):.2f} of {len(values)}"] if values else []
    return f"a small network trained on the attributes of {images.name} ({', '.join(parts)}, {where})"


# Other features -----------------------------------------------------------------------------------


def read_features(spec: str | Path) -> Features:
    """The outputs of an ONNX file: FILE.onnx, or FILE.onnx:pixels=signed for pixels from -1 to 1."""
    text = str(spec)
    path = Path(f"{text.partition('.onnx')[0]}.onnx")
    classifier = open_classifier(text if ".onnx" in text else path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]

    about = f"the outputs of {path.name} (SHA-256 {digest}...), which {classifier.about}"
    return Features(f"{path.name} {digest}", about, classifier.predict)


def principal_pixels(images: ImageDataset, count: int = 2000) -> Features:
    """The first principal components of the training images' pixels."""
    from sklearn.utils.extmath import randomized_svd

    rows = evenly_spaced(images.rows("train"), count)
    train = images.images(rows).reshape(len(rows), -1)
    mean = train.mean(axis=0)
    components = randomized_svd(train - mean, min(PIXEL_COMPONENTS, *train.shape), random_state=0)[2]

    def features(x: Images) -> Table:
        return ((x.reshape(len(x), -1) - mean) @ components.T).astype(np.float32)

    about = f"the first {len(components)} principal components of the pixels of {images.name}"
    return Features(f"{len(components)} principal pixels", about, features)


# Real images --------------------------------------------------------------------------------------


def real_images(workspace: Workspace) -> ImageDataset | None:
    """The dataset that a run was trained on or imported with; None if there is none."""
    if not workspace.run.recipe_file.exists():
        return None
    if not workspace.source.generated:
        return workspace.unlabelled_dataset
    return open_dataset(
        workspace.run, data_changed=workspace.data_changed
    )  # the run shows samples in place of images; this is the real dataset


def evenly_spaced(rows: Rows, count: int) -> Rows:
    """`count` rows at equal distances, because datasets may be sorted by class."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def image_batches(images: ImageDataset, rows: Rows, size: int = BATCH) -> Iterator[Images]:
    """The images of these rows, in batches."""
    for start in range(0, len(rows), size):
        yield images.images(rows[start : start + size])


def feature_tables(blocks: Iterable[Images], *functions: Callable[[Images], np.ndarray]) -> list[Table]:
    """The concatenated results of each function over batches of images; one batch is in memory at a time."""
    parts = [[function(images) for function in functions] for images in blocks]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
