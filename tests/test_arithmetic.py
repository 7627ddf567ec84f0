"""Arithmetic of latents by number: numbered sheets, means of groups, and what is near the result."""

import numpy as np
import pytest

from zatlas.cli import main
from zatlas.core.space import Space
from zatlas.figures.geometry import arithmetic
from zatlas.figures.sheets import sample_sheet
from zatlas.latent.arithmetic import MAX_ON_SHELL, Group, combine, mean_latent
from zatlas.locate import find_groups, locate
from zatlas.render.canvas import Text, Tiles
from zatlas.render.pixels import to_bytes
from zatlas.sample import sample_latents

COUNT = 9


def groups(space, sizes, signs=(1, -1, 1), seed=0):
    rng = np.random.default_rng(seed)
    latents = [rng.standard_normal((size, space.dim)).astype(np.float32) for size in sizes]
    return [Group(sign, "", z) for sign, z in zip(signs, latents, strict=True)]


def norms(latents):
    return np.linalg.norm(latents, axis=1)


@pytest.mark.parametrize("dim", [8, 64, 512])
def test_the_mean_of_a_few_latents_has_their_norm_and_the_direction_of_their_mean(dim):
    space = Space((dim,))
    for size in (1, 3, MAX_ON_SHELL):
        z = groups(space, (size,), (1,))[0].latents
        mean = mean_latent(z, space)
        assert norms(mean)[0] == pytest.approx(norms(z).mean(), rel=1e-5)
        cosine = (mean[0] @ z.mean(axis=0)) / (norms(mean)[0] * np.linalg.norm(z.mean(axis=0)))
        assert cosine == pytest.approx(1, abs=1e-5)


def test_a_mean_is_the_plain_mean_in_few_dimensions_without_a_prior_and_of_many_latents():
    for space, size in ((Space((2,)), 3), (Space((64,), "none"), 3), (Space((64,)), MAX_ON_SHELL + 1)):
        z = groups(space, (size,), (1,))[0].latents
        np.testing.assert_allclose(mean_latent(z, space)[0], z.mean(axis=0), atol=1e-6)


def test_the_result_of_picked_latents_has_their_norm_and_the_result_of_large_groups_is_the_plain_sum():
    space = Space((64,))
    for sizes in ((1, 1, 1), (3, 3, 3), (10, 10, 10), (3, 500, 500)):
        terms = groups(space, sizes)
        typical = np.mean([norms(term.latents).mean() for term in terms])
        assert norms(combine(terms, space))[0] == pytest.approx(typical, rel=1e-5)
    for space, sizes in ((Space((64,)), (500, 500, 500)), (Space((2,)), (3, 3, 3))):
        terms = groups(space, sizes)
        plain = sum(term.sign * term.latents.mean(axis=0) for term in terms)
        np.testing.assert_allclose(combine(terms, space)[0], plain, atol=1e-6)


def test_large_groups_shift_a_picked_latent_by_the_difference_of_their_means():
    space, shift = Space((64,)), np.eye(64, dtype=np.float32)[0]
    start, without = groups(space, (1, 2000), (1, -1))
    moved = combine([start, without, Group(1, "", without.latents + shift)], space)[0]
    expected = start.latents[0] + shift
    assert moved @ expected / np.linalg.norm(moved) / np.linalg.norm(expected) == pytest.approx(1, abs=1e-5)


def test_the_step_of_a_direction_does_not_count_as_a_latent():
    space = Space((64,))
    (start,) = groups(space, (1,), (1,))
    step = Group(1, "", np.full((1, 64), 0.01, np.float32), is_step=True)
    assert norms(combine([start, step], space))[0] == pytest.approx(norms(start.latents)[0], rel=1e-5)


def test_equal_groups_cancel():
    space = Space((64,))
    (group,) = groups(space, (3,), (1,))
    result = combine([group, Group(-1, "", group.latents)], space)
    assert np.isfinite(result).all() and norms(result)[0] < 1e-3


@pytest.mark.parametrize("name", ["rival", "wide", "plain"])
def test_a_sheet_numbers_each_sample_and_arithmetic_takes_the_numbers(name, request):
    workspace = request.getfixturevalue(name)
    figure = sample_sheet(workspace, COUNT)
    (tiles,) = [item for item in figure.items if isinstance(item, Tiles)]
    for number in range(COUNT):
        x, y = tiles.at(number)
        (text,) = [item for item in figure.items if isinstance(item, Text) and item.text == str(number)]
        assert x < text.x < x + tiles.wide
        assert y + tiles.high < text.y < y + tiles.high + tiles.gap + tiles.drop
        typed = str(number) if name == "rival" else f"random:{number}"
        image = to_bytes(workspace.decode(locate(workspace, typed).latent))
        assert np.abs(image[0].astype(int) - tiles.pixels[number]).max() <= 1
    note = " ".join(item.text for item in figure.items if isinstance(item, Text))
    assert f"is written {'7' if name == 'rival' else 'random:7'}" in note


def test_only_samples_that_a_number_names_are_numbered(wide):
    for settings in ({"seed": 1}, {"temperature": 0.5}, {"truncation": 2.0}, {"prior": "posterior"}):
        texts = {item.text for item in sample_sheet(wide, COUNT, **settings).items if isinstance(item, Text)}
        assert "4" not in texts


@pytest.mark.parametrize(
    ("name", "prior"),
    [("rival", "model"), ("wide", "model"), ("wide", "mixture"), ("plain", "model"), ("plain", "mixture")],
)
def test_a_sample_has_the_same_number_in_a_longer_list(name, prior, request):
    workspace = request.getfixturevalue(name)
    short, long = (sample_latents(workspace, count, prior=prior) for count in (5, 40))
    np.testing.assert_allclose(short, long[:5], atol=1e-5)


def test_an_image_is_named_by_its_number_in_the_data_set_in_every_split(wide):
    for split in ("train", "test"):
        table = wide.table(split)
        anchor = locate(wide, f"image:{table.rows[3]}")
        np.testing.assert_array_equal(anchor.latent, table.latents[3:4])
        np.testing.assert_array_equal(anchor.image, wide.dataset.images(table.rows[3:4]))


def test_numbers_that_name_nothing_are_refused_with_the_range(rival, wide, capsys):
    for workspace, name, words in (
        (rival, "2000", "from 0 to 1999"),
        (wide, "image:999999", "no image 999999"),
    ):
        assert main(["arithmetic", str(workspace.run.folder), f"0 - {name}"]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["rival", "wide"])
def test_an_equation_tells_the_distance_of_its_result_and_what_is_nearest(name, request):
    workspace = request.getfixturevalue(name)
    text = "1,2,3 - 4,5,6 + 7,8,9"
    figure, words = arithmetic(workspace, text)
    result = combine(find_groups(workspace, text), workspace.generator.space)
    far = workspace.density.relative_distance(result)[0]
    assert f"at distance {far:.2f}" in words
    candidates = workspace.cloud[:2000] if name == "rival" else workspace.latents("test")
    nearest = np.argsort(np.linalg.norm(candidates - result, axis=1))[:3]
    kind = "samples" if name == "rival" else "test images"
    assert f"nearest {kind}: {', '.join(map(str, nearest))}" in words
    drawn = [item.pixels for item in figure.items if isinstance(item, Tiles)]
    image = workspace.decode(result)
    assert any(np.abs(tile[0].astype(int) - to_bytes(image)[0]).max() <= 1 for tile in drawn)


def test_results_of_picked_samples_of_a_gan_are_as_near_to_the_data_as_samples(rival):
    equations = [
        find_groups(rival, f"{i},{i + 1},{i + 2} - {i + 3} + {i + 4},{i + 5}") for i in range(0, 60, 6)
    ]
    results = [combine(terms, rival.generator.space) for terms in equations]
    sums = [sum(term.sign * term.latents.sum(axis=0, keepdims=True) for term in terms) for terms in equations]
    own = rival.density.relative_distance(sample_latents(rival, 200, seed=5))
    assert np.median(rival.density.relative_distance(np.concatenate(results))) < np.quantile(own, 0.9)
    assert np.median(rival.density.relative_distance(np.concatenate(sums))) > np.quantile(own, 0.9)
