"""Runs with changed weights: a blend of two models of one architecture, and a model tuned to an image."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zatlas.core.arrays import Images, Latents
from zatlas.core.errors import BadData, BadRecipe, NotSupported
from zatlas.core.progress import bar
from zatlas.core.seeds import derive
from zatlas.core.space import Space
from zatlas.directions.decoding import decode_tensor, decoder_module
from zatlas.directions.layers import LayerRange, layer_subset
from zatlas.models.decoding_time import PASSES, announce_decoding
from zatlas.models.importers.description_table import digest_of_all
from zatlas.models.importers.imported import Adapter, ImportedModel
from zatlas.models.importers.imported_run import files_of, imported_model_of
from zatlas.models.importers.run_files import provenance_of
from zatlas.models.importers.style_spaces import row_of_weights
from zatlas.models.nets_stylegan2 import StyleNet
from zatlas.models.weights import to_bytes
from zatlas.store import atomic
from zatlas.store.run import Run, check_free
from zatlas.workspace import Workspace

KINDS = ("stylegan", "biggan", "progan")  # imported models whose nets are zatlas's own
TUNING_STEPS, RATE = 150, 3e-4
NEIGHBORHOOD = 0.3  # part of the way from the pivot to a sample where images must not change
LOCALITY = 1.0  # weight of that change
WEIGHTS = "weights"  # the role of the file


def blend(
    first: Workspace, second: Workspace, out: Path, *, amount: float = 0.5, layers: LayerRange = ""
) -> Run:
    """Write a run whose weights lie between those of two runs, at `amount` from the first to the second.

    With `layers`, only these layers of a StyleGAN move towards the second model, and the others stay those of
    the first. Wang et al. 2019 (network interpolation), https://arxiv.org/abs/1811.10515 ; Pinkney and Adler
    2020 (layers), https://arxiv.org/abs/2010.05334
    """
    if not 0 <= amount <= 1:
        raise BadRecipe(f"The amount goes from 0 (the first model) to 1 (the second), not {amount:g}.")
    check_free(out)
    info, net = _own_net(first)
    other_info, other_net = _own_net(second)
    state, other = net.state_dict(), other_net.state_dict()
    shapes, other_shapes = ({name: value.shape for name, value in each.items()} for each in (state, other))
    if info.kind != other_info.kind or shapes != other_shapes:
        raise BadData(
            f"{first.name} and {second.name} have different architectures, so their weights cannot be "
            "blended. Take two checkpoints of one model, or a model and its fine-tuned copy."
        )
    names = [name for name, value in state.items() if value.is_floating_point()]
    if layers != "":
        if not isinstance(net, StyleNet):
            raise NotSupported("Only a StyleGAN has layers to blend, so blend all weights: omit the layers.")
        rows = layer_subset(Space((net.mapping.layers, 1)), layers).columns.tolist()
        names = [name for name in names if row_of_weights(net, name) in rows]
    blended = {name: torch.lerp(state[name], other[name], amount) for name in names}
    return write_variant(first.run, info, {**state, **blended}, out)


def write_variant(run: Run, info: ImportedModel, state: Mapping[str, Tensor], out: Path) -> Run:
    """Write a run of this run's model with other weights, and with its discriminator and latents."""
    check_free(out)
    others = {role: path for role, path in files_of(run, info).items() if role != WEIGHTS}
    info = replace(info, digest="")
    with atomic.folder(out, sealed=False, recorded=True) as side:
        (side / info.files[WEIGHTS]).write_bytes(to_bytes(WEIGHTS, {}, state))
        for role, path in others.items():
            shutil.copyfile(path, side / info.files[role])
        info = replace(info, digest=digest_of_all(info, side))
        (side / "made.json").write_bytes(atomic.as_json(provenance_of(info)))
    return Run(out)


@dataclass(frozen=True)
class Tuning:
    """A run that is tuned to one image, and the error before and after."""

    run: Run
    before: float  # PSNR in dB
    after: float


def tune(
    workspace: Workspace,
    image: Images,
    pivot: Latents,
    out: Path,
    *,
    steps: int = TUNING_STEPS,
    seed: int = 0,
) -> Tuning:
    """Change the weights of a model until a latent (1, dim) decodes to an image (1, c, h, w); write a run.

    Images of other latents should stay: each step also compares one near the pivot with that of the model
    before. Roich et al. 2021 (pivotal tuning), https://arxiv.org/abs/2106.05744
    """
    check_free(out)
    info, _ = _own_net(workspace)
    if workspace.generator.classes:
        raise NotSupported(
            "Tune a conditional model in a space without classes: add --space w or --space embedding (in "
            "Python: atlas.space('w'))."
        )
    # A second copy of the model changes; the first one says what other latents decode to.
    copy = Workspace.open(workspace.run.folder, device=workspace.generator.device, space=workspace.space)
    _, net = _own_net(copy)
    parts = net.synthesis if isinstance(net, StyleNet) else net
    parameters = list(parts.requires_grad_(True).parameters())
    device = workspace.generator.device
    target, z = torch.as_tensor(image, device=device), torch.as_tensor(pivot, device=device)
    samples = workspace.generator.space.sample(steps, seed=derive(seed, "tuning"))
    announce_decoding("Tuning", 2 * PASSES * steps, workspace.generator, pivot, advice="")
    optimizer = torch.optim.Adam(parameters, lr=RATE)
    before = _psnr(workspace.generator.decode(pivot), image)
    with bar("tuning", steps, "steps") as advance:
        for sample in torch.as_tensor(samples, device=device):
            near = z + NEIGHBORHOOD * (sample - z)
            with torch.no_grad():
                expected = decode_tensor(workspace.generator, near)
            decoded = decode_tensor(copy.generator, torch.cat([z, near]))
            loss = _distance(decoded[:1], target) + LOCALITY * _distance(decoded[1:], expected)
            for parameter, gradient in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
                parameter.grad = gradient
            optimizer.step()
            advance(1)
    net.requires_grad_(False)
    after = _psnr(copy.generator.decode(pivot), image)
    return Tuning(write_variant(workspace.run, info, net.state_dict(), out), before, after)


def _own_net(workspace: Workspace) -> tuple[ImportedModel, nn.Module]:
    """The description and the net of an imported model whose net is zatlas's own."""
    info = imported_model_of(workspace.run)
    adapter = decoder_module(workspace.generator)
    net = adapter.owner if isinstance(adapter, Adapter) else None
    if info is None or info.kind not in KINDS or not isinstance(net, nn.Module):
        raise NotSupported(
            f"The weights of {workspace.name} cannot be changed. Take an imported StyleGAN, BigGAN or ProGAN."
        )
    return info, net


def _distance(images: Tensor, targets: Tensor) -> Tensor:
    """The mean squared error of pixels and of their means over 4 x 4 pixels."""
    error = images - targets
    return error.square().mean() + F.avg_pool2d(error, 4).square().mean()


def _psnr(images: Images, targets: Images) -> float:
    rms = float(np.sqrt(((images - targets) ** 2).mean()))
    return -20 * float(np.log10(max(rms, 1e-6)))
