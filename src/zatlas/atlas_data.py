"""The part of an `Atlas` that concerns its model, its images and their latents."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from zatlas.core.arrays import ArrayLike, Images, Latents, Rows, Values
from zatlas.core.errors import UnknownName
from zatlas.data.image_dataset import ImageDataset
from zatlas.data.image_input import ImagesLike, as_images
from zatlas.directions.decoding import decoder_module
from zatlas.encoder import invert
from zatlas.figures.run_card import run_card, run_lines
from zatlas.latent.inversion import InversionResult
from zatlas.models.generator import ClassLabel, Generator
from zatlas.models.realism import Features, realism
from zatlas.sample import generate, sample_latents
from zatlas.training.recipe import Recipe
from zatlas.training.torch_images import TorchImages
from zatlas.wide_table import latent_frame, latent_table
from zatlas.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import nn

KINDS = ("mean", "sample")  # of latents


@dataclass(frozen=True)
class AtlasData:
    """A run with its model, its images and their latents."""

    workspace: Workspace

    def __repr__(self) -> str:
        return "\n".join(run_lines(self.workspace))

    def _repr_html_(self) -> str:
        return run_card(self.workspace)

    @property
    def name(self) -> str:
        """The name of the run's folder, such as 'shapes'."""
        return self.workspace.name

    @property
    def generator(self) -> Generator:
        """The decoder and the encoder as functions of numpy arrays: a `Generator`."""
        return self.workspace.generator

    @property
    def model(self) -> "nn.Module | None":
        """The decoder as a torch module; None if it is not one.

        >>> sum(p.numel() for p in atlas.model.parameters()) > 0
        True
        """
        return decoder_module(self.generator)

    @property
    def dataset(self) -> ImageDataset:
        """The images of the run, with labels and attributes.

        >>> atlas.dataset.shape, atlas.dataset.classes
        ((1, 8, 8), ('below', 'left', 'right'))
        """
        return self.workspace.dataset

    @property
    def recipe(self) -> Recipe:
        """The settings that the model was trained with.

        >>> atlas.recipe.training.epochs
        20
        """
        return self.workspace.recipe

    def latents(self, split: str = "test", kind: str = "mean", *, seed: int = 0) -> Latents:
        """Return the latents of the images of a split.

        Parameters
        ----------
        split : {"train", "valid", "test"}
            Without test images, "test" means the validation images.
        kind : {"mean", "sample"}
            The mean of each posterior, or a sample from it.
        seed : int
            Random seed of the samples (default 0).

        Returns
        -------
        array (n, dim)

        Raises
        ------
        NotSupported
            The model has no encoder; see `train_encoder`.

        Examples
        --------
        >>> atlas.latents("train").shape
        (114, 2)
        """
        if kind not in KINDS:
            raise UnknownName("kind of latents", kind, KINDS)
        if kind == "sample":
            return self.workspace.posterior_samples(split, seed=seed)
        return self.workspace.latents(split)

    def table(self, split: str = "test") -> "pa.Table":
        """Return the latents of a split as an Arrow table, which pandas and polars read.

        Parameters
        ----------
        split : {"train", "valid", "test"}

        Returns
        -------
        pyarrow.Table
            Columns index (row of the dataset), split, label, each attribute, and latents and std as lists
            of `dim` floats. Models without a posterior have no std.

        Examples
        --------
        >>> table = atlas.table()
        >>> table.column_names, table.schema.field("latents").type
        (['index', 'split', 'label', 'latents', 'std'], FixedSizeListType(fixed_size_list<item: float>[2]))
        >>> table.to_pandas().groupby("label").size()["left"]
        np.int64(10)
        """
        return latent_table(self.workspace, split)

    def frame(self, split: str = "test", *, library: str = "pandas", chart: bool = False) -> Any:
        """Return the latents of a split as a frame of pandas or polars, a column for each dimension.

        Parameters
        ----------
        split : {"train", "valid", "test"}
        library : {"pandas", "polars"}
        chart : bool
            Add the positions x and y on the chart that was made last.

        Returns
        -------
        DataFrame
            Columns index, split, label, each attribute, z0, z1 ..., and std0, std1 ...

        Examples
        --------
        >>> atlas.frame().groupby("label")["z0"].count()["left"]
        np.int64(10)
        """
        return latent_frame(self.workspace, split, library, chart=chart)

    def to_torch(self, split: str | None = None) -> TorchImages:
        """Return the images of a split as a torch Dataset, for a DataLoader.

        Parameters
        ----------
        split : {"train", "valid", "test"}
            Default: all images.

        Returns
        -------
        torch.utils.data.Dataset
            Of images (channels, height, width) in [0, 1], or of pairs (image, label).

        Examples
        --------
        >>> image, label = atlas.to_torch("train")[0]
        >>> image.shape, atlas.dataset.classes[label]
        (torch.Size([1, 8, 8]), 'left')
        """
        rows = np.arange(len(self.dataset)) if split is None else self.dataset.rows(split)
        return TorchImages(self.dataset, rows)

    def query(self, sql: str, splits: Sequence[str] = ("train", "test")) -> "pa.Table":
        """Return the result of a SQL query about the latents, by duckdb.

        Parameters
        ----------
        sql : str
            Each split is a table by its name, and `latents` is the first of them.
        splits : sequence of str
            The tables of the query.

        Returns
        -------
        pyarrow.Table

        Raises
        ------
        BadRecipe
            duckdb cannot answer the query.

        Examples
        --------
        >>> atlas.query("select count(*) as n from test")["n"].to_pylist()
        [30]
        """
        return self.workspace.query(sql, splits)

    def decode(self, z: ArrayLike, label: ClassLabel = None) -> Images:
        """Decode latents to images.

        Parameters
        ----------
        z : array-like (n, dim)
            Latents, or one latent (dim,), as an array, a list or a tensor.
        label : int, str, sequence of n of them, or array (n, classes)
            Class of a conditional model, by number or name (default: the first), or a weight for each class.

        Returns
        -------
        array (n, channels, height, width)
            float32 in [0, 1].

        Raises
        ------
        ShapeError
            The latents have another number of dimensions.
        UnknownName
            The model has no such class.

        Examples
        --------
        >>> atlas.decode(atlas.latents()[:2]).shape
        (2, 1, 8, 8)
        """
        return self.workspace.decode(z, label)

    def encode(self, images: ImagesLike, label: ClassLabel = None) -> Latents:
        """Encode images to latents; of a posterior, the mean.

        Parameters
        ----------
        images : array-like, PIL image, str or Path, or a list of these
            Arrays of the model's shape, uint8 or floats in [0, 1]; PIL images and files are resized.
        label : int, str or sequence of n of them
            The class of the images for a conditional model.

        Returns
        -------
        array (n, dim)

        Raises
        ------
        NotSupported
            The model has no encoder.

        Examples
        --------
        >>> import numpy as np
        >>> atlas.encode(np.zeros((3, 1, 8, 8), np.float32)).shape
        (3, 2)
        """
        images = as_images(images, self.workspace.description.shape)
        return self.generator.encode(images, self.generator.class_numbers(len(images), label))

    def realism(self, images: ImagesLike, label: ClassLabel = None) -> Values:
        """Return how real images look to the discriminator of a GAN; higher is more real.

        Parameters
        ----------
        images, label
            As in `encode`.

        Returns
        -------
        array (n,)

        Examples
        --------
        >>> gan = zatlas.load("runs/gan")
        >>> gan.realism(gan.generate(3)).shape
        (3,)
        """
        return realism(self.generator, as_images(images, self.workspace.description.shape), label)

    def generate(
        self,
        n: int,
        *,
        label: ClassLabel = None,
        seed: int = 0,
        prior: str = "model",
        temperature: float = 1.0,
    ) -> Images:
        """Decode sampled latents.

        Parameters
        ----------
        n : int
            Number of images.
        label, seed, prior, temperature
            As in `decode` and `sample_latents`.

        Returns
        -------
        array (n, channels, height, width)
            float32 in [0, 1].

        Examples
        --------
        >>> conditional.generate(4, label="left").shape
        (4, 1, 8, 8)
        """
        return generate(self.workspace, n, label, seed=seed, prior=prior, temperature=temperature)

    def sample_latents(
        self, n: int, *, seed: int = 0, prior: str = "model", temperature: float = 1.0
    ) -> Latents:
        """Sample latents.

        Parameters
        ----------
        n : int
            Number of latents.
        seed : int
            Random seed (default 0).
        prior : {"model", "mixture", "flow", "posterior"}
            The prior of the model, a density fitted to its latents, or the posteriors of test images.
            A model without a prior samples a normal distribution fitted to its latents.
        temperature : float
            Factor on the distance from the mean.

        Returns
        -------
        array (n, dim)

        Raises
        ------
        UnknownName
            There is no such prior.

        Examples
        --------
        >>> atlas.sample_latents(5, prior="mixture").shape
        (5, 2)
        """
        return sample_latents(self.workspace, n, seed=seed, prior=prior, temperature=temperature)

    def invert(
        self, images: ImagesLike, label: ClassLabel = None, *, seed: int = 0, perceptual: Features = None
    ) -> InversionResult:
        """Search for the latents whose decoded images are nearest to any images.

        Parameters
        ----------
        images
            As in `encode`.
        label : int, str or sequence of n of them
            The class of the images for a conditional model.
        seed : int
            Random seed of the starting latents (default 0).
        perceptual : str or Path
            Also compare the features of an imported StyleGAN's "discriminator", or of an ONNX file.

        Returns
        -------
        InversionResult
            `latents` (n, dim), decoded `images`, and for each the error `rms` and the `psnr` in dB.

        Examples
        --------
        >>> atlas.invert(atlas.generate(2)).latents.shape
        (2, 2)
        """
        images = as_images(images, self.workspace.description.shape)
        labels = self.generator.class_numbers(len(images), label)
        return invert(self.workspace, images, labels, seed=seed, perceptual=perceptual)

    def nearest(self, z: ArrayLike, k: int = 5, split: str = "train") -> tuple[Rows, np.ndarray]:
        """Find the images whose latents are nearest.

        Parameters
        ----------
        z : array-like (n, dim)
            Latents, as in `decode`.
        k : int
            Number of images for each.
        split : {"train", "valid", "test"}
            Images to search.

        Returns
        -------
        rows : array (n, k)
            Rows of the dataset.
        distances : array (n, k)

        Examples
        --------
        >>> rows, distances = atlas.nearest(atlas.latents()[:2], 3)
        >>> atlas.dataset.images(rows[0]).shape
        (3, 1, 8, 8)
        """
        return self.workspace.nearest(z, k, split)
