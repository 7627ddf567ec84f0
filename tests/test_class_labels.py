"""A class that a call gives is used, or refused in one sentence: never ignored."""

import numpy as np
import pytest

from tests import stylegan_files
from tests.stylegan_files import CASES
from zatlas.atlas import Atlas
from zatlas.cli import main
from zatlas.core.errors import BadRecipe, NotSupported
from zatlas.create import import_model
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace

METHODS = {
    "decode": lambda atlas, z, x: atlas.decode(z, label=1),
    "decode in several classes": lambda atlas, z, x: atlas.decode(z, label=[1, 0]),
    "decode in a mix of classes": lambda atlas, z, x: atlas.decode(z, label=[[0.5, 0.5], [1, 0]]),
    "encode": lambda atlas, z, x: atlas.encode(x, label=1),
    "invert": lambda atlas, z, x: atlas.invert(x, label=1),
    "generate": lambda atlas, z, x: atlas.generate(2, label=1),
    "generate in several classes": lambda atlas, z, x: atlas.generate(2, label=[1, 0]),
    "locate": lambda atlas, z, x: atlas.locate("random:1", label=1),
    "locate a latent": lambda atlas, z, x: atlas.locate(z[0], label=1),
    "interpolate": lambda atlas, z, x: atlas.interpolate("random:1", "random:2", label=1),
    "interpolate latents": lambda atlas, z, x: atlas.interpolate(z[0], z[1], label=1),
    "plot.samples": lambda atlas, z, x: atlas.plot.samples(4, label=1),
    "plot.grid": lambda atlas, z, x: atlas.plot.grid(2, label=1),
    "plot.grid by class": lambda atlas, z, x: atlas.plot.grid(2, by="class", label=1),
    "plot.interpolation": lambda atlas, z, x: atlas.plot.interpolation(label=1),
    "plot.traversal": lambda atlas, z, x: atlas.plot.traversal(label=1),
    "plot.arithmetic": lambda atlas, z, x: atlas.plot.arithmetic("random:1 + random:2", label=1),
    "generator.decode": lambda atlas, z, x: atlas.generator.decode(z, np.array([1, 0])),
    "generator.decode_batches": lambda atlas, z, x: list(atlas.generator.decode_batches(z, np.array([1, 0]))),
    "generator.encode": lambda atlas, z, x: atlas.generator.encode(x, np.array([1, 0])),
    "generator.for_class": lambda atlas, z, x: atlas.generator.for_class(1),
    "generator.class_number": lambda atlas, z, x: atlas.generator.class_number("3"),
    "generator.class_numbers": lambda atlas, z, x: atlas.generator.class_numbers(2, 1),
    "generator.class_inputs": lambda atlas, z, x: atlas.generator.class_inputs(2, [[0.5, 0.5], [1, 0]]),
}
SAMPLING = ("plot.samples", "plot.interpolation")  # in w, the class of the samples
DECODING = [name for name in METHODS if name.startswith(("decode", "encode", "invert", "plot"))]
DECODING = [name for name in DECODING if name not in SAMPLING]
COMMANDS = """
sample RUN
grid RUN
grid RUN --by class
decode RUN 0 0
interpolate RUN
traverse RUN
path RUN
edit RUN 3
arithmetic RUN
compass RUN
invert RUN
directions find RUN principal
""".strip().splitlines()
IN_W = """
grid RUN
traverse RUN
path RUN
arithmetic RUN
invert RUN
compass RUN
directions find RUN principal
sample RUN --prior mixture
interpolate RUN FILE FILE
""".strip().splitlines()


@pytest.fixture(scope="module")
def conditional_gan(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gan")
    source = stylegan_files.write(CASES["conditional"], folder)
    return import_model(source, folder / "run", verbose=False).run.folder


@pytest.mark.parametrize("name", METHODS)
def test_an_unconditional_model_takes_no_class_in_python(name, digits):
    atlas = Atlas(digits)
    z, x = atlas.latents()[:2], digits.dataset.images(digits.rows()[:2])
    with pytest.raises((NotSupported, BadRecipe), match="Omit the label"):
        METHODS[name](atlas, z, x)


def test_an_unconditional_discriminator_takes_no_class(rival):
    atlas = Atlas(rival)
    with pytest.raises(NotSupported, match="Omit the label"):
        atlas.realism(atlas.generate(2), label=1)


@pytest.mark.parametrize("line", COMMANDS)
def test_an_unconditional_model_takes_no_class_on_the_command_line(line, digits, tmp_path, capsys):
    words = line.replace("RUN", str(digits.run.folder)).split()
    assert main([*words, "--label", "3", "--out", str(tmp_path / "a.png")]) == 2
    assert "Omit --label" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_class_in_w_is_that_of_the_samples(conditional_gan):
    model, w = Atlas(Workspace.open(conditional_gan)), Atlas(Workspace.open(conditional_gan, space="w"))
    np.testing.assert_allclose(w.generate(3, label=2), model.generate(3, label=2), atol=1e-5)
    z = sample_latents(w.workspace, 3, label=2)
    np.testing.assert_array_equal(w.locate("random:2", label=2).latent, z[2:])
    np.testing.assert_array_equal(w.locate("2", label=2).latent, z[2:])
    path = w.interpolate("random:0", "random:2", label=2)
    np.testing.assert_allclose(path.latents(2), z[[0, 2]], atol=1e-5)
    for draw in (w.plot.interpolation, w.plot.samples):
        assert not np.array_equal(draw(label=0).array, draw(label=2).array)


@pytest.mark.slow
@pytest.mark.parametrize("name", DECODING)
def test_a_class_that_w_cannot_use_is_refused(name, conditional_gan):
    atlas = Atlas(Workspace.open(conditional_gan, space="w"))
    z = sample_latents(atlas.workspace, 2)
    with pytest.raises((NotSupported, BadRecipe), match=r"Omit (it|the label)"):
        METHODS[name](atlas, z, atlas.decode(z))


@pytest.mark.slow
@pytest.mark.parametrize("line", IN_W)
def test_a_command_in_w_refuses_a_class_that_it_cannot_use(line, conditional_gan, tmp_path, capsys):
    from PIL import Image

    file = tmp_path / "image.png"
    Image.new("RGB", (32, 32)).save(file)
    words = line.replace("RUN", str(conditional_gan)).replace("FILE", str(file)).split()
    assert main([*words, "--space", "w", "--label", "2", "--out", str(tmp_path / "a.png")]) == 2
    assert "Omit" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]


def test_a_grid_by_class_takes_a_class_for_image_files_only(conditional, tmp_path, capsys):
    words = ["grid", str(conditional.run.folder), "--by", "class", "--label", "3"]
    assert main([*words, "--out", str(tmp_path / "a.png")]) == 2
    assert "Omit the label" in capsys.readouterr().err
