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


def leak_of(latents, flags, directions):
    gradients = [with_side_effects(d, latents, flags).side_effects for d in directions]
    return leak(entanglement(gradients, list(flags)))


@pytest.fixture(scope="module")
def latents():
    """Three correlated attributes, each with a dimension of its own; the other dimensions are noise."""
    rng = np.random.default_rng(0)
    common = rng.standard_normal(4000)
    flags = {name: common + rng.standard_normal(4000) > 0 for name in ("tall", "old", "fair")}
    latents = rng.standard_normal((4000, 6)).astype(np.float32)
    for axis, has in enumerate(flags.values()):
        latents[:, axis] += 2 * has
    return latents, flags


def test_joint_directions_change_their_own_attribute_and_keep_the_others(latents):
    z, flags = latents
    before = leak_of(z, flags, [fit_direction(z, has, name) for name, has in flags.items()])
    joint = fit_jointly(z, flags)
    assert [direction.name for direction in joint] == list(flags)
    assert leak_of(z, flags, joint) < 0.25 * before
    for direction in joint:
        assert direction.score is not None and direction.score.significant
        assert abs(np.linalg.norm(direction.vector) - 1) < 1e-5


def test_attributes_that_exclude_each_other_do_not_constrain_each_other(latents):
    z, _ = latents
    red = z[:, 3] > 0.5
    blue = z[:, 3] < -0.5
    result = fit_jointly(z, {"red": red, "blue": blue, "tall": z[:, 0] > 1})
    assert abs(result[0].vector[3]) > 0.9 and result[0].vector @ result[1].vector < -0.9


def test_a_joint_fit_needs_two_attributes_that_vary(latents):
    z, flags = latents
    with pytest.raises(BadData, match="two attributes or more"):
        fit_jointly(z, {"tall": flags["tall"]})
    with pytest.raises(BadData, match="true of 0"):
        fit_jointly(z, {"tall": flags["tall"], "none": np.zeros(4000, bool)})


@pytest.fixture(scope="module")
def correlated(tmp_path_factory, own_cache):
    folder = tmp_path_factory.mktemp("runs") / "correlated"
    settings = {"model.beta": 0.1, "net.widths": [256]}
    data = "faces:count=2000,correlated=true"
    return small_run(folder, data, size=16, dim=16, epochs=20, **settings)


@pytest.mark.slow
def test_joint_directions_of_correlated_faces_are_less_entangled(correlated):
    rows = correlated.table("train")
    flags = {name: correlated.flags(name, rows.rows) for name in NAMES}
    before = evaluate_directions(correlated, [find_direction(correlated, name) for name in NAMES])
    refit = refit_joint(correlated, NAMES)
    after = evaluate_directions(correlated, fit_jointly(rows.latents, flags), refit=refit)
    leaks = leakage(before), leakage(after)
    print(f"mean change off the diagonal over that on it: {leaks[0]:.3f}, then {leaks[1]:.3f}")
    assert leaks[1] < 0.7 * leaks[0]
    assert all(report.stability > 0.5 for report in after)
