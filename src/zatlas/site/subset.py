"""Which images a page shows, and where they lie: a fair draw, in random order."""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Images, Labels, Latents, Rows
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import nearest
from zatlas.latent_source import Given
from zatlas.sample import sample_latents
from zatlas.workspace import NO_ROW as NO_ROW
from zatlas.workspace import Workspace

SAMPLES = 2000  # points of a model whose images have none
ERRORS = 20_000  # points that are decoded to see how far off they are
BLOCK = 1000  # of them at a time


@dataclass(frozen=True)
class PageSubset:
    """Rows of the image set, or none for samples of the prior and for bare codes, and their points."""

    rows: Rows
    latents: Latents
    total: int  # images that could have been drawn
    own: Rows | None = None  # of codes that are no images': their numbers among all

    def first(self, count: int) -> "PageSubset":
        """So many of them, as fair a draw."""
        own = None if self.own is None else self.own[:count]
        return PageSubset(self.rows[:count], self.latents[:count], self.total, own)

    @property
    def numbers(self) -> Rows:
        """What each point goes by; -1 for what is only known by its place in the draw."""
        return self.rows if self.own is None else self.own

    @property
    def real(self) -> bool:
        """Whether images belong to these points."""
        return not len(self.rows) or int(self.rows[0]) != NO_ROW

    def __len__(self) -> int:
        return len(self.rows)


def select_rows(workspace: Workspace, most: int) -> PageSubset:
    """At most so many images of the training and the test part; samples, where images have no points."""
    if not workspace.source.indexed:
        return _samples(workspace, most)
    parts = [workspace.table("train"), workspace.table("test")]
    rows = np.concatenate([part.rows for part in parts])
    latents = np.concatenate([part.latents for part in parts])
    if (parts[0].rows[:1] == parts[1].rows[:1]).all():  # there is but one part
        rows, latents = parts[0].rows, parts[0].latents
    chosen = _order(len(rows))[:most]
    return PageSubset(rows[chosen], latents[chosen], len(rows))


def select_quickly(workspace: Workspace, most: int) -> PageSubset:
    """The same of few images, encoded here and now: nothing is written into the run."""
    if not workspace.source.indexed:
        return _samples(workspace, most)
    rows = workspace.rows("train")
    if workspace.holds_out:
        rows = np.concatenate([rows, workspace.rows("test")])
    total, rows = len(rows), rows[_order(len(rows))[:most]]
    images = workspace.dataset.images(rows)
    return PageSubset(rows, workspace.generator.encode(images, subset_labels(workspace, rows)), total)


def subset_labels(workspace: Workspace, rows: Rows) -> Labels | None:
    """What a conditional model is told of these images; None for a model that is told nothing."""
    if not workspace.generator.classes:
        return None
    if len(rows) and rows[0] == NO_ROW:
        return np.arange(len(rows)) % len(workspace.generator.classes)
    return workspace.labels(rows)


def reconstruction_errors(workspace: Workspace, drawn: PageSubset) -> np.ndarray:
    """How far each image is from its reconstruction: root mean square of the pixels, NaN if not known."""
    result = np.full(len(drawn), np.nan, np.float32)
    known = drawn.real and workspace.source.decodes  # else there is no decoder
    for start in range(0, min(ERRORS, len(drawn)) if known else 0, BLOCK):
        part = slice(start, min(start + BLOCK, ERRORS))
        rows = drawn.rows[part]
        made = workspace.generator.decode(drawn.latents[part], subset_labels(workspace, rows))
        result[part] = _apart(made, workspace.dataset.images(rows))
    return result


def typical_rows(workspace: Workspace, drawn: PageSubset, count: int) -> list[int]:
    """Numbers of points far from each other: amid classes where there are any, else amid the data."""
    labels = workspace.labels(drawn.rows) if drawn.real else None
    kinds = np.array([]) if labels is None else np.unique(labels)
    rows = np.arange(min(len(drawn), 2000))
    if len(kinds) >= count:
        middles = [np.median(drawn.latents[labels == kind], axis=0) for kind in kinds]
        rows = nearest(np.array(middles, np.float32), drawn.latents, 1)[0][:, 0]
    return _far_apart(drawn.latents[rows], rows, count)


def _far_apart(some: Latents, rows: Rows, count: int) -> list[int]:
    """Some of these rows: one far from the middle, then again and again the farthest from all before."""
    from_middle = np.linalg.norm(some - np.median(some, axis=0), axis=1)
    order = np.argsort(from_middle, kind="stable")
    saved = order[: max(count, int(0.9 * len(order)))]  # the loneliest are no examples
    chosen = [int(saved[-1])]
    while len(chosen) < min(count, len(saved)):
        apart = np.linalg.norm(some[saved, None] - some[chosen], axis=2).min(axis=1)
        chosen.append(int(saved[apart.argmax()]))
    return rows[chosen].tolist()


def _samples(workspace: Workspace, most: int) -> PageSubset:
    if isinstance(source := workspace.source, Given):
        chosen = _order(len(source.latents))[:most]
        nobody = np.full(len(chosen), NO_ROW)
        return PageSubset(nobody, source.latents[chosen], len(source.latents), chosen)
    count = min(most, SAMPLES)
    return PageSubset(np.full(count, NO_ROW), sample_latents(workspace, count, seed=0), count)


def _order(count: int) -> np.ndarray:
    """The same for two runs of the same images, so that their points can be told by number."""
    return stream(0, "page").permutation(count)


def _apart(made: Images, real: Images) -> np.ndarray:
    return np.sqrt(((made - real) ** 2).mean(axis=(1, 2, 3)))
