"""Paths between anchors: the class of each frame, exact anchors, and the options of the commands."""

import base64
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import small_run
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, NotSupported, ShapeError
from zatlas.figures.anchor_sheets import class_sheet, four_corners, pair_rows, to_all_classes
from zatlas.figures.attribute_edits import attribute
from zatlas.figures.class_inputs import default_label
from zatlas.figures.film_panel import TRAIL_STEPS, film_panel
from zatlas.figures.paths import curve_walk, interpolation, traversal
from zatlas.latent.curves import parametric_curve, spiral, times_through
from zatlas.latent.formula import latent_formula
from zatlas.locate import locate, locate_all
from zatlas.models.generator import takes_class_weights
from zatlas.render.canvas import Tiles
from zatlas.render.pixels import as_color, to_bytes
from zatlas.workspace import Workspace


def tiles_of(canvas):
    """The images of a figure, row by row."""
    return next(item for item in canvas.items if isinstance(item, Tiles)).pixels


def run(*words):
    """Give a command and return the paths that it prints."""
    import contextlib
    import io

    result = io.StringIO()
    with contextlib.redirect_stdout(result):
        assert main([str(word) for word in words]) == 0
    return [Path(line) for line in result.getvalue().splitlines()]


def same(images, expected):
    """Equal up to the last digit, which depends on the size of a batch: one grey level for bytes."""
    precision = 1 if images.dtype == np.uint8 else 1e-5
    np.testing.assert_allclose(images.astype(float), expected.astype(float), atol=precision)


def decoded(workspace, *anchors):
    """The bytes of anchors, each decoded in its own class."""
    labels = [anchor.label if workspace.generator.classes else None for anchor in anchors]
    images = [workspace.decode(anchor.latent, y) for anchor, y in zip(anchors, labels, strict=True)]
    return to_bytes(np.concatenate(images))


def by_number(workspace):
    """The same conditional model, with a decoder that looks its class up in a table."""
    generator = workspace.generator
    table = torch.arange(len(generator.classes))
    return replace(
        workspace, generator=replace(generator, decoder=lambda z, y: generator.decoder(z, table[y]))
    )


@pytest.fixture(scope="session")
def conditional_rival(tmp_path_factory, own_cache) -> Workspace:
    """A conditional GAN of digits."""
    settings = {"model.conditional": True, "net.widths": [16]}
    folder = tmp_path_factory.mktemp("runs") / "conditional-rival"
    return small_run(folder, "digits", model="gan", dim=4, epochs=1, **settings)


# The class of each frame


def test_one_hot_weights_decode_to_the_images_of_the_class(conditional, conditional_rival):
    for workspace in (conditional, conditional_rival):
        z = workspace.samples[:10]
        weights = np.eye(10, dtype=np.float32)
        images = workspace.decode(z, weights)
        np.testing.assert_allclose(images, workspace.decode(z, np.arange(10)), atol=1e-6)
        half = workspace.decode(z, np.full((10, 10), 0.1))
        assert np.abs(half - images).max() > 0.01 and takes_class_weights(workspace.generator)


def test_class_weights_of_another_shape_are_refused(conditional):
    z = conditional.samples[:2]
    for shape in ((2, 9), (3, 10)):
        with pytest.raises(ShapeError, match="2 rows and 10 classes"):
            conditional.decode(z, np.zeros(shape))


def test_a_decoder_that_takes_class_numbers_only_is_recognised(conditional, digits):
    generator = by_number(conditional).generator
    assert not takes_class_weights(generator) and not takes_class_weights(digits.generator)
    z = conditional.samples[:3]
    same(generator.decode(z, np.array([1, 2, 3])), conditional.decode(z, np.array([1, 2, 3])))
    with pytest.raises(NotSupported, match="--label"):
        generator.decode(z, np.eye(10, dtype=np.float32)[:3])


def test_every_row_of_an_edit_is_decoded_in_the_class_of_its_image(conditional):
    anchors = locate_all(conditional, ["0", "1", "2", "3"])
    assert len({anchor.label for anchor in anchors}) > 1
    strip = attribute(conditional, "class:3", anchors=anchors).strip()
    images = tiles_of(strip).reshape(4, 11, *strip_shape(strip))
    same(images[:, 5], decoded(conditional, *anchors))


def test_every_row_of_a_strip_of_a_direction_has_the_class_of_its_image(conditional):
    from zatlas.directions.estimate import principal_directions
    from zatlas.figures.edits import edit_path, edit_strip, pixel_change

    anchors = locate_all(conditional, ["0", "1", "2", "3"])
    (direction,) = principal_directions(conditional.cloud, 1)
    strip = edit_strip(conditional, direction, anchors, pixel_change, measure="mean pixel change")
    images = tiles_of(strip).reshape(4, 7, *strip_shape(strip))
    same(images[:, 3], decoded(conditional, *anchors))
    path = edit_path(conditional, direction, anchors[1])
    same(to_bytes(path.images(3))[1:2], decoded(conditional, anchors[1]))


def strip_shape(canvas):
    return tiles_of(canvas).shape[1:]


def test_a_path_between_classes_morphs_the_class_and_says_so(conditional):
    three, eight = locate_all(conditional, ["class:3", "class:8"])
    path = interpolation(conditional, [three, eight])
    _, weights = path.inputs(np.float32([0, 0.25, 1]))
    assert weights[:, 3].tolist() == [1, 0.75, 0] and weights[:, 8].tolist() == [0, 0.25, 1]
    same(to_bytes(path.images(9))[[0, -1]], decoded(conditional, three, eight))
    same(path.images(3)[1:2], conditional.decode(path.latents(3)[1:2], weights_of(path)))
    assert "3 to 8" in path.note and "mix of both" in path.note


def weights_of(path):
    return path.classes[0](np.float32([0.5]))


def test_a_label_keeps_one_class_on_the_whole_path(conditional):
    three, eight = locate_all(conditional, ["class:3", "class:8"])
    path = interpolation(conditional, [three, eight], label=5)
    same(path.images(4), conditional.decode(path.latents(4), 5))
    assert path.note == "class: 5"


def test_a_random_anchor_takes_the_class_of_the_anchor_before_it(conditional):
    path = interpolation(conditional, locate_all(conditional, ["random", "class:8", "random"]))
    assert path.note == "class: 8" and path.label == 8


@pytest.mark.parametrize("closed", [False, True])
def test_the_class_changes_in_step_with_the_latent_at_constant_speed(conditional, closed):
    anchors = locate_all(conditional, ["class:3", "class:8", "class:1"])
    path = interpolation(conditional, anchors, constant_speed=True, closed=closed)
    times = np.float32([time for time, _ in path.marks])
    z, weights = path.inputs(times)
    expected = [3, 8, 1, 3][: len(times)]
    np.testing.assert_allclose(weights, np.eye(10)[expected], atol=1e-5)
    np.testing.assert_allclose(z[1], anchors[1].latent[0], atol=1e-5)
    images = path.images(60).reshape(60, -1)
    steps = np.linalg.norm(np.diff(images, axis=0), axis=1)
    assert steps.std() < 0.2 * steps.mean()


def test_corners_and_pairs_are_decoded_in_their_own_classes(conditional):
    anchors = locate_all(conditional, ["class:1", "class:7", "class:3", "class:8"])
    n = 5
    sheet = four_corners(conditional, anchors, n)
    images = tiles_of(sheet).reshape(n, n + 2, *strip_shape(sheet))
    corners = images[[0, 0, -1, -1], [1, -2, 1, -2]]
    same(corners, decoded(conditional, *anchors))
    rows = pair_rows(conditional, anchors)
    images = tiles_of(rows).reshape(2, 13, *strip_shape(rows))
    ends = images[[0, 0, 1, 1], [1, -2, 1, -2]]
    same(ends, decoded(conditional, *anchors))


def test_a_traversal_through_the_most_typical_image_has_its_class(conditional):
    path = traversal(conditional)
    z = path.curves[0].anchors.copy()
    rows, _ = conditional.nearest(conditional.cloud.mean(axis=0, keepdims=True), 1)
    assert path.label == conditional.labels(rows[0])[0]
    assert f"class: {conditional.generator.classes[path.label]}" in path.note and len(z) == 2


def test_a_model_that_takes_class_numbers_only_needs_a_label_for_a_path_between_classes(
    conditional, tmp_path
):
    workspace = by_number(conditional)
    anchors = locate_all(workspace, ["class:3", "class:8"])
    with pytest.raises(NotSupported, match=r"class as a number.*--label CLASS"):
        interpolation(workspace, anchors)
    assert interpolation(workspace, anchors, label=3).images(3).shape == (3, 1, 8, 8)
    assert default_label(workspace, anchors) == 3 and default_label(conditional, anchors) is None
    with pytest.raises(NotSupported, match="A geodesic is computed in one class"):
        interpolation(conditional, anchors, method="geodesic")


def test_the_latent_of_each_anchor_is_decoded_in_every_class(conditional, digits, tmp_path):
    anchors = locate_all(conditional, ["class:4", "7"])
    sheet = class_sheet(conditional, anchors)
    images = tiles_of(sheet).reshape(2, 11, *strip_shape(sheet))
    for row, anchor in zip(images, anchors, strict=True):
        same(row[:1], to_bytes(anchor.image))
        z = np.repeat(anchor.latent, 10, axis=0)
        same(row[1:], to_bytes(conditional.decode(z, np.arange(10))))
    (file,) = run("grid", conditional.run.folder, "7", "--by", "class", "--out", tmp_path / "classes.svg")
    assert len(re.findall("<image", file.read_text())) == 11
    with pytest.raises(NotSupported, match="not a conditional model"):
        class_sheet(digits)


def saved(workspace, number, folder):
    """A test image as a file."""
    row = workspace.rows("test")[number : number + 1]
    path = folder / f"{number}.png"
    Image.fromarray(to_bytes(workspace.dataset.images(row))[0]).save(path)
    return path, int(workspace.labels(row)[0])


def test_the_class_of_an_image_file_is_predicted_for_a_conditional_model(conditional, tmp_path, capsys):
    files = [saved(conditional, number, tmp_path) for number in range(30)]
    anchors = [locate(conditional, str(file)) for file, _ in files]
    assert np.mean([anchor.label == label for anchor, (_, label) in zip(anchors, files, strict=True)]) > 0.7
    assert "0.png: class " in (text := capsys.readouterr().err) and "reconstructs it best" in text
    given = locate(conditional, str(files[0][0]), 4)
    assert given.label == 4 and not capsys.readouterr().err
    same(given.latent, conditional.generator.encode(given.image, np.array([4])))


def test_the_classifier_of_a_run_predicts_the_class_of_an_image_file(conditional, tmp_path, capsys):
    from zatlas.training.classifier_training import train_classifier

    copy = tmp_path / "run"
    shutil.copytree(conditional.run.folder, copy)
    classifier = train_classifier(conditional.dataset, epochs=1, show=False)
    workspace = Workspace.open(copy).annotate(classifier, save=True)
    file, _ = saved(workspace, 0, tmp_path)
    anchor = locate(workspace, str(file))
    names = [f"label={name}" for name in workspace.generator.classes]
    assert anchor.label == classifier.select(names).predict(anchor.image)[0].argmax()
    assert "predicted by the classifier of the run" in capsys.readouterr().err


def test_a_conditional_gan_walks_from_class_to_class(conditional_rival, tmp_path):
    three, eight = locate_all(conditional_rival, ["class:3", "class:8:5"])
    assert (three.label, eight.label, three.title, eight.title) == (3, 8, "3 (sample 0)", "8 (sample 5)")
    same(eight.latent, locate(conditional_rival, "5").latent)
    images = to_bytes(interpolation(conditional_rival, [three, eight]).images(5))
    same(images[[0, -1]], decoded(conditional_rival, three, eight))
    paths = to_all_classes(conditional_rival, three)
    assert [path.marks[-1][1] for path in paths] == [str(digit) for digit in range(10) if digit != 3]
    same(paths[-1].latents(3), np.repeat(three.latent, 3, axis=0))
    with pytest.raises(NotSupported, match="names images"):
        locate(conditional_rival, "not 3")


# Anchors stand where they are labelled


@pytest.mark.parametrize("count", range(2, 7))
@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("constant_speed", [False, True])
def test_anchors_of_a_strip_are_exactly_at_their_labels(wide, count, closed, constant_speed):
    anchors = locate_all(wide, [str(number) for number in range(count)])
    for method in ("lerp", "slerp", "spline"):
        path = interpolation(wide, anchors, method=method, closed=closed, constant_speed=constant_speed)
        for frames in (2, 5, 10, 11, 12):
            times = path.strip_times(frames)
            columns = np.searchsorted(times, np.float32([time for time, _ in path.marks]))
            z, _ = path.inputs(times)
            expected = np.concatenate([anchor.latent for anchor in [*anchors, *anchors[: int(closed)]]])
            np.testing.assert_allclose(z[columns], expected, atol=1e-4)
            assert len(times) == max(frames, count + closed) and (np.diff(times) > 0).all()


def test_further_frames_divide_the_path_evenly():
    assert times_through([0, 0.5, 1], 11).tolist() == np.float32(np.linspace(0, 1, 11)).tolist()
    np.testing.assert_allclose(times_through([], 4), [0, 1 / 3, 2 / 3, 1])
    steps = np.diff(times_through([0, 0.1, 1], 21))
    assert steps.max() / steps.min() < 1.1 and times_through([], 1).tolist() == [0]
    with pytest.raises(ShapeError, match="at least 1 image"):
        times_through([], 0)


@pytest.mark.parametrize("method", ["mean_difference", "median_difference", "linear"])
def test_the_central_column_of_an_attribute_strip_is_the_decoded_anchor(portraits, method):
    anchors = locate_all(portraits, ["0", "5", "9"])
    for name in ("Bald", "Male", "not Smiling"):
        strip = attribute(portraits, name, method=method, anchors=anchors).strip()
        images = tiles_of(strip).reshape(3, 11, *strip_shape(strip))
        same(images[:, 5], decoded(portraits, *anchors))


def test_the_central_column_of_a_nonlinear_direction_is_the_decoded_anchor(wide, tmp_path):
    from zatlas.directions.find import find_directions, store_of

    copy = tmp_path / "wide"
    shutil.copytree(wide.run.folder, copy)
    workspace = Workspace.open(copy)
    (direction,) = find_directions(workspace, "labels", names=["3"], method="local", steps=20)
    store_of(workspace).save(replace(direction, name="curved"))
    anchors = locate_all(workspace, ["0", "1"])
    strip = attribute(workspace, "curved", anchors=anchors).strip()
    images = tiles_of(strip).reshape(2, 11, *strip_shape(strip))
    same(images[:, 5], decoded(workspace, *anchors))


# Original images


def test_pairs_and_corners_show_the_original_images_at_the_ends(digits):
    anchors = locate_all(digits, ["0", "1", "2", "random"])
    rows = pair_rows(digits, anchors, 5)
    images = tiles_of(rows).reshape(2, 7, *strip_shape(rows))
    same(images[0, [0, -1]], to_bytes(np.concatenate([a.image for a in anchors[:2]])))
    same(images[1, :1], to_bytes(anchors[2].image))
    assert np.ptp(images[1, -1]) == 0  # a random latent has no original
    sheet = four_corners(digits, anchors, 4)
    images = tiles_of(sheet).reshape(4, 6, *strip_shape(sheet))
    same(images[0, [0, -1]], to_bytes(np.concatenate([a.image for a in anchors[:2]])))
    same(images[-1, :1], to_bytes(anchors[2].image))
    plain = four_corners(digits, locate_all(digits, ["random"] * 4), 4)
    assert len(tiles_of(plain)) == 16
    assert as_color(anchors[0].image).shape == (1, 3, 8, 8)


# Options of the commands


def test_the_number_of_images_and_the_seed_of_an_interpolation_are_options(digits, tmp_path):
    def svg_of(*words):
        (file,) = run("interpolate", digits.run.folder, *words, "--out", tmp_path / "strip.svg")
        return file.read_text()

    assert len(re.findall("<image", svg_of("random", "random"))) == 11
    assert len(re.findall("<image", svg_of("random", "random", "--steps", 6))) == 6
    text = svg_of("random", "random", "--seed", 7)
    assert "random 7" in text and "random 8" in text


def test_one_class_goes_to_all_others_by_one_command(conditional, digits, tmp_path, capsys):
    files = run(
        "interpolate", conditional.run.folder, "class:1", "--to-all", "--frames", 3, "--out", tmp_path
    )
    others = [digit for digit in range(10) if digit != 1]
    expected = [f"interpolation-class-1-to-{digit}.gif" for digit in others]
    assert [file.name for file in files] == [*expected, "interpolation-class-1-to-all.png"]
    with Image.open(files[0]) as film:
        assert film.n_frames == 3
    (sheet,) = run("interpolate", digits.run.folder, "class:1", "--to-all", "--out", tmp_path / "all.svg")
    text = sheet.read_text()
    assert len(re.findall("<image", text)) == 9 * 13 and "1 to 7" in text
    assert main(["interpolate", str(digits.run.folder), "1", "2", "--to-all"]) == 2
    assert "--to-all takes one anchor" in capsys.readouterr().err


def test_a_film_carries_the_names_of_its_ends(digits, tmp_path):
    anchors = locate_all(digits, ["0", "1"])
    path = interpolation(digits, anchors)
    bare = replace(path, marks=())
    frames = []
    for number, each in enumerate((path, bare)):
        with Image.open(each.film(tmp_path / f"{number}.gif", 1)) as film:
            frames.append(np.asarray(film.convert("L"), float))
    named, plain = frames
    assert named.shape[0] > plain.shape[0]
    band = named[plain.shape[0] - 40 :]
    third = band.shape[1] // 3
    dark = [(part < 160).sum() for part in (band[:, :third], band[:, third:-third], band[:, -third:])]
    assert dark[0] > 10 and dark[2] > 10


def test_a_film_of_few_frames_has_a_smooth_curve_in_its_panel(digits, wide):
    from zatlas.latent.curves import in_dimensions

    curve = in_dimensions(spiral(), digits.generator.space)
    panel = film_panel(digits, curve, "prior", 7)
    np.testing.assert_allclose(panel.positions, curve.sample(7), atol=1e-5)
    assert len(panel.line) > TRAIL_STEPS and panel.axes == ("", "")
    turn = np.diff(panel.line, axis=0)
    turn /= np.linalg.norm(turn, axis=1, keepdims=True)
    assert (turn[1:] * turn[:-1]).sum(axis=1).min() > 0.9
    other = film_panel(wide, in_dimensions(spiral(), wide.generator.space), "prior", 7)
    assert all(re.fullmatch(r"dimension \d+", name) for name in other.axes)


def test_a_formula_of_every_dimension_is_followed(wide, tmp_path, capsys):
    z = latent_formula(["2*cos(2*pi*t + i)"], 12)(np.linspace(0, 1, 5))
    np.testing.assert_allclose(z[1], 2 * np.cos(np.pi / 2 + np.arange(12)), atol=1e-6)
    own = latent_formula(["t", "1 - t", "i"], 3)(np.linspace(0, 1, 3))
    assert own.tolist() == [[0, 1, 2], [0.5, 0.5, 2], [1, 0, 2]]
    curve = parametric_curve(latent_formula(["sin(2*pi*t)*exp(-i)"], 12), dim=12)
    path = curve_walk(wide, curve, "A wave")
    np.testing.assert_allclose(path.latents(9), curve.sample(9))
    words = ["path", wide.run.folder, "--frames", 4, "--out", tmp_path / "path.gif"]
    assert run(*words, "--z", "2*cos(2*pi*t + i)") == [tmp_path / "path.gif"]
    with pytest.raises(BadRecipe, match=r"one formula of t and the dimension i.*or 12 formulas, not 2"):
        latent_formula(["t", "i"], 12)
    with pytest.raises(BadRecipe, match="is not a formula of t and i"):
        latent_formula(["j"], 12)
    assert main([*map(str, words), "--x", "t", "--y", "t", "--z", "t"]) == 2
    assert "not both" in capsys.readouterr().err


@pytest.mark.parametrize("ending", [".mp4", ".webp"])
def test_a_film_without_a_name_plays_in_a_notebook(digits, ending, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("zatlas.render.film.default_ending", lambda: ending)
    film = interpolation(digits, locate_all(digits, ["0", "1"])).film(frames=4)
    assert not list(tmp_path.iterdir())
    encoded = re.search(r'src="data:(?:video/mp4|image/webp);base64,([^"]+)"', film._repr_html_())[1]
    assert base64.b64decode(encoded) == film.data
    path = tmp_path / f"film{ending}"
    path.write_bytes(film.data)
    if ending == ".webp":
        with Image.open(path) as image:
            assert image.n_frames == 4
    else:
        av = pytest.importorskip("av")
        with av.open(path) as video:
            assert sum(1 for _ in video.decode(video=0)) == 4
