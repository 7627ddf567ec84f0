import json
from dataclasses import replace

import numpy as np
import pytest

from zatlas.cli import main
from zatlas.core.errors import NotSupported, ShapeError
from zatlas.core.space import Space
from zatlas.demo import unpack
from zatlas.directions.direction_report import report_lines
from zatlas.directions.estimate import orthogonal, principal, std_along
from zatlas.directions.evaluate import evaluate, target_of
from zatlas.directions.evaluator import Evaluator, Readout, small
from zatlas.directions.field_networks import VectorField, initial_layers
from zatlas.directions.find import find_direction, find_directions, refit_attributes, store_of
from zatlas.directions.fit import labels
from zatlas.directions.measure import evaluate_directions, evaluator_of
from zatlas.directions.store import transfer
from zatlas.directions.types import FieldDirection, LinearDirection
from zatlas.figures.direction_reports import effect_bars, entanglement_matrix, report_rows, report_strip
from zatlas.latent.density import density
from zatlas.models.classifier import Classifier
from zatlas.models.generator import Generator
from zatlas.render.matrix import matrix
from zatlas.render.pixels import save
from zatlas.render.theme import DARK, LIGHT
from zatlas.store import direction_files
from zatlas.workspace import Workspace


@pytest.fixture(scope="module")
def faces(tmp_path_factory, own_cache):
    return Workspace.open(unpack(tmp_path_factory.mktemp("runs") / "faces-vae"))


@pytest.fixture(scope="module")
def known(faces):
    """Directions of the faces by name, proved by the model's own encoder."""
    names = ("Male", "Smiling", "Pale_Skin")
    refit = refit_attributes(faces, names, method="mean_difference")
    result = evaluate_directions(faces, [find_direction(faces, name) for name in names], refit=refit)
    return dict(zip(names, result, strict=True))


@pytest.mark.slow
def test_a_real_direction_is_better_than_random_ones_and_says_by_how_much(known):
    for name, direction in known.items():
        proof = direction
        assert proof.target == name and proof.effect.real and proof.stable > 0.9
        assert proof.effect.low < proof.effect.value < proof.effect.high
        assert proof.low <= -1 and proof.high >= 1
        assert "times as much as a random direction" in report_lines(proof)
    assert known["Male"].leak < 0.2


def test_a_meaningless_direction_says_so_in_words(portraits):
    vector = np.random.default_rng(1).standard_normal(portraits.dim).astype(np.float32)
    vector /= np.linalg.norm(vector)
    chance = LinearDirection("chance", vector, std_along(vector, portraits.cloud))
    (plain,) = evaluate_directions(portraits, [chance])
    assert not plain.effect.real and plain.target is None
    assert report_lines(plain).startswith("Not better than random. One standard deviation changes the image")
    called = LinearDirection("Male", vector, chance.std)
    assert report_lines(evaluate_directions(portraits, [called])[0]).startswith("Not better than random")


@pytest.mark.slow
def test_the_other_way_round_is_as_well_proved(faces, known):
    male = known["Male"]
    turned = LinearDirection("not Male", -male.direction.vector, male.direction.std)
    (result,) = evaluate_directions(faces, [turned])
    assert result.effect.value == pytest.approx(male.effect.value, rel=1e-3)
    assert (result.low, result.high) == (-male.high, -male.low)
    assert target_of(turned, ["Male"]) == ("Male", -1)
    assert target_of(LinearDirection("x", male.direction.vector, description="Male"), ["Male"]) == ("Male", 1)
    bald = orthogonal(find_direction(faces, "Bald"), [male.direction], faces.cloud)
    assert bald.name == "Bald without Male" and target_of(bald, ["Bald"]) == ("Bald", 1)


def test_the_same_seed_proves_the_same(portraits):
    male = find_direction(portraits, "Male")
    first, second = (evaluate_directions(portraits, [male])[0] for _ in range(2))
    assert first == second


def ramp():
    """A model of one grey that follows the first axis, but only between -2 and 2."""
    rng = np.random.default_rng(0)
    latents = rng.uniform(-0.5, 0.5, (400, 2)).astype(np.float32)
    everywhere = rng.uniform(-6, 6, (2000, 2)).astype(np.float32)
    answers = Readout(("grey",), lambda images: images.mean(axis=(2, 3)))
    generator = Generator(Space((2,)), lambda z, y: decode(z))
    return Evaluator(generator, latents, density(everywhere), answers)


def decode(z):
    return (0.5 + 0.25 * z[:, :1].clamp(-2, 2)).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)


def test_the_range_ends_where_the_edit_saturates():
    trial = ramp()
    grey = LinearDirection("grey", np.float32([1, 0]), 1.0)
    (proof,) = evaluate(trial, [grey])
    assert (proof.low, proof.high) in {(-2.0, 2.0), (-3.0, 3.0)}
    assert proof.effect.value == pytest.approx(0.25, abs=0.01)
    assert proof.outside < 0.01
    (none,) = evaluate(trial, [LinearDirection("grey", np.float32([0, 1]), 1.0)])
    assert none.effect.value == 0 and not none.effect.real


def test_a_model_without_encoder_and_labels_is_proved_by_its_pictures(rival):
    result = evaluate_directions(rival, principal(rival.cloud, 3))
    for direction in result:
        assert direction.target is None and not direction.gradients
        assert direction.leak is None and direction.effect.value > 0
    with pytest.raises(NotSupported, match="--classifier"):
        entanglement_matrix(result, title="t")
    assert effect_bars(result, title="t") is not None
    assert evaluator_of(rival).names == ()


def test_a_conditional_model_is_told_its_label(told):
    assert evaluate_directions(told, principal(told.cloud, 1), label=3)[0].effect is not None


@pytest.mark.slow
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_pictures_of_proof_are_drawn(faces, known, tmp_path, theme):
    result = list(known.values())
    for name, picture in {
        "tangle": entanglement_matrix(result, title="What they move", theme=theme),
        "effects": effect_bars(result, title="Against random", theme=theme),
        "strip": report_strip(faces, result[0], theme=theme),
    }.items():
        assert save(picture, tmp_path / f"{name}.png").stat().st_size > 5000
    rows = report_rows(result)
    assert rows[0]["moves"] == "Male" and rows[0]["auc"] > 0.9


def test_a_matrix_takes_a_value_for_each_cell():
    with pytest.raises(ShapeError, match="2 rows and 1 columns"):
        matrix(np.zeros((1, 2)), ["a", "b"], ["c"], title="t")
    empty = matrix(np.full((1, 1), np.nan), ["a"], ["b"], title="t", own=[0])
    assert empty is not None


def test_images_are_made_small_by_the_mean_of_blocks():
    images = np.arange(64 * 66, dtype=np.float32).reshape(1, 1, 64, 66)
    made = small(images)
    assert made.shape == (1, 21 * 22) and made[0, 0] == images[0, 0, :3, :3].mean()


def test_the_command_prints_the_table_draws_and_keeps(portraits, tmp_path, capsys):
    run = str(portraits.run.folder)
    words_said = ["directions", "evaluate", run, "Male", "Bald", "--method", "joint", "--save", "--out"]
    assert main([*words_said, str(tmp_path)]) == 0
    said = capsys.readouterr()
    rows = json.loads(said.out)
    assert [row["direction"] for row in rows] == ["Male", "Bald"]
    assert {"effect", "times random", "usable", "stability", "side effects"} <= rows[0].keys()
    drawn = {path.name for path in tmp_path.iterdir()}
    assert {"directions-entanglement.png", "directions-effects.png", "direction-Male.png"} <= drawn
    assert "Male: " in said.err
    assert [one.name for one in store_of(portraits).all()] == ["Bald by joint", "Male by joint"]
    assert main(["directions", "evaluate", run, "Male by joint", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["moves"] == "Male"
    for name in ("Male by joint", "Bald by joint"):
        assert main(["directions", "remove", run, name]) == 0
    assert main(["directions", "evaluate", run, "Male", "--method", "mean_diff", "--out", str(tmp_path)]) == 2
    assert "Did you mean 'mean_difference'" in capsys.readouterr().err


def test_a_way_that_bends_is_proved_by_the_same_figures_as_a_straight_one():
    """White where two axes have the same sign: no straight way leads there from everywhere."""
    latents = np.random.default_rng(0).standard_normal((1500, 3)).astype(np.float32)
    generator = Generator(Space((3,)), lambda z, y: same_signs(z))
    trial = Evaluator(generator, latents, density(latents), Readout(("same",), lambda x: x.mean((2, 3))))
    settings = {"flags": {"same": latents[:, 0] * latents[:, 1] > 0}, "names": ["same"]}
    (bent,) = labels.fit(generator, latents, method="local", steps=300, **settings)
    (straight,) = labels.fit(generator, latents, **settings)

    def refit(known, number):
        result = labels.fit(generator, latents, method="local", steps=150, seed=number, **settings)
        return result[0] if number < 2 else None

    (curved,) = evaluate(trial, [bent], refit=refit)
    (plain,) = evaluate(trial, [straight])
    assert curved.target == plain.target == "same"
    assert curved.effect.real and not plain.effect.real
    assert curved.low <= -1 and curved.high >= 1 and curved.stable > 0.8 and plain.stable is None
    rows = report_rows([curved, plain])
    assert [row["kind"] for row in rows] == ["nonlinear", "linear"] and rows[0].keys() == rows[1].keys()
    assert rows[0]["std"] is None and rows[0]["auc"] > 0.95
    assert rows[1]["times random"] == "not better than random"
    assert evaluate(trial, [bent], saved={bent.name: curved})[0] == curved


def same_signs(z):
    return (3 * z[:, :1] * z[:, 1:2]).sigmoid().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)


@pytest.mark.slow
def test_a_fringe_that_no_plane_parts_bends_better_than_any_straight_way(faces):
    (bent,) = find_directions(faces, "labels", names=["Bangs"], method="local")
    curved, straight = evaluate_directions(faces, [bent, find_direction(faces, "Bangs")])
    assert curved.effect.real
    assert curved.effect.value > 1.2 * straight.effect.value


def test_a_way_that_bends_at_random_says_so_in_words(portraits):
    wind = VectorField(initial_layers(portraits.cloud, portraits.dim, seed=4))
    pace = np.sqrt((wind.layers(portraits.cloud) ** 2).sum(axis=1).mean())
    called = FieldDirection("Bald", lambda z: wind(z) / pace)
    assert report_lines(evaluate_directions(portraits, [called])[0]).startswith("Not better than random")


def test_what_is_kept_and_bends_is_used_by_its_name_like_the_rest(portraits, tmp_path, capsys):
    run, out = str(portraits.run.folder), str(tmp_path)
    steer_it = ["directions", "find", run, "labels", "Male", "--set", "method=local", "--set", "steps=60"]
    assert main([*steer_it, "--save", "beardy", "--out", out]) == 0
    said = capsys.readouterr()
    (row,) = json.loads(said.out)
    assert row["kind"] == "nonlinear" and row["stability"] is not None and "Male: " in said.err
    assert main([*steer_it, "--save", "beardy", "--out", out]) == 2
    assert "kept already" in capsys.readouterr().err
    direction = find_direction(portraits, "beardy")
    assert isinstance(direction, FieldDirection) and direction.description == "Male"
    assert store_of(portraits).report("beardy").target == "Male"
    assert "beardy" in [one.name for one in store_of(portraits).all()]
    for command in (
        ["edit", run, "beardy", "--anchor", "1", "--out", str(tmp_path / "a.png")],
        ["interpolate", run, "1", "beardy", "--out", str(tmp_path / "i.png")],
        ["directions", "evaluate", run, "beardy", "Bald", "--out", out],
    ):
        assert main(command) == 0
    capsys.readouterr()
    assert {"a.png", "i.png", "direction-beardy.png"} <= {one.name for one in tmp_path.iterdir()}
    assert main(["arithmetic", run, "1 + beardy"]) == 2
    assert "cannot be used in an equation" in capsys.readouterr().err
    assert main(["directions", "rename", run, "beardy", "bearded"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["direction"], listed["kind"], listed["moves"]) == ("bearded", "nonlinear", "Male")
    with pytest.raises(NotSupported, match="says nothing of how it would bend"):
        transfer(find_direction(portraits, "bearded"), portraits.cloud, portraits.cloud)
    assert main(["directions", "take", run, listed["file"]]) == 2  # its name is taken
    assert main(["directions", "remove", run, "bearded"]) == 0


def test_a_scorer_that_is_given_comes_before_what_is_kept(portraits):
    saved = replace(principal(portraits.cloud, 3)[2], name="light")
    store_of(portraits).save(saved)
    read = Classifier(("light",), lambda x: x.mean(dim=(1, 2, 3))[:, None], ("number",))
    result = find_direction(portraits, "light", classifier=read)
    np.testing.assert_array_equal(find_direction(portraits, "light").vector, saved.vector)
    assert abs(result.vector @ saved.vector) < 0.9 and result.score.real
    direction_files.remove(store_of(portraits).folder, "light")
