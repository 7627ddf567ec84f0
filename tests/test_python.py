"""The Python surface: what `import zatlas` offers to a notebook."""

import base64
import importlib
import inspect
import io
import pkgutil
import re
import subprocess
import sys
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure as MatplotlibFigure
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

import zatlas
from tests.conftest import spots
from zatlas.core.errors import BadData, BadRecipe, NotSupported, ShapeError, UnknownName
from zatlas.plots import GEOMETRY, Plots

SMALL = {"net.name": "mlp", "net.widths": [16], "training.batch": 32, "training.preview": 0}
NAMES = np.array(["left", "right", "below"])
IMAGES = spots(90).pixels
LABELS = np.arange(90) % 3


def trained(data, labels=None, out=None, **options):
    settings = {**SMALL, **options.pop("settings", {})}
    return zatlas.train(data, labels, out=out, settings=settings, verbose=False, **{"epochs": 1, **options})


@pytest.fixture(scope="module")
def atlas(tmp_path_factory, own_cache):
    """A VAE of images that were given as an array with class names."""
    out = tmp_path_factory.mktemp("python") / "array"
    settings = {"training.rate": 3e-3}
    return trained(IMAGES, NAMES[LABELS], out, epochs=20, settings=settings)


@pytest.fixture(scope="module")
def conditional(tmp_path_factory, own_cache):
    """A conditional VAE of the same images."""
    out = tmp_path_factory.mktemp("python") / "conditional"
    return trained(IMAGES, NAMES[LABELS], out, epochs=20, settings={"model.conditional": True})


class Items(Dataset):
    """A dataset of pairs that names its classes, as those of torchvision."""

    classes = ("left", "right", "below")

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, row):
        return Image.fromarray(IMAGES[row, 0]), int(LABELS[row])


# Training data


@pytest.mark.parametrize(
    "data",
    [
        IMAGES[:, 0],
        IMAGES.transpose(0, 2, 3, 1),
        IMAGES.astype(np.float32),
        IMAGES[:, 0] / 255,
        torch.from_numpy(IMAGES),
        torch.from_numpy(IMAGES / 255).to(torch.float16),
        TensorDataset(torch.from_numpy(IMAGES)[:, 0]),
        list(IMAGES),
        list(torch.from_numpy(IMAGES)),
        tuple(Image.fromarray(image[0]) for image in IMAGES),
    ],
    ids=["n,h,w", "n,h,w,c", "float32", "float64", "tensor", "half", "dataset", "list", "tensors", "PIL"],
)
def test_images_are_given_in_every_common_form(data, tmp_path):
    run = trained(data, LABELS, tmp_path / "run")
    assert run.dataset.shape == (1, 8, 8) and len(run.dataset) == 90
    assert np.abs(run.dataset.pixels.astype(int) - IMAGES).max() <= 1
    assert (run.dataset.labels == LABELS).all()


def test_a_torch_dataset_brings_its_labels_and_class_names(tmp_path):
    run = trained(Items(), out=tmp_path / "run")
    assert set(run.dataset.classes) == set(Items.classes)
    assert (np.array(run.dataset.classes)[run.dataset.labels] == NAMES[LABELS]).all()


@pytest.mark.parametrize(
    ("data", "labels", "error"),
    [
        (np.zeros((5, 8)), None, "has the shape"),
        (np.zeros((5, 8, 8, 4)), None, "1 or 3 channels"),
        (np.full((5, 8, 8), 300.0), None, "Scale them to"),
        (np.full((5, 8, 8), np.nan), None, "NaN or infinite"),
        (np.empty((0, 8, 8)), None, "no images"),
        (IMAGES, LABELS[:5], "90 images, and labels of shape"),
        (7, None, "Data of type int"),
        ({"train": IMAGES}, None, "has parts. Pass one of them"),
    ],
)
def test_data_that_cannot_be_used_is_refused(data, labels, error, tmp_path):
    with pytest.raises(BadData, match=error):
        trained(data, labels, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_labels_belong_to_arrays(tmp_path):
    with pytest.raises(BadRecipe, match="Labels belong to an array"):
        trained("digits", LABELS, tmp_path / "run")


@pytest.mark.slow
def test_a_run_of_an_array_opens_and_resumes_in_a_new_process(tmp_path):
    settings = {"training.schedule": "constant"}
    long = trained(IMAGES, NAMES[LABELS], tmp_path / "long", epochs=3, settings=settings)
    trained(IMAGES, NAMES[LABELS], tmp_path / "short", epochs=1, settings=settings)
    moved = (tmp_path / "short").rename(tmp_path / "moved")
    program = (
        "import sys, zatlas\n"
        "run = zatlas.resume(sys.argv[1], {'training.epochs': 3}, verbose=False)\n"
        "assert len(run.dataset) == 90 and run.recipe.source == './data.npz', run.recipe\n"
        "print(run.latents('train').sum())"
    )
    done = subprocess.run([sys.executable, "-c", program, str(moved)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(float(long.latents("train").sum()), rel=1e-5)


# Options of a training


def test_a_preset_decides_what_is_not_given(tmp_path):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('seed = 5\n[model]\nfamily = "ae"\ndim = 7\n[training]\npreview = 0\n')
    by_recipe = zatlas.train(IMAGES, recipe=recipe, epochs=1, out=tmp_path / "a", verbose=False)
    assert by_recipe.recipe.family == "ae" and by_recipe.recipe.seed == 5
    assert by_recipe.generator.space.dim == 7
    given = zatlas.train(IMAGES, recipe=recipe, dim=3, seed=1, epochs=1, out=tmp_path / "b", verbose=False)
    assert given.recipe.seed == 1 and given.generator.space.dim == 3
    plain = trained(IMAGES, out=tmp_path / "c")
    assert (plain.recipe.family, plain.generator.space.dim, plain.recipe.seed) == ("vae", 2, 0)


def test_a_device_is_checked_before_anything_is_written(tmp_path):
    with pytest.raises(UnknownName, match="No device named 'gpu'"):
        trained(IMAGES, out=tmp_path / "run", device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(NotSupported, match="This machine has no cuda device"):
            trained(IMAGES, out=tmp_path / "run", device="cuda")
    assert not (tmp_path / "run").exists()
    run = trained(IMAGES, out=tmp_path / "run", device="cpu")
    assert run.generator.device == "cpu"
    assert zatlas.load(tmp_path / "run", device="cpu").generator.device == "cpu"


class Record(zatlas.Callback):
    """Records the events of a training, and raises an error at one of them."""

    def __init__(self, fails=""):
        self.events, self.fails = [], fails

    def add(self, event):
        self.events.append(event)
        if event == self.fails:
            raise RuntimeError(f"stopped at {event}")

    def on_train_start(self, run, recipe, images, learner):
        self.add("start")

    def on_step_end(self, step, images, terms):
        self.add(f"step {step}")

    def on_epoch_end(self, row):
        self.add(f"epoch {row['epoch']}")

    def on_train_end(self):
        self.add("end")


def test_callbacks_are_called_at_each_event(tmp_path):
    record = Record()
    trained(IMAGES, out=tmp_path / "run", epochs=2, callbacks=[record])
    steps = [[f"step {3 * epoch + i}" for i in (1, 2, 3)] for epoch in (0, 1)]
    assert record.events == ["start", *steps[0], "epoch 1", *steps[1], "epoch 2", "end"]


def test_an_error_in_a_callback_before_the_first_step_leaves_nothing(tmp_path):
    record = Record("start")
    with pytest.raises(RuntimeError, match="stopped at start"):
        trained(IMAGES, out=tmp_path / "run", epochs=2, callbacks=[record])
    assert record.events[-1] == "end" and not list(tmp_path.iterdir())


@pytest.mark.parametrize("event", ["step 2", "step 3", "epoch 1"])
def test_an_error_in_a_callback_stops_the_training_which_can_be_resumed(event, tmp_path):
    record, other = Record(event), Record()
    with pytest.raises(RuntimeError, match=f"stopped at {event}") as stopped:
        trained(IMAGES, out=tmp_path / "run", epochs=2, callbacks=[other, record])
    assert "test_python.py" in str(stopped.traceback[-1].path)
    assert record.events[-1] == other.events[-1] == "end"
    if event.startswith("step"):
        assert int(max(path.name for path in (tmp_path / "run/checkpoints").iterdir())) == int(event[5:])
    resumed = zatlas.resume(tmp_path / "run", verbose=False)
    unbroken = trained(IMAGES, out=tmp_path / "unbroken", epochs=2)
    np.testing.assert_array_equal(resumed.latents("train"), unbroken.latents("train"))


# Latents and labels


def test_the_table_of_latents_is_arrow(atlas):
    table = atlas.table("train")
    assert table.column_names == ["index", "split", "label", "latents", "std"]
    assert table.schema.field("latents").type.list_size == 2
    latents = table["latents"].combine_chunks().flatten().to_numpy().reshape(-1, 2)
    np.testing.assert_array_equal(latents, atlas.latents("train"))
    assert set(table["label"].to_pylist()) == set(NAMES)


def test_pandas_and_polars_read_tables(atlas):
    import pandas

    frame = pandas.DataFrame.from_arrow(atlas.table("train"))
    assert len(frame) == len(atlas.latents("train"))
    metrics = atlas.evaluate(["space"]).metrics
    assert list(pandas.DataFrame.from_arrow(metrics)["name"]) == list(metrics)
    polars = pytest.importorskip("polars")
    assert len(polars.from_arrow(metrics)) == len(metrics)


def test_latents_are_means_or_samples(atlas):
    means, samples = atlas.latents("train"), atlas.latents("train", "sample", seed=1)
    assert means.shape == samples.shape and (means != samples).any()
    with pytest.raises(UnknownName, match="mean, sample"):
        atlas.latents("train", "median")


def test_a_class_name_is_accepted_wherever_a_label_is(conditional, tmp_path):
    z, images = conditional.latents("train")[:3], conditional.dataset.images(np.arange(3))
    number = conditional.dataset.classes.index("right")
    plot = conditional.plot
    calls = {
        "decode": lambda label: conditional.decode(z, label),
        "decode each": lambda label: conditional.decode(z, [label] * 3),
        "encode": lambda label: conditional.encode(images, label),
        "encode each": lambda label: conditional.encode(images, np.array([label] * 3)),
        "generate": lambda label: conditional.generate(3, label=label),
        "invert": lambda label: conditional.invert(images[:1], label).latents,
        "samples": lambda label: plot.samples(4, label=label).array,
        "grid": lambda label: plot.grid(3, label=label).array,
        "arithmetic": lambda label: plot.arithmetic("left - right", label=label).array,
        "generator": lambda label: conditional.generator.for_class(label).decode(z),
        "workspace": lambda label: conditional.workspace.decode(z, label),
    }
    for name, call in calls.items():
        np.testing.assert_array_equal(call("right"), call(number), err_msg=name)
        with pytest.raises(UnknownName, match="No class named"):
            call("above")
    assert conditional.locate("right").label == number
    assert conditional.interpolate("left", "right").images(3).shape == (3, 1, 8, 8)
    assert conditional.find_direction("right").name == "right"
    assert conditional.chart("pca", "right").positions.shape[1] == 2
    assert plot.scatter(color_by="right").array.ndim == 3
    with pytest.raises(ShapeError, match="3 rows and 2 labels"):
        conditional.decode(z, ["left", "right"])


# Figures

FIGURES = {
    "samples": lambda plot, ax: plot.samples(4, ax=ax),
    "grid": lambda plot, ax: plot.grid(3, ax=ax),
    "scatter": lambda plot, ax: plot.scatter(ax=ax),
    "chart": lambda plot, ax: plot.chart("pca", ax=ax),
    "reconstructions": lambda plot, ax: plot.reconstructions(3, ax=ax),
    "interpolation": lambda plot, ax: plot.interpolation("left", "right", frames=3, ax=ax),
    "traversal": lambda plot, ax: plot.traversal(frames=3, ax=ax),
    "arithmetic": lambda plot, ax: plot.arithmetic("left - right", ax=ax),
    "training": lambda plot, ax: plot.training(ax=ax),
    **{f"geometry {name}": partial(Plots.geometry, name=name) for name in GEOMETRY},
}


def test_every_figure_of_the_surface_is_tested():
    methods = {name for name, _ in inspect.getmembers(zatlas.Plots, inspect.isfunction) if name[0] != "_"}
    assert methods == {name.partition(" ")[0] for name in FIGURES}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_shown_saved_read_and_drawn_into_axes(name, atlas, tmp_path):
    figure = FIGURES[name](atlas.plot, ax=None)
    assert isinstance(figure, zatlas.Figure)
    visible = Image.open(io.BytesIO(figure._repr_png_()))
    assert figure.array.shape == (visible.height, visible.width, 3) and figure.array.dtype == np.uint8
    assert figure.save(tmp_path / "figure.svg").read_text().startswith(("<svg", "<?xml"))
    page = MatplotlibFigure()
    first, second = page.subplots(1, 2)
    FIGURES[name](atlas.plot, ax=second)
    assert second.has_data() or second.images
    assert not (first.has_data() or first.images) and page.axes[:2] == [first, second]
    if second.images:
        assert not second.axison


def test_results_are_shown_in_a_notebook(atlas):
    direction = atlas.find_direction("left")
    path, chart = atlas.interpolate("left", "right"), atlas.chart("pca")
    for result in (atlas, direction, chart, path, atlas.invert(atlas.generate(2))):
        html = result._repr_html_()
        image = re.search('<img src="data:image/png;base64,([^"]+)"', html)[1]
        assert Image.open(io.BytesIO(base64.b64decode(image))).width > 50 and "<code>" in html
    for result in (atlas.evaluate(["space"]), atlas.evaluate(["space"]).metrics, direction.evaluate()):
        assert "<table>" in result._repr_html_()
        assert "\n" in repr(result) or repr(result).startswith("<")


def test_a_result_is_described_in_three_lines_at_most(atlas):
    direction = atlas.find_direction("left")
    path = atlas.interpolate("left", "right")
    results = [
        *(
            atlas,
            atlas.workspace,
            atlas.generator,
            atlas.dataset,
            atlas.recipe,
            atlas.plot,
            atlas.plot.grid(3),
        ),
        *(atlas.plot.scatter(), atlas.chart("pca"), atlas.locate("left"), path, path.curves[0], direction),
        *(direction.evaluate(), atlas.invert(atlas.generate(2)), atlas.fit_prior("mixture")),
    ]
    for result in results:
        lines = repr(result).splitlines()
        assert len(lines) <= 3 and max(map(len, lines)) < 250, repr(result)
        assert "array(" not in repr(result) and "Linear(" not in repr(result)


# The package


def test_the_package_lists_its_public_names():
    assert set(dir(zatlas)) == {*zatlas.__all__, "__version__"}
    assert all(getattr(zatlas, name) is getattr(zatlas, name) for name in zatlas.__all__)
    for name in zatlas.__all__:
        assert inspect.getdoc(getattr(zatlas, name)), name
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = zatlas.trian


def test_no_module_hides_a_public_function():
    for module in pkgutil.iter_modules(zatlas.__path__):
        if module.name not in ("__main__", "testing"):
            importlib.import_module(f"zatlas.{module.name}")
    modules = [name for name in zatlas.__all__ if isinstance(getattr(zatlas, name), ModuleType)]
    assert modules == ["testing"]


def test_no_signature_of_the_surface_has_arguments_of_any_name():
    owners = [zatlas.train, zatlas.resume, zatlas.load, zatlas.import_model, zatlas.sweep, zatlas.export]
    for owner in (zatlas.Atlas, zatlas.Plots, zatlas.RunDirection, zatlas.LatentPath, zatlas.Workspace):
        owners += [f for name, f in inspect.getmembers(owner, inspect.isfunction) if name[0] != "_"]
    for function in owners:
        kinds = {parameter.kind for parameter in inspect.signature(function).parameters.values()}
        assert inspect.Parameter.VAR_KEYWORD not in kinds, function
    assert inspect.signature(zatlas.train).return_annotation is zatlas.Atlas


def test_errors_name_the_argument_of_python(atlas, tmp_path):
    folder = atlas.workspace.run.folder
    with pytest.raises(zatlas.ZatlasError, match=rf"in Python: out=.*zatlas\.resume\('{folder}'\)"):
        trained(IMAGES, out=folder)
    with pytest.raises(zatlas.ZatlasError, match=r"in Python: zatlas\.train\('digits', out='.*nowhere'\)"):
        zatlas.load(tmp_path / "nowhere")
    generator = zatlas.Generator(zatlas.Space((2,)), lambda z, y: z.reshape(-1, 1, 1, 2))
    with pytest.raises(NotSupported, match=r"in Python: atlas\.train_encoder\(\)"):
        generator.encode(IMAGES)
    with pytest.raises(BadRecipe, match=r"multiples of 4.*in Python: size="):
        zatlas.train(
            np.zeros((9, 10, 10)), settings={"net.name": "conv"}, out=tmp_path / "run", verbose=False
        )
