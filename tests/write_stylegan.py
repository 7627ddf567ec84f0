"""Write tests/fixtures/stylegan.json: pixels that the reference code of StyleGAN computes for random weights.

    python -m tests.write_stylegan stylegan2-ada-pytorch stylegan3 stylegan2-pytorch

The arguments are folders with the code of NVlabs/stylegan2-ada-pytorch, NVlabs/stylegan3 and
rosinality/stylegan2-pytorch. The file holds numbers only; a test gives zatlas the same weights and compares.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

from tests.stylegan_files import (
    CASES,
    JUDGES,
    Case,
    Judge,
    ada_shapes,
    judge_shapes,
    rosinality_shapes,
    stylegan3_arguments,
    stylegan3_shapes,
    tensor,
)

FILE = Path(__file__).parent / "fixtures" / "stylegan.json"
REFERENCE = ("training", "torch_utils", "dnnlib")  # packages of both codes of NVlabs
PIXELS = 40  # of each image, spread evenly


def main(folders: list[str]) -> None:
    """Compute the images of every case, and write some of their pixels."""
    table = {}
    for folder, code in zip(folders, ("ada", "stylegan3", "rosinality"), strict=True):
        sys.path.insert(0, folder)
        for name, case in CASES.items():
            if case.code == code:
                images = COMPUTE[code](case)
                table[name] = {"std": round(float(images.std()), 6), "pixels": some(images).tolist()}
                print(name, images.shape, table[name]["std"], float(np.abs(images).max()))
        if code == "ada":
            table["judges"] = {name: judged(judge).tolist() for name, judge in JUDGES.items()}
        sys.path.remove(folder)
        for module in [name for name in sys.modules if name.partition(".")[0] in REFERENCE]:
            del sys.modules[module]
    FILE.write_text(json.dumps(table) + "\n")


def some(images: np.ndarray) -> np.ndarray:
    """Return some pixels of each image (n, c, h, w)."""
    rows = images.reshape(len(images), -1)
    return rows[:, np.linspace(0, rows.shape[1] - 1, PIXELS).astype(int)]


def fill(net: torch.nn.Module, shapes: dict[str, tuple[int, ...]]) -> None:
    """Give a network of the reference code the random tensors; all but its filters must be listed."""
    given = ("filter", "kernel", "transform")
    names = [name for name in net.state_dict() if not name.endswith(given)]
    assert {name: tuple(net.state_dict()[name].shape) for name in names} == shapes
    net.load_state_dict({name: tensor(name, shape) for name, shape in shapes.items()}, strict=False)


@torch.no_grad()
def from_ada(case: Case) -> np.ndarray:
    """Return images of StyleGAN2-ADA."""
    from training import networks

    synthesis = {"architecture": case.architecture, "conv_clamp": case.clamp, "use_noise": case.noise}
    widths = {4 << number: width for number, width in enumerate(case.widths)}
    base = max(side * width for side, width in widths.items())
    synthesis |= {"channel_base": base, "channel_max": max(case.widths)}
    net = networks.Generator(
        case.z_dim, case.classes, case.w_dim, case.side, case.channels, {"num_layers": case.depth}, synthesis
    ).eval()
    fill(net, ada_shapes(case))
    label = torch.zeros(3, case.classes)
    if case.classes:
        label = torch.eye(case.classes)[torch.from_numpy(case.labels())]
    z = torch.from_numpy(case.latents())
    images = net(z, label, truncation_psi=case.psi, truncation_cutoff=case.cutoff, noise_mode="const")
    return images.numpy()


@torch.no_grad()
def judged(judge: Judge) -> np.ndarray:
    """Return the output of a discriminator of StyleGAN2-ADA for its images."""
    from training import networks

    base = 16 * max(judge.widths)
    net = networks.Discriminator(
        judge.classes,
        16,
        3,
        judge.architecture,
        base,
        max(judge.widths),
        conv_clamp=judge.clamp,
        mapping_kwargs={"num_layers": 2},
    ).eval()
    fill(net, judge_shapes(judge))
    label = torch.zeros(8, judge.classes)
    if judge.classes:
        label = torch.eye(judge.classes)[torch.from_numpy(judge.labels())]
    scores = net(torch.from_numpy(judge.images()), label)[:, 0]
    return np.round(scores.numpy(), 6)


@torch.no_grad()
def from_rosinality(case: Case) -> np.ndarray:
    """Return images of rosinality's code, without its compiled operators."""
    import torch.utils.cpp_extension as extension

    extension.load = lambda *_, **__: None
    import model

    net = model.Generator(case.side, case.w_dim, case.depth, channel_multiplier=1).eval()
    fill(net, rosinality_shapes(case))
    mean = tensor("latent_avg", (1, case.w_dim))
    z = torch.from_numpy(case.latents())
    images, _ = net([z], truncation=case.psi, truncation_latent=mean, randomize_noise=False)
    return images.numpy()


@torch.no_grad()
def from_stylegan3(case: Case) -> np.ndarray:
    """Return images of StyleGAN3."""
    from training import networks_stylegan3

    net = networks_stylegan3.Generator(**stylegan3_arguments(case)).eval()
    fill(net, stylegan3_shapes(case))
    label = torch.zeros(3, case.classes)
    if case.classes:
        label = torch.eye(case.classes)[torch.from_numpy(case.labels())]
    z = torch.from_numpy(case.latents())
    images = net(z, label, truncation_psi=case.psi, truncation_cutoff=case.cutoff)
    return images.numpy()


COMPUTE = {"ada": from_ada, "stylegan3": from_stylegan3, "rosinality": from_rosinality}

if __name__ == "__main__":
    main(sys.argv[1:])
