"""Metrics of what latents say about labels and attributes, and of how smoothly images change."""

from collections.abc import Mapping

import numpy as np

from zatlas.core.arrays import Flags, Images, Labels, Latents, Rows, Values
from zatlas.core.seeds import derive, stream
from zatlas.data.image_dataset import NO_LABEL
from zatlas.directions.probes import accuracy, fit_probes, ridge, roc_auc
from zatlas.latent.attributes import flags_of, properties
from zatlas.latent.curves import Blend, Curve, default_blend, lerp
from zatlas.latent.geodesic import geodesic, length
from zatlas.latent.neighbors import nearest_others
from zatlas.metrics.factor_metrics import disentanglement_metrics
from zatlas.metrics.metric import Metric, bootstrap_error, mean_and_error
from zatlas.models.generator import differentiable
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

FIT_LATENTS, TEST_LATENTS = 6000, 3000  # latents that linear probes are fitted to, and tested on
NEIGHBORS = 10  # nearest neighbors of a latent
STEP_PAIRS = 256  # pairs of samples between which a small step is taken
STEP = 1e-2  # share of the path between two samples
GEODESIC_PAIRS = 6  # pairs of samples joined by a geodesic
GEODESIC_STEPS = 30  # optimization steps of a geodesic
MAX_PIXELS = 8 << 20  # pixels decoded for small steps, and for each step of a geodesic

Attributes = Mapping[str, Flags | Values]  # columns by name: booleans or numbers


def meaning_metrics(workspace: Workspace, *, seed: int = 0) -> list[Metric]:
    """Metrics of labels and attributes, of smoothness, and of disentanglement where factors are known."""
    metrics: list[Metric] = []
    if workspace.source.indexed:
        metrics += [*_linear_probe(workspace, seed), *_neighbors(workspace, seed)]
    if workspace.source.decodes:  # imported latents have no decoder
        metrics += [*_smoothness(workspace, seed), *_straightness(workspace, seed)]
    return metrics + disentanglement_metrics(workspace, seed=seed)


# Linear probes and neighbors ---------------------------------------------------------------------


def probe_predictions(z: Latents, labelled: Attributes, held_out: Latents) -> dict[str, Values]:
    """Predictions of linear probes for held-out latents: a probability of a flag, or a number."""
    flags = {name: column for name, column in labelled.items() if column.dtype == bool}
    probes = fit_probes(z, flags)
    probabilities = probes.predict(held_out)
    predicted = {name: probabilities[:, i] for i, name in enumerate(probes.names)}
    for name in labelled.keys() - flags.keys():
        present = np.isfinite(labelled[name])
        if present.sum() > 2:
            x, y = z[present], labelled[name][present].astype(np.float64)
            mean, level = x.mean(axis=0), y.mean()
            predicted[name] = (held_out - mean) @ ridge(x - mean, y - level) + level
    return predicted


def probe_scores(predicted: Mapping[str, Values], true: Attributes) -> dict[str, float]:
    """The quality of predictions: AUC for flags, R^2 for numbers (0 is as good as the mean)."""
    scores = {}
    for name, prediction in predicted.items():
        column = true[name]
        if column.dtype == bool:
            scores[name] = roc_auc(prediction, column)
        else:
            there = np.isfinite(column)
            error = float(((prediction[there] - column[there]) ** 2).mean())
            scores[name] = 1 - error / max(float(column[there].var()), 1e-12)
    return scores


def neighbor_agreement(latents: Latents, kinds: np.ndarray, k: int = NEIGHBORS) -> tuple[Values, float]:
    """For each latent the share of its neighbors with the same class, and the share for random neighbors."""
    near, _ = nearest_others(latents, k)
    counts = np.unique(kinds, return_counts=True)[1]
    same = (kinds[near] == kinds[:, None]).mean(axis=1)
    return same, float((counts * (counts - 1)).sum() / max(len(kinds) * (len(kinds) - 1), 1))


def _linear_probe(workspace: Workspace, seed: int) -> list[Metric]:
    rows, z = _labelled_sample(workspace, "train", FIT_LATENTS, seed)
    held_rows, held_out = _labelled_sample(workspace, "test", TEST_LATENTS, seed)
    true = _attributes(workspace, held_rows)
    labelled = {name: column for name, column in _attributes(workspace, rows).items() if name in true}
    predicted = probe_predictions(z, labelled, held_out)
    parts = probe_scores(predicted, true)
    method = (
        "AUC for boolean attributes, R^2 for numbers, by linear probes fitted to latents of training images "
        "and tested on latents of held-out images"
    )
    labels, held_labels = _labels(workspace, rows), _labels(workspace, held_rows)
    if labels is not None and held_labels is not None:
        return [_label_probe(z, labels, held_out, held_labels, parts, method)]
    if not parts:
        return []
    chosen = [name for name in parts if true[name].dtype == bool]
    baseline, chosen = (0.5, chosen) if chosen else (0.0, list(parts))

    def mean(rows: Rows) -> float:
        sampled = {name: predicted[name][rows] for name in chosen}
        return float(np.mean([*probe_scores(sampled, {n: true[n][rows] for n in chosen}).values()]))

    return [
        Metric(
            "linear_probe",
            "meaning",
            mean(np.arange(len(held_out))),
            f"mean over attributes, {method}",
            len(held_out),
            error=bootstrap_error(mean, len(held_out), seed=seed),
            unit="share",
            better="higher",
            baseline=baseline,
            baseline_name="random guess",
            parts=parts,
        )
    ]


def _label_probe(
    z: Latents, labels: Labels, held_out: Latents, held_labels: Labels, parts: dict[str, float], method: str
) -> Metric:
    both = np.concatenate([labels, held_labels])
    later = np.arange(len(both)) >= len(labels)
    value = accuracy(np.concatenate([z, held_out]), both, later)
    most_frequent = np.bincount(labels).argmax()
    return Metric(
        "linear_probe",
        "meaning",
        value,
        f"accuracy of multinomial logistic regression for the label; parts: {method}",
        len(held_out),
        error=float(np.sqrt(value * (1 - value) / len(held_out))),
        unit="share",
        better="higher",
        baseline=float((held_labels == most_frequent).mean()),
        baseline_name="the most frequent label",
        parts={"label": value, **parts},
    )


def _neighbors(workspace: Workspace, seed: int) -> list[Metric]:
    rows, z = _labelled_sample(workspace, "test", TEST_LATENTS, seed)
    if len(rows) < 3:
        return []
    labels = _labels(workspace, rows)
    kinds = {} if labels is None else {"label": labels}
    for name, column in _attributes(workspace, rows).items():
        kinds[name] = column if column.dtype == bool else column > np.nanmedian(column)
    if not kinds:
        return []
    agreement = {name: neighbor_agreement(z, column) for name, column in kinds.items()}
    chosen = ["label"] if labels is not None else list(agreement)
    value, error = mean_and_error(np.mean([agreement[name][0] for name in chosen], axis=0))
    noun = "label" if labels is not None else "attribute value, mean over attributes"
    return [
        Metric(
            "neighbor_agreement",
            "meaning",
            value,
            f"share of the {min(NEIGHBORS, len(z) - 1)} nearest other latents with the same {noun}; numbers "
            "are split at their median",
            len(z),
            error=error,
            unit="share",
            better="higher",
            baseline=float(np.mean([agreement[name][1] for name in chosen])),
            baseline_name="random neighbors",
            parts={name: float(same.mean()) for name, (same, _) in agreement.items()},
        )
    ]


def _labelled_sample(workspace: Workspace, split: str, limit: int, seed: int) -> tuple[Rows, Latents]:
    table = workspace.table(split)
    labels = workspace.labels(table.rows)
    labelled = np.arange(len(table))
    if labels is not None and NO_LABEL in workspace.dataset.classes:
        labelled = np.flatnonzero(labels != workspace.dataset.classes.index(NO_LABEL))
    if len(labelled) > limit:
        labelled = np.sort(stream(seed, "meaning", split).choice(labelled, limit, replace=False))
    return table.rows[labelled], table.latents[labelled]


def _labels(workspace: Workspace, rows: Rows) -> Labels | None:
    labels = workspace.labels(rows)
    return None if labels is None or len(np.unique(labels)) < 2 else labels


def _attributes(workspace: Workspace, rows: Rows) -> dict[str, np.ndarray]:
    """Attributes that vary over these images; each value of a text attribute is a boolean column."""
    images, columns = workspace.dataset, {}
    for key, name in properties(images).items():
        if name.kind == "class":
            continue
        column = images.attributes[name.text]
        number = column.dtype.kind == "f"
        values = column[rows] if number else flags_of(images, rows, name)
        there = values[np.isfinite(values)] if number else values
        if len(there) > 2 and there.min() != there.max():
            columns[key] = values
    return columns


# Smoothness --------------------------------------------------------------------------------------


def pixel_change_rate(before: Images, after: Images, distance: Values) -> Values:
    """Root mean square change of each image per unit of distance between the latents."""
    moved = np.sqrt(((after - before) ** 2).reshape(len(before), -1).mean(axis=1))
    return moved / np.maximum(distance, 1e-12)


def small_steps(a: Latents, b: Latents, blend: Blend, *, seed: int) -> tuple[Latents, Latents]:
    """A random latent on the path from each row of a to that of b, and one a small step further."""
    t = stream(seed, "steps").random((len(a), 1), np.float32) * np.float32(1 - STEP)
    return blend(a, b, t), blend(a, b, t + np.float32(STEP))


def _smoothness(workspace: Workspace, seed: int) -> list[Metric]:
    a, b = _ends(workspace, STEP_PAIRS, seed)
    n = int(np.clip(MAX_PIXELS // (2 * _size(workspace)), 16, STEP_PAIRS))
    z, further = small_steps(a[:n], b[:n], default_blend(workspace.generator.space), seed=seed)
    labels = _class_cycle(workspace, n)
    images = workspace.decode(z, labels), workspace.decode(further, labels)
    changes = pixel_change_rate(*images, np.linalg.norm(further - z, axis=1))
    value, error = mean_and_error(changes)
    after = "; as in Karras et al. 2019, https://arxiv.org/abs/1812.04948, but in pixels"
    metrics = [
        Metric(
            "path_length",
            "meaning",
            value,
            "root mean square change of the image (grey levels in [0, 1]) per unit of distance, for steps "
            f"between two samples{after}",
            n,
            error=error,
            unit="grey per unit of z",
            better="neither",
        )
    ]
    if value > 0:

        def uneven(rows: Rows) -> float:
            return float(changes[rows].std() / max(changes[rows].mean(), 1e-12))

        metrics.append(
            Metric(
                "path_evenness",
                "meaning",
                uneven(np.arange(n)),
                "standard deviation of the change over its mean: 0 if images change at a constant rate",
                n,
                error=bootstrap_error(uneven, n, seed=seed),
                unit="of the mean",
                better="lower",
            )
        )
    return metrics


def _straightness(workspace: Workspace, seed: int) -> list[Metric]:
    generator = workspace.generator
    if not differentiable(generator):
        return []
    a, b = _ends(workspace, GEODESIC_PAIRS, seed)
    n = int(np.clip(MAX_PIXELS // (64 * _size(workspace)), 2, GEODESIC_PAIRS))
    labels = _class_cycle(workspace, n)
    ratios = []
    for i in range(n):
        decoder = generator if labels is None else generator.for_class(int(labels[i]))
        ends = a[i : i + 1], b[i : i + 1]
        line = length(decoder, Curve(np.concatenate(ends), lerp))
        shortest = geodesic(decoder, *ends, steps=GEODESIC_STEPS)
        if line > 0:
            ratios.append(length(decoder, shortest) / line)
    if not ratios:
        return []
    value, error = mean_and_error(np.array(ratios))
    return [
        Metric(
            "straightness",
            "meaning",
            value,
            "length of the geodesic between two samples over that of the straight line, in pixels: 1 where "
            "straight lines are the shortest paths",
            len(ratios),
            error=error,
            unit="share",
            better="higher",
        )
    ]


def _ends(workspace: Workspace, n: int, seed: int) -> tuple[Latents, Latents]:
    """Two samples for each of n pairs."""
    return sample_latents(workspace, n, seed=derive(seed, "from")), sample_latents(
        workspace, n, seed=derive(seed, "to")
    )


def _class_cycle(workspace: Workspace, n: int) -> Labels | None:
    kinds = len(workspace.generator.classes)
    return np.arange(n) % kinds if kinds else None


def _size(workspace: Workspace) -> int:
    z, _ = _ends(workspace, 1, 0)
    return int(workspace.decode(z, _class_cycle(workspace, 1)).size)
