"""Laws that hold for every method of interpolation."""

import numpy as np
import pytest

from zatlas.core.space import Space
from zatlas.latent.curves import Curve, lerp, loop, slerp
from zatlas.latent.interpolation import METHODS
from zatlas.locate import interpolate
from zatlas.sample import sample_latents

FINE = np.linspace(0, 1, 2001, dtype=np.float32)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("constant_speed", [False, True])
def test_a_curve_passes_its_anchors_without_a_jump(wide, method, closed, constant_speed):
    anchors = sample_latents(wide, 3, seed=4)
    curve = interpolate(wide, anchors, method, closed=closed, constant_speed=constant_speed)
    at_marks = curve(np.float32(curve.named_times))
    expected = np.concatenate([anchors, anchors[:1]]) if closed else anchors
    np.testing.assert_allclose(at_marks, expected, atol=0.06)
    steps = np.linalg.norm(np.diff(curve(FINE), axis=0), axis=1)
    assert steps.max() < 0.05 * np.linalg.norm(anchors, axis=1).max()
    if closed:
        np.testing.assert_allclose(curve(FINE[:1]), curve(FINE[-1:]), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_curve_is_in_the_space_and_begins_and_ends_where_it_should(wide, method):
    anchors = sample_latents(wide, 2, seed=5)
    latents = interpolate(wide, anchors, method).sample(7)
    assert latents.shape == (7, wide.dim) and latents.dtype == np.float32
    np.testing.assert_allclose(latents[[0, -1]], anchors, atol=1e-5)


def test_slerp_keeps_the_norm_that_lerp_loses():
    a, b = np.split(Space((512,)).sample(2, seed=1), 2)
    half = np.float32([[0.5]])
    arc, chord = slerp(a, b, half), lerp(a, b, half)
    assert abs(np.linalg.norm(arc) / np.linalg.norm(a) - 1) < 0.05
    assert np.linalg.norm(chord) / np.linalg.norm(a) < 0.8


@pytest.mark.parametrize("scale", [-1.0, 0.0, 1.0, 1.0001])
def test_slerp_is_finite_where_there_is_no_angle(scale):
    a = Space((8,)).sample(1, seed=2)
    assert np.isfinite(slerp(a, np.float32(scale) * a, np.float32([[0.3]]))).all()
    assert np.isfinite(slerp(0 * a, a, np.float32([[0.3]]))).all()


def test_a_loop_closes():
    latents = loop(Space((8,)).sample(3, seed=0)).sample(10)
    np.testing.assert_allclose(latents[0], latents[-1], atol=1e-5)


def test_a_spline_has_no_corners(wide):
    anchors = sample_latents(wide, 4, seed=6)
    turns = {}
    for method in ("lerp", "spline"):
        steps = np.diff(interpolate(wide, anchors, method)(FINE), axis=0)
        steps /= np.linalg.norm(steps, axis=1, keepdims=True)
        turns[method] = (steps[1:] * steps[:-1]).sum(axis=1).min()
    assert turns["lerp"] < 0.9 < 0.99 < turns["spline"]


def test_a_single_stop_is_refused():
    with pytest.raises(ValueError, match="at least 2 anchors"):
        Curve(np.zeros((1, 3), np.float32))
