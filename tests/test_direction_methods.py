"""The methods that fit directions: principal components, imitated edits, predictions raised as requested."""

import json
from dataclasses import replace
from importlib.resources import as_file, files

import numpy as np
import pytest
import torch
from benchmarks.flip_rates import flip_rates
from benchmarks.truth import others_of
from torch import nn

from zatlas.cli import main
from zatlas.core.errors import BadData, BadRecipe, BadRun, Damaged, NotSupported, ShapeError, UnknownName
from zatlas.core.space import Space
from zatlas.demo import unpack
from zatlas.directions.find import find_directions, store_of
from zatlas.directions.fit import closed_form, examples, labels, predictor, principal, transform, unsupervised
from zatlas.directions.image_edits import EDITS, measure_edit
from zatlas.directions.store import DirectionStore, direction_from
from zatlas.directions.types import FieldDirection, LinearDirection, in_std, is_nonlinear
from zatlas.figures.catalogue import FACE_ATTRIBUTES
from zatlas.models.classifier import Classifier
from zatlas.models.external_classifiers import open_classifier
from zatlas.models.generator import Generator
from zatlas.store import direction_files
from zatlas.workspace import Workspace

LIGHT = Classifier(("light",), lambda images: images.mean(dim=(2, 3))[:, :1], ("number",))


def lamp(side: int = 16, dim: int = 6) -> Generator:
    """A soft spot: two dimensions shift it, the third is its brightness, the others add weak noise."""
    grid = torch.linspace(-1, 1, side)
    texture = torch.randn(dim, side * side, generator=torch.Generator().manual_seed(5))
    texture = texture - texture.mean(dim=1, keepdim=True)

    def decode(z, y):
        right, down, bright = 0.25 * z[:, 0], 0.25 * z[:, 1], 0.08 * z[:, 2]
        far = (grid[None, None] - right[:, None, None]) ** 2
        far = far + (grid[None, :, None] - down[:, None, None]) ** 2
        light = 0.4 * (-far / 0.15).exp() + 0.3 + bright.clamp(-0.24, 0.24)[:, None, None]
        noise = 0.004 * (z[:, 3:] @ texture[: z.shape[1] - 3]).reshape(-1, side, side)
        return (light + noise)[:, None].clamp(0, 1)

    return Generator(Space((dim,)), decode)


def net(dim: int = 8) -> tuple[Generator, nn.Module]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = [nn.ConvTranspose2d(dim, 6, 4), nn.ReLU(), nn.ConvTranspose2d(6, 3, 4, 2, 1)]
        module = nn.Sequential(*layers, nn.Sigmoid())

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = module

        def decode(self, z, y):
            return self.body(z)

    owner = Net().eval()
    return Generator(Space((dim, 1, 1)), owner.decode), owner


class Blind(nn.Module):
    """A network without the label argument."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, z, y):
        return self.inner(z)


@pytest.fixture(scope="module")
def soft_spot():
    generator = lamp()
    return generator, generator.space.sample(600, seed=0)


def test_the_amount_of_an_edit_is_measured():
    x = torch.rand(5, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    x = torch.nn.functional.interpolate(x[:, :, ::4, ::4], size=24, mode="bilinear")
    for edit in EDITS.values():
        requested = edit.max_amount * torch.tensor([-0.8, -0.3, 0.1, 0.5, 1.0])
        measured, share = measure_edit(edit, x, edit.apply(x, requested)[0])
        np.testing.assert_allclose(measured, requested, atol=0.05 * edit.max_amount)
        assert (share > 0.9).all(), edit.name


def test_an_edit_by_zero_changes_nothing():
    x = torch.rand(2, 3, 9, 12, generator=torch.Generator().manual_seed(1))
    for edit in EDITS.values():
        same, valid = edit.apply(x, torch.zeros(2))
        np.testing.assert_allclose(same * valid, x * valid, atol=1e-5)
        assert valid.mean() > 0.99


@pytest.mark.parametrize(("name", "axis"), [("shift_x", 0), ("shift_y", 1), ("brightness", 2)])
def test_an_edit_is_imitated_by_the_dimension_that_controls_it(soft_spot, name, axis):
    generator, latents = soft_spot
    (direction,) = transform.fit(generator, latents, names=[name], seed=1)
    others = [abs(float(direction.vector[i])) for i in range(3) if i != axis]
    assert direction.vector[axis] > 0.9 > 2 * max(others)
    if name != "brightness":  # one std moves by a quarter of half the width
        assert direction.facts["amount_per_std"] == pytest.approx(0.125, rel=0.25)
    low, high = direction.facts["requested"]
    assert low <= -1 and high >= 1


def test_an_edit_is_imitated_without_gradients(soft_spot):
    generator, latents = soft_spot
    blind = replace(generator, decoder=lambda z, y: generator.decoder(z, y).detach())
    (direction,) = transform.fit(blind, latents, names=["shift_x"])
    assert direction.vector[0] > 0.9
    with pytest.raises(NotSupported, match="method=linear"):
        transform.fit(blind, latents, names=["shift_x"], method="net")


def test_an_edit_is_impossible_only_where_the_pixels_do_not_change(soft_spot):
    generator, latents = soft_spot
    still = replace(generator, decoder=lambda z, y: generator.decoder(z * 1e-3, y))
    (direction,) = transform.fit(still, latents, names=["rotation"], samples=480)
    assert direction.facts["requested"] is None
    assert direction.facts["result"].startswith("This model cannot do it: pixels change by")
    edit, down = EDITS["shift_x"], LinearDirection("down", np.eye(6, dtype=np.float32)[1])
    facts = transform.evaluate_transform(generator, latents, down, edit).facts(edit)
    assert facts["requested"] is None
    assert facts["result"].startswith("The images change, but not by this edit: they show at most 0.0")


def test_an_edit_that_grows_unevenly_follows_up_to_its_ends():
    def darker_than_brighter(z, y):
        level = 0.6 + torch.where(z[:, :1] < 0, z[:, :1] / 12, z[:, :1] / 40)
        return level.reshape(-1, 1, 1, 1).expand(-1, 1, 8, 8).clamp(0, 1)

    generator = Generator(Space((2,)), darker_than_brighter)
    direction = LinearDirection("brightness", np.array([1, 0], np.float32))
    edit = EDITS["brightness"]
    facts = transform.evaluate_transform(generator, np.zeros((40, 2), np.float32), direction, edit).facts(
        edit
    )
    assert facts["requested"] == [-6, 6] and not facts["proportional"]
    np.testing.assert_allclose(facts["achieved"], [-0.5, 0.15], atol=0.03)
    assert facts["result"].endswith("of the range, but not in proportion to the step.")


def test_an_edit_saturates_at_the_largest_brightness(soft_spot):
    generator, latents = soft_spot
    (direction,) = transform.fit(generator, latents, names=["brightness"])
    ends = [end for end in direction.facts["saturation"] if end is not None]
    assert ends and all(1.5 <= abs(end) <= 5 for end in ends)


def test_a_network_imitates_an_edit(soft_spot):
    generator, latents = soft_spot
    (direction,) = transform.fit(generator, latents, names=["shift_x"], method="net", samples=2400)
    assert isinstance(direction, FieldDirection)
    moved = direction.move(latents[:50], 1.0) - latents[:50]
    assert moved[:, 0].mean() > 0.7 and direction.facts["amount_per_std"] > 0.07


def test_color_edits_of_grey_images_are_refused(soft_spot):
    generator, latents = soft_spot
    with pytest.raises(NotSupported, match="one channel"):
        transform.fit(generator, latents, names=["colour"])
    with pytest.raises(UnknownName, match="Did you mean 'zoom'"):
        transform.fit(generator, latents, names=["zomo"])


def test_singular_vectors_of_the_first_weights_come_in_order():
    generator, owner = net()
    weight = owner.body[0].weight.detach().numpy().reshape(8, -1)
    _, values, vectors = np.linalg.svd(weight.T, full_matrices=False)
    result = closed_form.fit(generator, generator.space.sample(200, seed=0), count=3)
    for direction, value, vector in zip(result, values, vectors, strict=False):
        assert abs(float(direction.vector @ vector)) > 0.999
        assert direction.facts["singular_value"] == pytest.approx(value, rel=1e-3)


def test_the_metric_directions_are_those_of_the_jacobian(soft_spot):
    generator, latents = soft_spot
    first, second, *_ = closed_form.fit(generator, latents, source="metric", count=4)
    assert np.linalg.norm(first.vector[:3]) > 0.99 and np.linalg.norm(second.vector[:3]) > 0.99
    with pytest.raises(NotSupported, match="source=metric"):
        closed_form.fit(generator, latents, source="weights")


def test_random_products_find_the_metric_of_many_dimensions():
    dim = 300
    gains = torch.ones(dim)
    gains[:2] = torch.tensor([12.0, 9.0])
    mixer = torch.linalg.qr(torch.randn(400, dim, generator=torch.Generator().manual_seed(0)))[0]
    generator = Generator(Space((dim,)), lambda z, y: ((z * gains) @ mixer.T / 9).reshape(-1, 1, 20, 20))
    first, second = closed_form.fit(generator, generator.space.sample(200, seed=0), count=2)
    assert abs(first.vector[0]) > 0.95 and abs(second.vector[1]) > 0.95


def test_the_components_of_a_layer_are_mapped_to_latents():
    generator, owner = net()
    result = principal.fit(
        generator, generator.space.sample(50, seed=0), source="layer", samples=4000, count=2
    )
    weight = owner.body[0].weight.detach().numpy().reshape(8, -1)
    axes = np.linalg.svd(weight.T, full_matrices=False)[2]
    assert abs(float(result[0].vector @ axes[0])) > 0.9
    with pytest.raises(UnknownName, match="layer"):
        principal.fit(generator, generator.space.sample(9, seed=0), source="layer", layer="nose")


def test_a_random_projection_of_a_large_layer_keeps_its_components():
    generator, owner = net()
    wide = nn.ConvTranspose2d(8, 64, 4, bias=False)
    wide.weight.data = owner.body[0].weight.data.repeat_interleave(11, dim=1)[:, :64]
    blind = replace(generator, decoder=Blind(nn.Sequential(wide, nn.ReLU())))
    latents = generator.space.sample(50, seed=0)
    result = principal.fit(blind, latents, source="layer", samples=4000, count=1)[0]
    axes = np.linalg.svd(wide.weight.detach().numpy().reshape(8, -1).T, full_matrices=False)[2]
    assert abs(float(result.vector @ axes[0])) > 0.85


def test_principal_directions_of_samples():
    generator = replace(lamp(), space=Space((6,), "none"))
    latents = generator.space.__class__((6,)).sample(500, seed=0) * np.float32([5, 1, 1, 1, 3, 1])
    result = principal.fit(generator, latents, source="samples", samples=3000, count=2)
    assert abs(result[0].vector[0]) > 0.99 and abs(result[1].vector[4]) > 0.99


def test_a_prediction_rises_by_the_requested_amount(soft_spot):
    generator, latents = soft_spot
    (direction,) = predictor.fit(generator, latents, classifier=LIGHT)
    assert abs(direction.vector_field.step[2]) > 0.95 * np.linalg.norm(direction.vector_field.step)
    low, high = direction.facts["requested"]
    before = LIGHT.predict(generator.decode(latents)).mean()
    for amount in (0.5 * low, 0.5 * high):
        after = LIGHT.predict(generator.decode(direction.move(latents, amount))).mean()
        assert after - before == pytest.approx(amount, abs=0.15 * abs(amount))
    assert direction.facts["mean_error"] < 0.1 * (high - low)


def test_a_predictor_in_numpy_works(soft_spot):
    generator, latents = soft_spot
    by_numpy = Classifier(("light",), lambda x: torch.from_numpy(x.numpy().mean(axis=(2, 3))), ("number",))
    (direction,) = predictor.fit(generator, latents, classifier=by_numpy)
    assert abs(direction.vector_field.step[2]) > 0.95 * np.linalg.norm(direction.vector_field.step)


@pytest.mark.slow
def test_a_local_direction_changes_what_no_linear_direction_can():
    """The attribute is true where two dimensions have the same sign, so no linear direction reaches it."""
    latents = Space((4,)).sample(2000, seed=0)
    flags = {"same": latents[:, 0] * latents[:, 1] > 0, "third": latents[:, 2] > 0}
    z = Space((4,)).sample(400, seed=1)
    without = z[z[:, 0] * z[:, 1] < 0]
    shares = {}
    for method in ("mean_difference", "local"):
        (result,) = labels.fit(lamp(dim=4), latents, flags=flags, names=["same"], method=method, steps=500)
        moved = result.move(without, 3.0)
        shares[method] = (moved[:, 0] * moved[:, 1] > 0).mean()
    assert shares["mean_difference"] < 0.7 < 0.95 < shares["local"]
    assert np.abs(moved[:, 2] - without[:, 2]).mean() < 0.3
    assert result.score.significant


def test_attributes_that_exclude_each_other_are_not_separable():
    latents = Space((2,)).sample(900, seed=0)
    kinds = np.arange(900) % 3
    flags = {"red": kinds == 0, "blue": kinds == 1, "left": latents[:, 0] < 0}
    assert labels.separable_attributes(flags, "red") == ["left"]


def test_an_example_direction_leads_from_one_group_to_the_other(soft_spot):
    generator, latents = soft_spot
    bright = latents[:, 2] > 1
    (direction,) = examples.fit(generator, latents, plus=latents[bright], minus=latents[~bright])
    assert direction.vector[2] > 0.95 and direction.facts["examples"] == [bright.sum(), (~bright).sum()]
    with pytest.raises(ShapeError, match=r"\(n, 6\)"):
        examples.fit(generator, latents, plus=latents[:, :3])


def test_unsupervised_directions_are_recognized_better_than_at_random(soft_spot):
    generator, latents = soft_spot
    result = unsupervised.fit(generator, latents, count=3, samples=2880)
    axes = np.stack([direction.vector for direction in result])
    assert (np.linalg.norm(axes[:, :3], axis=1) > 0.7).sum() >= 2
    assert result[0].facts["accuracy"] > 2 * result[0].facts["random_accuracy"]
    with pytest.raises(BadRecipe, match="2 to 6"):
        unsupervised.fit(generator, latents, count=7)


def test_methods_find_directions_of_a_conditional_model_within_a_class(conditional):
    for method in ("closed_form", "principal"):
        assert find_directions(conditional, method, label=3, count=2)
    (direction,) = find_directions(conditional, "labels", names=["3"], method="local", steps=60)
    assert direction.move(conditional.cloud[:2], 1.0).shape == (2, 2)


def test_a_model_without_an_encoder_lists_the_methods_without_labels(rival):
    with pytest.raises(NotSupported, match="predictor"):
        find_directions(rival, "labels")
    assert len(find_directions(rival, "closed_form", count=2)) == 2


def test_the_predictor_method_says_where_to_get_a_classifier(wide):
    with pytest.raises(BadRecipe, match="zatlas classifier train"):
        find_directions(wide, "predictor")


def test_the_command_prints_rows_and_draws_strips(wide, tmp_path, capsys):
    run = str(wide.run.folder)
    assert main(["directions", "find", run, "closed_form", "--set", "count=2", "--out", str(tmp_path)]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["direction"] for row in rows] == ["closed form 1", "closed form 2"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        f"direction-closed_form-closed-form-{i}.png" for i in (1, 2)
    ]
    film = tmp_path / "film.gif"
    words = ["examples", "curly", "--set", "plus=1,2", "--set", "minus=3,4", "--out", str(film)]
    assert main(["directions", "find", run, *words]) == 0
    assert film.exists() and json.loads(capsys.readouterr().out)[0]["direction"] == "curly"


def test_nonlinear_directions_are_saved_and_loaded(wide, tmp_path):
    latents = wide.cloud
    flags = {"first": latents[:, 0] > 0, "second": latents[:, 1] > 0}
    (local,) = labels.fit(wide.generator, latents, flags=flags, names=["first"], method="local", steps=30)
    (network,) = transform.fit(wide.generator, latents, names=["contrast"], method="net", samples=80)
    scaled = predictor.fit(wide.generator, latents, classifier=LIGHT)[0]
    store = DirectionStore(tmp_path, "this model", (12,))
    for direction in (replace(local, description="attribute"), replace(network, name="field"), scaled):
        path = store.save(direction)
        loaded = store.load(direction.name)
        np.testing.assert_allclose(loaded.move(latents[:9], 0.1), direction.move(latents[:9], 0.1), atol=1e-6)
        assert (loaded.score, loaded.name, loaded.description) == (
            direction.score,
            direction.name,
            direction.description,
        )
        with pytest.raises(BadRun, match="another model"):
            replace(store, digest="that model").restore(direction_files.read(path))
    with pytest.raises(BadData, match="already"):
        store.save(LinearDirection("first", latents[0]))
    with pytest.raises(Damaged, match="12 dimensions"):
        replace(store, shape=(3,)).load("first")
    saved = direction_files.load(tmp_path, "field")
    arrays = {**saved.arrays, "weight 1": np.ones((3, 2), np.float32)}
    with pytest.raises(Damaged, match="do not fit together"):
        direction_from(replace(saved, arrays=arrays))
    with pytest.raises(Damaged, match="do not define a field of the kind 'other'"):
        direction_from(replace(saved, description={**saved.description, "kind": "other"}))
    with pytest.raises(NotSupported, match="function of your own"):
        store.save(FieldDirection("mine", lambda z: z))


def test_a_scaled_constant_field_is_a_linear_direction_in_std(soft_spot):
    generator, latents = soft_spot
    (direction,) = predictor.fit(generator, latents, classifier=LIGHT)
    linear = in_std(direction)
    assert isinstance(linear, LinearDirection) and not is_nonlinear(direction)
    amount = float(direction.scale[0][-1]) / 2
    std = float(direction.in_std(amount)[0])
    np.testing.assert_allclose(linear.move(latents[:5], std), direction.move(latents[:5], amount), atol=1e-4)


def test_the_command_saves_what_it_finds(wide, tmp_path, capsys):
    words = ["closed_form", "--set", "count=1", "--save", "largest", "--out", str(tmp_path)]
    assert main(["directions", "find", str(wide.run.folder), *words]) == 0
    assert json.loads(capsys.readouterr().out)
    assert store_of(wide).has("largest")
    assert store_of(wide).report("largest") is not None


def test_several_directions_are_not_drawn_into_one_file(wide, tmp_path, capsys):
    words = ["principal", "--set", "count=2", "--out", str(tmp_path / "one.png")]
    assert main(["directions", "find", str(wide.run.folder), *words]) == 2
    assert "folder" in capsys.readouterr().err


@pytest.mark.slow
def test_local_directions_flip_attributes_of_drawn_faces_and_keep_the_others(tmp_path):
    """A classifier that the fit did not use judges the images; smiles are less certain in the latents."""
    faces = Workspace.open(unpack(tmp_path / "faces"))
    with as_file(files("zatlas") / "shipped" / "faces-classifier.safetensors") as file:
        classifier = open_classifier(file)
    z = faces.latents("test")[:150]
    for direction in find_directions(faces, "labels", names=list(FACE_ATTRIBUTES), method="local"):
        rates = flip_rates(
            faces.generator, classifier, z, direction, direction.name, others_of(direction.name)
        )
        assert rates.mean >= (0.8 if direction.name == "Smiling" else 0.9), direction.name
        assert rates.side_effect < 0.1, direction.name
