"""Import models: each kind of source, what zatlas infers about it, and what it refuses."""

import io
import json
import os
import pickle
import struct
import time
import zipfile

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.torch import save_file
from torch import nn

from tests.strangers import with_changed_description
from zatlas.cli import main
from zatlas.core.errors import BadData, BadRecipe, BadRun, NotFound, NotSupported, UnknownName, ZatlasError
from zatlas.create import import_model
from zatlas.directions.find import find_direction
from zatlas.figures import geometry, maps, paths, sheets
from zatlas.locate import interpolate, locate, locate_all
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.models.nets_dcgan import DCGAN
from zatlas.models.onnx_export import export_decoder, export_encoder
from zatlas.sample import sample_latents
from zatlas.store import atomic
from zatlas.workspace import Workspace


class Decoder(nn.Module):
    """Latents of 6 numbers to grey images of 8x8, with a given last layer."""

    def __init__(self, dim: int = 6, last: str = "Sigmoid"):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(dim, 64), nn.Unflatten(1, (1, 8, 8)), getattr(nn, last)())

    def forward(self, z):
        return self.net(z)


class Encoder(nn.Module):
    """Images to latents, with their log-variances."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(64, 12))

    def forward(self, x):
        return tuple(self.net(x).chunk(2, dim=1))


class Spatial(nn.Module):
    """Latents of (4, 8, 8) to colour images of 16x16."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.ConvTranspose2d(4, 3, 4, 2, 1), nn.Tanh())

    def forward(self, z):
        return self.net(z)


class Layered(nn.Module):
    """Latents of (18, 16), a style for each of 18 layers, to grey images of 8x8."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(16, 64)

    def forward(self, w):
        weights = torch.linspace(0.5, 1.5, 18)[:, None]
        return (self.net(w) * weights).mean(1).reshape(-1, 1, 8, 8).sigmoid()


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def import_source(source, folder, **settings):
    return import_model(source, folder / "run", verbose=False, **settings)


def test_a_module_is_imported_and_opened_again(tmp_path):
    decoder = Decoder().eval()
    workspace = import_source(decoder, tmp_path, shape=(6,), encoder=Encoder())
    z = sample_latents(workspace, 5, seed=1)
    reopened = Workspace.open(tmp_path / "run")
    with torch.no_grad():
        expected = decoder(torch.from_numpy(z)).numpy()
    np.testing.assert_allclose(workspace.decode(z), expected, atol=1e-6)
    np.testing.assert_allclose(reopened.decode(z), expected, atol=1e-6)
    assert imported_model_of(reopened.run).std == "log_variance"
    mean, std = reopened.generator.posterior(reopened.decode(z))
    assert mean.shape == std.shape == (5, 6) and (std > 0).all()
    assert (tmp_path / "run" / "gallery" / "check.png").exists()


def test_the_inferred_formats_are_printed(tmp_path, capsys):
    import_model(Decoder(last="Tanh"), tmp_path / "run")
    output = capsys.readouterr().err
    assert "Latents: 6; prior: standard normal" in output
    assert "grey, 8x8, channels first; pixels -1 to 1 (its last layer is tanh" in output
    assert "No encoder" in output and "ms each" in output and "check.png" in output


@pytest.mark.parametrize(
    ("scale", "result"),
    [(lambda x: x.sigmoid(), "unit"), (torch.tanh, "signed"), (lambda x: 255 * x.sigmoid(), "bytes")],
)
def test_the_range_of_pixels_is_inferred_from_a_few_images(scale, result, tmp_path):
    wide = Decoder(last="Identity")
    with torch.no_grad():
        wide.net[0].weight.mul_(8)
    workspace = import_source(lambda z: scale(wide(z)), tmp_path, shape=(6,))
    assert imported_model_of(workspace.run).pixels == result
    images = workspace.decode(sample_latents(workspace, 64, seed=0))
    assert 0 <= images.min() < 0.2 and 0.8 < images.max() <= 1


def test_logits_are_recognized_and_options_override_what_is_inferred(tmp_path):
    wide = Decoder(last="Identity")
    with torch.no_grad():
        wide.net[0].weight.mul_(20)
    assert imported_model_of(import_source(wide, tmp_path / "a").run).pixels == "logits"
    result = imported_model_of(import_source(wide, tmp_path / "b", pixels="signed", prior="sphere").run)
    assert (result.pixels, result.prior) == ("signed", "sphere")


@pytest.mark.parametrize(
    ("shape", "layout", "image"),
    [
        ((8, 8, 3), "nhwc", (3, 8, 8)),
        ((8, 8), "nhw", (1, 8, 8)),
        ((48,), "flat", (3, 4, 4)),
        ((64,), "flat", (1, 8, 8)),
        ((3, 8, 8), "nchw", (3, 8, 8)),
    ],
)
def test_every_layout_of_channels_is_recognized(shape, layout, image, tmp_path):
    size = int(np.prod(shape))
    back = nn.Sequential(nn.Flatten(), nn.Linear(size, 5))
    net = nn.Sequential(nn.Linear(5, size), nn.Sigmoid(), nn.Unflatten(1, shape))
    workspace = import_source(net, tmp_path, encoder=back)
    assert imported_model_of(workspace.run).layout == layout
    z = sample_latents(workspace, 3, seed=0)
    assert workspace.decode(z).shape == (3, *image)
    with torch.no_grad():
        expected = back(net(torch.from_numpy(z))).numpy()
    np.testing.assert_allclose(workspace.generator.encode(workspace.decode(z)), expected, atol=1e-5)


def test_a_function_that_torch_cannot_export_works_only_in_memory(tmp_path, capsys):
    def decoder(z):
        return torch.from_numpy(np.tanh(np.asarray(z))[:, :4].reshape(-1, 1, 2, 2))

    workspace = import_model(decoder, tmp_path / "run", shape=(6,))
    assert "only where the function is defined" in capsys.readouterr().err
    assert workspace.decode(sample_latents(workspace, 2, seed=0)).shape == (2, 1, 2, 2)
    with pytest.raises(BadRun, match=r"Import it where it is defined: zatlas\.import_model"):
        Workspace.open(tmp_path / "run")


def test_a_function_without_a_latent_shape_needs_the_option(tmp_path):
    with pytest.raises(NotSupported, match=r"a function does not state the shape of its input.*--shape 100"):
        import_source(lambda z: z, tmp_path)
    assert not (tmp_path / "run").exists() and not list(tmp_path.iterdir())


@pytest.mark.parametrize("module", [Spatial, Layered])
def test_latents_of_any_shape_work_like_flat_ones(module, tmp_path):
    shape = (4, 8, 8) if module is Spatial else (18, 16)
    workspace = Workspace.open(import_source(module(), tmp_path, shape=shape).run.folder)
    assert workspace.generator.space.shape == shape and workspace.dim == np.prod(shape)
    sheets.sample_sheet(workspace, 4)
    chart = workspace.chart("pca")
    sheets.chart_positions(workspace, chart, np.zeros((1, 2), np.float32))
    maps.chart_scatter(workspace, chart)
    paths.interpolation(workspace, locate_all(workspace, ["0", "1"])).strip(4)
    paths.traversal(workspace, count=2).strip(4)
    geometry.arithmetic(workspace, "0 - 1 + 2")
    assert (
        len(geometry.geometry(workspace)) == 3
    )  # a run without encoded latents has no figure of their norms
    interpolate(workspace, ["0", "1"], "geodesic")


def test_torchscript_and_exported_files_decode_like_the_module(tmp_path):
    decoder = Decoder().eval()
    z = torch.randn(5, 6)
    with pytest.warns(DeprecationWarning):
        torch.jit.save(torch.jit.script(decoder), tmp_path / "scripted.pt")
    program = torch.export.export(decoder, (z,), dynamic_shapes=({0: torch.export.Dim("n")},))
    torch.export.save(program, tmp_path / "exported.pt2")
    for name in ("scripted.pt", "exported.pt2"):
        workspace = import_source(tmp_path / name, tmp_path / name.partition(".")[0])
        with torch.no_grad():
            np.testing.assert_allclose(workspace.decode(z.numpy()), decoder(z).numpy(), atol=1e-6)


def test_a_program_traced_for_one_row_decodes_many(tmp_path):
    decoder = Decoder().eval()
    torch.export.save(torch.export.export(decoder, (torch.randn(1, 6),)), tmp_path / "one.pt2")
    z = torch.randn(5, 6)
    with torch.no_grad():
        expected = decoder(z).numpy()
    np.testing.assert_allclose(
        import_source(tmp_path / "one.pt2", tmp_path).decode(z.numpy()), expected, atol=1e-6
    )


@pytest.mark.slow
def test_an_exported_onnx_model_imports_with_equal_images_and_latents(wide, tmp_path):
    export_decoder(wide.generator, tmp_path / "decoder.onnx")
    export_encoder(wide.generator, tmp_path / "encoder.onnx")
    workspace = import_source(
        tmp_path / "decoder.onnx", tmp_path, encoder=tmp_path / "encoder.onnx", data="digits"
    )
    z = sample_latents(wide, 5, seed=0)
    np.testing.assert_allclose(workspace.decode(z), wide.decode(z), atol=1e-2)
    np.testing.assert_allclose(workspace.latents("test"), wide.latents("test"), atol=0.1)
    assert workspace.dataset.describe() == wide.dataset.describe()
    sheets.reconstruction_sheet([Workspace.open(workspace.run.folder)])
    assert find_direction(workspace, "3").score.auc > 0.8


@pytest.mark.slow
def test_the_number_of_classes_of_a_conditional_onnx_decoder_is_inferred(conditional, tmp_path):
    export_decoder(conditional.generator, tmp_path / "decoder.onnx")
    workspace = import_source(tmp_path / "decoder.onnx", tmp_path)
    assert len(workspace.generator.classes) == 10
    z = sample_latents(conditional, 3, seed=0)
    np.testing.assert_allclose(workspace.decode(z, 7), conditional.decode(z, 7), atol=1e-2)
    anchors = locate_all(workspace, ["class:3", "class:8"])
    with pytest.raises(NotSupported, match="cannot be morphed into another"):
        paths.interpolation(workspace, anchors)
    assert len(paths.interpolation(workspace, anchors, label=5).images(3)) == 3


def test_an_onnx_file_with_a_dynamic_latent_size_needs_the_shape(tmp_path):
    make = helper.make_tensor_value_info
    nodes = [helper.make_node("Tanh", ["z"], ["x"])]
    for name, size in (("z", ["n", "d"]), ("x", ["n", "d"])):
        make(name, TensorProto.FLOAT, size)
    graph = helper.make_graph(
        nodes, "open", [make("z", TensorProto.FLOAT, ["n", "d"])], [make("x", TensorProto.FLOAT, ["n", "d"])]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, tmp_path / "open.onnx")
    with pytest.raises(NotSupported, match=r"leaves the size of z open.*--shape"):
        import_source(tmp_path / "open.onnx", tmp_path)
    workspace = import_source(tmp_path / "open.onnx", tmp_path, shape=(16,))
    assert (
        imported_model_of(workspace.run).image == (1, 4, 4)
        and imported_model_of(workspace.run).pixels == "signed"
    )


@pytest.fixture
def dcgan():
    net = DCGAN(8).decoder((3, 16, 16), 20).eval()
    return {f"module.netG.{name}": one for name, one in net.state_dict().items()}, net


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("weights.tar", marks=pytest.mark.slow),
        pytest.param("weights.pth", marks=pytest.mark.slow),
        "weights.safetensors",
    ],
)
def test_the_sizes_of_a_dcgan_are_inferred_from_its_weights(name, dcgan, tmp_path):
    state, net = dcgan
    if name.endswith("safetensors"):
        save_file(state, tmp_path / name)
        key = None
    else:
        torch.save({"netG": state, "netD": {"x": torch.zeros(2)}, "epoch": 3}, tmp_path / name)
        key = "netG"
    workspace = Workspace.open(import_source(tmp_path / name, tmp_path, key=key).run.folder)
    z = sample_latents(workspace, 4, seed=0)
    with torch.no_grad():
        expected = (net(torch.from_numpy(z)).tanh().numpy() + 1) / 2
    assert workspace.generator.space.shape == (20,)
    np.testing.assert_allclose(workspace.decode(z), expected, atol=1e-6)


def test_weights_load_into_a_class_that_can_be_imported(tmp_path):
    save_file(Decoder(9, "Tanh").state_dict(), tmp_path / "w.safetensors")
    module = f"{__name__}:Decoder(9, last='Tanh')"
    workspace = Workspace.open(import_source(tmp_path / "w.safetensors", tmp_path, module=module).run.folder)
    assert workspace.dim == 9 and imported_model_of(workspace.run).pixels == "signed"


def test_weights_of_a_run_need_no_options(digits, tmp_path):
    workspace = import_source(digits.run.weights, tmp_path, data="digits")
    z = sample_latents(digits, 3, seed=0)
    np.testing.assert_array_equal(workspace.decode(z), digits.decode(z))
    np.testing.assert_array_equal(workspace.latents("test"), digits.latents("test"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "several state dicts: netG, netD. Choose one with --key"),
        ({"key": "netg"}, "Did you mean 'netG'"),
        ({"key": "netD"}, "holds weights without their net"),
    ],
)
def test_one_of_several_state_dicts_must_be_chosen(settings, message, dcgan, tmp_path):
    torch.save({"netG": dcgan[0], "netD": {"x": torch.zeros(2)}}, tmp_path / "w.pt")
    check_refused(tmp_path / "w.pt", settings, message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"module": "os:system('x')"}, "is not a torch.nn.Module class"),
        ({"module": "not_there:Net"}, "not_there cannot be imported"),
        ({"module": "torch.nn:Linear(2, 2)"}, "lack bias, weight"),
        ({"module": "torch.nn:Linear(__import__('os'))"}, "package.module:Class"),
    ],
)
def test_weights_without_a_known_net_are_refused(settings, message, dcgan, tmp_path):
    save_file(dcgan[0], tmp_path / "w.safetensors")
    check_refused(tmp_path / "w.safetensors", settings, message)


def check_refused(path, settings, message):
    """The import fails with this message and leaves no files."""
    with pytest.raises(ZatlasError) as caught:
        import_source(path, path.parent, **settings)
    assert message in str(caught.value)
    assert list(path.parent.iterdir()) == [path]


class Hostile:
    def __init__(self, path):
        self.place = path

    def __reduce__(self):
        return os.system, (f"touch {self.place}",)


@pytest.fixture
def refused(capfd):
    """Import a file by the command; it must fail with one line and exit code 2, and leave no files."""

    def import_refused(source, folder):
        before, begun = sorted(folder.iterdir()), time.monotonic()
        words = ["import", str(source), "--out", str(folder / "run")]
        assert main(words) == 2 and time.monotonic() - begun < 60
        output = capfd.readouterr()
        assert sorted(folder.iterdir()) == before and not output.out
        assert output.err.startswith("zatlas: ") and output.err.count("\n") == 1
        return output.err

    return import_refused


def test_a_hostile_pickle_is_refused_and_never_run(refused, tmp_path):
    path = tmp_path / "touched"
    torch.save({"a": Hostile(path)}, tmp_path / "new.pt")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a": Hostile(path)}, protocol=2))
    for name in ("new.pt", "old.pt"):
        assert "system" in (output := refused(tmp_path / name, tmp_path)) and "not run" in output


@pytest.mark.slow
def test_a_whole_pickled_model_is_refused_with_what_to_do(tmp_path):
    torch.save(Decoder(), tmp_path / "whole.pt")
    with pytest.raises(BadData, match=r"asks for .*Decoder.*torch\.save\(model\.state_dict\(\)"):
        import_source(tmp_path / "whole.pt", tmp_path)


def test_a_zip_bomb_is_not_unpacked(refused, tmp_path):
    torch.save({"a": torch.zeros(4)}, tmp_path / "small.pt")
    with (
        zipfile.ZipFile(tmp_path / "small.pt") as old,
        zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            new.writestr(name, bytes(1 << 28) if name.endswith("data/0") else old.read(name))
    assert (tmp_path / "bomb.pt").stat().st_size < 1 << 20
    assert "would unpack to 0.27 GB" in refused(tmp_path / "bomb.pt", tmp_path)


@pytest.mark.slow
def test_a_tensor_that_claims_to_be_huge_does_not_fill_the_memory(refused, tmp_path):
    torch.save({"a": torch.zeros(1).expand(10 << 28)}, tmp_path / "stride.pt")  # 10 GB of one number
    assert "asks for more memory" in refused(tmp_path / "stride.pt", tmp_path)
    header = json.dumps({"a": {"dtype": "F32", "shape": [10 << 28], "data_offsets": [0, 10 << 30]}})
    data = struct.pack("<Q", len(header)) + header.encode() + bytes(64)
    (tmp_path / "header.safetensors").write_bytes(data)
    assert "cannot be read as safetensors" in refused(tmp_path / "header.safetensors", tmp_path)


KINDS = ("pt", "safetensors", "onnx", "pt2", "npy", "npz", "parquet", "odd")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", KINDS)
def test_noise_is_refused_in_one_sentence(suffix, tmp_path):
    name = f"x.{suffix}"
    (tmp_path / name).write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(ZatlasError) as caught:
        import_source(tmp_path / name, tmp_path)
    assert "\n" not in str(caught.value) and not (tmp_path / "run").exists()


def rewritten(source, into, **changed):
    """A zip file with some members changed or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(into, "w") as new:
        names = old.namelist()
        root = names[0].partition("/")[0]
        for name in names:
            new.writestr(name, changed.pop(name.partition("/")[2], old.read(name)))
        for name, data in changed.items():
            new.writestr(f"{root}/{name}", data)
    return into


def test_pickles_in_an_exported_program_are_never_read(tmp_path):
    program = torch.export.export(Decoder().eval(), (torch.randn(2, 6),))
    torch.export.save(program, good := tmp_path / "good.pt2")
    evil = pickle.dumps(({"z": Hostile(tmp_path / "touched")},))
    rewritten(good, tmp_path / "samples.pt2", **{"data/sample_inputs/model.pt": evil})
    workspace = import_source(tmp_path / "samples.pt2", tmp_path)
    assert workspace.dim == 6 and not (tmp_path / "touched").exists()
    text = json.dumps({"config": {"c": {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True}}})
    config = {"data/constants/model_constants_config.json": text}
    other = {"data/aotinductor/model/x.so": b"\x7fELF"}
    size = {"models/model.json": '{"expr_str": "__import__(1).system"}'}
    for number, changed in enumerate((config, other, size)):
        bad = rewritten(good, tmp_path / f"bad{number}.pt2", **changed)
        with pytest.raises(BadData, match="refused"):
            import_source(bad, tmp_path / str(number))
        # A run from someone else is checked too.
        folder = import_source(good, tmp_path / f"run{number}").run.folder
        atomic.write_file(folder / "decoder.pt2", bad.read_bytes())
        with pytest.raises(BadData, match="refused"):
            Workspace.open(with_changed_description(folder), trust=True)


def test_a_run_that_names_files_elsewhere_is_refused(tmp_path):
    folder = import_source(Decoder(), tmp_path).run.folder
    provenance = json.loads((folder / "made.json").read_text())
    provenance["imported"]["files"]["decoder"] = "../../decoder.pt2"
    atomic.write_file(folder / "made.json", json.dumps(provenance).encode())
    with pytest.raises(BadRun, match="outside"):
        Workspace.open(folder)


@pytest.mark.parametrize("suffix", ["npy", "npz", "parquet"])
def test_latents_without_a_decoder_have_charts_but_no_images(suffix, tmp_path, capsys):
    latents = np.random.default_rng(0).normal(size=(300, 2, 3)).astype(np.float32)
    path = tmp_path / f"codes.{suffix}"
    if suffix == "npy":
        np.save(path, latents)
    elif suffix == "npz":
        np.savez(path, z=latents, other=np.zeros(3))
    else:
        pq.write_table(pa.table({"z": latents.reshape(300, 6).tolist()}), path)
    workspace = Workspace.open(import_source(path, tmp_path).run.folder)
    np.testing.assert_allclose(workspace.cloud, latents.reshape(300, 6), atol=1e-6)
    maps.latent_scatter(workspace)
    maps.chart_scatter(workspace, workspace.chart("pca"))
    assert len(geometry.geometry(workspace)) == 3
    np.testing.assert_array_equal(locate(workspace, "7").latent, workspace.cloud[7:8])
    with pytest.raises(NotSupported, match="without a decoder"):
        sheets.sample_sheet(workspace, 4)
    with pytest.raises(NotSupported, match="--data"):
        workspace.dataset  # noqa: B018
    capsys.readouterr()
    assert main(["decode", str(workspace.run.folder), "0", "0", "--layout", "pca"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["position"] == [0, 0] and len(row["latents"]) == 5


def test_latents_with_images_have_labels_and_neighbours(wide, tmp_path):
    every = np.concatenate([wide.table(part).latents for part in ("train", "valid", "test")])
    rows = np.concatenate([wide.table(part).rows for part in ("train", "valid", "test")])
    latents = np.zeros((len(wide.dataset), wide.dim), np.float32)
    latents[rows] = every
    np.save(tmp_path / "codes.npy", latents)
    workspace = import_source(tmp_path / "codes.npy", tmp_path, data="digits")
    np.testing.assert_array_equal(workspace.latents("test"), wide.latents("test"))
    assert find_direction(workspace, "3").score.auc > 0.8
    sheets.chart_positions(workspace, workspace.chart("pca"), np.zeros((1, 2), np.float32))


def test_images_of_another_shape_than_the_model_are_refused(tmp_path):
    with pytest.raises(BadData, match="but those of this model are 1,8,8"):
        import_source(Decoder(), tmp_path, data="faces:count=20")
    with pytest.raises(NotFound):
        import_source(tmp_path / "nowhere.onnx", tmp_path)
    with pytest.raises(UnknownName, match="unit"):
        import_source(Decoder(), tmp_path, pixels="0-1")


@pytest.mark.slow
def test_the_command_prints_the_run_to_stdout_and_the_rest_to_stderr(dcgan, tmp_path, capsys):
    torch.save(dcgan[0], tmp_path / "w.pt")
    run = str(tmp_path / "run")
    assert main(["import", str(tmp_path / "w.pt"), "--out", run]) == 0
    output = capsys.readouterr()
    assert output.out == f"{run}\n"
    assert "deconv 20-16-8-3" in output.err and "tanh" in output.err
    assert main(["interpolate", run, "0", "1", "--out", str(tmp_path / "way.png")]) == 0
    assert main(["decode", run, "--layout", "pca"]) == 0
    assert main(["import", str(tmp_path / "w.pt"), "--out", run]) == 2
    assert main(["edit", run, "Smiling"]) == 2
    assert "--data" in capsys.readouterr().err


@pytest.mark.slow
def test_an_imported_run_has_a_gallery_and_a_page(tmp_path):
    from zatlas.gallery import draw_gallery
    from zatlas.site import run_tree

    workspace = import_source(Decoder(), tmp_path)
    text = draw_gallery(workspace).read_text()
    assert "imported without images" in text and "samples.png" in text
    tree = run_tree(workspace, max_points=50)
    assert tree.entry["decoder"] is not None and tree.entry["data"] == "no images"
    latents = tmp_path / "codes.npy"
    np.save(latents, workspace.cloud[:200])
    tree = run_tree(import_source(latents, tmp_path / "codes"), max_points=50)
    assert tree.entry["decoder"] is None and len(tree.latents) == 50


def test_an_object_that_is_not_callable_is_refused(tmp_path):
    with pytest.raises(NotSupported, match="is not a decoder"):
        import_source(io.BytesIO(), tmp_path)


@pytest.mark.parametrize("options", [{"truncation": 0.5}, {"truncation_layers": 2}])
def test_a_truncation_that_the_model_does_not_have_is_refused(options, tmp_path):
    (name,) = options
    with pytest.raises(BadRecipe, match=f"does not take --{name.replace('_', '-')}"):
        import_model(nn.Flatten(), tmp_path / "run", shape=(16,), verbose=False, **options)
    assert not (tmp_path / "run").exists()
