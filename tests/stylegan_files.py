"""Files of StyleGAN with random tensors, as the reference code writes them, made without that code.

Every tensor is made from its name by numpy, so `tests.write_stylegan` can give the same ones to the
reference code. The source code in a pickle ends the process that runs it.
"""

import pickle
import sys
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch

from zatlas.models.nets_stylegan3 import StyleGAN3

TAPS = (1.0, 3.0, 3.0, 1.0)
SOURCE = "import os\nos._exit(77)\n"  # of the networks: the process that runs it ends


@dataclass(frozen=True)
class Case:
    """One generator: the code that saves it, and its sizes."""

    code: str  # ada, stylegan3 or rosinality
    widths: tuple[int, ...] = (24, 24, 16)
    z_dim: int = 16
    w_dim: int = 16
    classes: int = 0
    depth: int = 2
    architecture: str = "skip"
    clamp: float | None = None
    psi: float = 1.0
    cutoff: int | None = None
    channels: int = 3
    noise: bool = True
    blocks: int = 6  # of StyleGAN3, whose channels follow from the others
    kernel: int = 3
    radial: bool = False

    @property
    def side(self) -> int:
        return 32 if self.code == "stylegan3" else 2 << len(self.widths)

    def latents(self):
        return np.random.default_rng(7).standard_normal((3, self.z_dim)).astype(np.float32)

    def labels(self):
        return np.arange(3) % self.classes if self.classes else None


WIDE = (512, 512, 512, 512, 256, 128, 64)  # of 256 pixels, as for "paper256" of StyleGAN2-ADA
STYLEGAN3_SIDES = (36, 36, 52, 52, 52, 32, 32)  # of the layers, for images of 32 pixels
CASES = {
    "skip": Case("ada"),
    "resnet": Case("ada", architecture="resnet", clamp=256.0, depth=3),
    "resnet-clamped": Case("ada", architecture="resnet", clamp=0.5),
    "orig": Case("ada", architecture="orig", noise=False),
    "conditional": Case("ada", classes=3, w_dim=20, z_dim=12, psi=0.7),
    "conditional-resnet": Case("ada", classes=2, architecture="resnet", psi=0.5, cutoff=3),
    "grey-cutoff": Case("ada", channels=1, psi=0.7, cutoff=2, depth=8),
    "one-block": Case("ada", widths=(16,)),
    "rosinality": Case("rosinality", widths=(512, 512), depth=3, psi=0.7),
    "stylegan3-t": Case("stylegan3", widths=(16,), clamp=256.0, psi=0.7, cutoff=3),
    "stylegan3-r": Case("stylegan3", widths=(24,), clamp=256.0, kernel=1, radial=True),
    "stylegan3-conditional": Case("stylegan3", widths=(16,), classes=3, clamp=0.5),
    "full": Case("ada", widths=WIDE, z_dim=512, w_dim=512, depth=8, clamp=256.0, psi=0.7),
}


def scale_of(name: str) -> tuple[float, float]:
    """Return the standard deviation and the mean of a tensor; images are then about -1 to 1."""
    if name.startswith(("mapping.fc", "style.")):
        return (100.0 if name.endswith("weight") else 10.0), 0.0
    if name.endswith(("affine.bias", "modulation.bias")):
        return 0.2, 1.0
    if name.endswith("torgb.weight") or (name.startswith("to_rgb") and name.endswith("conv.weight")):
        return 0.2, 0.0
    if name == "synthesis.input.freqs":
        return 0.7, 0.0
    if name.endswith("magnitude_ema"):
        return 0.05, 1.0
    if name == "synthesis.input.affine.bias":
        return 0.5, 0.3
    if name.endswith(("noise_strength", "noise.weight")):
        return 0.1, 0.0
    return (0.1, 0.0) if name.endswith((".bias", "w_avg", "latent_avg")) else (1.0, 0.0)


def tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Return the tensor of this name."""
    std, mean = scale_of(name)
    values = np.random.default_rng([3, zlib.crc32(name.encode())]).standard_normal(shape, dtype=np.float32)
    return torch.from_numpy(np.asarray(mean + std * values, np.float32))


def ada_shapes(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of StyleGAN2-ADA; its filters are not random."""
    w, shapes = case.w_dim, {}
    for i in range(case.depth):
        first = case.z_dim + (w if case.classes else 0)
        shapes |= {f"mapping.fc{i}.weight": (w, first if i == 0 else w), f"mapping.fc{i}.bias": (w,)}
    if case.classes:
        shapes |= {"mapping.embed.weight": (w, case.classes), "mapping.embed.bias": (w,)}
    shapes["mapping.w_avg"] = (w,)
    for number, width in enumerate(case.widths):
        side = 4 << number
        block, before = f"synthesis.b{side}", case.widths[number - 1]
        layers = {"conv1": (width, width, 3)}
        if number:
            layers["conv0"] = (width, before, 3)
        else:
            shapes[f"{block}.const"] = (width, 4, 4)
        if case.architecture == "skip" or side == case.side:
            layers["torgb"] = (case.channels, width, 1)
        if case.architecture == "resnet" and number:
            shapes[f"{block}.skip.weight"] = (width, before, 1, 1)
        for name, (outputs, inputs, kernel) in layers.items():
            shapes |= {
                f"{block}.{name}.weight": (outputs, inputs, kernel, kernel),
                f"{block}.{name}.bias": (outputs,),
                f"{block}.{name}.affine.weight": (inputs, w),
                f"{block}.{name}.affine.bias": (inputs,),
            }
            if case.noise and name != "torgb":
                shapes |= {f"{block}.{name}.noise_const": (side, side), f"{block}.{name}.noise_strength": ()}
    return shapes


@dataclass(frozen=True)
class Judge:
    """One discriminator of the reference code, of 16 pixels."""

    architecture: str = "resnet"
    classes: int = 0
    clamp: float | None = None
    widths: tuple[int, ...] = (16, 16, 16)

    def images(self):
        return np.random.default_rng(9).standard_normal((8, 3, 16, 16)).astype(np.float32)

    def labels(self):
        return np.arange(8) % self.classes if self.classes else None


JUDGES = {
    "resnet": Judge(),
    "skip": Judge("skip", clamp=0.5),
    "orig": Judge("orig", classes=3),
    "resnet-conditional": Judge(classes=2, clamp=256.0),
}


def judge_shapes(judge: Judge) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of a discriminator of the reference code."""
    shapes: dict[str, tuple[int, ...]] = {}
    first, *_ = judge.widths

    def add(name, outputs, inputs, kernel):
        shapes.update({f"{name}.weight": (outputs, inputs, *kernel), f"{name}.bias": (outputs,)})

    for number, side in ((2, 16), (1, 8)):
        width, after = judge.widths[number], judge.widths[number - 1]
        if side == 16 or judge.architecture == "skip":
            add(f"b{side}.fromrgb", width, 3, (1, 1))
        add(f"b{side}.conv0", width, width, (3, 3))
        add(f"b{side}.conv1", after, width, (3, 3))
        if judge.architecture == "resnet":
            shapes[f"b{side}.skip.weight"] = (after, width, 1, 1)
    if judge.architecture == "skip":
        add("b4.fromrgb", first, 3, (1, 1))
    add("b4.conv", first, first + 1, (3, 3))
    add("b4.fc", first, 16 * first, ())
    add("b4.out", first if judge.classes else 1, first, ())
    if judge.classes:
        add("mapping.embed", first, judge.classes, ())
        for layer in range(2):
            add(f"mapping.fc{layer}", first, first, ())
    return shapes


def rosinality_judge(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of rosinality's discriminator."""
    width, count = case.widths[0], len(case.widths)
    shapes = {"convs.0.0.weight": (width, 3, 1, 1), "convs.0.1.bias": (width,)}
    for number in range(1, count):
        block, square = f"convs.{number}", (width, width, 3, 3)
        shapes |= {f"{block}.conv1.0.weight": square, f"{block}.conv1.1.bias": (width,)}
        shapes |= {f"{block}.conv2.1.weight": square, f"{block}.conv2.2.bias": (width,)}
        shapes[f"{block}.skip.1.weight"] = (width, width, 1, 1)
    shapes |= {"final_conv.0.weight": (width, width + 1, 3, 3), "final_conv.1.bias": (width,)}
    shapes |= {"final_linear.0.weight": (width, 16 * width), "final_linear.0.bias": (width,)}
    return shapes | {"final_linear.1.weight": (1, width), "final_linear.1.bias": (1,)}


def judge_module(judge: Judge) -> "Module":
    """Return a discriminator as its pickle has it."""
    taps = torch.tensor(TAPS) / sum(TAPS)
    tensors = {name: tensor(name, shape) for name, shape in judge_shapes(judge).items()}
    tensors |= {f"b{side}.resample_filter": taps[:, None] * taps for side in (8, 16)}
    attributes = {"activation": "lrelu", "conv_clamp": judge.clamp, "group_size": 4}
    network = module(tensors, attributes, {"c_dim": judge.classes})
    network.state["_modules"]["b4"].state["_modules"]["mbstd"] = module({}, attributes)
    return network


def stylegan3_shapes(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of StyleGAN3, without its filters and its transform."""
    w, shapes = case.w_dim, {}
    for i in range(case.depth):
        first = case.z_dim + (w if case.classes else 0)
        shapes |= {f"mapping.fc{i}.weight": (w, first if i == 0 else w), f"mapping.fc{i}.bias": (w,)}
    if case.classes:
        shapes |= {"mapping.embed.weight": (w, case.classes), "mapping.embed.bias": (w,)}
    (width,) = case.widths  # of all layers
    shapes |= {"mapping.w_avg": (w,), "synthesis.input.weight": (width, width)}
    shapes |= {"synthesis.input.affine.weight": (4, w), "synthesis.input.affine.bias": (4,)}
    shapes |= {"synthesis.input.freqs": (width, 2), "synthesis.input.phases": (width,)}
    for number, side in enumerate(STYLEGAN3_SIDES):
        last = number == case.blocks
        outputs, kernel = (case.channels, 1) if last else (width, case.kernel)
        layer = f"synthesis.L{number}_{side}_{outputs}"
        shapes |= {f"{layer}.weight": (outputs, width, kernel, kernel), f"{layer}.bias": (outputs,)}
        shapes |= {f"{layer}.affine.weight": (width, w), f"{layer}.affine.bias": (width,)}
        shapes[f"{layer}.magnitude_ema"] = ()
    return shapes


def rosinality_shapes(case: Case) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of the tensors of rosinality's code."""
    w, (first, *_) = case.w_dim, case.widths
    shapes = {"input.input": (1, first, 4, 4)}
    for i in range(1, case.depth + 1):
        shapes |= {f"style.{i}.weight": (w, w), f"style.{i}.bias": (w,)}
    layers = {"conv1": (first, first, 4), "to_rgb1": (3, first, 4)}
    for k, width in enumerate(case.widths[1:]):
        side = 8 << k
        layers |= {
            f"convs.{2 * k}": (width, case.widths[k], side),
            f"convs.{2 * k + 1}": (width, width, side),
        }
        layers[f"to_rgbs.{k}"] = (3, width, side)
    count = 0
    for name, (outputs, inputs, side) in layers.items():
        rgb = name.startswith("to_rgb")
        shapes |= {
            f"{name}.conv.weight": (1, outputs, inputs, 1 if rgb else 3, 1 if rgb else 3),
            f"{name}.conv.modulation.weight": (inputs, w),
            f"{name}.conv.modulation.bias": (inputs,),
        }
        if rgb:
            shapes[f"{name}.bias"] = (1, 3, 1, 1)
        else:
            shapes |= {f"{name}.noise.weight": (1,), f"{name}.activate.bias": (outputs,)}
            shapes[f"noises.noise_{count}"] = (1, 1, side, side)
            count += 1
    return shapes


def stylegan3_arguments(case: Case) -> dict:
    """Return the arguments of the constructor of StyleGAN3, which give all layers the same width."""
    return {
        "z_dim": case.z_dim,
        "c_dim": case.classes,
        "w_dim": case.w_dim,
        "img_resolution": case.side,
        "img_channels": case.channels,
        "mapping_kwargs": {"num_layers": case.depth},
        "channel_base": 8192,
        "channel_max": case.widths[0],
        "num_layers": case.blocks,
        "conv_kernel": case.kernel,
        "use_radial_filters": case.radial,
        "conv_clamp": case.clamp,
    }


def write(case: Case, folder, name: str = "network", judge: "Judge | None" = None):
    """Write the file of a case, perhaps with a discriminator, and return its path."""
    if case.code == "rosinality":
        state = {name: tensor(name, shape) for name, shape in rosinality_shapes(case).items()}
        second = {name: tensor(name, shape) for name, shape in rosinality_judge(case).items()}
        content = {"g": {}, "d": second, "g_ema": state, "latent_avg": tensor("latent_avg", (1, case.w_dim))}
        torch.save(content, folder / f"{name}.pt")
        return folder / f"{name}.pt"
    path = folder / f"{name}.pkl"
    second = None if judge is None else judge_module(judge)
    path.write_bytes(pickled({"G": None, "D": second, "G_ema": generator(case), "augment_pipe": None}))
    return path


def generator(case: Case) -> "Module":
    """Return a generator as its pickle has it."""
    attributes = {"activation": "lrelu", "conv_clamp": case.clamp, "bias_gain": 0.01}
    if case.code == "stylegan3":
        return stylegan3_generator(case, attributes)
    tensors = {name: tensor(name, shape) for name, shape in ada_shapes(case).items()}
    taps = torch.tensor(TAPS) / sum(TAPS)
    for number in range(len(case.widths)):
        tensors[f"synthesis.b{4 << number}.resample_filter"] = taps[:, None] * taps
    return module(tensors, attributes, {"z_dim": case.z_dim, "c_dim": case.classes})


def stylegan3_generator(case: Case, attributes: dict) -> "Module":
    """Return a generator of StyleGAN3; its filters depend on its arguments only."""
    arguments = stylegan3_arguments(case)
    tensors = {name: tensor(name, shape) for name, shape in stylegan3_shapes(case).items()}
    tensors["synthesis.input.transform"] = torch.eye(3)
    filters = StyleGAN3(case.side, radial=case.radial, blocks=case.blocks).build().synthesis.blocks
    for number, (layer, side) in enumerate(zip(filters, STYLEGAN3_SIDES, strict=True)):
        for name in ("up_filter", "down_filter"):
            if getattr(layer, name) is not None:
                outputs = case.channels if number == case.blocks else case.widths[0]
                tensors[f"synthesis.L{number}_{side}_{outputs}.{name}"] = getattr(layer, name)
    return module(tensors, attributes, arguments)


@dataclass
class Module:
    """A network or a layer that is pickled as the persistent classes of the reference code are."""

    state: dict
    name: str = "Generator"
    source: str = SOURCE

    def __reduce__(self):
        meta = {"type": "class", "version": 6, "module_src": self.source, "class_name": self.name}
        return _reconstruct_persistent_obj, ({**meta, "state": self.state},)


def _reconstruct_persistent_obj(meta):
    exec(meta["module_src"], {})  # as the reference code does


def module(tensors: dict, attributes: dict, arguments: dict | None = None) -> Module:
    """Return a module of tensors, by their names with dots, and the modules in it."""
    inner: dict[str, dict] = {}
    own = {name: value for name, value in tensors.items() if "." not in name}
    for name, value in tensors.items():
        if "." in name:
            inner.setdefault(name.partition(".")[0], {})[name.partition(".")[2]] = value
    state = {
        "training": False,
        "_parameters": OrderedDict((name, torch.nn.Parameter(value)) for name, value in own.items()),
        "_buffers": OrderedDict(),
        "_modules": OrderedDict((name, module(part, attributes)) for name, part in inner.items()),
        "_init_args": (),
        "_init_kwargs": arguments or {},
        **attributes,
    }
    return Module(state, "Generator" if arguments else "Layer")


def pickled(content) -> bytes:
    """Return a pickle that names `torch_utils.persistence`, as the reference code does."""
    function, before = _reconstruct_persistent_obj, _reconstruct_persistent_obj.__module__
    fake = ModuleType("torch_utils.persistence")
    fake._reconstruct_persistent_obj = function
    sys.modules |= {"torch_utils": ModuleType("torch_utils"), fake.__name__: fake}
    function.__module__ = fake.__name__
    try:
        return pickle.dumps(content)
    finally:
        function.__module__ = before
        del sys.modules["torch_utils"], sys.modules[fake.__name__]
