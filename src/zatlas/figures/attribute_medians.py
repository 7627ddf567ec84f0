"""Curves from a median latent without an attribute to one with it, in latent space or on a chart.

The latents of an attribute overlap with those without it, so the medians of both groups can decode to the
same image. Each end is therefore a local median: of the neighbors of one image, among the half of its group
whose latents separate best from the other group.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from zatlas.core.arrays import Flags, Latents, Plane, Values
from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.core.seeds import stream
from zatlas.latent.curves import Curve, at_constant_speed, lerp
from zatlas.workspace import Workspace

JITTER = 1.0  # median absolute deviations
CLEAR_SHARE = 0.5  # of each group: the latents that separate best from the other group
MAX_NEIGHBORS = 32  # latents of a local median
MIN_GROUPS = 8  # a local median takes at most one in this number of the group's latents
MAX_FULL_DIM = 512  # dimensions up to which a group has a full covariance matrix; above, a diagonal one
SAMPLES = 97  # positions on a chart between both ends
SMOOTHING = 0.4  # std of the Gaussian that smooths the curve between them, as a share of its length
PIECES = 60  # of a curve, whose image changes are measured


def path_of_medians(workspace: Workspace, name: str, jitter: float = JITTER, seed: int = 0) -> Curve:
    """The curve from a median latent of images without the attribute to one of images with it.

    Both ends belong to one random point: it lies between the medians of both groups, plus normal noise whose
    std is `jitter` median absolute deviations in each dimension. The curve ends at the local median nearest
    to it, and begins at the one nearest to the end. The image changes at constant speed.
    """
    table = workspace.table("train")
    flags = workspace.flags(name, table.rows)
    groups = _clear_groups(table.latents, flags, name)
    centers = [np.median(table.latents[flags == side], axis=0) for side in (False, True)]
    point = sum(centers) / 2 + _offset(table.latents, flags, jitter, seed)
    end = _local_median(groups[1], groups[1], point)
    start = _local_median(groups[0], groups[0], end)  # its neighbors, so that other properties change little
    return at_constant_speed(Curve(np.stack([start, end]), lerp), workspace.decode, pieces=PIECES)


def path_on_chart(workspace: Workspace, name: str, jitter: float = JITTER, seed: int = 0) -> Curve:
    """The same on a chart that the attribute supervises: from the median position of one group to the other.

    Both ends have the same random offset of `jitter` median absolute deviations. Between them the latents
    follow the chart's inverse, smoothed along the curve, because a supervised chart is empty there.
    """
    chart = workspace.chart(supervise=name)
    assert chart.rows is not None  # charts of a run have rows
    flags = workspace.flags(name, chart.rows)
    clear = _clear(chart.latents, flags, name)
    offset = _offset(chart.positions, flags, jitter, seed)
    positions, ends = [], []
    for side in (False, True):
        group = clear & (flags == side)
        position = np.median(chart.positions[flags == side], axis=0) + offset
        positions.append(position)
        ends.append(_local_median(chart.latents[group], chart.positions[group], position))
    line: Plane = Curve(np.stack(positions).astype(np.float32), lerp).sample(SAMPLES)
    curve = _joined(_smoothed(chart.inverse_transform(line)), *ends)
    return at_constant_speed(Curve(curve, lerp, anchor_times=(0.0, 1.0)), workspace.decode, pieces=PIECES)


def _clear_groups(latents: Latents, flags: Flags, name: str) -> list[Latents]:
    """The latents without the attribute and those with it, of each the half that separates best."""
    clear = _clear(latents, flags, name)
    return [latents[clear & (flags == side)] for side in (False, True)]


def _clear(latents: Latents, flags: Flags, name: str) -> Flags:
    """Whether a latent separates better from the other group than the median of its own group."""
    if flags.all() or not flags.any():
        raise NotSupported(f"All images or none have {name!r}, so there is no path between them.")
    score = _log_density(latents, latents[flags]) - _log_density(latents, latents[~flags])
    result = np.zeros(len(flags), bool)
    for side, signed in ((True, score), (False, -score)):
        limit = np.quantile(signed[flags == side], 1 - CLEAR_SHARE)
        result |= (flags == side) & (signed >= limit)
    return result


def _log_density(latents: Latents, group: Latents) -> Values:
    """The log density of a normal distribution fitted to a group, up to a constant.

    The covariance is shrunk towards a multiple of the identity, so that a small group has one.
    """
    mean, dim = group.mean(axis=0, dtype=np.float64), group.shape[1]
    centered = group - mean
    shrinkage = dim / (dim + len(group))
    variance = (centered**2).mean(axis=0)
    floor = shrinkage * float(variance.mean()) + 1e-12
    if dim > MAX_FULL_DIM:
        scales = (1 - shrinkage) * variance + floor
        log_density: Values = -0.5 * ((latents - mean) ** 2 / scales).sum(axis=1)
        return log_density
    covariance = (1 - shrinkage) * (centered.T @ centered) / len(group) + floor * np.eye(dim)
    root = np.linalg.cholesky(covariance)
    distances = np.linalg.solve(root, (latents - mean).T)
    log_density = -0.5 * (distances**2).sum(axis=0)
    return log_density


def _offset(points: Latents, flags: Flags, jitter: float, seed: int) -> Values:
    """Normal noise whose std is `jitter` median absolute deviations of the points around their groups."""
    if not (np.isfinite(jitter) and jitter >= 0):
        raise BadRecipe(f"The jitter must be 0 or more, not {jitter:g}.")
    centered = np.empty_like(points)
    for side in (False, True):
        centered[flags == side] = points[flags == side] - np.median(points[flags == side], axis=0)
    noise = stream(seed, "jitter").standard_normal(points.shape[1])
    return (jitter * np.median(np.abs(centered), axis=0) * noise).astype(np.float32)


def _local_median(latents: Latents, points: Latents, point: Values) -> Latents:
    """The median of the latents whose points are nearest to the point that is nearest to `point`."""
    count = int(np.clip(len(points) // MIN_GROUPS, 1, MAX_NEIGHBORS))
    nearest = points[((points - point) ** 2).sum(axis=1).argmin()]
    rows = ((points - nearest) ** 2).sum(axis=1).argsort(kind="stable")[:count]
    return np.median(latents[rows], axis=0).astype(np.float32)


def _smoothed(curve: Latents) -> Latents:
    """The latents of a curve, averaged along it."""
    result: Latents = gaussian_filter1d(curve, SMOOTHING * len(curve), axis=0, mode="nearest")
    return result


def _joined(curve: Latents, start: Latents, end: Latents) -> Latents:
    """The curve moved so that it has these ends."""
    t = np.linspace(0, 1, len(curve), dtype=np.float32)[:, None]
    moved: Latents = curve + (1 - t) * (start - curve[0]) + t * (end - curve[-1])
    return moved
