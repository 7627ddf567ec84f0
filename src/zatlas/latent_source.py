"""Where the latents of a run come from: an encoder, a file that was imported, or the prior."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from zatlas.core.arrays import Latents
from zatlas.models.generator import Generator
from zatlas.models.importers import imported_run
from zatlas.store.run import Run


@dataclass(frozen=True)
class Encoded:
    """The run's encoder gives each image of its dataset a latent."""

    kind: ClassVar[str] = "image"
    indexed: ClassVar[bool] = True
    decodes: ClassVar[bool] = True
    generated: ClassVar[bool] = False
    latents: ClassVar[None] = None

    def name(self, number: int) -> str:
        """The title of a latent by its number in a split."""
        return f"{self.kind} {number}"


@dataclass(frozen=True)
class Given:
    """The latents were imported as a file, without a decoder; their images or labels may be known."""

    latents: Latents
    has_images: bool = False  # whether each latent belongs to an image that can be shown
    indexed: bool = False  # whether each latent has a row in the run's dataset
    decodes: ClassVar[bool] = False
    generated: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        """What a number of `name` refers to."""
        return "image" if self.has_images else "latent"

    def name(self, number: int) -> str:
        """The title of a latent by its number."""
        return f"{self.kind} {number}"


@dataclass(frozen=True)
class Sampled:
    """Samples of the prior stand for the data, because no image has a latent.

    Once a classifier has labelled their images, the samples are the run's dataset.
    """

    sample: Callable[[], Latents]
    indexed: bool = False  # whether a classifier has labelled their images
    kind: ClassVar[str] = "sample"
    decodes: ClassVar[bool] = True

    @property
    def generated(self) -> bool:
        """Whether the dataset is made of decoded samples."""
        return self.indexed

    @property
    def latents(self) -> Latents:
        """The samples, always the same."""
        return self.sample()

    def name(self, number: int) -> str:
        """The title of a latent by its number."""
        return f"{self.kind} {number}"


LatentSource = Encoded | Given | Sampled


def source_of(run: Run, generator: Generator, predicted: bool, sample: Callable[[], Latents]) -> LatentSource:
    """Return where the latents of a run come from; `predicted` says whether it has a classifier's labels."""
    given, has_images = imported_run.latents_of_run(run), run.recipe_file.exists()
    labelled = has_images or imported_run.has_dataset(run)
    if given is not None:
        return Given(given, has_images, labelled)
    if predicted and not (generator.encoder is not None and has_images):
        return Sampled(sample, indexed=True)
    return Encoded() if generator.encoder is not None and labelled else Sampled(sample)
