"""A named space that images are compared in: a small net's last hidden layer, an ONNX file's, or pixels."""

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
from zatlas.data.cache import cache_root
from zatlas.data.imageset import ImageSet
from zatlas.models.scorer import Reader, Scorer, read_scorer, save_scorer, suited
from zatlas.models.scorers import load_scorer
from zatlas.training.scoring import LABEL, NET, TRAINING, Check, check, choose, columns_of, train_scorer
from zatlas.workspace import Workspace

Table = Float32[np.ndarray, "n d"]

FORMAT = 1  # raise it when the nets are taught in another way
MIN_TRAINING_IMAGES, MAX_TRAINING_IMAGES = (
    1000,
    20_000,
)  # images that a net is taught, where there are as many
MAX_STEPS_IN_IMAGES = (
    30_000  # images that it sees while it is taught, each time anew; more read others no better
)
EPOCHS = (4, 20)  # times through the images, at least and at most
MAX_PIXELS = 200_000_000  # of their pixels that are seen; of larger images fewer are taught
MAX_CHECKED = 2000  # held-out images that its accuracy is told of
PIXEL_COMPONENTS = 36  # principal pixels
BATCH = 256  # images at a time


@dataclass(frozen=True)
class Features:
    """A named function from images to rows of numbers whose distances mean something."""

    name: str
    about: str
    function: Callable[[Images], Table]

    def __call__(self, images: Images) -> Table:
        """A row for each of these images."""
        return self.function(images)


@dataclass(frozen=True)
class DatasetFeatures:
    """A net taught what is known of a set of images, and the features of its last hidden layer."""

    features: Features
    scorer: Scorer
    about: str  # what it reads, and how well


# A net of the set's own ---------------------------------------------------------------------------


def dataset_features(images: ImageSet, *, seed: int = 0) -> DatasetFeatures | None:
    """The net that was taught the labels of this set, or its attributes; None where it has neither.

    It is taught once for a set, and kept in the cache.
    """
    names = _taught(images)
    if not names:
        return None
    made = (
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
    digest = hashlib.sha256(repr(made).encode()).hexdigest()[:24]
    path = cache_root() / "features" / f"{digest}.safetensors"
    if not path.exists():
        save_scorer(path, train_feature_net(images, names, seed=seed))
    scorer = read_scorer(path, "cuda" if torch.cuda.is_available() else "cpu")
    about = _told(images, check(scorer, images, evenly_spaced(_held_out(images), MAX_CHECKED)))
    name = f"a net that reads {images.name}"
    features = Features(name, f"the last hidden layer of {about}", last_hidden_layer(scorer))
    return DatasetFeatures(features, scorer, about)


def train_feature_net(images: ImageSet, names: tuple[str, ...], *, seed: int = 0) -> Scorer:
    """A small net that reads these attributes of the set, from as many images as time allows."""
    rows, size = images.rows("train"), int(np.prod(images.shape))
    count = min(
        len(rows), int(np.clip(MAX_PIXELS // (EPOCHS[0] * size), MIN_TRAINING_IMAGES, MAX_TRAINING_IMAGES))
    )
    epochs = int(np.clip(min(MAX_STEPS_IN_IMAGES, MAX_PIXELS // size) // count, *EPOCHS))
    split = images.split.copy()
    split[rows] = 1  # what it is not taught of is held out
    split[stream(seed, "taught").permutation(rows)[:count]] = 0
    return train_scorer(replace(images, split=split), list(names), epochs=epochs, seed=seed, show=False)


def last_hidden_layer(scorer: Scorer) -> Callable[[Images], Table]:
    """What the last layer of a net of ours is given, as a function of images."""
    assert isinstance(scorer.function, Reader)
    body = copy.deepcopy(scorer.function.body)
    last = [name for name, part in body.named_modules() if isinstance(part, nn.Linear)][-1]
    owner, _, leaf = last.rpartition(".")
    setattr(body.get_submodule(owner), leaf, nn.Identity())

    def features(images: Images) -> Table:
        with torch.inference_mode():
            x = torch.as_tensor(suited(scorer, images), device=scorer.device)
            found: Tensor = body(2 * x - 1)
        return found.float().cpu().numpy()

    return features


def _taught(images: ImageSet) -> tuple[str, ...]:
    """The label, where there is one to learn; else all attributes that can be learnt."""
    for names in ([LABEL], None) if LABEL in columns_of(images) else (None,):
        try:
            found = choose(images, images.rows("train"), names)
        except BadData:  # the same for all images, or a name of each
            continue
        return tuple(target.name for target in found)
    return ()


def _held_out(images: ImageSet) -> Rows:
    return next(rows for split in ("test", "valid", "train") if len(rows := images.rows(split)))


def _told(images: ImageSet, checks: dict[str, Check]) -> str:
    """What the net reads of the set, and how well it reads images that it was not taught."""
    many = max((one.images for one in checks.values()), default=0)
    where = f"of {many:,} held-out images"
    if set(checks) == {LABEL}:
        one = checks[LABEL]
        right = f"right {one.value:.1%} {where}, chance {one.chance:.0%}"
        return f"a small net taught the labels of {images.name} ({right})"
    parts = []
    for measure in ("accuracy", "R2"):
        found = [one.value for one in checks.values() if one.measure == measure]
        parts += [f"mean {measure} {np.mean(found):.2f} of {len(found)}"] if found else []
    return f"a small net taught the attributes of {images.name} ({', '.join(parts)}, {where})"


# Others -------------------------------------------------------------------------------------------


def read_features(spec: str | Path) -> Features:
    """The outputs of an ONNX file: FILE.onnx, or FILE.onnx:pixels=signed where it wants -1 to 1."""
    text = str(spec)
    path = Path(f"{text.partition('.onnx')[0]}.onnx")
    scorer = load_scorer(text if ".onnx" in text else path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:12]

    def features(images: Images) -> Table:
        return scorer.score(suited(scorer, images))

    about = f"the outputs of {path.name} (SHA-256 {digest}...), which {scorer.about}"
    return Features(f"{path.name} {digest}", about, features)


def principal_pixels(images: ImageSet, count: int = 2000) -> Features:
    """The first principal components of the training images' pixels, for want of a net."""
    from sklearn.utils.extmath import randomized_svd

    rows = evenly_spaced(images.rows("train"), count)
    train = images.images(rows).reshape(len(rows), -1)
    middle = train.mean(axis=0)
    axes = randomized_svd(train - middle, min(PIXEL_COMPONENTS, *train.shape), random_state=0)[2]

    def features(x: Images) -> Table:
        return ((x.reshape(len(x), -1) - middle) @ axes.T).astype(np.float32)

    about = f"the first {len(axes)} principal components of the pixels of {images.name}"
    return Features(f"{len(axes)} principal pixels", about, features)


# Real images and what is told of them -------------------------------------------------------------


def real_images(workspace: Workspace) -> ImageSet | None:
    """The images that a run was trained on or brought with; None where none are known."""
    if not workspace.run.recipe_file.exists():
        return None
    if not workspace.imagined:
        return workspace.bare_images
    return open_dataset(
        workspace.run, data_changed=workspace.data_changed
    )  # samples stand for the images of this run: these are the real ones


def evenly_spaced(rows: Rows, count: int) -> Rows:
    """So many of these rows from all over them, as a set may be in the order of its classes."""
    return rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]


def image_batches(images: ImageSet, rows: Rows, size: int = BATCH) -> Iterator[Images]:
    """These images, a few at a time."""
    for start in range(0, len(rows), size):
        yield images.images(rows[start : start + size])


def feature_tables(blocks: Iterable[Images], *functions: Callable[[Images], np.ndarray]) -> list[Table]:
    """What each of these functions tells of the images, with no more of them in memory than a block."""
    parts = [[function(images) for function in functions] for images in blocks]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]
