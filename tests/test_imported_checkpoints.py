"""Checkpoints as people have them: Lightning, tutorials, traced programs, numpy, images with opacity."""

import numpy as np
import pytest
import torch
from torch import nn

from zatlas.core.errors import BadData, ZatlasError
from zatlas.create import import_model
from zatlas.models.importers.imported_run import imported_model_of
from zatlas.models.onnx_export import export_decoder
from zatlas.sample import sample_latents
from zatlas.workspace import Workspace


class VAE(nn.Module):
    """The names and sizes of the VAE in pytorch/examples, for images of 8x8."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 40)
        self.fc21 = nn.Linear(40, 7)
        self.fc22 = nn.Linear(40, 7)
        self.fc3 = nn.Linear(7, 40)
        self.fc4 = nn.Linear(40, 64)

    def encode(self, x):
        h = self.fc1(x.reshape(-1, 64)).relu()
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return self.fc4(self.fc3(z).relu()).sigmoid()


MODULE = f"{__name__}:VAE"


@pytest.fixture(autouse=True)
def seeded():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def check_equal(workspace, decode):
    z = sample_latents(workspace, 11, seed=0)
    with torch.no_grad():
        expected = decode(torch.from_numpy(z)).numpy().reshape(11, -1)
    images = Workspace.open(workspace.run.folder).decode(z).reshape(11, -1)
    np.testing.assert_allclose(images, expected, atol=1e-5)


@pytest.mark.slow
def test_a_lightning_checkpoint_needs_no_key(tmp_path):
    model = VAE().eval()
    state = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    state["loss.weight"] = torch.zeros(3)
    callbacks = {"ModelCheckpoint": {"best_model_score": torch.tensor(1.0)}}
    content = {"state_dict": state, "callbacks": callbacks, "optimizer_states": [{}], "epoch": 3}
    torch.save(content, tmp_path / "last.ckpt")
    workspace = import_model(tmp_path / "last.ckpt", tmp_path / "run", module=MODULE, verbose=False)
    check_equal(workspace, model.decode)
    options = {"module": MODULE, "key": "state_dict.model", "verbose": False}
    check_equal(import_model(tmp_path / "last.ckpt", tmp_path / "keyed", **options), model.decode)


@pytest.mark.slow
def test_the_latent_of_a_tutorial_vae_is_one_of_all_layer_inputs(tmp_path):
    model = VAE().eval()
    torch.save(model.state_dict(), tmp_path / "vae.pt")
    workspace = import_model(tmp_path / "vae.pt", tmp_path / "run", module=MODULE, verbose=False)
    info = imported_model_of(workspace.run)
    assert (info.shape, info.std, info.layout) == ((7,), "log_variance", "flat")
    assert imported_model_of(import_model(model, tmp_path / "b", verbose=False).run).shape == (7,)


@pytest.mark.slow
def test_weights_that_do_not_fit_say_what_is_missing_and_what_is_left(tmp_path):
    state = {f"net.{name}": tensor for name, tensor in VAE().state_dict().items() if "fc1" not in name}
    torch.save(state, tmp_path / "vae.pt")
    with pytest.raises(BadData, match=r"lack fc1\.bias.* and also have net\.fc21"):
        import_model(tmp_path / "vae.pt", tmp_path / "run", module=MODULE, verbose=False)


class FixedBatch(nn.Module):
    def __init__(self, rows):
        super().__init__()
        self.rows, self.net = rows, nn.Linear(5, 64)

    def forward(self, z):
        return self.net(z).reshape(self.rows, 1, 8, 8).sigmoid()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize("rows", [1, 4])
def test_torchscript_of_a_fixed_batch_decodes_any_number(rows, tmp_path):
    net = FixedBatch(rows).eval()
    torch.jit.save(torch.jit.trace(net, torch.zeros(rows, 5)), tmp_path / "traced.pt")
    workspace = import_model(tmp_path / "traced.pt", tmp_path / "run", verbose=False)
    assert imported_model_of(workspace.run).settings["rows"] == rows
    check_equal(workspace, lambda z: net.net(z).sigmoid())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_torchscript_that_fails_says_why(tmp_path):
    torch.jit.save(torch.jit.trace(FixedBatch(4), torch.zeros(4, 5)), tmp_path / "traced.pt")
    with pytest.raises(BadData, match="mat1 and mat2 shapes cannot be multiplied"):
        import_model(tmp_path / "traced.pt", tmp_path / "run", shape=(9,), verbose=False)


def test_a_function_may_return_numpy_arrays(tmp_path):
    weights = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)

    def decoder(z):
        return 1 / (1 + np.exp(-(np.asarray(z) @ weights)))

    workspace = import_model(decoder, tmp_path / "run", shape=(5,), verbose=False)
    z = sample_latents(workspace, 3, seed=0)
    np.testing.assert_allclose(workspace.decode(z).reshape(3, 64), decoder(z), atol=1e-6)


@pytest.mark.parametrize(("sizes", "layout"), [((4, 8, 8), "rgba"), ((8, 8, 4), "rgba_last")])
def test_images_with_opacity_are_shown_over_white(sizes, layout, tmp_path):
    net = nn.Sequential(nn.Linear(5, 256), nn.Sigmoid(), nn.Unflatten(1, sizes)).eval()
    workspace = import_model(net, tmp_path / "run", verbose=False)
    info = imported_model_of(workspace.run)
    assert (info.layout, info.image) == (layout, (3, 8, 8))

    def expected(z):
        raw = net(z) if layout == "rgba" else net(z).permute(0, 3, 1, 2)
        return raw[:, :3] * raw[:, 3:] + 1 - raw[:, 3:]

    check_equal(workspace, expected)
    assert export_decoder(workspace.generator, tmp_path / "x.onnx").error < 1e-2


def test_an_unknown_array_is_refused(tmp_path):
    net = nn.Sequential(nn.Linear(5, 7 * 9 * 9), nn.Unflatten(1, (7, 9, 9)))
    with pytest.raises(ZatlasError, match="not an image of 1, 3 or 4 channels"):
        import_model(net, tmp_path / "run", verbose=False)


@pytest.mark.slow
def test_weights_without_their_net_come_with_a_class_to_complete(tmp_path):
    hostile = {"a\nimport os\n.weight": torch.zeros(2, 2)}
    torch.save({**VAE().state_dict(), **hostile}, tmp_path / "vae.pt")
    with pytest.raises(ZatlasError, match=r"--module net:Net") as caught:
        import_model(tmp_path / "vae.pt", tmp_path / "run", verbose=False)
    text = str(caught.value)
    assert "# fc3: nn.Linear(7, 40)" in text and "def decode(self, z):" in text and "import os" not in text
    compile(text[text.index("from torch") :], "net.py", "exec")
