"""Import a state dict without its net, if the shapes show plain linear layers and convolutions."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from zatlas.core.seeds import stream
from zatlas.core.settings import fill
from zatlas.models.importers.imported import (
    Halves,
    ImportOptions,
    SourceInfo,
    as_float,
    file_of,
    no_gradient,
    read,
)
from zatlas.models.importers.plain_layers import Arrangement, Plan, arrangement
from zatlas.models.importers.state_dict import FILE
from zatlas.models.nets_plain import Hidden, Last, Plain, PlainNet, recovered, statistics_error
from zatlas.models.safe_build import build_checked

SAMPLES = 256  # latents that compare activations
RECOVERED = 0.3  # correlation that an encoder must reach
CLEARLY = 0.02  # difference that outweighs the convention
HIDDEN: tuple[Hidden, ...] = ("relu", "leaky_relu", "tanh", "silu")
LASTS: dict[str | None, Last] = {"unit": "sigmoid", "signed": "tanh"}


def recognize(
    state: Mapping[str, Tensor], target: Path, options: ImportOptions, lines: tuple[str, ...]
) -> SourceInfo | None:
    """Write the weights of a plain net under our names; return None if the shapes do not show one."""
    state = _without_common_part(as_float(state))
    result = arrangement(state, ordered=list(state) != sorted(state))
    if result is None or (options.shape is not None and options.shape[0] != result.dim):
        return None
    config, how = _chosen(result, state, target, options)
    save_file(_renamed(config, result, state), target)
    shape = (result.dim,) if options.shape is None else options.shape
    return SourceInfo(
        "plain",
        {"weights": FILE},
        {"config": asdict(config)},
        (shape,),
        lines=(*lines, f"Net, inferred from the shapes: {_described(result.decoder)}.", *how),
    )


def load(files: Mapping[str, Path], settings: Mapping[str, Any]) -> Halves:
    """Return the decoder and the encoder with their weights."""
    config: Plain = fill(Plain, settings["config"], "imported.settings.config")
    path = file_of(files, "weights")
    net = cast(PlainNet, no_gradient(build_checked(config.build, read(path), path)))
    encode = net.encode if config.heads else None
    return Halves(lambda z: net.decode(z.flatten(1)), encode, net, last=config.last)


def _without_common_part(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights without the first part of their names, if it is the same word for all."""
    firsts = {name.partition(".")[0] for name in state}
    inner = {name.partition(".")[2]: tensor for name, tensor in state.items()}
    if len(firsts) != 1 or not all("." in name for name in inner):
        return state
    return state if all(name[0].isdigit() for name in inner) else _without_common_part(inner)


def _renamed(config: Plain, result: Arrangement, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors of the net under our names."""
    names = {f"decoder.{number}": layer.name for number, layer in result.decoder.layers.items()}
    if config.heads:
        plan = next(plan for plan in result.encoders if tuple(plan.steps) == config.encoder)
        names |= {f"encoder.{number}": layer.name for number, layer in plan.layers.items()}
        names |= {f"heads.{number}": layer.name for number, layer in enumerate(result.heads)}
    return {
        f"{ours}.{name.removeprefix(f'{theirs}.')}": tensor.clone()
        for ours, theirs in names.items()
        for name, tensor in state.items()
        if name.rpartition(".")[0] == theirs
    }


def _chosen(
    result: Arrangement, state: Mapping[str, Tensor], path: Path, options: ImportOptions
) -> tuple[Plain, tuple[str, ...]]:
    """Return the net, and lines about what the shapes leave open.

    Norms store the statistics of their inputs, so they tell the activations. An encoder must recover
    latents from their images.
    """
    z = torch.from_numpy(stream(0, "plain").standard_normal((SAMPLES, result.dim), dtype="float32"))
    encoders = [(tuple(plan.steps), _heads(result)) for plan in result.encoders]
    last: Last = "tanh" if result.complete and not encoders else "sigmoid"
    last = LASTS.get(options.pixels, last)
    usual = Plain(tuple(result.decoder.steps), last=last)
    errors = {
        hidden: statistics_error(_net(replace(usual, hidden=hidden), result, state, path), z)
        for hidden in HIDDEN
    }
    best = min(errors, key=lambda hidden: errors[hidden])
    config = replace(usual, hidden=best) if errors[best] < errors[HIDDEN[0]] - CLEARLY else usual
    activation = f"{config.hidden}, as the statistics of the norms show," if errors[best] else config.hidden
    lines = [
        f"Activations are not in the file: {activation} and a final {last} by convention. If the images look "
        "wrong, give your class with --module, or another end with --pixels (in Python: module=, pixels=)."
    ]
    nets = [replace(config, encoder=encoder, heads=heads) for encoder, heads in encoders]
    scores = [recovered(_net(net, result, state, path), z) for net in nets]
    if scores and max(scores) >= RECOVERED:
        config = nets[scores.index(max(scores))]
        lines.append(
            f"Its encoder recovers latents from their images with a correlation of {max(scores):.2f}."
        )
    elif scores or not result.complete:
        lines.append("Its encoder is omitted: no plain arrangement of its layers recovers latents.")
    return config, tuple(lines)


def _heads(result: Arrangement) -> tuple[str, ...]:
    return tuple(f"linear {head.sizes[1]} {head.sizes[0]} {int(head.bias > 0)}" for head in result.heads)


def _net(config: Plain, result: Arrangement, state: Mapping[str, Tensor], path: Path) -> PlainNet:
    net = build_checked(config.build, _renamed(config, result, state), path)
    return cast(PlainNet, no_gradient(net))


def _described(decoder: Plan) -> str:
    """Return the layers of a decoder with their sizes, as "linear 20-400-784"."""
    words: list[str] = []
    for step in decoder.steps:
        name, *numbers = step.split()
        if name in ("linear", "conv", "deconv"):
            start = f"{name} {numbers[0]}"
            if words and words[-1].startswith(f"{name} "):
                words[-1] += f"-{numbers[1]}"
            else:
                words.append(f"{start}-{numbers[1]}")
        elif name == "unflatten":
            words.append(f"{numbers[0]}x{numbers[1]}x{numbers[1]}")
    return ", ".join(words)
