import logging

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from zatlas.core.errors import NotSupported
from zatlas.core.space import Space
from zatlas.models.description import Description, generator
from zatlas.models.generator import Generator
from zatlas.models.onnx_export import export_decoder, export_encoder


def exported(family="vae", net="mlp", shape=(1, 16, 16), dim=5, classes=(), **model):
    about = Description(family, {"dim": dim, **model}, net, {}, shape, classes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return generator(about, about.build().eval())


def run(path, **inputs):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


SLOW_NETS = ("conv", "conv-resize", "conv-even", "conv-deep")


@pytest.mark.parametrize(
    "net", ["mlp", "conv-patch", *(pytest.param(net, marks=pytest.mark.slow) for net in SLOW_NETS)]
)
def test_every_net_gives_the_same_results_in_onnxruntime(net, tmp_path):
    model = exported(net=net, shape=(3, 32, 32))
    there = export_decoder(model, tmp_path / "decoder.onnx")
    back = export_encoder(model, tmp_path / "encoder.onnx")
    assert max(there.error, back.error) < 2e-3
    z = model.space.sample(7, seed=1)
    images = model.decode(z)
    np.testing.assert_allclose(run(there.path, z=z), images, atol=2e-3)
    np.testing.assert_allclose(run(back.path, x=images), model.encode(images), atol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["vae", "gan"])
def test_a_conditional_model_takes_the_class_as_input(family, tmp_path):
    model = exported(family, conditional=True, classes=("a", "b", "c"))
    file = export_decoder(model, tmp_path / "decoder.onnx")
    z, y = model.space.sample(5, seed=1), np.array([0, 1, 2, 0, 1])
    np.testing.assert_allclose(run(file.path, z=z, y=y), model.decode(z, y), atol=2e-3)
    with pytest.raises(ValueError, match="Required inputs"):
        run(file.path, z=z)
    if family == "vae":
        encoder = export_encoder(model, tmp_path / "encoder.onnx")
        x = model.decode(z, y)
        np.testing.assert_allclose(run(encoder.path, x=x, y=y), model.encode(x, y), atol=1e-2)


@pytest.mark.slow
def test_weights_are_stored_in_16_bits(tmp_path):
    file = export_decoder(exported(), tmp_path / "decoder.onnx")
    weights = onnx.load(file.path).graph.initializer
    large = [one for one in weights if np.prod(one.dims) > 16]
    assert large and all(one.data_type == onnx.TensorProto.FLOAT16 for one in large)
    numbers = sum(int(np.prod(one.dims)) for one in weights)
    assert file.bytes == file.path.stat().st_size < 2.1 * numbers + 10_000


@pytest.mark.slow
def test_the_exported_decoder_takes_flat_latents(tmp_path):
    class Deep(torch.nn.Module):
        def forward(self, z, y=None):
            return torch.sigmoid(z[:, :1].repeat(1, 3, 1, 1))

    deep = Deep()
    model = Generator(Space((2, 4, 4)), deep.forward)
    file = export_decoder(model, tmp_path / "decoder.onnx")
    z = model.space.sample(3, seed=1)
    assert z.shape == (3, 32)
    np.testing.assert_allclose(run(file.path, z=z), model.decode(z), atol=1e-3)


def test_a_missing_encoder_and_an_untraceable_decoder_are_refused(tmp_path):
    with pytest.raises(NotSupported, match="no encoder to export"):
        export_encoder(exported("gan"), tmp_path / "encoder.onnx")

    def strange(z, y):
        return torch.as_tensor(np.zeros((len(z), 1, 4, 4), np.float32) + float(z.sum()))

    with pytest.raises(NotSupported, match="do not need ONNX"):
        export_decoder(Generator(Space((2,)), strange), tmp_path / "decoder.onnx")
    assert not list(tmp_path.iterdir())


def test_a_file_that_differs_from_torch_is_refused(tmp_path):
    weight = torch.linspace(900, 1100, 32)

    def wild(z, y):  # steep enough for the last digits of its weights to matter
        return (torch.sin((z * weight).sum(1)) / 2 + 0.5).reshape(-1, 1, 1, 1)

    with pytest.raises(NotSupported, match="differs from torch by"):
        export_decoder(Generator(Space((32,)), wild), tmp_path / "decoder.onnx")
    assert not list(tmp_path.iterdir())


def test_export_is_silent_and_keeps_the_random_state(tmp_path, capfd):
    level = logging.getLogger("torch.onnx").level
    torch.manual_seed(3)
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    export_decoder(exported(), tmp_path / "decoder.onnx")
    assert torch.equal(torch.get_rng_state(), before)
    assert (np.random.get_state()[1] == numbers).all()  # noqa: NPY002
    assert logging.getLogger("torch.onnx").level == level
    assert capfd.readouterr() == ("", "")
