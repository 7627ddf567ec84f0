"""What the axes and the distances of a latent space mean: to labels and attributes, and to the pictures."""

from collections.abc import Mapping

import numpy as np

from zatlas.core.arrays import Flags, Images, Labels, Points, Rows, Values
from zatlas.core.seeds import derive, stream
from zatlas.data.imageset import UNLABELLED
from zatlas.directions.probes import accuracy, area_under_curve, fit_probes, ridge
from zatlas.latent.attributes import flags_of, properties
from zatlas.latent.curves import Blend, Curve, lerp, usual_blend
from zatlas.latent.geodesic import geodesic, length
from zatlas.latent.neighbours import others
from zatlas.metrics.factors import disentanglement_metrics
from zatlas.metrics.metric import Metric, bootstrap_error, mean_and_error
from zatlas.models.generator import differentiable
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

FIT_LATENTS, TEST_LATENTS = 6000, 3000  # codes that planes are fitted to, and codes they are tried on
NEIGHBORS = 10  # neighbours of a code
STEP_PAIRS = 256  # at which a small step is taken
STEP = 1e-2  # of the way between two samples
GEODESIC_PAIRS = 6  # of samples, between which the shortest way is sought
GEODESIC_STEPS = 30  # steps of that search
MAX_PIXELS = 8 << 20  # of pixels that are decoded for small steps, and for each step of the search

Attributes = Mapping[str, Flags | Values]  # attributes of some codes: true or false, or numbers


def meaning_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """What the codes tell of labels and attributes, how smoothly pictures follow, and scores by factors."""
    found: list[Metric] = []
    if workspace.coded:
        found += [*_probe(workspace, seed), *_neighbours(workspace, seed)]
    if workspace.given is None:  # codes that came without a decoder make no pictures
        found += [*_paths(workspace, seed), *_bent(workspace, seed)]
    return found + disentanglement_metrics(workspace, seed=seed)


# What planes and neighbours tell -----------------------------------------------------------------


def probe_predictions(z: Points, known: Attributes, held: Points) -> dict[str, Values]:
    """What planes fitted to some codes say of others: of flags a probability, of numbers the number."""
    flags = {name: column for name, column in known.items() if column.dtype == bool}
    probes = fit_probes(z, flags)
    read = probes.read(held)
    found = {name: read[:, i] for i, name in enumerate(probes.names)}
    for name in known.keys() - flags.keys():
        there = np.isfinite(known[name])
        if there.sum() > 2:
            x, y = z[there], known[name][there].astype(np.float64)
            middle, level = x.mean(axis=0), y.mean()
            found[name] = (held - middle) @ ridge(x - middle, y - level) + level
    return found


def probe_scores(guessed: Mapping[str, Values], true: Attributes) -> dict[str, float]:
    """How right they are: of flags the area under the ROC curve, of numbers R^2 (0 as good as the mean)."""
    found = {}
    for name, guess in guessed.items():
        column = true[name]
        if column.dtype == bool:
            found[name] = area_under_curve(guess, column)
        else:
            there = np.isfinite(column)
            wrong = float(((guess[there] - column[there]) ** 2).mean())
            found[name] = 1 - wrong / max(float(column[there].var()), 1e-12)
    return found


def neighbor_agreement(points: Points, kinds: np.ndarray, k: int = NEIGHBORS) -> tuple[Values, float]:
    """Of each code, the share of its nearest others that are of its kind; and what chance would give."""
    near, _ = others(points, k)
    counts = np.unique(kinds, return_counts=True)[1]
    same = (kinds[near] == kinds[:, None]).mean(axis=1)
    return same, float((counts * (counts - 1)).sum() / max(len(kinds) * (len(kinds) - 1), 1))


def _probe(workspace: Workspace, seed: int) -> list[Metric]:
    rows, z = _some(workspace, "train", FIT_LATENTS, seed)
    held_rows, held = _some(workspace, "test", TEST_LATENTS, seed)
    true = _attributes(workspace, held_rows)
    known = {name: column for name, column in _attributes(workspace, rows).items() if name in true}
    guessed = probe_predictions(z, known, held)
    parts = probe_scores(guessed, true)
    ways = (
        "of attributes that are true or false the area under the ROC curve, of numbers R^2, by planes "
        "that are fitted to codes of training images and tried on codes of held-out ones"
    )
    labels, held_labels = _labels(workspace, rows), _labels(workspace, held_rows)
    if labels is not None and held_labels is not None:
        return [_label_probe(z, labels, held, held_labels, parts, ways)]
    if not parts:
        return []
    chosen = [name for name in parts if true[name].dtype == bool]
    baseline, chosen = (0.5, chosen) if chosen else (0.0, list(parts))

    def mean(rows: Rows) -> float:
        some = {name: guessed[name][rows] for name in chosen}
        return float(np.mean([*probe_scores(some, {n: true[n][rows] for n in chosen}).values()]))

    return [
        Metric(
            "linear_probe",
            "meaning",
            mean(np.arange(len(held))),
            f"mean over attributes, {ways}",
            len(held),
            error=bootstrap_error(mean, len(held), seed=seed),
            unit="share",
            better="higher",
            baseline=baseline,
            baseline_name="chance",
            parts=parts,
        )
    ]


def _label_probe(
    z: Points, labels: Labels, held: Points, held_labels: Labels, parts: dict[str, float], ways: str
) -> Metric:
    both = np.concatenate([labels, held_labels])
    later = np.arange(len(both)) >= len(labels)
    value = accuracy(np.concatenate([z, held]), both, later)
    often = np.bincount(labels).argmax()
    return Metric(
        "linear_probe",
        "meaning",
        value,
        f"share of labels that are told rightly; in parts, {ways}",
        len(held),
        error=float(np.sqrt(value * (1 - value) / len(held))),
        unit="share",
        better="higher",
        baseline=float((held_labels == often).mean()),
        baseline_name="always the most frequent label",
        parts={"label": value, **parts},
    )


def _neighbours(workspace: Workspace, seed: int) -> list[Metric]:
    rows, z = _some(workspace, "test", TEST_LATENTS, seed)
    if len(rows) < 3:
        return []
    labels = _labels(workspace, rows)
    kinds = {} if labels is None else {"label": labels}
    for name, column in _attributes(workspace, rows).items():
        kinds[name] = column if column.dtype == bool else column > np.nanmedian(column)
    if not kinds:
        return []
    found = {name: neighbor_agreement(z, column) for name, column in kinds.items()}
    chosen = ["label"] if labels is not None else list(found)
    value, error = mean_and_error(np.mean([found[name][0] for name in chosen], axis=0))
    what = "label" if labels is not None else "answer, in the mean over attributes"
    return [
        Metric(
            "neighbor_agreement",
            "meaning",
            value,
            f"share of the {min(NEIGHBORS, len(z) - 1)} nearest other codes with the same {what}; a number's "
            "answer is whether it is above its median",
            len(z),
            error=error,
            unit="share",
            better="higher",
            baseline=float(np.mean([found[name][1] for name in chosen])),
            baseline_name="any others, wherever they lie",
            parts={name: float(same.mean()) for name, (same, _) in found.items()},
        )
    ]


def _some(workspace: Workspace, split: str, most: int, seed: int) -> tuple[Rows, Points]:
    codes = workspace.codes(split)
    labels = workspace.labels(codes.rows)
    known = np.arange(len(codes))
    if labels is not None and UNLABELLED in workspace.images.classes:
        known = np.flatnonzero(labels != workspace.images.classes.index(UNLABELLED))
    if len(known) > most:
        known = np.sort(stream(seed, "meaning", split).choice(known, most, replace=False))
    return codes.rows[known], codes.points[known]


def _labels(workspace: Workspace, rows: Rows) -> Labels | None:
    labels = workspace.labels(rows)
    return None if labels is None or len(np.unique(labels)) < 2 else labels


def _attributes(workspace: Workspace, rows: Rows) -> dict[str, np.ndarray]:
    """Those that are not the same for all of these images; of texts, whether they are each value."""
    images, found = workspace.images, {}
    for key, name in properties(images).items():
        if name.kind == "class":
            continue
        column = images.attributes[name.word]
        number = column.dtype.kind == "f"
        values = column[rows] if number else flags_of(images, rows, name)
        there = values[np.isfinite(values)] if number else values
        if len(there) > 2 and there.min() != there.max():
            found[key] = values
    return found


# How the pictures follow -------------------------------------------------------------------------


def pixel_change_rate(before: Images, after: Images, apart: Values) -> Values:
    """Root mean square change of each picture, for each unit of the way between their points."""
    moved = np.sqrt(((after - before) ** 2).reshape(len(before), -1).mean(axis=1))
    return moved / np.maximum(apart, 1e-12)


def small_steps(a: Points, b: Points, blend: Blend, *, seed: int) -> tuple[Points, Points]:
    """A place on the way from each point to another, and a small step further on it."""
    t = stream(seed, "steps").random((len(a), 1), np.float32) * np.float32(1 - STEP)
    return blend(a, b, t), blend(a, b, t + np.float32(STEP))


def _paths(workspace: Workspace, seed: int) -> list[Metric]:
    a, b = _ends(workspace, STEP_PAIRS, seed)
    n = int(np.clip(MAX_PIXELS // (2 * _size(workspace)), 16, STEP_PAIRS))
    z, further = small_steps(a[:n], b[:n], usual_blend(workspace.generator.space), seed=seed)
    told = _told(workspace, n)
    images = workspace.decode(z, None, told), workspace.decode(further, None, told)
    found = pixel_change_rate(*images, np.linalg.norm(further - z, axis=1))
    value, error = mean_and_error(found)
    after = "; as in Karras et al. 2019, https://arxiv.org/abs/1812.04948, but in pixels, without a net"
    metrics = [
        Metric(
            "path_length",
            "meaning",
            value,
            "root mean square change of a picture, of grey in [0, 1], for each unit of a small step between "
            f"two samples{after}",
            n,
            error=error,
            unit="grey a unit of z",
            better="neither",
        )
    ]
    if value > 0:

        def uneven(rows: Rows) -> float:
            return float(found[rows].std() / max(found[rows].mean(), 1e-12))

        metrics.append(
            Metric(
                "path_evenness",
                "meaning",
                uneven(np.arange(n)),
                "spread of the change over its mean: 0 where pictures change as fast everywhere",
                n,
                error=bootstrap_error(uneven, n, seed=seed),
                unit="of the mean",
                better="lower",
            )
        )
    return metrics


def _bent(workspace: Workspace, seed: int) -> list[Metric]:
    generator = workspace.generator
    if not differentiable(generator):
        return []
    a, b = _ends(workspace, GEODESIC_PAIRS, seed)
    n = int(np.clip(MAX_PIXELS // (64 * _size(workspace)), 2, GEODESIC_PAIRS))
    told = _told(workspace, n)
    shares = []
    for i in range(n):
        one = generator if told is None else generator.for_class(int(told[i]))
        ends = a[i : i + 1], b[i : i + 1]
        straight = length(one, Curve(np.concatenate(ends), lerp))
        shortest = geodesic(one, *ends, steps=GEODESIC_STEPS)
        if straight > 0:
            shares.append(length(one, shortest) / straight)
    if not shares:
        return []
    value, error = mean_and_error(np.array(shares))
    return [
        Metric(
            "straightness",
            "meaning",
            value,
            "length of the shortest way found between two samples over that of the straight one, in pixels: "
            "1 where straight ways are the shortest",
            len(shares),
            error=error,
            unit="share",
            better="higher",
        )
    ]


def _ends(workspace: Workspace, n: int, seed: int) -> tuple[Points, Points]:
    """Two samples for each of n ways."""
    return sample_latents(workspace, n, seed=derive(seed, "from")), sample_latents(
        workspace, n, seed=derive(seed, "to")
    )


def _told(workspace: Workspace, n: int) -> Labels | None:
    kinds = len(workspace.generator.classes)
    return np.arange(n) % kinds if kinds else None


def _size(workspace: Workspace) -> int:
    z, _ = _ends(workspace, 1, 0)
    return int(workspace.decode(z, None, _told(workspace, 1)).size)
