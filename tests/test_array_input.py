"""Anything array-like goes in, numpy comes out: latents, images and paths in every common form."""

import inspect
import os

import numpy as np
import pytest
import torch
from PIL import Image

import zatlas
from tests.test_python import IMAGES, LABELS, NAMES, trained
from zatlas.core.errors import BadData, NotFound, ShapeError

Z = np.array([[0.5, -1.0], [0.0, 2.0], [1.5, 0.25]], np.float32)


@pytest.fixture(scope="module")
def atlas(tmp_path_factory, own_cache):
    out = tmp_path_factory.mktemp("forms") / "run"
    return trained(IMAGES, NAMES[LABELS], out, epochs=20, settings={"training.rate": 3e-3})


@pytest.fixture(scope="module")
def gan(tmp_path_factory, own_cache):
    out = tmp_path_factory.mktemp("forms") / "gan"
    return trained(IMAGES, NAMES[LABELS], out, model="gan", epochs=1)


@pytest.fixture(scope="module")
def chart(atlas):
    return atlas.chart("pca")


class OtherPath:
    """A path of another package, as `py.path` or `upath`."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


class Lazy:
    """An object that becomes an array, as those of jax or cupy."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.array, dtype)


# Latents

FORMS = {
    "float64": lambda z: z.astype(np.float64),
    "float16": lambda z: z.astype(np.float16),
    "big endian": lambda z: z.astype(">f4"),
    "column order": np.asfortranarray,
    "list": lambda z: z.tolist(),
    "tuple of rows": tuple,
    "list of tensors": lambda z: list(torch.tensor(z)),
    "tensor": torch.tensor,
    "tensor with gradient": lambda z: torch.tensor(z, requires_grad=True),
    "bfloat16": lambda z: torch.tensor(z).to(torch.bfloat16),
    "__array__": Lazy,
}
OF_LATENTS = {
    "Atlas.decode": lambda atlas, z: atlas.decode(z),
    "Atlas.nearest": lambda atlas, z: atlas.nearest(z, 2)[1],
    "Workspace.decode": lambda atlas, z: atlas.workspace.decode(z),
    "Workspace.nearest": lambda atlas, z: atlas.workspace.nearest(z, 2)[1],
    "Generator.apply": lambda atlas, z: atlas.generator.apply(lambda rows, y: 2 * rows, z),
    "Generator.decode": lambda atlas, z: atlas.generator.decode(z),
    "Generator.decode_batches": lambda atlas, z: next(atlas.generator.decode_batches(z)),
    "Chart.transform": lambda atlas, z: atlas.chart("pca").transform(z),
    "Chart.nearest_latents": lambda atlas, z: atlas.chart("pca").nearest_latents(z, 2)[1],
    "RunDirection.move": lambda atlas, z: atlas.find_direction("left").move(z, 2),
    "LinearDirection.move": lambda atlas, z: zatlas.LinearDirection("x", np.float32([1, 0])).move(z),
    "LinearDirection.walk": lambda atlas, z: zatlas.LinearDirection("x", np.float32([1, 0])).walk(z).anchors,
    "FieldDirection.move": lambda atlas, z: zatlas.FieldDirection("x", np.ones_like).move(z),
    "FieldDirection.walk": lambda atlas, z: zatlas.FieldDirection("x", np.ones_like).walk(z).anchors,
}
OF_POSITIONS = {
    "Chart.inverse_transform": lambda chart, xy: chart.inverse_transform(xy),
    "Chart.covers": lambda chart, xy: chart.covers(xy),
    "Chart.outside_share": lambda chart, xy: chart.outside_share(xy),
    "Chart.nearest_covered": lambda chart, xy: chart.nearest_covered(xy),
    "Chart.normalised": lambda chart, xy: chart.normalised(xy),
    "Chart.denormalised": lambda chart, xy: chart.denormalised(xy),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OF_LATENTS)
def test_latents_are_given_in_every_form(name, form, atlas):
    expected, result = OF_LATENTS[name](atlas, Z), OF_LATENTS[name](atlas, FORMS[form](Z))
    assert isinstance(result, np.ndarray) and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("name", OF_LATENTS)
def test_one_latent_becomes_one_row(name, atlas):
    expected = OF_LATENTS[name](atlas, Z[:1])
    for one in (Z[0], Z[0].tolist(), torch.tensor(Z[0])):
        np.testing.assert_array_equal(OF_LATENTS[name](atlas, one), expected)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OF_POSITIONS)
def test_positions_are_given_in_every_form(name, form, chart):
    expected, result = OF_POSITIONS[name](chart, Z), OF_POSITIONS[name](chart, FORMS[form](Z))
    assert isinstance(result, np.ndarray)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    np.testing.assert_array_equal(OF_POSITIONS[name](chart, Z[0].tolist()), OF_POSITIONS[name](chart, Z[:1]))


@pytest.mark.parametrize(
    ("z", "text"),
    [
        (np.zeros((2, 3)), "These latents have 3 dimensions; the latent space of this model has 2"),
        (np.zeros((2, 2, 2)), r"rows \(n, 2\), or one latent \(2,\); these have shape \(2, 2, 2\)"),
        ("left", "Latents are numbers .*; these are str"),
        (None, "these are NoneType"),
        (np.array(["a", "b"]), "an array of <U1"),
        ([[1.0, 2.0], [3.0]], "differ in length"),
        (3.0, r"these have shape \(\)"),
    ],
)
def test_other_latents_get_one_sentence(z, text, atlas):
    for call in (atlas.decode, atlas.nearest, atlas.generator.decode, atlas.chart("pca").transform):
        with pytest.raises(ShapeError, match=text):
            call(z)


OF_ONE_LATENT = {
    "Atlas.locate": lambda atlas, z: atlas.locate(z[1]),
    "Atlas.interpolate": lambda atlas, z: atlas.interpolate("left", z[1]),
    "RunDirection.strip": lambda atlas, z: atlas.find_direction("left").strip(1, z[1]),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("name", [*OF_LATENTS, *OF_ONE_LATENT])
def test_latents_with_nan_or_infinity_get_one_sentence(name, value, atlas):
    z = Z.astype(np.float64)
    z[1, 0] = value
    with pytest.raises(BadData, match=r"1 of [13] latents contain NaN or infinity\. Remove these rows\.$"):
        (OF_LATENTS | OF_ONE_LATENT)[name](atlas, z)


def test_class_weights_with_nan_get_one_sentence():
    mixed = zatlas.Generator(
        zatlas.Space((4,)), lambda z, y: torch.sigmoid(y @ z[:2]).reshape(-1, 1, 2, 2), classes=("a", "b")
    )
    with pytest.raises(BadData, match="1 of 2 rows of class weights contain NaN or infinity"):
        mixed.decode(np.zeros((2, 4)), np.array([[0.5, 0.5], [np.nan, 1]]))


def test_latents_have_the_shape_of_the_network_too():
    decoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Unflatten(1, (1, 4, 4)), torch.nn.Sigmoid())
    generator = zatlas.Generator(zatlas.Space((4, 2, 2)), lambda z, y: decoder(z))
    z = np.random.default_rng(0).normal(size=(3, 4, 2, 2))
    expected = generator.decode(z.reshape(3, 16))
    np.testing.assert_allclose(generator.decode(z), expected, atol=1e-6)
    np.testing.assert_allclose(generator.decode(z[0]), expected[:1], atol=1e-6)


def test_amounts_are_one_or_one_for_each_latent(atlas):
    direction = atlas.find_direction("left")
    for amounts in ([1, 2, 3], torch.tensor([1.0, 2.0, 3.0]), np.array([1, 2, 3])):
        np.testing.assert_array_equal(direction.move(Z, amounts)[1:2], direction.move(Z[1], 2.0))
    assert direction.move(Z[0], [1, 2, 3, 4]).shape == (4, 2)
    with pytest.raises(ShapeError, match="3 latents and 2 amounts"):
        direction.move(Z, [1, 2])


# Images


def grey(size=None):
    image = Image.fromarray(IMAGES[0, 0])
    return image if size is None else image.resize((size, size))


def saved(folder, name="image.png"):
    grey().save(folder / name)
    return folder / name


IMAGE_FORMS = {
    "uint8": lambda folder: IMAGES[:1],
    "uint8 n,h,w": lambda folder: IMAGES[:1, 0],
    "uint8 n,h,w,c": lambda folder: IMAGES[:1].transpose(0, 2, 3, 1),
    "uint8 h,w": lambda folder: IMAGES[0, 0],
    "float64": lambda folder: IMAGES[:1] / 255,
    "float64 h,w": lambda folder: IMAGES[0, 0] / 255,
    "list": lambda folder: IMAGES[:1].tolist(),
    "list of arrays": lambda folder: list(IMAGES[:1]),
    "tensor uint8": lambda folder: torch.from_numpy(IMAGES[:1]),
    "tensor with gradient": lambda folder: torch.from_numpy(IMAGES[:1] / 255).requires_grad_(),
    "tensor c,h,w": lambda folder: torch.from_numpy(IMAGES[0] / 255),
    "list of tensors": lambda folder: [torch.from_numpy(IMAGES[0])],
    "PIL": lambda folder: grey(),
    "PIL RGB": lambda folder: grey().convert("RGB"),
    "PIL RGBA": lambda folder: grey().convert("RGBA"),
    "list of PIL": lambda folder: [grey()],
    "Path": saved,
    "str": lambda folder: str(saved(folder)),
    "PathLike": lambda folder: OtherPath(saved(folder)),
    "list of paths": lambda folder: [saved(folder)],
}
OF_IMAGES = {
    "Atlas.encode": lambda atlas, x: atlas.encode(x),
    "Atlas.invert": lambda atlas, x: atlas.invert(x).latents,
}
OF_BATCHES = {
    "Generator.encode": lambda atlas, x: atlas.generator.encode(x),
    "Generator.posterior": lambda atlas, x: atlas.generator.posterior(x)[0],
    "Generator.latents": lambda atlas, x: atlas.generator.latents(x)[0],
}


@pytest.mark.parametrize("form", IMAGE_FORMS)
@pytest.mark.parametrize("name", OF_IMAGES)
def test_images_are_given_in_every_form(name, form, atlas, tmp_path):
    expected = OF_IMAGES[name](atlas, np.float32(IMAGES[:1]) / 255)
    result = OF_IMAGES[name](atlas, IMAGE_FORMS[form](tmp_path))
    assert isinstance(result, np.ndarray) and result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-4)


@pytest.mark.parametrize("form", [f for f in IMAGE_FORMS if not f.endswith((",w", ",w,c", "RGB", "RGBA"))])
@pytest.mark.parametrize("name", OF_BATCHES)
def test_a_generator_takes_batches_in_every_form(name, form, atlas, tmp_path):
    expected = OF_BATCHES[name](atlas, np.float32(IMAGES[:1]) / 255)
    np.testing.assert_allclose(OF_BATCHES[name](atlas, IMAGE_FORMS[form](tmp_path)), expected, atol=1e-5)


OF_GAN_IMAGES = {"Atlas.realism": lambda gan, x: gan.realism(x)}


@pytest.mark.parametrize("form", IMAGE_FORMS)
@pytest.mark.parametrize("name", OF_GAN_IMAGES)
def test_images_for_a_discriminator_are_given_in_every_form(name, form, gan, tmp_path):
    expected = OF_GAN_IMAGES[name](gan, np.float32(IMAGES[:1]) / 255)
    np.testing.assert_allclose(OF_GAN_IMAGES[name](gan, IMAGE_FORMS[form](tmp_path)), expected, atol=1e-4)


def test_files_and_pil_images_are_resized_to_the_model(atlas, tmp_path):
    large = grey(32)
    large.save(tmp_path / "large.png")
    both = atlas.encode([large, tmp_path / "large.png"])
    assert both.shape == (2, 2)
    np.testing.assert_array_equal(both[0], both[1])
    turned = Image.fromarray(IMAGES[0, 0]).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated by 270 degrees
    turned.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as file:
        np.testing.assert_allclose(atlas.encode(file), atlas.encode(grey()), atol=1e-6)
        assert file.getexif()[0x0112] == 6  # the image of the caller does not change


@pytest.mark.parametrize(
    ("images", "error", "text"),
    [
        (np.zeros((2, 1, 9, 9)), ShapeError, r"shape \(2, 1, 9, 9\); this model takes \(n, 1, 8, 8\)"),
        (np.zeros((2, 3, 8, 8)), ShapeError, r"takes \(n, 1, 8, 8\)"),
        (IMAGES[:1].astype(np.float32), BadData, "values from 0 to 25.*Scale floats to"),
        (IMAGES[:1].astype(np.uint16) * 256, BadData, "Scale floats to"),
        (np.full((1, 1, 8, 8), -1.0), BadData, "values from -1 to -1"),
        ("nowhere.png", NotFound, "no image file nowhere.png"),
        ([grey(), 3], BadData, "paths or PIL images only, not int"),
        (None, BadData, "Images of type NoneType cannot be used"),
    ],
    ids=range(8),
)
def test_other_images_get_one_sentence(images, error, text, atlas):
    for call in (atlas.encode, atlas.invert):
        with pytest.raises(error, match=text):
            call(images)


@pytest.mark.parametrize("name", [*OF_IMAGES, *OF_BATCHES])
def test_images_with_nan_get_one_sentence(name, atlas):
    images = np.float32(IMAGES[:3]) / 255
    images[1, 0, 0, 0] = np.nan
    with pytest.raises(BadData, match=r"1 of 3 images contain NaN or infinity\. Remove these images\.$"):
        (OF_IMAGES | OF_BATCHES)[name](atlas, images)


def test_a_broken_file_and_sizes_that_differ_get_one_sentence(atlas, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(BadData, match=r"broken\.png cannot be used"):
        atlas.encode(str(tmp_path / "broken.png"))
    with pytest.raises(BadData, match="different sizes, such as 8x8 and 9x9"):
        atlas.generator.encode([grey(), grey(9)])


# Names and paths


def test_an_anchor_is_a_name_a_number_a_path_or_a_latent(atlas, tmp_path):
    file = saved(tmp_path)
    for same in ((3, "3", np.int64(3)), (file, str(file), OtherPath(file)), (Z[0], Z[:1], Z[0].tolist())):
        expected = atlas.locate(same[0]).latent
        for name in same:
            np.testing.assert_array_equal(atlas.locate(name).latent, expected)
    assert atlas.locate(atlas.locate("left")).name == "left"
    path = atlas.interpolate(0, "left", file, torch.tensor(Z[1]))
    np.testing.assert_array_equal(path.latents(4)[-1], Z[1])
    assert atlas.plot.interpolation(0, Z[0], frames=3).array.ndim == 3
    assert atlas.plot.traversal(3, frames=3).array.ndim == 3
    direction = atlas.find_direction("left")
    assert direction.strip(1, Z[0]).array.ndim == 3 and direction.path(Z[0]).images(3).shape == (3, 1, 8, 8)
    with pytest.raises(ShapeError, match="An anchor is one latent, and these are 3"):
        atlas.interpolate("left", Z)


OF_PATHS = {
    "load": lambda atlas, path, new: zatlas.load(path(atlas.workspace.run.folder)),
    "export": lambda atlas, path, new: zatlas.export(
        path(atlas.workspace.run.folder), path(new("page.html"))
    ),
    "Atlas.export": lambda atlas, path, new: atlas.export(path(new("page.html"))),
    "Workspace.open": lambda atlas, path, new: zatlas.Workspace.open(path(atlas.workspace.run.folder)),
    "Evaluation.report": lambda atlas, path, new: atlas.evaluate(["space"]).report(path(new("page.html"))),
    "Figure.save": lambda atlas, path, new: atlas.plot.grid(3).save(path(new("grid.png"))),
    "Chart.save": lambda atlas, path, new: atlas.chart("pca").save(path(new("chart.safetensors"))),
    "Chart.load": lambda atlas, path, new: zatlas.Chart.load(
        path(atlas.chart("pca").save(new("chart.safetensors")))
    ),
    "LatentPath.film": lambda atlas, path, new: atlas.interpolate(0, 1).film(path(new("a.gif")), frames=3),
    "push": lambda atlas, path, new: refused(lambda: zatlas.push(path(atlas.workspace.run.folder), "shapes")),
    "resume": lambda atlas, path, new: zatlas.resume(path(atlas.workspace.run.folder), verbose=False),
    "train": lambda atlas, path, new: trained(path(arrays(new)), out=path(new("run"))),
    "sweep": lambda atlas, path, new: zatlas.sweep(
        path(arrays(new)), {"training.epochs": 1, "net.name": "mlp"}, out=path(new("sweep")), verbose=False
    ),
    "import_model": lambda atlas, path, new: zatlas.import_model(
        path(latents_file(new)), path(new("run")), data=path(arrays(new)), verbose=False
    ),
}


def refused(call):
    """The run is opened by its path, and then the name of the repository is refused."""
    with pytest.raises(zatlas.ZatlasError, match="is named owner/name"):
        call()


def arrays(new):
    np.savez(new("images.npz"), images=IMAGES, labels=LABELS)
    return new("images.npz")


def latents_file(new):
    np.save(new("latents.npy"), np.random.default_rng(0).normal(size=(90, 2)).astype(np.float32))
    return new("latents.npy")


@pytest.mark.slow
@pytest.mark.parametrize("form", [str, OtherPath], ids=["str", "PathLike"])
@pytest.mark.parametrize("name", OF_PATHS)
def test_a_path_is_text_or_any_path_object(name, form, atlas, tmp_path):
    OF_PATHS[name](atlas, form, lambda file: tmp_path / file)


def test_every_public_function_that_takes_latents_images_or_paths_is_tested():
    tables = {
        ("z",): OF_LATENTS,
        ("xy", "normalised"): OF_POSITIONS,
        ("x", "images"): {**OF_IMAGES, **OF_GAN_IMAGES, **OF_BATCHES},
        ("run", "out", "path", "folder", "recipe"): OF_PATHS,
    }
    functions = {name: value for name, value in vars_of(zatlas) if inspect.isfunction(value)}
    for owner, value in vars_of(zatlas):
        if inspect.isclass(value) and value.__module__.startswith("zatlas"):
            methods = inspect.getmembers(
                value, lambda each: inspect.isfunction(each) or inspect.ismethod(each)
            )
            functions |= {f"{owner}.{name}": method for name, method in methods if name[0] != "_"}
    skipped = ("Callback.", "Workspace.labels", "Workspace.flags")  # what zatlas passes; rows
    missing = []
    for name, function in functions.items():
        for parameters, table in tables.items():
            takes = [p for p in inspect.signature(function).parameters if p in parameters]
            if takes and not name.startswith(skipped) and name not in table:
                missing.append(f"{name}({', '.join(takes)})")
    assert not missing


def vars_of(package):
    return [(name, getattr(package, name)) for name in package.__all__]


def test_paths_are_given_as_the_system_gives_them():
    assert isinstance(OtherPath("a"), os.PathLike)
