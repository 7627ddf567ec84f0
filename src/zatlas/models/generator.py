"""`Generator`: a decoder and perhaps an encoder, called in batches on a device, with numpy in and out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zatlas.core.arrays import (
    ArrayLike,
    ClassWeights,
    Images,
    Labels,
    Latents,
    as_array,
    as_latents,
    check_finite,
)
from zatlas.core.errors import NotSupported, ShapeError, UnknownName
from zatlas.core.space import MappedSpace, Space, no_class
from zatlas.data.image_input import ImagesLike, as_images
from zatlas.models.device import images_per_batch
from zatlas.models.trainable import Encoder

ClassLabel = int | str | Sequence[int | str] | np.ndarray | None
ClassInputs = Labels | ClassWeights | None  # of a decoder: a class number or class weights for each row
Decoder = Callable[[Tensor, Tensor | None], Tensor]  # latents, labels -> images in [0, 1]

FIRST_BATCH = 16  # latents in the first batch, which shows how large an image is
MAPPED = 256  # latents that are mapped to another space at once
INPUT = "z"  # the name of the space of a model's input
MAX_WEIGHT_ERROR = 1e-3  # difference of a pixel between a class number and its one-hot weights


@dataclass(frozen=True)
class ClassConditioned:
    """A conditional decoder or encoder that gets the same label for every row."""

    function: Decoder | Encoder
    label: int

    def __call__(self, x: Tensor, y: Tensor | None) -> Any:
        return self.function(x, torch.full((len(x),), self.label, device=x.device))


@dataclass(frozen=True)
class Generator:
    """A decoder, an optional encoder, and their latent space.

    Two functions and a `Space` are enough to make one, whether zatlas trained the model or imported it.

    Parameters
    ----------
    space : Space
        The shape of a latent and the prior.
    decoder : function
        Takes latents ``(n, *space.shape)`` and labels (n,) or None as tensors; returns images in [0, 1].
        A decoder that also takes class weights (n, classes) can mix classes.
    encoder : function
        Takes images and labels; returns latents, or their means and standard deviations.
    classes : tuple of str
        Names of the classes of a conditional model.
    device : str
        Device of the tensors.
    batch : int
        Largest number of rows in one call.
    spaces : mapping of str to Generator
        The other latent spaces of the model by name, such as the w of a StyleGAN: each is a generator that
        decodes from there, and its `space` maps latents to it.
    critic : function
        Takes images and labels; returns how real each looks (n,): the discriminator of a GAN.
    coarse : function
        Like `decoder`, but quicker, with smaller images: previews while the latent changes.

    Examples
    --------
    >>> import torch
    >>> decoder = lambda z, y: torch.sigmoid(z).reshape(-1, 1, 2, 2)
    >>> generator = zatlas.Generator(zatlas.Space((4,)), decoder)
    >>> generator.decode(generator.space.sample(3, seed=0)).shape
    (3, 1, 2, 2)
    """

    space: Space
    decoder: Decoder
    encoder: Encoder | None = None  # gives latents, or their means and standard deviations
    classes: tuple[str, ...] = ()  # names of the classes of a conditional model; empty for others
    device: str = "cpu"
    batch: int = 256
    spaces: "Mapping[str, Generator]" = field(default_factory=dict, repr=False)
    critic: Encoder | None = None
    coarse: Decoder | None = None

    def __repr__(self) -> str:
        kinds = f", {len(self.classes)} classes" if self.classes else ""
        encodes = "" if self.encoder is not None else ", no encoder"
        return f"<Generator {self.space}{kinds}{encodes}, on {self.device}>"

    def for_class(self, label: int | str | None = None) -> "Generator":
        """Return an unconditional generator of one class, by its number or name (default: the first).

        An unconditional generator returns itself, and takes no label.

        Examples
        --------
        >>> left = conditional.generator.for_class("left")
        >>> left.classes, left.decode(left.space.sample(4, seed=0)).shape
        ((), (4, 1, 8, 8))
        """
        numbers = self.class_numbers(1, label)
        if numbers is None:
            return self
        label = int(numbers[0])
        encoder = None if self.encoder is None else ClassConditioned(self.encoder, label)
        coarse = None if self.coarse is None else ClassConditioned(self.coarse, label)
        decoder = ClassConditioned(self.decoder, label)
        return replace(self, decoder=decoder, encoder=encoder, coarse=coarse, classes=())

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that samples can have: those of the decoder, or of the map to a space inside a model.

        >>> conditional.generator.class_names
        ('below', 'left', 'right')
        """
        return self.space.classes if isinstance(self.space, MappedSpace) else self.classes

    @property
    def largest_dim(self) -> int:
        """The number of dimensions of the largest latent space.

        >>> atlas.generator.largest_dim
        2
        """
        return max(each.space.dim for each in (self, *self.spaces.values()))

    def in_space(self, name: str) -> "Generator":
        """Return the generator that decodes from another latent space of the model, such as "w".

        "z" is the space of the model's own input.

        Raises
        ------
        UnknownName
            The model has no such space.

        Examples
        --------
        >>> atlas.generator.in_space("z").space.shape
        (2,)
        """
        if name == INPUT:
            return self
        if name not in self.spaces:
            raise UnknownName("latent space of this model", name, (INPUT, *self.spaces))
        return self.spaces[name]

    def apply(self, function: Decoder, z: ArrayLike, y: Labels | None = None) -> Latents:
        """Return the rows (n, d) of a function of tensors for latents of this space, in batches."""
        z, parts = as_latents(z, *self.space.shape), []
        for start in range(0, len(z), MAPPED):
            rows = z[start : start + MAPPED].reshape(-1, *self.space.shape)
            labels = None if y is None else y[start : start + MAPPED]
            (result,) = self._call(function, rows, labels)
            parts.append(result.reshape(len(rows), -1))
        return np.concatenate(parts)

    def class_numbers(self, n: int, label: ClassLabel = None) -> Labels | None:
        """Return the class number of each of n rows, (n,); None without a label and without classes.

        Parameters
        ----------
        n : int
            Number of rows.
        label : int, str or sequence of n of them
            One class for all rows, or one for each, by number or name (default: the first class).

        Raises
        ------
        UnknownName
            There is no such class.

        Examples
        --------
        >>> conditional.generator.class_numbers(2, "below")
        array([0, 0])
        """
        if not self.classes:
            if label is not None:
                raise no_class(self.space)
            return None
        single = label is None or np.ndim(label) == 0
        given = as_array([label if label is not None else 0] * n if single else label)
        names = given.tolist()
        if given.dtype.kind not in "iu":
            index = {name: number for number, name in enumerate(self.classes)}
            given = np.array([index.get(str(each), -1) for each in names], np.int64)
        if len(wrong := np.flatnonzero((given < 0) | (given >= len(self.classes)))):
            raise UnknownName("class", str(names[wrong[0]]), self.classes)
        if len(given) != n:
            raise ShapeError(f"There are {n} rows and {len(given)} labels. Give one label for each row.")
        return given.astype(np.int64)

    def class_number(self, label: int | str | None) -> int | None:
        """Return the number of one class of `class_names`; None without a label.

        Examples
        --------
        >>> conditional.generator.class_number("left")
        1
        """
        numbers = None if label is None else replace(self, classes=self.class_names).class_numbers(1, label)
        return None if numbers is None else int(numbers[0])

    def class_inputs(self, n: int, label: ClassLabel = None) -> ClassInputs:
        """Return what the decoder takes as the class of each of n rows.

        Class weights (n, classes) are returned as float32, and anything else as `class_numbers` does.

        Examples
        --------
        >>> conditional.generator.class_inputs(1, [[0.5, 0.5, 0.0]])
        array([[0.5, 0.5, 0. ]], dtype=float32)
        """
        if not self.classes or label is None or np.ndim(label) != 2:
            return self.class_numbers(n, label)
        weights = as_array(label).astype(np.float32)
        if weights.shape != (n, len(self.classes)):
            raise ShapeError(
                f"There are {n} rows and {len(self.classes)} classes, and the class weights have shape "
                f"{weights.shape}. Give one weight for each row and class."
            )
        check_finite(weights, "Give numbers.", "rows of class weights")
        return weights

    def decode(self, z: ArrayLike, y: ClassInputs = None) -> Images:
        """Decode latents to images.

        Parameters
        ----------
        z : array-like (n, dim)
            Latents, or one latent (dim,): an array, list or tensor.
        y : array (n,) or (n, classes)
            Class numbers for a conditional model, or class weights, such as (0.5, 0.5, 0).

        Returns
        -------
        array (n, channels, height, width)
            float32 in [0, 1].

        Raises
        ------
        ShapeError
            The latents have another number of dimensions, or the labels another length.
        NotSupported
            The decoder takes class numbers only, and it is given class weights.

        Examples
        --------
        >>> atlas.generator.decode(atlas.latents()[:3]).shape
        (3, 1, 8, 8)
        """
        return np.concatenate(list(self.decode_batches(z, y)))

    def decode_batches(self, z: ArrayLike, y: ClassInputs = None) -> Iterator[Images]:
        """Yield the decoded images in batches, if they do not fit into memory together.

        Examples
        --------
        >>> sum(len(images) for images in atlas.generator.decode_batches(atlas.latents()))
        30
        """
        z = as_latents(z, *self.space.shape)
        self._check_labels(z, y)
        if self.classes and y is not None and y.ndim == 2:
            require_class_weights(self)
        rows, done, size = z.reshape(-1, *self.space.shape), 0, min(FIRST_BATCH, self.batch)
        while done < max(len(z), 1):
            part = slice(done, done + size)
            (images,) = self._call(self.decoder, rows[part], None if y is None else y[part])
            yield images
            done += size
            size = images_per_batch(images[:1].size, self.device, self.batch)

    def encode(self, x: ImagesLike, y: Labels | None = None) -> Latents:
        """Return the latents (n, dim) of images (n, c, h, w); of a posterior, its mean.

        Raises
        ------
        NotSupported
            The model has no encoder.

        Examples
        --------
        >>> atlas.generator.encode(atlas.generate(3)).shape
        (3, 2)
        """
        return self.latents(x, y)[0]

    def posterior(self, x: ImagesLike, y: Labels | None = None) -> tuple[Latents, Latents] | None:
        """Return mean and standard deviation of q(z | x), each (n, dim); None for a deterministic encoder.

        Examples
        --------
        >>> mean, std = atlas.generator.posterior(atlas.generate(3))
        >>> bool((std > 0).all())
        True
        """
        mean, std = self.latents(x, y)
        return None if std is None else (mean, std)

    def latents(self, x: ImagesLike, y: Labels | None = None) -> tuple[Latents, Latents | None]:
        """Return the latents (n, dim) of images, and their std; None for a deterministic encoder.

        Examples
        --------
        >>> atlas.generator.latents(atlas.generate(3))[0].shape
        (3, 2)
        """
        if self.encoder is None:
            raise NotSupported(
                "This model has no encoder, so it cannot give the latents of images. Sample its prior, or "
                "train an encoder (in Python: atlas.train_encoder()): zatlas invert RUN --train-encoder"
            )
        is_bytes = isinstance(x, np.ndarray) and x.dtype == np.uint8 and x.ndim == 4
        x = x if is_bytes else as_images(x)  # bytes become floats batch by batch
        self._check_labels(x, y)
        size = images_per_batch(x[:1].size, self.device, self.batch)
        parts = [self._call(self.encoder, *pair) for pair in _batches(x, y, size)]
        arrays = [np.concatenate(part).reshape(len(x), -1) for part in zip(*parts, strict=True)]
        return arrays[0], arrays[1] if len(arrays) == 2 else None

    def _check_labels(self, rows: np.ndarray, y: ClassInputs) -> None:
        if y is not None and not self.classes:
            raise no_class(self.space)
        if y is not None and len(y) != len(rows):
            raise ShapeError(f"There are {len(rows)} rows and {len(y)} labels. Give one label for each row.")
        if y is None or not len(y):
            return
        if y.ndim == 2:
            self.class_inputs(len(y), y)
        elif not 0 <= y.min() <= y.max() < len(self.classes):
            raise ShapeError(f"The labels of this model go from 0 to {len(self.classes) - 1}.")

    @torch.inference_mode()
    def _call(self, function: Decoder | Encoder, rows: np.ndarray, y: ClassInputs) -> tuple[np.ndarray, ...]:
        labels = None if y is None or not self.classes else torch.as_tensor(y, device=self.device)
        x = torch.as_tensor(rows, device=self.device)
        x = x.to(torch.float32).div_(255) if x.dtype == torch.uint8 else x
        output = function(x, labels)
        parts = output if isinstance(output, tuple) else (output,)
        return tuple(part.float().cpu().numpy() for part in parts)


def _batches(rows: np.ndarray, y: Labels | None, size: int) -> Iterator[tuple[np.ndarray, Labels | None]]:
    for i in range(0, max(len(rows), 1), size):
        yield rows[i : i + size], None if y is None else y[i : i + size]


def differentiable(generator: Generator) -> bool:
    """Return whether torch can compute the gradient of the image with respect to the latent."""
    first = torch.zeros(1, dtype=torch.int64, device=generator.device)
    with torch.enable_grad():
        z = torch.ones(1, *generator.space.shape, device=generator.device, requires_grad=True)
        try:
            return generator.decoder(z, first if generator.classes else None).requires_grad
        except RuntimeError:  # the decoder leaves torch, for example through numpy
            return False


@torch.inference_mode()
def takes_class_weights(generator: Generator) -> bool:
    """Return whether a conditional decoder also takes class weights (n, classes), to mix classes.

    One-hot weights must give the images of the class numbers. A decoder that looks its label up in a table
    takes numbers only.
    """
    count = len(generator.classes)
    if not count:
        return False
    numbers = torch.arange(min(count, 2), device=generator.device)
    weights = torch.eye(count, device=generator.device)[numbers]
    z = torch.ones(len(numbers), *generator.space.shape, device=generator.device)
    expected = generator.decoder(z, numbers)
    try:
        images = generator.decoder(z, weights)
    except Exception:  # third-party code, called with inputs that it may not expect
        return False
    return images.shape == expected.shape and float((images - expected).abs().max()) < MAX_WEIGHT_ERROR


def require_class_weights(generator: Generator) -> None:
    """Raise `NotSupported` if the decoder takes class numbers only."""
    if not takes_class_weights(generator):
        raise NotSupported(
            "This model takes its class as a number, so one class cannot be morphed into another. Keep one "
            "class with --label CLASS (in Python: label=)."
        )
