"""Write the fixtures of test_references.py with the reference networks, and compare whole images.

    python -m tests.write_references biggan FOLDER    # of pytorch_pretrained_biggan
    python -m tests.write_references progan FOLDER    # of genforce
    python -m tests.write_references plain FOLDER     # of ajbrock/BigGAN-PyTorch
    python -m tests.write_references light FOLDER     # of lucidrains/stylegan2-pytorch

FOLDER is a checkout of the reference. The fixtures hold shapes and pixels only.
"""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch

from tests import reference_weights as reference
from tests.test_references import our_biggan, our_light, our_plain, our_progan

FIXTURES = Path(__file__).parent / "fixtures" / "references"


def biggan(folder):
    """BigGAN-deep; its module for downloads is replaced, so that it needs no further packages."""
    package = ModuleType("pytorch_pretrained_biggan")
    package.__path__ = [str(Path(folder) / "pytorch_pretrained_biggan")]
    sys.modules[package.__name__] = package
    files = ModuleType(f"{package.__name__}.file_utils")
    files.cached_path = None
    sys.modules[files.__name__] = files
    model, config = (importlib.import_module(f"{package.__name__}.{name}") for name in ("model", "config"))
    for name, (*_, truncations) in reference.CONFIGS.items():
        table = reference.biggan_config(name)
        net = model.BigGAN(config.BigGANConfig.from_dict(table)).eval()
        shapes, state = loaded(net)
        z, label = reference.latents(table["z_dim"]), torch.zeros(2, table["num_classes"])
        label[0, 3], label[1, 2:4] = 1, 0.5
        for truncation in truncations:
            with torch.no_grad():
                images = net(torch.from_numpy(truncation * z), label, truncation).numpy()
            save(f"{name}-{truncation}", shapes, images, our_biggan(table, state, truncation)(z, label))


def progan(folder):
    """ProGAN of all sizes."""
    sys.path.insert(0, str(folder))
    sys.modules["models"] = ModuleType("models")
    sys.modules["models"].__path__ = [str(Path(folder) / "models")]
    model = importlib.import_module("models.pggan_generator")
    for name, (side, width, classes, fused, lod) in reference.PROGANS.items():
        full = width == 512
        sizes = {"z_space_dim": 512 if full else reference.Z_DIM, "fmaps_max": width}
        sizes["fmaps_base"] = 16 << 10 if full else 4 * side
        net = model.PGGANGenerator(side, label_size=classes, fused_scale=fused, **sizes).eval()
        shapes, state = loaded(net, lod)
        z = reference.latents(sizes["z_space_dim"])
        label = torch.eye(classes)[:2] if classes else None
        with torch.no_grad():
            images = net(torch.from_numpy(z), label=label)["image"].numpy()
        save(name, shapes, images, our_progan(state, len(z[0]))(z, label))


def plain(folder):
    """BigGAN, not deep, of all sizes."""
    sys.path.insert(0, str(folder))
    model = importlib.import_module("BigGAN")
    for name, (side, width, arguments) in reference.PLAINS.items():
        dim = reference.plain_dim(name)
        net = model.Generator(width, dim, resolution=side, n_classes=5, no_optim=True, **arguments).eval()
        shapes, state = loaded(net)
        z, label = reference.latents(dim), torch.tensor([3, 1])
        with torch.no_grad():
            images = net(torch.from_numpy(z), net.shared(label)).numpy()
        save(name, shapes, images, our_plain(state)(z, label))


def light(folder):
    """The StyleGAN2 of stylegan2-pytorch, which asks for a GPU and packages for training only."""
    sys.path.insert(0, str(folder))
    for name in ("fire", "aim", "tqdm", "torchvision", "torchvision.transforms", "vector_quantize_pytorch"):
        sys.modules[name] = ModuleType(name)
    sys.modules["torchvision"].transforms = sys.modules["torchvision.transforms"]
    sys.modules["tqdm"].tqdm = sys.modules["vector_quantize_pytorch"].VectorQuantize = None
    package = sys.modules["stylegan2_pytorch"] = ModuleType("stylegan2_pytorch")
    package.__path__ = [str(Path(folder) / "stylegan2_pytorch")]
    torch.cuda.is_available = lambda: True
    model = importlib.import_module("stylegan2_pytorch.stylegan2_pytorch")
    for name, (side, capacity, arguments) in reference.LIGHTS.items():
        dim = 512 if name.endswith("full") else reference.Z_DIM
        net = torch.nn.Module()
        net.SE = model.StyleVectorizer(dim, 8 if dim == 512 else 2)
        net.GE = model.Generator(side, dim, capacity, **arguments)
        shapes, state = loaded(net.eval())
        z = reference.latents(dim)
        noise = torch.from_numpy(reference.light_noise(side))[None, :, :, None].expand(len(z), -1, -1, -1)
        with torch.no_grad():
            w = net.SE(torch.from_numpy(z))[:, None].expand(-1, net.GE.num_layers, -1)
            images = net.GE(w, noise).numpy()
        save(name, shapes, images, our_light(state)(z))


def loaded(net, lod=None):
    """Give the net its weights; return their shapes and values."""
    shapes = {name: list(tensor.shape) for name, tensor in net.state_dict().items()}
    state = {name: torch.from_numpy(np.asarray(x)) for name, x in reference.weights(shapes).items()}
    if lod is not None:
        state["lod"] = torch.tensor(lod)
    net.load_state_dict(state)
    return shapes, state


def save(name, shapes, images, ours):
    """Print the largest difference of all pixels, and write some of them."""
    error = float(np.abs(images - ours).max())
    print(f"{name}: {images.shape}, std {images.std():.3f}, largest difference {error:.2g}")
    FIXTURES.mkdir(parents=True, exist_ok=True)
    pixels = reference.some_pixels(images)
    table = {"shapes": shapes, "images": list(images.shape)}
    np.savez_compressed(FIXTURES / f"{name}.npz", pixels=pixels, table=json.dumps(table))


if __name__ == "__main__":
    vars(SimpleNamespace(biggan=biggan, progan=progan, light=light, plain=plain))[sys.argv[1]](sys.argv[2])
