"""The images that a page shows and their latents: a uniform sample in random order."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Images, Labels, Latents, Rows
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import nearest
from zatlas.latent_source import Given
from zatlas.sample import NUMBERED, sample_latents
from zatlas.workspace import NO_ROW as NO_ROW
from zatlas.workspace import Workspace

MIN_SAMPLES, MAX_SAMPLES = 24, 480  # numbered samples of a page
MAX_SAMPLE_VALUES = 250_000  # numbers in their latents
MAX_RECONSTRUCTED = 20_000  # points whose reconstruction error is computed
BATCH = 1000  # of them at a time
MAX_TYPICAL = 2000  # points among which typical ones are searched
TYPICAL_SHARE = 0.9  # of the points, those nearest to the median


@dataclass(frozen=True)
class PageSubset:
    """The latents of a page and their rows of the dataset; all rows are -1 without a dataset."""

    rows: Rows
    latents: Latents
    total: int  # rows that were sampled from
    latent_numbers: Rows | None = None  # of imported latents without a dataset: their numbers in the file
    std: Latents | None = None  # of the posteriors, if the encoder has any

    def first(self, count: int) -> "PageSubset":
        """The first `count` points, which are a uniform sample too."""
        numbers = None if self.latent_numbers is None else self.latent_numbers[:count]
        std = None if self.std is None else self.std[:count]
        return PageSubset(self.rows[:count], self.latents[:count], self.total, numbers, std)

    @property
    def numbers(self) -> Rows:
        """The number that names each point; -1 for samples of a prior."""
        return self.rows if self.latent_numbers is None else self.latent_numbers

    @property
    def has_images(self) -> bool:
        """Whether the points are rows of a dataset."""
        return not len(self.rows) or int(self.rows[0]) != NO_ROW

    def __len__(self) -> int:
        return len(self.rows)


def select_rows(workspace: Workspace, max_points: int) -> PageSubset:
    """At most `max_points` images of the training and the test split; samples for a model without encoder."""
    if not workspace.source.indexed:
        return _samples(workspace, max_points)
    splits = [workspace.table("train"), workspace.table("test")]
    rows = np.concatenate([split.rows for split in splits])
    latents = np.concatenate([split.latents for split in splits])
    std = _joined([split.std for split in splits])
    if (splits[0].rows[:1] == splits[1].rows[:1]).all():  # both names are the same split
        rows, latents, std = splits[0].rows, splits[0].latents, splits[0].std
    chosen = _order(len(rows))[:max_points]
    return PageSubset(rows[chosen], latents[chosen], len(rows), std=None if std is None else std[chosen])


def select_quickly(workspace: Workspace, max_points: int) -> PageSubset:
    """The same for a few images, encoded now; writes nothing into the run."""
    if not workspace.source.indexed:
        return _samples(workspace, max_points)
    rows = workspace.rows("train")
    if workspace.holds_out:
        rows = np.concatenate([rows, workspace.rows("test")])
    total, rows = len(rows), rows[_order(len(rows))[:max_points]]
    if workspace.source.latents is not None:
        return PageSubset(rows, workspace.source.latents[rows], total)
    images = workspace.dataset.images(rows)
    return PageSubset(rows, workspace.generator.encode(images, subset_labels(workspace, rows)), total)


def subset_labels(workspace: Workspace, rows: Rows) -> Labels | None:
    """The class labels by which a conditional model decodes these rows; None for an unconditional model."""
    if not workspace.generator.classes:
        return None
    if len(rows) and rows[0] == NO_ROW:
        return np.arange(len(rows)) % len(workspace.generator.classes)
    return workspace.labels(rows)


def numbered_samples(workspace: Workspace, prior: str = "model") -> Latents:
    """The first samples of a prior, whose numbers are their names on the command line."""
    count = int(np.clip(MAX_SAMPLE_VALUES // workspace.dim, MIN_SAMPLES, MAX_SAMPLES))
    return sample_latents(workspace, count, prior=prior)


def reconstruction_errors(workspace: Workspace, subset: PageSubset) -> np.ndarray:
    """The root mean squared error of each reconstruction; NaN where it is not computed."""
    result = np.full(len(subset), np.nan, np.float32)
    possible = subset.has_images and workspace.source.decodes
    for start in range(0, min(MAX_RECONSTRUCTED, len(subset)) if possible else 0, BATCH):
        batch = slice(start, min(start + BATCH, MAX_RECONSTRUCTED))
        rows = subset.rows[batch]
        decoded = workspace.generator.decode(subset.latents[batch], subset_labels(workspace, rows))
        result[batch] = _rms_difference(decoded, workspace.dataset.images(rows))
    return result


def typical_rows(workspace: Workspace, subset: PageSubset, count: int) -> list[int]:
    """Points far from each other: medians of the classes if there are enough, otherwise inliers."""
    labels = workspace.labels(subset.rows) if subset.has_images else None
    classes = np.array([]) if labels is None else np.unique(labels)
    rows = np.arange(min(len(subset), MAX_TYPICAL))
    if len(classes) >= count:
        medians = [np.median(subset.latents[labels == label], axis=0) for label in classes]
        rows = nearest(np.array(medians, np.float32), subset.latents, 1)[0][:, 0]
    return _farthest(subset.latents[rows], rows, count)


def _farthest(latents: Latents, rows: Rows, count: int) -> list[int]:
    """Farthest-point sampling, without the outermost tenth of the latents."""
    radius = np.linalg.norm(latents - np.median(latents, axis=0), axis=1)
    order = np.argsort(radius, kind="stable")
    candidates = order[: max(count, int(TYPICAL_SHARE * len(order)))]
    chosen = [int(candidates[-1])]
    while len(chosen) < min(count, len(candidates)):
        distance = np.linalg.norm(latents[candidates, None] - latents[chosen], axis=2).min(axis=1)
        chosen.append(int(candidates[distance.argmax()]))
    return rows[chosen].tolist()


def _samples(workspace: Workspace, max_points: int) -> PageSubset:
    if isinstance(source := workspace.source, Given):
        chosen = _order(len(source.latents))[:max_points]
        rows = np.full(len(chosen), NO_ROW)
        return PageSubset(rows, source.latents[chosen], len(source.latents), chosen)
    count = min(max_points, NUMBERED)
    return PageSubset(np.full(count, NO_ROW), sample_latents(workspace, count, seed=0), count)


def _joined(tables: Sequence[Latents | None]) -> Latents | None:
    """The rows of all tables; None if one is missing."""
    present = [table for table in tables if table is not None]
    return np.concatenate(present) if len(present) == len(tables) else None


def _order(count: int) -> np.ndarray:
    """A random order, the same for all runs of the same images, so that their points can be compared."""
    return stream(0, "page").permutation(count)


def _rms_difference(a: Images, b: Images) -> np.ndarray:
    return np.sqrt(((a - b) ** 2).mean(axis=(1, 2, 3)))
