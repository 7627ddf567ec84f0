import math

import numpy as np
import pytest

from zatlas.core.errors import BadData
from zatlas.data import sprites
from zatlas.data.synthetic import load_sprites

PERIODS = {"square": math.pi / 2, "ellipse": math.pi, "heart": 2 * math.pi}


def varied(rows: dict[str, np.ndarray], name: str, value: object) -> dict[str, np.ndarray]:
    return rows | {name: np.full_like(rows[name], value)}


def test_growing_a_set_keeps_its_sprites() -> None:
    few, many = sprites.factors(1000, seed=3), sprites.factors(2500, seed=3)
    for name, column in few.items():
        np.testing.assert_array_equal(column, many[name][:1000], err_msg=name)


def test_another_seed_draws_other_sprites() -> None:
    a, b = (sprites.draw(sprites.factors(4, seed=seed), 32) for seed in (0, 1))
    assert (a != b).any(axis=(1, 2, 3)).all()


def test_a_sprite_is_the_same_in_any_block() -> None:
    rows = sprites.factors(500, seed=1)
    alone = sprites.draw({name: column[301:306] for name, column in rows.items()}, 32)
    np.testing.assert_array_equal(sprites.draw(rows, 32)[301:306], alone)


@pytest.mark.parametrize("size", [8, 28, 64, 100])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_sprites_come_in_any_number_and_size(size: int, count: int) -> None:
    pixels = sprites.draw(sprites.factors(count, seed=0), size)
    assert pixels.shape == (count, 1, size, size)
    assert pixels.dtype == np.uint8
    assert (pixels.max(axis=(1, 2, 3)) > 100).all()


def test_the_table_is_the_factors_uniform_and_independent() -> None:
    rows = sprites.factors(6000, seed=0)
    table = sprites.attributes(rows)
    assert set(table) == {"shape", "scale", "rotation", "x", "y"}
    assert {str(name) for name in table["shape"]} == set(PERIODS)
    ends = {"scale": (0.5, 1), "rotation": (0, 2 * math.pi), "x": (0, 1), "y": (0, 1)}
    for name, (low, high) in ends.items():
        column = table[name]
        assert column.dtype == np.float32
        assert low <= column.min() < column.max() <= high
        assert abs(column.mean() - (low + high) / 2) < 0.03 * (high - low)
    columns = [table[name] for name in ends] + [table["shape"] == name for name in ("square", "heart")]
    matrix = np.abs(np.corrcoef(np.stack(columns).astype(float)))
    matrix[4:, 4:] = 0  # two shapes exclude each other
    assert (matrix - np.diag(np.diag(matrix))).max() < 0.05


@pytest.mark.parametrize("shape", PERIODS)
def test_the_centre_of_mass_follows_x_and_y(shape: str) -> None:
    rows = varied(sprites.factors(200, seed=2), "shape", shape)
    pixels = sprites.draw(rows, 48)[:, 0].astype(float)
    at = (np.arange(48) + 0.5) / 48
    mass = pixels.sum(axis=(1, 2))
    for name, axis in (("x", 1), ("y", 2)):
        centre = (pixels.sum(axis=axis) @ at) / mass
        gradient, start = np.polyfit(rows[name], centre, 1)
        assert np.abs(centre - gradient * rows[name] - start).max() < 0.01
        assert 0.5 < gradient < 0.6
        assert abs(start + gradient / 2 - 0.5) < 0.005


@pytest.mark.parametrize("shape", PERIODS)
def test_the_area_follows_the_square_of_the_scale(shape: str) -> None:
    rows = varied(sprites.factors(200, seed=2), "shape", shape)
    area = sprites.draw(rows, 48).mean(axis=(1, 2, 3)) / 255
    ratio = area / rows["scale"] ** 2
    assert np.ptp(ratio) < 0.06 * ratio.mean()


@pytest.mark.parametrize("shape", PERIODS)
def test_a_rotation_by_its_period_and_by_no_less_gives_a_shape_back(shape: str) -> None:
    rows = varied(sprites.factors(30, seed=2), "shape", shape)
    pixels = sprites.draw(rows, 48).astype(int)
    for turn, same in ((PERIODS[shape], True), (PERIODS[shape] / 2, False)):
        turned = sprites.draw(rows | {"rotation": rows["rotation"] + np.float32(turn)}, 48)
        apart = np.abs(pixels - turned).max(axis=(1, 2, 3))
        assert (apart <= 2).all() if same else (apart > 60).all()


def test_a_sprite_is_whole_wherever_it_is() -> None:
    pixels = sprites.draw(sprites.factors(2000, seed=6), 32)[:, 0]
    border = (pixels[:, 0], pixels[:, -1], pixels[:, :, 0], pixels[:, :, -1])
    assert max(side.max() for side in border) == 0
    ratio = pixels.max(axis=(1, 2))
    assert (ratio == 255).all()


def test_errors_say_what_to_do() -> None:
    rows = sprites.factors(2, seed=0)
    with pytest.raises(BadData, match="at least 8 pixels"):
        sprites.draw(rows, 4)
    with pytest.raises(BadData, match="need the factors x"):
        sprites.attributes({name: column for name, column in rows.items() if name != "x"})
    with pytest.raises(BadData, match="NaN or infinity: x"):
        sprites.draw(varied(rows, "x", np.nan), 16)
    with pytest.raises(BadData, match="not so x"):
        sprites.draw(rows | {"x": rows["x"][:1]}, 16)
    with pytest.raises(BadData, match="'star'"):
        sprites.draw(varied(rows, "shape", "star"), 16)
    with pytest.raises(BadData, match="must be 0 or more"):
        sprites.factors(-1, seed=0)


def test_cached_sprites_are_opened_without_their_factors(monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_sprites(count=24, size=8)
    monkeypatch.setattr(sprites, "factors", None)
    assert load_sprites(count=24, size=8).fingerprint == first.fingerprint
