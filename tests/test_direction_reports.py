import json
from dataclasses import replace

import numpy as np
import pytest

from zatlas.cli import main
from zatlas.core.errors import NotSupported, ShapeError
from zatlas.core.space import Space
from zatlas.demo import unpack
from zatlas.directions.direction_report import summary_text
from zatlas.directions.estimate import orthogonalize, principal_directions, std_along
from zatlas.directions.evaluate import evaluate, target_of
from zatlas.directions.evaluator import AttributePredictor, Evaluator, downsample
from zatlas.directions.field_networks import VectorField, initial_network
from zatlas.directions.find import find_direction, find_directions, refit_attributes, store_of
from zatlas.directions.fit import labels
from zatlas.directions.measure import evaluate_directions, make_evaluator
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
def reports(faces):
    """Reports on directions of the faces by name, evaluated by the model's own encoder."""
    names = ("Male", "Smiling", "Pale_Skin")
    refit = refit_attributes(faces, names, method="mean_difference")
    evaluated = evaluate_directions(faces, [find_direction(faces, name) for name in names], refit=refit)
    return dict(zip(names, evaluated, strict=True))


@pytest.mark.slow
def test_a_fitted_direction_has_a_larger_effect_than_random_ones(reports):
    for name, report in reports.items():
        assert report.target == name and report.significant and report.stability > 0.9
        assert report.effect.low < report.effect.value < report.effect.high
        assert report.low <= -1 and report.high >= 1
        assert "better than shuffled labels (p = 0.005) and " in summary_text(report)
        assert "times as much as a random direction" in summary_text(report)
    assert reports["Male"].leak < 0.2


def test_the_summary_of_a_random_direction_says_that_it_is_random(portraits):
    vector = np.random.default_rng(1).standard_normal(portraits.dim).astype(np.float32)
    vector /= np.linalg.norm(vector)
    random = LinearDirection("random", vector, std_along(vector, portraits.cloud))
    (plain,) = evaluate_directions(portraits, [random])
    assert not plain.significant and plain.target is None
    assert summary_text(plain).startswith(
        "Not better than random directions. One standard deviation changes the grey levels"
    )
    called = LinearDirection("Male", vector, random.std)
    assert summary_text(evaluate_directions(portraits, [called])[0]).startswith("Not better than random")


@pytest.mark.slow
def test_a_reversed_direction_has_the_reversed_report(faces, reports):
    fitted = reports["Male"].direction
    (male,) = evaluate_directions(faces, [LinearDirection("Male", fitted.vector, fitted.std)])
    reversed_ = LinearDirection("not Male", -male.direction.vector, male.direction.std)
    (result,) = evaluate_directions(faces, [reversed_])
    assert result.effect.value == pytest.approx(male.effect.value, rel=1e-3)
    assert (result.low, result.high) == (-male.high, -male.low)
    assert target_of(reversed_, ["Male"]) == ("Male", -1)
    assert target_of(LinearDirection("x", male.direction.vector, description="Male"), ["Male"]) == ("Male", 1)
    bald = orthogonalize(find_direction(faces, "Bald"), [male.direction], faces.cloud)
    assert bald.name == "Bald without Male" and target_of(bald, ["Bald"]) == ("Bald", 1)


def test_the_same_seed_gives_the_same_report(portraits):
    male = find_direction(portraits, "Male")
    first, second = (evaluate_directions(portraits, [male])[0] for _ in range(2))
    assert first == second


def ramp():
    """A model whose grey follows the first dimension, but only between -2 and 2."""
    rng = np.random.default_rng(0)
    latents = rng.uniform(-0.5, 0.5, (400, 2)).astype(np.float32)
    everywhere = rng.uniform(-6, 6, (2000, 2)).astype(np.float32)
    predictor = AttributePredictor(("grey",), lambda images: images.mean(axis=(2, 3)))
    generator = Generator(Space((2,)), lambda z, y: decode(z))
    return Evaluator(generator, latents, density(everywhere), predictor)


def decode(z):
    return (0.5 + 0.25 * z[:, :1].clamp(-2, 2)).reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)


def test_the_range_ends_where_the_edit_saturates():
    evaluator = ramp()
    grey = LinearDirection("grey", np.float32([1, 0]), 1.0)
    (report,) = evaluate(evaluator, [grey])
    assert report.low in (-3.0, -2.0) and report.high in (2.0, 3.0)
    assert report.effect.value == pytest.approx(0.25, abs=0.01)
    assert report.unexplained < 0.01
    (none,) = evaluate(evaluator, [LinearDirection("grey", np.float32([0, 1]), 1.0)])
    assert none.effect.value == 0 and not none.significant


def test_a_model_without_encoder_and_labels_is_evaluated_by_its_images(rival):
    result = evaluate_directions(rival, principal_directions(rival.cloud, 3))
    for direction in result:
        assert direction.target is None and not direction.gradients
        assert direction.leak is None and direction.effect.value > 0
    with pytest.raises(NotSupported, match="--classifier"):
        entanglement_matrix(result, title="t")
    assert effect_bars(result, title="t") is not None
    assert make_evaluator(rival).names == ()


def test_a_direction_of_a_conditional_model_is_evaluated_for_a_class(conditional):
    assert (
        evaluate_directions(conditional, principal_directions(conditional.cloud, 1), label=3)[0].effect
        is not None
    )


@pytest.mark.slow
@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=lambda theme: theme.name)
def test_figures_of_reports_are_drawn(faces, reports, tmp_path, theme):
    result = list(reports.values())
    for name, figure in {
        "entanglement": entanglement_matrix(result, title="Side effects", theme=theme),
        "effects": effect_bars(result, title="Against random", theme=theme),
        "strip": report_strip(faces, result[0], theme=theme),
    }.items():
        assert save(figure, tmp_path / f"{name}.png").stat().st_size > 5000
    rows = report_rows(result)
    assert rows[0]["moves"] == "Male" and rows[0]["auc"] > 0.9


def test_a_matrix_needs_a_value_for_each_cell():
    with pytest.raises(ShapeError, match="2 rows and 1 columns"):
        matrix(np.zeros((1, 2)), ["a", "b"], ["c"], title="t")
    empty = matrix(np.full((1, 1), np.nan), ["a"], ["b"], title="t", own=[0])
    assert empty is not None


def test_images_are_downsampled_by_the_mean_of_blocks():
    images = np.arange(64 * 66, dtype=np.float32).reshape(1, 1, 64, 66)
    thumbnails = downsample(images)
    assert thumbnails.shape == (1, 21 * 22) and thumbnails[0, 0] == images[0, 0, :3, :3].mean()


@pytest.mark.slow
def test_the_command_prints_a_table_draws_figures_and_saves(portraits, tmp_path, capsys):
    run = str(portraits.run.folder)
    words_said = ["directions", "evaluate", run, "Male", "Bald", "--method", "joint", "--save", "--out"]
    assert main([*words_said, str(tmp_path)]) == 0
    output = capsys.readouterr()
    rows = json.loads(output.out)
    assert [row["direction"] for row in rows] == ["Male", "Bald"]
    assert {"effect", "verdict", "p", "times random", "usable", "stability", "side effects"} <= rows[0].keys()
    files = {path.name for path in tmp_path.iterdir()}
    assert {"directions-entanglement.png", "directions-effects.png", "direction-Male.png"} <= files
    assert "Male: " in output.err
    assert [direction.name for direction in store_of(portraits).all()] == ["Bald by joint", "Male by joint"]
    assert main(["directions", "evaluate", run, "Male by joint", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)[0]["moves"] == "Male"
    for name in ("Male by joint", "Bald by joint"):
        assert main(["directions", "remove", run, name]) == 0
    assert main(["directions", "evaluate", run, "Male", "--method", "mean_diff", "--out", str(tmp_path)]) == 2
    assert "Did you mean 'mean_difference'" in capsys.readouterr().err


@pytest.mark.slow
def test_a_nonlinear_direction_has_the_same_measurements_as_a_linear_one():
    """The image is white where two dimensions have the same sign: no linear direction leads there."""
    latents = np.random.default_rng(0).standard_normal((1500, 3)).astype(np.float32)
    generator = Generator(Space((3,)), lambda z, y: same_signs(z))
    evaluator = Evaluator(
        generator, latents, density(latents), AttributePredictor(("same",), lambda x: x.mean((2, 3)))
    )
    settings = {"flags": {"same": latents[:, 0] * latents[:, 1] > 0}, "names": ["same"]}
    (local,) = labels.fit(generator, latents, method="local", steps=300, **settings)
    (linear,) = labels.fit(generator, latents, **settings)

    def refit(direction, number):
        result = labels.fit(generator, latents, method="local", steps=150, seed=number, **settings)
        return result[0] if number < 2 else None

    (nonlinear,) = evaluate(evaluator, [local], refit=refit)
    (plain,) = evaluate(evaluator, [linear])
    assert nonlinear.target == plain.target == "same"
    assert nonlinear.significant and not plain.significant
    assert (
        nonlinear.low <= -1 and nonlinear.high >= 1 and nonlinear.stability > 0.8 and plain.stability is None
    )
    rows = report_rows([nonlinear, plain])
    assert [row["kind"] for row in rows] == ["nonlinear", "linear"] and rows[0].keys() == rows[1].keys()
    assert rows[0]["std"] is None and rows[0]["auc"] > 0.95
    assert rows[1]["times random"] is None
    assert evaluate(evaluator, [local], saved={local.name: nonlinear})[0] == nonlinear


def same_signs(z):
    return (3 * z[:, :1] * z[:, 1:2]).sigmoid().reshape(-1, 1, 1, 1).expand(-1, 1, 4, 4)


@pytest.mark.slow
def test_a_local_direction_adds_a_fringe_better_than_a_linear_one(faces):
    (local,) = find_directions(faces, "labels", names=["Bangs"], method="local")
    nonlinear, linear = evaluate_directions(faces, [local, find_direction(faces, "Bangs")])
    assert nonlinear.significant
    assert nonlinear.effect.value > 1.2 * linear.effect.value


@pytest.mark.slow
def test_the_summary_of_a_random_field_says_that_it_is_random(portraits):
    field = VectorField(initial_network(portraits.cloud, portraits.dim, seed=4))
    length = np.sqrt((field.network(portraits.cloud) ** 2).sum(axis=1).mean())
    called = FieldDirection("Bald", lambda z: field(z) / length)
    assert summary_text(evaluate_directions(portraits, [called])[0]).startswith("Not better than random")


@pytest.mark.slow
def test_a_saved_nonlinear_direction_is_used_by_its_name(portraits, tmp_path, capsys):
    run, out = str(portraits.run.folder), str(tmp_path)
    arguments = ["directions", "find", run, "labels", "Male", "--set", "method=local", "--set", "steps=60"]
    assert main([*arguments, "--save", "beardy", "--out", out]) == 0
    output = capsys.readouterr()
    (row,) = json.loads(output.out)
    assert row["kind"] == "nonlinear" and row["stability"] is not None and "Male: " in output.err
    assert main([*arguments, "--save", "beardy", "--out", out]) == 2
    assert "already saved" in capsys.readouterr().err
    direction = find_direction(portraits, "beardy")
    assert isinstance(direction, FieldDirection) and direction.description == "Male"
    assert store_of(portraits).report("beardy").target == "Male"
    assert "beardy" in [direction.name for direction in store_of(portraits).all()]
    for command in (
        ["edit", run, "beardy", "--anchor", "1", "--out", str(tmp_path / "a.png")],
        ["interpolate", run, "1", "beardy", "--out", str(tmp_path / "i.png")],
        ["directions", "evaluate", run, "beardy", "Bald", "--out", out],
    ):
        assert main(command) == 0
    capsys.readouterr()
    assert {"a.png", "i.png", "direction-beardy.png"} <= {path.name for path in tmp_path.iterdir()}
    assert main(["arithmetic", run, "1 + beardy"]) == 2
    assert "cannot be used in an equation" in capsys.readouterr().err
    assert main(["directions", "rename", run, "beardy", "bearded"]) == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["direction"], listed["kind"], listed["moves"]) == ("bearded", "nonlinear", "Male")
    with pytest.raises(NotSupported, match="only linear directions can be transferred"):
        transfer(find_direction(portraits, "bearded"), portraits.cloud, portraits.cloud)
    assert main(["directions", "take", run, listed["file"]]) == 2  # its name is taken
    assert main(["directions", "remove", run, "bearded"]) == 0


def test_a_given_classifier_takes_precedence_over_a_saved_direction(portraits):
    saved = replace(principal_directions(portraits.cloud, 3)[2], name="light")
    store_of(portraits).save(saved)
    classifier = Classifier(("light",), lambda x: x.mean(dim=(1, 2, 3))[:, None], ("number",))
    result = find_direction(portraits, "light", classifier=classifier)
    np.testing.assert_array_equal(find_direction(portraits, "light").vector, saved.vector)
    assert abs(result.vector @ saved.vector) < 0.9 and result.score.significant
    direction_files.remove(store_of(portraits).folder, "light")
