"""Which images a page shows, and where they lie: a fair draw, in random order."""

from dataclasses import dataclass

import numpy as np

from zatlas.atlas import NO_ROW as NO_ROW
from zatlas.atlas import Atlas
from zatlas.core.arrays import Images, Labels, Points, Rows
from zatlas.core.seeds import stream
from zatlas.latent.neighbours import nearest

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


def draw(atlas: Atlas, most: int) -> Draw:
    """At most so many images of the training and the test part; samples, where images have no points."""
    if not atlas.coded:
        return _samples(atlas, most)
    parts = [atlas.codes("train"), atlas.codes("test")]
    rows = np.concatenate([part.rows for part in parts])
    points = np.concatenate([part.points for part in parts])
    if (parts[0].rows[:1] == parts[1].rows[:1]).all():  # there is but one part
        rows, points = parts[0].rows, parts[0].points
    chosen = _order(len(rows))[:most]
    return Draw(rows[chosen], points[chosen], len(rows))


def quick_draw(atlas: Atlas, most: int) -> Draw:
    """The same of few images, encoded here and now: nothing is written into the run."""
    if not atlas.coded:
        return _samples(atlas, most)
    rows = atlas.rows("train")
    if atlas.holds_out:
        rows = np.concatenate([rows, atlas.rows("test")])
    total, rows = len(rows), rows[_order(len(rows))[:most]]
    images = atlas.images.images(rows)
    return Draw(rows, atlas.generator.encode(images, told(atlas, rows)), total)


def told(atlas: Atlas, rows: Rows) -> Labels | None:
    """What a conditional model is told of these images; None for a model that is told nothing."""
    if not atlas.generator.classes:
        return None
    if len(rows) and rows[0] == NO_ROW:
        return np.arange(len(rows)) % len(atlas.generator.classes)
    return atlas.labels(rows)


def errors(atlas: Atlas, drawn: Draw) -> np.ndarray:
    """How far each image is from its reconstruction: root mean square of the pixels, NaN if not known."""
    found = np.full(len(drawn), np.nan, np.float32)
    known = drawn.real and atlas.given is None  # else there is no decoder
    for start in range(0, min(ERRORS, len(drawn)) if known else 0, BLOCK):
        part = slice(start, min(start + BLOCK, ERRORS))
        rows = drawn.rows[part]
        made = atlas.generator.decode(drawn.points[part], told(atlas, rows))
        found[part] = _apart(made, atlas.images.images(rows))
    return found


def typical(atlas: Atlas, drawn: Draw, count: int) -> list[int]:
    """Numbers of points far from each other: amid classes where there are any, else amid the data."""
    labels = atlas.labels(drawn.rows) if drawn.real else None
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


def _samples(atlas: Atlas, most: int) -> Draw:
    if atlas.given is not None:
        chosen = _order(len(atlas.given))[:most]
        nobody = np.full(len(chosen), NO_ROW)
        return Draw(nobody, atlas.given[chosen], len(atlas.given), chosen)
    count = min(most, SAMPLES)
    return Draw(np.full(count, NO_ROW), atlas.sample(count, seed=0), count)


def _order(count: int) -> np.ndarray:
    """The same for two runs of the same images, so that their points can be told by number."""
    return stream(0, "page").permutation(count)


def _apart(made: Images, real: Images) -> np.ndarray:
    return np.sqrt(((made - real) ** 2).mean(axis=(1, 2, 3)))
