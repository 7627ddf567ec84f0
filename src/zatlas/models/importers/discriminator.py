"""The discriminator in a file of StyleGAN, which scores how real images look."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from zatlas.core.errors import ZatlasError
from zatlas.core.seeds import stream
from zatlas.core.settings import fill
from zatlas.models.importers.imported import as_float, no_gradient, read
from zatlas.models.nets_discriminator import Discriminator, StyleDiscriminator
from zatlas.models.nets_stylegan2 import StyleNet
from zatlas.models.safe_build import build_checked

ROLE, FILE = "discriminator", "discriminator.safetensors"
SAMPLES = 16  # images whose std is that of a typical batch
MAPPING_RATE = 0.01  # the factor of the weights and biases that map the class
# Names in the files, and zatlas's names; {} stands for the number of a block.
ADA_NAMES = (
    (r"mapping\.fc(\d+)\.(weight|bias)", r"linear.\1.\2"),
    (r"mapping\.embed\.(weight|bias)", r"embedding.\1"),
    (r"b4\.fromrgb\.(weight|bias)", r"pixels.\1"),
    (r"b4\.conv\.(weight|bias)", r"conv.\1"),
    (r"b4\.fc\.(weight|bias)", r"hidden.\1"),
    (r"b4\.out\.(weight|bias)", r"out.\1"),
    (r"b(\d+)\.fromrgb\.(weight|bias)", r"blocks.\1.pixels.\2"),
    (r"b(\d+)\.conv0\.(weight|bias)", r"blocks.\1.conv.\2"),
    (r"b(\d+)\.conv1\.(weight|bias)", r"blocks.\1.down.\2"),
    (r"b(\d+)\.skip\.weight", r"blocks.\1.skip.weight"),
)
ROSINALITY_NAMES = (
    (r"convs\.0\.0\.weight", "blocks.0.pixels.weight"),
    (r"convs\.0\.1\.bias", "blocks.0.pixels.bias"),
    (r"convs\.(\d+)\.conv1\.0\.weight", r"blocks.\1.conv.weight"),
    (r"convs\.(\d+)\.conv1\.1\.bias", r"blocks.\1.conv.bias"),
    (r"convs\.(\d+)\.conv2\.1\.weight", r"blocks.\1.down.weight"),
    (r"convs\.(\d+)\.conv2\.2\.bias", r"blocks.\1.down.bias"),
    (r"convs\.(\d+)\.skip\.1\.weight", r"blocks.\1.skip.weight"),
    (r"final_conv\.0\.weight", "conv.weight"),
    (r"final_conv\.1\.bias", "conv.bias"),
    (r"final_linear\.0\.(weight|bias)", r"hidden.\1"),
    (r"final_linear\.1\.(weight|bias)", r"out.\1"),
)


@dataclass(frozen=True)
class ConvertedDiscriminator:
    """A discriminator under zatlas's names."""

    config: StyleDiscriminator
    state: Mapping[str, Tensor]


def from_ada(
    state: Mapping[str, Tensor], attributes: Mapping[str, Mapping[str, Any]]
) -> ConvertedDiscriminator | None:
    """Return the discriminator of a network pickle; None if it is of another kind."""
    sides = [int(match[1]) for name in state if (match := re.match(r"b(\d+)\.", name))]
    numbers = {side: number for number, side in enumerate(sorted(set(sides), reverse=True))}
    filters = next((value for name, value in state.items() if name.endswith("resample_filter")), None)
    settings = {
        "clamp": float(max((item.get("conv_clamp") or 0.0 for item in attributes.values()), default=0.0)),
        "group": int(attributes.get("b4.mbstd", {}).get("group_size") or 0),
    }
    if any(item.get("activation", "lrelu") not in ("lrelu", "linear") for item in attributes.values()):
        return None
    return _renamed(state, ADA_NAMES, filters, settings, numbers)


def from_rosinality(state: Mapping[str, Tensor]) -> ConvertedDiscriminator | None:
    """Return the discriminator of rosinality's code; None if it is of another kind."""
    filters = next((value for name, value in state.items() if name.endswith(".kernel")), None)
    numbers = {number: number - 1 for number in range(1, 32)} | {0: 0}
    return _renamed(state, ROSINALITY_NAMES, filters, {}, numbers)


def save(
    converted: ConvertedDiscriminator, net: StyleNet, psi: float, folder: Path, source: Path
) -> dict[str, Any]:
    """Write a discriminator into the run, with the standard deviation of samples; return its settings."""
    discriminator = build_checked(converted.config.build, dict(converted.state), source)
    assert isinstance(discriminator, Discriminator)
    first = net.mapping.linear[0]
    assert isinstance(first, nn.Linear)
    z_dim = first.in_features  # with the class, if there is one
    embedding = net.mapping.embedding
    z_dim -= 0 if embedding is None else embedding.out_features
    z = torch.from_numpy(stream(0, "std").standard_normal((SAMPLES, z_dim), dtype="float32"))
    label = None if embedding is None else torch.arange(SAMPLES) % embedding.in_features
    with torch.no_grad():
        parts = [
            discriminator.features(net(z[[k]], None if label is None else label[[k]], psi))
            for k in range(SAMPLES)
        ]
        size = max(min(converted.config.group or SAMPLES, SAMPLES), 1)
        std = discriminator.group_std(torch.cat(parts)[: SAMPLES - SAMPLES % size]).mean(0)
    save_file({**converted.state, "std": std}, folder / FILE)
    return asdict(converted.config)


def load(path: Path, config: Mapping[str, Any]) -> Discriminator:
    """Return the discriminator of a run."""
    built: StyleDiscriminator = fill(StyleDiscriminator, config, "imported.settings.discriminator")
    net = no_gradient(build_checked(built.build, read(path), path))
    assert isinstance(net, Discriminator)
    return net


def _renamed(
    state: Mapping[str, Tensor],
    names: tuple[tuple[str, str], ...],
    filters: Tensor | None,
    settings: Mapping[str, Any],
    numbers: Mapping[int, int],
) -> ConvertedDiscriminator | None:
    """Return a discriminator with renamed tensors and the gains of the equalized learning rate."""
    result = {}
    for name, value in as_float(state).items():
        if name.endswith(("resample_filter", ".kernel")):
            continue
        new = next((match.expand(to) for at, to in names if (match := re.fullmatch(at, name))), None)
        if new is None:
            return None
        if match := re.fullmatch(r"blocks\.(\d+)\.(.+)", new):
            new = f"blocks.{numbers.get(int(match[1]), int(match[1]))}.{match[2]}"
        gain = MAPPING_RATE if new.startswith("linear.") else 1.0
        gain *= 0.5**0.5 if new.endswith("skip.weight") else 1.0
        result[new] = value * (gain / value[0].numel() ** 0.5 if new.endswith(".weight") else gain)
    try:
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) if filters is None else filters.float()
        taps = taps.sum(0) if taps.ndim == 2 else taps
        config = _config(result, (taps / taps.sum()).tolist(), settings)
        if config.widths[0] % max(config.std_features, 1) or len(taps) % 2:
            return None
    except (KeyError, ValueError, IndexError, ZatlasError):
        return None
    result["taps"] = torch.tensor(config.taps) / torch.tensor(config.taps).sum()
    result["std"] = torch.zeros(config.std_features)
    return ConvertedDiscriminator(config, {name: value.contiguous() for name, value in result.items()})


def _config(
    state: Mapping[str, Tensor], taps: list[float], settings: Mapping[str, Any]
) -> StyleDiscriminator:
    """Return the sizes of a discriminator from the shapes of its tensors."""
    count = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("blocks.")), default=-1)
    widths = [len(state["conv.bias"]), *(len(state[f"blocks.{k}.conv.bias"]) for k in reversed(range(count)))]
    architecture = "skip" if count and "pixels.weight" in state else "orig"
    if "blocks.0.skip.weight" in state:
        architecture = "resnet"
    depth = 1 + max((int(name.split(".")[1]) for name in state if name.startswith("linear.")), default=0)
    embedding = state.get("embedding.weight", torch.zeros(1, 0))
    pixels = state["blocks.0.pixels.weight" if count else "pixels.weight"]
    values = {
        "widths": widths,
        "channels": pixels.shape[1],
        "classes": embedding.shape[1],
        "embedding": embedding.shape[0],
        "hidden": len(state["linear.0.bias"]) if "linear.0.bias" in state else 1,
        "depth": depth,
        "architecture": architecture,
        "taps": [round(tap, 9) for tap in taps],
        "std_features": state["conv.weight"].shape[1] - len(state["conv.bias"]),
        **settings,
    }
    config: StyleDiscriminator = fill(StyleDiscriminator, values, "config")
    return config
