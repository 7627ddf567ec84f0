import numpy as np
import pytest

from zatlas.core.errors import BadData
from zatlas.data import faces

CELEBA = {
    "Arched_Eyebrows",
    "Bald",
    "Bangs",
    "Big_Nose",
    "Black_Hair",
    "Blond_Hair",
    "Brown_Hair",
    "Bushy_Eyebrows",
    "Eyeglasses",
    "Gray_Hair",
    "Male",
    "Mouth_Slightly_Open",
    "Narrow_Eyes",
    "No_Beard",
    "Oval_Face",
    "Pale_Skin",
    "Rosy_Cheeks",
    "Smiling",
    "Straight_Hair",
    "Wavy_Hair",
    "Wearing_Earrings",
    "Young",
}

# factor, one value, another, and where of the picture it must show: top, bottom, left, right
SHOWS = {
    "Arched_Eyebrows": ("brow_arch", 0.0, 1.0, (0.2, 0.6, 0.1, 0.9)),
    "Bald": ("bald", False, True, (0.0, 0.6, 0.0, 1.0)),
    "Bangs": ("bangs", False, True, (0.05, 0.5, 0.1, 0.9)),
    "Big_Nose": ("nose_size", 0.0, 1.0, (0.4, 0.7, 0.3, 0.7)),
    "Bushy_Eyebrows": ("brow_thickness", 0.0, 1.0, (0.2, 0.6, 0.1, 0.9)),
    "Eyeglasses": ("glasses", False, True, (0.3, 0.7, 0.1, 0.9)),
    "Male": ("male", False, True, (0.1, 1.0, 0.0, 1.0)),
    "Mouth_Slightly_Open": ("mouth_open", 0.0, 1.0, (0.5, 0.85, 0.25, 0.75)),
    "Narrow_Eyes": ("eye_size", 0.0, 1.0, (0.3, 0.65, 0.1, 0.9)),
    "No_Beard": ("beard", False, True, (0.38, 0.9, 0.1, 0.9)),
    "Oval_Face": ("face_width", 0.0, 1.0, (0.0, 1.0, 0.0, 1.0)),
    "Pale_Skin": ("skin_tone", 0.0, 1.0, (0.0, 1.0, 0.0, 1.0)),
    "Rosy_Cheeks": ("blush", 0.0, 1.0, (0.4, 0.8, 0.1, 0.9)),
    "Smiling": ("smile", -1.0, 1.0, (0.5, 0.85, 0.25, 0.75)),
    "Wavy_Hair": ("hair_wave", 0.0, 1.0, (0.0, 1.0, 0.0, 1.0)),
    "Wearing_Earrings": ("earrings", False, True, (0.4, 0.8, 0.0, 1.0)),
    "Young": ("age", 0.0, 1.0, (0.2, 0.8, 0.1, 0.9)),
}


def varied(rows: dict[str, np.ndarray], name: str, value: object) -> dict[str, np.ndarray]:
    return rows | {name: np.full_like(rows[name], value)}


def numbers(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every factor as numbers, the hair's colour as one flag a colour."""
    table = {k: v.astype(np.float64) for k, v in rows.items() if k != "hair_colour"}
    names = np.unique(rows["hair_colour"])
    return table | {str(k): (rows["hair_colour"] == k).astype(np.float64) for k in names}


@pytest.mark.parametrize("correlated", [False, True])
def test_a_larger_dataset_begins_with_the_same_faces(correlated: bool) -> None:
    few = faces.factors(1000, seed=3, correlated=correlated)
    many = faces.factors(2500, seed=3, correlated=correlated)
    for name, column in few.items():
        np.testing.assert_array_equal(column, many[name][:1000], err_msg=name)


def test_another_seed_draws_other_faces() -> None:
    a, b = (faces.draw(faces.factors(4, seed=seed), 32) for seed in (0, 1))
    assert (a != b).any(axis=(1, 2, 3)).all()


def test_a_face_is_the_same_in_any_block() -> None:
    rows = faces.factors(150, seed=1)
    alone = faces.draw({name: column[70:75] for name, column in rows.items()}, 64)
    np.testing.assert_array_equal(faces.draw(rows, 64)[70:75], alone)
    backwards = faces.draw({name: column[::-1] for name, column in rows.items()}, 64)
    np.testing.assert_array_equal(backwards[::-1][70:75], alone)


@pytest.mark.parametrize("size", [8, 28, 64, 100])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_faces_come_in_any_number_and_size(size: int, count: int) -> None:
    pixels = faces.draw(faces.factors(count, seed=0), size)
    assert pixels.shape == (count, 3, size, size)
    assert pixels.dtype == np.uint8
    assert (pixels.std(axis=(1, 2, 3)) > 15).all()


def test_a_small_image_matches_the_downscaled_large_one() -> None:
    rows = faces.factors(20, seed=4)
    small = faces.draw(rows, 32).astype(float)
    large = faces.draw(rows, 128).reshape(20, 3, 32, 4, 32, 4).mean(axis=(3, 5))
    assert np.abs(small - large).mean() < 2


@pytest.mark.parametrize("correlated", [False, True])
def test_the_table_is_finite_and_of_its_types(correlated: bool) -> None:
    rows = faces.factors(3000, seed=0, correlated=correlated)
    table = faces.attributes(rows)
    assert {name for name, column in table.items() if column.dtype == bool} == CELEBA
    for name, column in (*rows.items(), *table.items()):
        assert column.shape == (3000,)
        if name == "hair_colour":
            assert set(column) == {"gray", "black", "brown", "blond"}
        elif column.dtype != bool:
            assert column.dtype == np.float32
            low = -1 if name in ("smile", "pose_x", "pose_y") else 0
            assert low <= column.min() < column.max() <= 1


@pytest.mark.parametrize("attribute", SHOWS)
def test_each_attribute_changes_only_its_region(attribute: str) -> None:
    factor, low, high, (top, bottom, left, right) = SHOWS[attribute]
    rows = faces.factors(40, seed=2)
    ends = [varied(rows, factor, value) for value in (low, high)]
    assert (faces.attributes(ends[0])[attribute] != faces.attributes(ends[1])[attribute]).all()
    images = [faces.draw(end, 64).astype(int) for end in ends]
    changed = np.abs(images[0] - images[1]).max(axis=1) > 24
    edges = np.s_[:, int(64 * top) : int(64 * bottom), int(64 * left) : int(64 * right)]
    assert np.quantile(changed[edges].sum(axis=(1, 2)), 0.05) >= 5
    assert changed.sum() == changed[edges].sum()


@pytest.mark.parametrize(
    "factor", ["hair_length", "pose_x", "pose_y", "eye_colour", "background_hue", "clothes_hue"]
)
def test_each_factor_changes_the_image(factor: str) -> None:
    rows = faces.factors(40, seed=2)
    ends = [varied(rows, factor, value) for value in (0.0, 0.6)]
    images = [faces.draw(end, 64).astype(int) for end in ends]
    changed = np.abs(images[0] - images[1]).max(axis=1) > 12
    assert np.quantile(changed.sum(axis=(1, 2)), 0.05) >= 4


@pytest.mark.parametrize("bald", [False, True])
def test_the_hair_colour_is_visible_on_a_bald_head(bald: bool) -> None:
    rows = varied(faces.factors(30, seed=5), "bald", bald)
    images = [faces.draw(varied(rows, "hair_colour", name), 64) for name in ("black", "blond")]
    changed = np.abs(images[0].astype(int) - images[1]).max(axis=1) > 40
    assert changed.sum(axis=(1, 2)).min() >= 30


def test_factors_are_independent_by_default() -> None:
    table = numbers(faces.factors(5000, seed=0))
    del table["gray"]  # the four colours exclude each other; leave the factor one flag
    del table["black"], table["brown"]
    matrix = np.corrcoef(np.stack(list(table.values())))
    assert np.abs(matrix - np.eye(len(matrix))).max() < 0.06


def test_correlated_factors_are_correlated() -> None:
    table = numbers(faces.factors(5000, seed=0, correlated=True))
    pairs = [
        ("male", "beard", 1),
        ("male", "bald", 1),
        ("male", "hair_length", -1),
        ("male", "earrings", -1),
        ("male", "brow_thickness", 1),
        ("age", "gray", 1),
        ("age", "bald", 1),
        ("age", "glasses", 1),
        ("skin_tone", "blond", -1),
        ("skin_tone", "black", 1),
        ("smile", "mouth_open", 1),
    ]
    for one, other, sign in pairs:
        assert sign * np.corrcoef(table[one], table[other])[0, 1] > 0.1, (one, other)
    assert abs(np.corrcoef(table["pose_x"], table["age"])[0, 1]) < 0.05


def test_errors_say_what_to_do() -> None:
    rows = faces.factors(2, seed=0)
    with pytest.raises(BadData, match="at least 8 pixels"):
        faces.draw(rows, 4)
    with pytest.raises(BadData, match="need the factors smile"):
        faces.draw({name: column for name, column in rows.items() if name != "smile"}, 16)
    with pytest.raises(BadData, match="NaN or infinity: smile"):
        faces.draw(varied(rows, "smile", np.nan), 16)
    with pytest.raises(BadData, match="not so smile"):
        faces.draw(rows | {"smile": rows["smile"][:1]}, 16)
    with pytest.raises(BadData, match="'green'"):
        faces.attributes(varied(rows, "hair_colour", "green"))
    with pytest.raises(BadData, match="must be 0 or more"):
        faces.factors(-1, seed=0)
