import numpy as np
import pytest

from tests.conftest import small_run
from zatlas.core.errors import BadData
from zatlas.directions.estimate import fit_direction, with_side_effects
from zatlas.directions.find import find_direction, refit_joint
from zatlas.directions.joint import entanglement, fit_jointly, leak
from zatlas.directions.measure import evaluate_directions
from zatlas.figures.direction_reports import leakage

NAMES = ("Male", "Bald", "No_Beard", "Wearing_Earrings", "Young", "Eyeglasses")


def tangled(latents, flags, result):
    gradients = [with_side_effects(one, latents, flags).side_effects for one in result]
    return leak(entanglement(gradients, list(flags)))


@pytest.fixture(scope="module")
def latents():
    """Three attributes that come together, each with an axis of its own and noise on others."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(4000)
    flags = {name: common + rng.standard_normal(4000) > 0 for name in ("tall", "old", "fair")}
    latents = rng.standard_normal((4000, 6)).astype(np.float32)
    for axis, has in enumerate(flags.values()):
        latents[:, axis] += 2 * has
    return latents, flags


def test_found_together_each_moves_its_own_and_leaves_the_others(latents):
    points, flags = latents
    before = tangled(points, flags, [fit_direction(points, has, name) for name, has in flags.items()])
    together = fit_jointly(points, flags)
    assert [one.name for one in together] == list(flags)
    assert tangled(points, flags, together) < 0.25 * before
    for one in together:
        assert one.score is not None and one.score.significant
        assert abs(np.linalg.norm(one.vector) - 1) < 1e-5


def test_attributes_that_exclude_each_other_are_left_free(latents):
    points, _ = latents
    red = points[:, 3] > 0.5
    blue = points[:, 3] < -0.5
    result = fit_jointly(points, {"red": red, "blue": blue, "tall": points[:, 0] > 1})
    assert abs(result[0].vector[3]) > 0.9 and result[0].vector @ result[1].vector < -0.9


def test_apart_takes_two_that_some_have_and_others_lack(latents):
    points, flags = latents
    with pytest.raises(BadData, match="two or more"):
        fit_jointly(points, {"tall": flags["tall"]})
    with pytest.raises(BadData, match="true of 0"):
        fit_jointly(points, {"tall": flags["tall"], "none": np.zeros(4000, bool)})


@pytest.fixture(scope="module")
def correlated(tmp_path_factory, own_cache):
    folder = tmp_path_factory.mktemp("runs") / "correlated"
    settings = {"model.beta": 0.1, "net.widths": [256]}
    data = "faces:count=2000,correlated=true"
    return small_run(folder, data, size=16, dim=16, epochs=20, **settings)


def test_correlated_faces_are_less_entangled_found_together(correlated):
    rows = correlated.table("train")
    flags = {name: correlated.flags(name, rows.rows) for name in NAMES}
    before = evaluate_directions(correlated, [find_direction(correlated, name) for name in NAMES])
    refit = refit_joint(correlated, NAMES)
    after = evaluate_directions(correlated, fit_jointly(rows.latents, flags), refit=refit)
    leaks = leakage(before), leakage(after)
    print(f"mean change beside the diagonal over that on it: {leaks[0]:.3f}, then {leaks[1]:.3f}")
    assert leaks[1] < 0.7 * leaks[0]
    assert all(one.stability > 0.5 for one in after)
