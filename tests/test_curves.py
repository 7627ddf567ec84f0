import numpy as np
import pytest
import torch

from zatlas.core.errors import BadRecipe, NotSupported, ShapeError
from zatlas.core.space import Space
from zatlas.latent.curves import (
    Curve,
    at_constant_speed,
    default_blend,
    in_dimensions,
    lerp,
    parametric_curve,
    spiral,
    traverse,
)
from zatlas.latent.formula import plane_formula, read_formula
from zatlas.latent.geodesic import geodesic, length
from zatlas.models.generator import Generator
from zatlas.sample import sample_latents


def test_a_traversal_moves_one_axis_alone():
    z = Space((8,)).sample(1, seed=0)
    latents = traverse(z, 2).sample(5)
    np.testing.assert_allclose(latents[:, 2], [-3, -1.5, 0, 1.5, 3], atol=1e-6)
    assert np.ptp(np.delete(latents, 2, axis=1), axis=0).max() == 0
    with pytest.raises(ShapeError, match="There is no dimension 8"):
        traverse(z, 8)


def test_the_usual_way_is_the_arc_where_the_prior_is_a_shell():
    assert default_blend(Space((64,))).__name__ == "slerp"
    assert default_blend(Space((2,))).__name__ == "lerp"
    assert default_blend(Space((64,), "none")).__name__ == "lerp"


def test_a_spiral_turns_outwards_from_the_centre():
    latents = spiral(turns=3, extent=2).sample(400)
    radius = np.linalg.norm(latents, axis=1)
    assert radius[0] == 0 and abs(radius[-1] - 2) < 1e-5 and (np.diff(radius) > -1e-3).all()
    angle = np.unwrap(np.arctan2(latents[1:, 1], latents[1:, 0]))
    assert abs(angle[-1] - angle[0] - 6 * np.pi) < 0.1


def test_a_curve_of_the_plane_lies_in_two_axes():
    curve = in_dimensions(spiral(), Space((5,)), (1, 3))
    latents = curve.sample(50)
    assert np.ptp(latents[:, [0, 2, 4]]) == 0 and np.ptp(latents[:, 1]) > 2
    for axes in ((1, 1), (0, 5), (-1, 2)):
        with pytest.raises(NotSupported):
            in_dimensions(spiral(), Space((5,)), axes)


def test_a_steady_walk_changes_the_picture_evenly():
    curve = Curve(np.float32([[0], [1], [4]]), lerp)

    def look(z):  # the picture changes faster and faster
        return (z**2).reshape(-1, 1, 1, 1)

    before = np.abs(np.diff(look(curve.sample(50)).ravel()))
    even = at_constant_speed(curve, look)
    after = np.abs(np.diff(look(even.sample(50)).ravel()))
    assert after.std() < 0.05 * before.std()
    np.testing.assert_allclose(even(np.float32(even.named_times))[:, 0], [0, 1, 4], atol=0.02)
    still = Curve(np.float32([[1], [1]]), lerp)
    assert at_constant_speed(still, look) is still


@pytest.mark.parametrize(
    "text",
    [
        "import os",
        "t.real",
        "__import__('os')",
        "f(t)",
        "t+",
        "",
        "t if t else 1",
        "sin(t, 2)",
        "[t]",
        "'a'",
        "x",
        "9" * 400,
        "lambda: t",
        "True",
    ],
)
def test_only_formulas_are_read(text):
    with pytest.raises(BadRecipe, match="is not a formula of t"):
        read_formula(text)


def test_a_formula_is_what_it_says():
    t = np.linspace(0, 1, 11)
    positions = plane_formula("2*t*cos(8*pi*t)", "-sqrt(t)^2 + 1e-3")(t)
    np.testing.assert_allclose(positions[:, 0], 2 * t * np.cos(8 * np.pi * t), atol=1e-6)
    np.testing.assert_allclose(positions[:, 1], -t + 1e-3, atol=1e-6)
    assert parametric_curve(plane_formula("1", "t")).sample(3).tolist() == [[1, 0], [1, 0.5], [1, 1]]
    with pytest.raises(ShapeError, match="must return finite positions"):
        parametric_curve(plane_formula("1/t", "t"))


def test_a_geodesic_is_no_longer_than_the_straight_line(digits):
    ends = sample_latents(digits, 40, seed=3)
    for a, b in zip(ends[:20, None], ends[20:, None], strict=True):
        straight = length(digits.generator, Curve(np.concatenate([a, b]), lerp))
        assert length(digits.generator, geodesic(digits.generator, a, b)) <= straight + 1e-4


def test_a_geodesic_goes_round_a_hill():
    def hill(z, y):  # three pixels: the place, and a height that is steep in the middle
        height = 2 * (-(z**2).sum(dim=1, keepdim=True)).exp()
        return torch.cat([z / 4, height], dim=1).reshape(-1, 1, 1, 3)

    generator = Generator(Space((2,)), hill)
    a, b = np.float32([[-2, 0.1]]), np.float32([[2, 0.1]])
    result = geodesic(generator, a, b)
    assert result.sample(50)[:, 1].max() > 1
    straight = Curve(np.concatenate([a, b]), lerp)
    assert length(generator, result) < 0.6 * length(generator, straight)


def test_a_decoder_that_cannot_be_differentiated_is_refused(digits):
    from dataclasses import replace

    blind = replace(digits.generator, decoder=lambda z, y: digits.generator.decoder(z.detach(), y))
    with pytest.raises(NotSupported, match="torch can differentiate"):
        geodesic(blind, *np.split(sample_latents(digits, 2, seed=0), 2))
