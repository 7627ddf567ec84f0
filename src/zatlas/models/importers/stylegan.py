"""Import StyleGAN: network pickles of StyleGAN2-ADA and StyleGAN3, and state dicts of rosinality's code.

zatlas builds its own network and gives it the tensors of the file. Files store weights without the gains of
the equalized learning rate; zatlas's network has them in its weights.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from zatlas.core.errors import BadData, NotSupported
from zatlas.core.seeds import stream
from zatlas.core.settings import fill
from zatlas.models.device import channels_last
from zatlas.models.importers import discriminator, stylegan3
from zatlas.models.importers.imported import (
    Halves,
    ImportOptions,
    NoiseInput,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.importers.importer import Importer
from zatlas.models.importers.network_pickle import Network, read_network
from zatlas.models.importers.style_spaces import coarse_of, style_spaces
from zatlas.models.nets_discriminator import StyleDiscriminator
from zatlas.models.nets_stylegan2 import SMALLEST, StyleGAN2, StyleNet
from zatlas.models.nets_stylegan2_light import StyleGAN2Light
from zatlas.models.nets_stylegan3 import StyleGAN3
from zatlas.models.safe_build import build_checked

FILE = "weights.safetensors"
SUFFIX = ".pkl"
Config = StyleGAN2 | StyleGAN3 | StyleGAN2Light
CONFIGS: dict[str, type[Config]] = {
    "stylegan2": StyleGAN2,
    "stylegan3": StyleGAN3,
    "stylegan2light": StyleGAN2Light,
}
RATE = 0.01  # of the mapping network: the factor of its weights and biases
SAMPLES = 4096  # latents whose mean w is the center of truncation, if the file has none
NO_TRUNCATION = (
    " (none); smaller values, as --truncation 0.7 (in Python: truncation=), give more typical images"
)
BATCH_PIXELS = 1 << 22  # of the images of a batch

# Names in the files, and zatlas's names.
ADA_NAMES = (
    (r"mapping\.fc(\d+)\.(weight|bias)", r"mapping.linear.\1.\2"),
    (r"mapping\.embed\.(weight|bias)", r"mapping.embedding.\1"),
    (r"mapping\.w_avg", "mapping.mean"),
    (r"synthesis\.b4\.const", "synthesis.constant"),
    (r"synthesis\.b(\d+)\.skip\.weight", r"synthesis.blocks.\1.skip.weight"),
    (r"synthesis\.b(\d+)\.(\w+)\.affine\.(weight|bias)", r"synthesis.blocks.\1.\2.conv.style.\3"),
    (r"synthesis\.b(\d+)\.(\w+)\.weight", r"synthesis.blocks.\1.\2.conv.weight"),
    (r"synthesis\.b(\d+)\.(\w+)\.bias", r"synthesis.blocks.\1.\2.bias"),
    (r"synthesis\.b(\d+)\.(\w+)\.noise_const", r"synthesis.blocks.\1.\2.noise"),
    (r"synthesis\.b(\d+)\.(\w+)\.noise_strength", r"synthesis.blocks.\1.\2.strength"),
)
ADA_LAYERS = {"conv0": "up", "conv1": "conv", "torgb": "pixels"}
ROSINALITY_NAMES = (
    (r"conv\.modulation\.(weight|bias)", r"conv.style.\1"),
    (r"conv\.weight", "conv.weight"),
    (r"noise\.weight", "strength"),
    (r"(?:activate\.)?bias", "bias"),
)


class StyleGAN(Importer):
    """Reads network pickles of StyleGAN."""

    summary = "a network of StyleGAN (.pkl)"
    data_only = True

    def matches(self, source: Path) -> bool:
        """Return whether this file is a network pickle."""
        return source.is_file() and is_network_pickle(source)

    def write(self, source: Path, folder: Path, options: ImportOptions) -> SourceInfo:
        """Write the generator into the run."""
        network = read_network(source, folder / FILE, options.key, folder / discriminator.FILE)
        return from_network(network, source, folder, options)

    def load(self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str) -> Halves:
        """Return the generator."""
        return load(files, settings)


def is_network_pickle(source: Path) -> bool:
    """Return whether a file is a pickle that torch did not write, by its name or its first bytes."""
    if source.suffix.lower() == SUFFIX:
        return True
    with source.open("rb") as file:
        start = file.read(2)
    return start[:1] == b"\x80" and start[1:] in (b"\x03", b"\x04", b"\x05")  # torch writes protocol 2


def from_network(network: Network, source: Path, side: Path, options: ImportOptions) -> SourceInfo:
    """Rename and scale the tensors of a network pickle, which are now in the run."""
    target = side / FILE
    state, second = as_float(read(target)), network.discriminator
    critic = (
        None if second is None else discriminator.from_ada(read(side / discriminator.FILE), second.attributes)
    )
    if stylegan3.FIRST in state:
        sizes, tensors = stylegan3.converted(state, network, source)
        about = f"StyleGAN3, {network.key} of the file"
        return written(source, target, sizes, tensors, options, about, critic)
    if "synthesis.b4.const" not in state:
        raise NotSupported(
            f"{source} holds a {network.kind} under {network.key!r}, which is not a generator of StyleGAN2 "
            "or StyleGAN3. Choose another network of the file with --key (in Python: key=), or "
            "export it as ONNX."
        )
    converted = _from_ada(state, source)
    first = network.attributes.get("mapping.fc0", {})
    converted = with_gains(converted, float(first.get("bias_gain", RATE)), convolutions=False)
    config = config_of(
        converted, _taps(state["synthesis.b4.resample_filter"], source), _clamp(network, source)
    )
    about = f"StyleGAN2-ADA, {network.key} of the file"
    return written(source, target, config, converted, options, about, critic)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Return whether a state dict has the names of rosinality's StyleGAN2."""
    return {"input.input", "conv1.conv.modulation.weight", "to_rgb1.conv.weight"} <= state.keys()


def write_state(source: Path, side: Path, state: Mapping[str, Tensor], options: ImportOptions) -> SourceInfo:
    """Write a state dict of rosinality's StyleGAN2 into the run, under zatlas's names."""
    converted = _from_rosinality(as_float(state), source)
    converted = with_gains(converted, RATE, convolutions=True)
    kernel = next((value for name, value in state.items() if name.endswith("blur.kernel")), None)
    taps = (1.0, 3.0, 3.0, 1.0) if kernel is None else _taps(kernel, source)
    config = config_of(converted, taps, 0.0)
    path = side / discriminator.FILE
    critic = discriminator.from_rosinality(read(path)) if path.exists() else None
    about = "StyleGAN2, as rosinality's code saves it"
    return written(source, side / FILE, config, converted, options, about, critic)


def load(files: Mapping[str, Path], settings: Mapping[str, Any]) -> Halves:
    """Return the generator of a run, with the truncation of its settings."""
    path = file_of(files, "weights")
    config = fill(CONFIGS[settings["net"]], settings["config"], "imported.settings.config")
    net = channels_last(no_gradient(build_checked(config.build, read(path), path)))
    assert isinstance(net, StyleNet)
    psi, cutoff = float(settings["psi"]), settings.get("cutoff")
    batch = max(BATCH_PIXELS // config.side**2, 1)
    spaces = style_spaces(net, psi, cutoff)
    decode = partial(net, psi=psi, cutoff=cutoff)
    score = None
    if discriminator.ROLE in files:
        score = discriminator.load(files[discriminator.ROLE], settings["discriminator"])
    coarse = coarse_of(net, partial(net.mapping, psi=psi, cutoff=cutoff))
    halves = Halves(decode, None, net, labelled=config.classes > 0, batch=batch, spaces=spaces, realism=score)
    return replace(halves, coarse=coarse)


def with_gains(state: Mapping[str, Tensor], rate: float, *, convolutions: bool) -> dict[str, Tensor]:
    """Multiply the weights by the gains of the equalized learning rate.

    Demodulation cancels the gain of the 3x3 convolutions, so only some files reckon with it.
    """
    result = {}
    for name, value in state.items():
        gain = 1.0
        if name.startswith("mapping.linear."):
            gain = rate
        elif name.endswith("skip.weight"):
            gain = math.sqrt(0.5)
        plain = name.endswith("conv.weight") and ".pixels." not in name and not convolutions
        if name.endswith(".weight") and not plain:
            gain /= math.sqrt(value[0].numel())
        result[name] = value * gain
    return result


def config_of(state: Mapping[str, Tensor], taps: tuple[float, ...], clamp: float) -> StyleGAN2:
    """Return the sizes of a generator from the shapes of its tensors."""
    count = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("synthesis.blocks."))
    depth = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("mapping.linear."))
    first = state["mapping.linear.0.weight"]
    embedding = state.get("mapping.embedding.weight", torch.zeros(0, 0))
    pixels = "synthesis.blocks.{}.pixels.bias"
    architecture = "skip" if pixels.format(0) in state else "orig"
    if "synthesis.blocks.1.skip.weight" in state:
        architecture = "resnet"
    values = {
        "widths": [len(state[f"synthesis.blocks.{k}.conv.bias"]) for k in range(count)],
        "z_dim": first.shape[1] - embedding.shape[0],
        "w_dim": len(state[f"mapping.linear.{depth - 1}.bias"]),
        "channels": len(state[pixels.format(count - 1)]),
        "classes": embedding.shape[1],
        "embedding": embedding.shape[0] or 1,
        "hidden": len(first),
        "depth": depth,
        "architecture": architecture,
        "taps": taps,
        "clamp": clamp,
        "noise": "synthesis.blocks.0.conv.noise" in state,
    }
    config: StyleGAN2 = fill(StyleGAN2, values, "config")
    return config


def _from_ada(state: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Return the tensors of StyleGAN2-ADA under zatlas's names."""
    result = {}
    for name, value in state.items():
        if name.endswith("resample_filter"):
            continue
        new = _renamed(name, ADA_NAMES)
        if new is None:
            raise BadData(f"{source} has the tensor {name!r}, which a StyleGAN2 does not have.")
        parts = new.split(".")
        if parts[:2] == ["synthesis", "blocks"]:
            parts[2] = str(int(parts[2]).bit_length() - 3)  # from pixels to the number of the block
            parts[3] = ADA_LAYERS.get(parts[3], parts[3])
        result[".".join(parts)] = value
    return result


def _from_rosinality(state: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Return the tensors of rosinality's StyleGAN2 under zatlas's names."""
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith(".kernel"):
            continue
        new = _rosinality_name(name)
        if new is None:
            raise BadData(f"{source} has the tensor {name!r}, which a StyleGAN2 does not have.")
        if new.endswith(".noise"):
            value = value.reshape(value.shape[-2:])
        elif new.endswith(".strength"):
            value = value.reshape(())
        elif new == "synthesis.constant" or new.endswith("conv.weight"):
            value = value[0]
        result[new] = value.flatten() if new.endswith("pixels.bias") or new == "mapping.mean" else value
    for name in [name for name in result if name.endswith(".strength")]:
        noise = f"{name.removesuffix('strength')}noise"
        if noise not in result:
            side = 4 << int(name.split(".")[2])
            result[noise] = torch.from_numpy(stream(0, noise).standard_normal((side, side), dtype="float32"))
    return result


def _rosinality_name(name: str) -> str | None:
    """Return zatlas's name of a tensor of rosinality's code; None if there is none."""
    fixed = {"input.input": "synthesis.constant", "latent_avg": "mapping.mean"}
    if name in fixed:
        return fixed[name]
    if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
        return f"mapping.linear.{int(match[1]) - 1}.{match[2]}"  # the first layer there normalizes
    if match := re.fullmatch(r"noises\.noise_(\d+)", name):
        number = int(match[1])
        return f"synthesis.blocks.{(number + 1) // 2}.{'up' if number % 2 else 'conv'}.noise"
    if match := re.fullmatch(r"(conv1|to_rgb1|convs\.(\d+)|to_rgbs\.(\d+))\.(.+)", name):
        inner = _renamed(match[4], ROSINALITY_NAMES)
        block, layer = 0, "conv" if match[1] == "conv1" else "pixels"
        if match[2]:
            block, layer = int(match[2]) // 2 + 1, "conv" if int(match[2]) % 2 else "up"
        elif match[3]:
            block = int(match[3]) + 1
        return inner and f"synthesis.blocks.{block}.{layer}.{inner}"
    return None


def _renamed(name: str, names: tuple[tuple[str, str], ...]) -> str | None:
    for pattern, new in names:
        if match := re.fullmatch(pattern, name):
            return match.expand(new)
    return None


def _taps(kernel: Tensor, source: Path) -> tuple[float, ...]:
    """Return the 1D filter of a 2D kernel; its sum does not matter."""
    taps = kernel.float().sum(0) if kernel.ndim == 2 else kernel.float()
    taps = taps / taps.sum()
    if len(taps) % 2 or not torch.allclose(taps, taps.flip(0)) or not torch.isfinite(taps).all():
        raise NotSupported(
            f"{source} uses a filter that is not symmetric or of odd length. Export the model as ONNX."
        )
    return tuple(round(float(tap), 9) for tap in taps)


def _clamp(network: Network, source: Path) -> float:
    """Return the limit of the activations; `NotSupported` for another activation than leaky ReLU."""
    limits = []
    for path, attributes in network.attributes.items():
        if re.fullmatch(r"mapping\.fc\d+|synthesis\.b\d+\.conv[01]", path):
            activation = attributes.get("activation", "lrelu")
            if activation != "lrelu":
                raise NotSupported(
                    f"{source} uses the activation {activation!r}; zatlas supports StyleGAN2 with lrelu. "
                    "Export the model as ONNX."
                )
            limits.append(attributes.get("conv_clamp") or 0.0)
    return float(max(limits, default=0.0))


def written(
    source: Path,
    target: Path,
    config: Config,
    state: dict[str, Tensor],
    options: ImportOptions,
    about: str,
    critic: discriminator.ConvertedDiscriminator | None = None,
) -> SourceInfo:
    """Write the tensors and return what is known about the generator and the discriminator of the file."""
    if isinstance(config, StyleGAN2):
        taps = torch.tensor(config.taps)
        state["synthesis.taps"] = taps / taps.sum()
    noise = _chosen_noise(state, options.noise or "fixed", isinstance(config, StyleGAN2Light))
    state |= noise
    has_mean = "mapping.mean" in state
    state.setdefault("mapping.mean", torch.zeros(config.w_dim))
    net = build_checked(config.build, state, source)
    assert isinstance(net, StyleNet)
    if not has_mean:
        state["mapping.mean"] = _mean_w(net, config)
    save_file({name: value.contiguous() for name, value in state.items()}, target)
    settings = _settings(config, options, bool(noise))
    psi = settings["psi"]
    files = {"weights": FILE}
    if critic is None or not _fits(critic.config, config):
        (target.parent / discriminator.FILE).unlink(missing_ok=True)
        realism_line = "The file has no discriminator that zatlas can read."
    else:
        table = discriminator.save(critic, net, psi, target.parent, source)
        settings["discriminator"], files[discriminator.ROLE] = table, discriminator.FILE
        realism_line = "Its discriminator scores how real images look: the metric realism, atlas.realism()."
    kind = f", {config.architecture} architecture" if isinstance(config, StyleGAN2) else ""
    lines = (
        f"{about}: {config.side}x{config.side} pixels, {config.layers} layers of w{kind}.",
        "zatlas ran no code of the file.",
        realism_line,
        f"Truncation: psi {psi:g}" + (NO_TRUNCATION if psi == 1 else "") + ".",
    )
    classes = tuple(map(str, range(config.classes)))
    return SourceInfo(
        "stylegan",
        files,
        settings,
        ((config.z_dim,),),
        pixels="signed",
        layout="nchw",
        lines=lines,
        classes=classes,
    )


def _settings(config: Config, options: ImportOptions, noisy: bool) -> dict[str, Any]:
    """Return what the run stores about a generator, but for its discriminator."""
    psi = 1.0 if options.truncation is None else options.truncation
    settings: dict[str, Any] = {"net": type(config).__name__.lower(), "config": asdict(config), "psi": psi}
    if options.truncation_layers is not None:
        settings["cutoff"] = options.truncation_layers
    if noisy:
        settings["noise"] = options.noise or "fixed"
    return settings


def _chosen_noise(state: Mapping[str, Tensor], kind: NoiseInput, uniform: bool) -> dict[str, Tensor]:
    """Return the image of noise of each layer by name: the stored one, zeros, or a random one."""
    stored = {name: value for name, value in state.items() if name.endswith(".noise")}
    if kind == "fixed":
        return stored
    if kind == "zero":
        return {name: torch.zeros_like(value) for name, value in stored.items()}
    rngs = {name: stream(0, "random noise", name) for name in stored}
    samples = {name: rng.random if uniform else rng.standard_normal for name, rng in rngs.items()}
    return {name: torch.from_numpy(samples[name](stored[name].shape, dtype="float32")) for name in stored}


def _fits(second: StyleDiscriminator, first: Config) -> bool:
    """Return whether a discriminator reads the images of a generator."""
    classes = 0 if isinstance(first, StyleGAN2Light) else first.classes
    side = SMALLEST << (len(second.widths) - 1)
    return (side, second.channels, second.classes) == (first.side, first.channels, classes)


@torch.no_grad()
def _mean_w(net: StyleNet, config: Config) -> Tensor:
    z = torch.from_numpy(stream(0, "mean w").standard_normal((SAMPLES, config.z_dim), dtype="float32"))
    mean: Tensor = net.mapping(z)[:, 0].mean(0)
    return mean
