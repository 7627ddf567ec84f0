"""Which images a page shows, and where they lie: a fair draw, in random order."""

from dataclasses import dataclass

import numpy as np

from zatlas.core.arrays import Images, Labels, Points, Rows
from zatlas.core.seeds import stream
from zatlas.latent.neighbors import nearest
from zatlas.sample import sample_latents
from zatlas.workspace import NO_ROW as NO_ROW
from zatlas.workspace import Workspace

SAMPLES = 2000  # points of a model whose images have none
ERRORS = 20_000  # points that are decoded to see how far off they are
BLOCK = 1000  # of them at a time


@dataclass(frozen=True)
class Draw:
    """Rows of the image set, or none for samples of the prior and for bare codes, and their points."""

    rows: Rows
    points: Points
    total: int  # images that could have been drawn
    own: Rows | None = None  # of codes that are no images': their numbers among all

    def first(self, count: int) -> "Draw":
        """So many of them, as fair a draw."""
        own = None if self.own is None else self.own[:count]
        return Draw(self.rows[:count], self.points[:count], self.total, own)

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


def draw(workspace: Workspace, most: int) -> Draw:
    """At most so many images of the training and the test part; samples, where images have no points."""
    if not workspace.coded:
        return _samples(workspace, most)
    parts = [workspace.codes("train"), workspace.codes("test")]
    rows = np.concatenate([part.rows for part in parts])
    points = np.concatenate([part.points for part in parts])
    if (parts[0].rows[:1] == parts[1].rows[:1]).all():  # there is but one part
        rows, points = parts[0].rows, parts[0].points
    chosen = _order(len(rows))[:most]
    return Draw(rows[chosen], points[chosen], len(rows))


def quick_draw(workspace: Workspace, most: int) -> Draw:
    """The same of few images, encoded here and now: nothing is written into the run."""
    if not workspace.coded:
        return _samples(workspace, most)
    rows = workspace.rows("train")
    if workspace.holds_out:
        rows = np.concatenate([rows, workspace.rows("test")])
    total, rows = len(rows), rows[_order(len(rows))[:most]]
    images = workspace.images.images(rows)
    return Draw(rows, workspace.generator.encode(images, told(workspace, rows)), total)


def told(workspace: Workspace, rows: Rows) -> Labels | None:
    """What a conditional model is told of these images; None for a model that is told nothing."""
    if not workspace.generator.classes:
        return None
    if len(rows) and rows[0] == NO_ROW:
        return np.arange(len(rows)) % len(workspace.generator.classes)
    return workspace.labels(rows)


def errors(workspace: Workspace, drawn: Draw) -> np.ndarray:
    """How far each image is from its reconstruction: root mean square of the pixels, NaN if not known."""
    found = np.full(len(drawn), np.nan, np.float32)
    known = drawn.real and workspace.given is None  # else there is no decoder
    for start in range(0, min(ERRORS, len(drawn)) if known else 0, BLOCK):
        part = slice(start, min(start + BLOCK, ERRORS))
        rows = drawn.rows[part]
        made = workspace.generator.decode(drawn.points[part], told(workspace, rows))
        found[part] = _apart(made, workspace.images.images(rows))
    return found


def typical(workspace: Workspace, drawn: Draw, count: int) -> list[int]:
    """Numbers of points far from each other: amid classes where there are any, else amid the data."""
    labels = workspace.labels(drawn.rows) if drawn.real else None
    kinds = np.array([]) if labels is None else np.unique(labels)
    rows = np.arange(min(len(drawn), 2000))
    if len(kinds) >= count:
        middles = [np.median(drawn.points[labels == kind], axis=0) for kind in kinds]
        rows = nearest(np.array(middles, np.float32), drawn.points, 1)[0][:, 0]
    return _far_apart(drawn.points[rows], rows, count)


def _far_apart(some: Points, rows: Rows, count: int) -> list[int]:
    """Some of these rows: one far from the middle, then again and again the farthest from all before."""
    from_middle = np.linalg.norm(some - np.median(some, axis=0), axis=1)
    order = np.argsort(from_middle, kind="stable")
    kept = order[: max(count, int(0.9 * len(order)))]  # the loneliest are no examples
    chosen = [int(kept[-1])]
    while len(chosen) < min(count, len(kept)):
        apart = np.linalg.norm(some[kept, None] - some[chosen], axis=2).min(axis=1)
        chosen.append(int(kept[apart.argmax()]))
    return rows[chosen].tolist()


def _samples(workspace: Workspace, most: int) -> Draw:
    if workspace.given is not None:
        chosen = _order(len(workspace.given))[:most]
        nobody = np.full(len(chosen), NO_ROW)
        return Draw(nobody, workspace.given[chosen], len(workspace.given), chosen)
    count = min(most, SAMPLES)
    return Draw(np.full(count, NO_ROW), sample_latents(workspace, count, seed=0), count)


def _order(count: int) -> np.ndarray:
    """The same for two runs of the same images, so that their points can be told by number."""
    return stream(0, "page").permutation(count)


def _apart(made: Images, real: Images) -> np.ndarray:
    return np.sqrt(((made - real) ** 2).mean(axis=(1, 2, 3)))
