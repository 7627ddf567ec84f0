"""`LatentTransformer`: train a model as an estimator of scikit-learn, to use in pipelines."""

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from zatlas.atlas import Atlas
from zatlas.core.arrays import ArrayLike, Latents, as_latents
from zatlas.core.errors import BadData, NotSupported
from zatlas.create import train
from zatlas.store.run import free_folder


class LatentTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Transform flat images (n, pixels) to latents (n, dim), as an estimator of scikit-learn.

    `fit` trains a model and saves it as a run. Pixels are divided by the largest one of the training images,
    so any range from 0 works. `y` is ignored.

    Parameters
    ----------
    model : {"vae", "ae"}
        A model family with an encoder.
    dim : int
        Number of latent dimensions.
    image_shape : tuple of int
        Height and width, or channels, height and width (default: square grey images; else one row).
    epochs : int
        Passes over the training images (default: as `zatlas.train`).
    settings : mapping
        Other settings of the recipe, as ``{"model.beta": 4}``.
    folder : str or Path
        Folder in which each fit creates a run (default: ``runs``).
    device : {"auto", "cpu", "cuda", "mps"}
        Device to train on.
    random_state : int
        Random seed for weights, order and noise.

    Attributes
    ----------
    atlas_ : Atlas
        The trained run.
    scale_ : float
        The pixel value that is white.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> X, y = load_digits(return_X_y=True)
    >>> pipeline = make_pipeline(zatlas.LatentTransformer(dim=8, epochs=2), LogisticRegression())
    >>> pipeline.fit(X[:500], y[:500]).predict(X[500:600]).shape
    (100,)
    """

    def __init__(
        self,
        model: str = "vae",
        dim: int = 2,
        *,
        image_shape: tuple[int, ...] | None = None,
        epochs: int | None = None,
        settings: Mapping[str, object] | None = None,
        folder: str | PathLike[str] = "runs",
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.model = model
        self.dim = dim
        self.image_shape = image_shape
        self.epochs = epochs
        self.settings = settings
        self.folder = folder
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: object = None) -> "LatentTransformer":
        """Train a model on images (n, pixels), and return the transformer."""
        flat = validate_data(self, X, dtype=np.float32, ensure_min_samples=2)
        if flat.min() < 0:
            raise BadData("Negative values in data passed to LatentTransformer: pixels go from 0 up.")
        self.scale_ = float(flat.max()) or 1.0
        self.image_shape_ = _image_shape(flat.shape[1], self.image_shape)
        run = train(
            self._images(flat),
            model=self.model,
            dim=self.dim,
            epochs=self.epochs,
            seed=self.random_state,
            settings=self.settings,
            out=free_folder(f"latents-{self.model}", Path(self.folder)),
            device=self.device,
            verbose=False,
        )
        if run.generator.encoder is None:
            raise NotSupported(f"{self.model!r} has no encoder, so it cannot transform. Use 'vae' or 'ae'.")
        self.atlas_ = Atlas(run)
        self._n_features_out = self.dim
        return self

    def transform(self, X: ArrayLike) -> Latents:
        """Return the latents (n, dim) of images (n, pixels)."""
        check_is_fitted(self)
        return self.atlas_.generator.encode(
            self._images(validate_data(self, X, dtype=np.float32, reset=False))
        )

    def inverse_transform(self, X: ArrayLike) -> np.ndarray:
        """Return decoded images (n, pixels) of latents (n, dim), in the range of the training images."""
        check_is_fitted(self)
        images = self.atlas_.decode(as_latents(X, self.dim))
        flat: np.ndarray = images.reshape(len(images), -1) * np.float32(self.scale_)
        return flat

    def _images(self, flat: np.ndarray) -> np.ndarray:
        return (flat / np.float32(self.scale_)).reshape(-1, *self.image_shape_)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _image_shape(pixels: int, shape: tuple[int, ...] | None) -> tuple[int, int, int]:
    """Return channels, height and width of images with this number of pixels."""
    side = round(pixels**0.5)
    if shape is None:
        return (1, side, side) if side * side == pixels else (1, 1, pixels)
    channels, height, width = (1, *shape)[-3:]
    if channels * height * width != pixels:
        raise BadData(f"Images of shape {shape} have {channels * height * width} pixels, not {pixels}.")
    return channels, height, width
