"""Arrange the layers of a state dict as a plain decoder and encoder whose shapes fit each other."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Literal

from torch import Tensor

USUAL_SIDES = (28, 32, 64, 128, 256, 512, 1024, 96, 48, 16, 8, 224, 56, 112, 192)  # pixels, the likely first
MAX_GROUPS = 6  # of layers whose order is tried
MIN_SIDE = 8  # pixels
DECODER = r"(dec|decoder|gen|generator|netG|G)(?=[._]|$)"
SECOND = r"(?i)var|std|sigma"  # the head of an encoder that does not give the mean
OTHERS = r"(disc|discriminator|critic|netD|D)(?=[._]|$)"  # parts of a GAN that are not the generator


Doubled = Literal["none", "gaps", "all but last", "all"]


@dataclass(frozen=True)
class Layer:
    """A layer of the file: its sizes, and its position if it is in a Sequential."""

    name: str
    kind: Literal["linear", "conv", "norm"]  # "conv" may be a transposed one
    sizes: tuple[int, ...]
    bias: int  # number of biases; 0 for none

    @property
    def position(self) -> tuple[str, int] | None:
        """The name of the Sequential and the number in it; None for other layers."""
        base, _, number = self.name.rpartition(".")
        return (base, int(number)) if number.isdecimal() else None


@dataclass(frozen=True)
class Style:
    """What shapes do not tell about a decoder."""

    padded: bool = True  # transposed convolutions exactly double the side
    doubled: Doubled = "gaps"  # the convolutions after an upsampling
    last_keeps: bool = False  # the last transposed convolution, of an odd kernel, keeps the side


DOUBLED: tuple[Doubled, ...] = ("gaps", "all but last", "all", "none")
STYLES = [
    Style(padded, doubled, keeps)
    for padded, keeps in product((True, False), (False, True))
    for doubled in DOUBLED
]


@dataclass
class Plan:
    """Steps of `nets_plain`, and the layer of each step that has weights."""

    steps: list[str] = field(default_factory=list)
    layers: dict[int, Layer] = field(default_factory=dict)
    shape: tuple[int, ...] = ()  # (values,) or (channels, side)

    def add(self, step: str, layer: Layer | None = None) -> None:
        """Append a step."""
        if layer is not None:
            self.layers[len(self.steps)] = layer
        self.steps.append(step)

    @property
    def pixels(self) -> int:
        """Number of values of the result."""
        return self.shape[0] if len(self.shape) == 1 else self.shape[0] * self.shape[1] ** 2


@dataclass(frozen=True)
class Arrangement:
    """A decoder, and the encoders that the shapes allow; the last one or two layers are their heads."""

    dim: int
    decoder: Plan
    encoders: tuple[Plan, ...]
    heads: tuple[Layer, ...]
    complete: bool = True  # all layers are used


def layers_of(state: Mapping[str, Tensor]) -> list[Layer] | None:
    """Return the layers of weights in their order; None if there are other ones than plain layers."""
    tables: dict[str, dict[str, Tensor]] = {}
    for name, tensor in state.items():
        base, _, part = name.rpartition(".")
        tables.setdefault(base, {})[part] = tensor
    layers = []
    for base, table in tables.items():
        layer = _layer(base, table)
        if layer is None:
            return None
        layers.append(layer)
    return layers


def _layer(base: str, table: Mapping[str, Tensor]) -> Layer | None:
    parts = table.keys() - {"num_batches_tracked"}
    weight, bias = table.get("weight"), table.get("bias")
    if weight is None or not parts <= {"weight", "bias", "running_mean", "running_var"}:
        return None
    count = 0 if bias is None else len(bias)
    sizes = tuple(int(size) for size in weight.shape)
    if "running_mean" in parts:
        return Layer(base, "norm", sizes, count) if len(sizes) == 1 and len(parts) == 4 else None
    if len(sizes) == 2 and count in (0, sizes[0]):
        return Layer(base, "linear", sizes, count)
    square = len(sizes) == 4 and sizes[2] == sizes[3]
    return Layer(base, "conv", sizes, count) if square and count in (0, *sizes[:2]) else None


def arrangement(state: Mapping[str, Tensor], *, ordered: bool) -> Arrangement | None:
    """Return the first arrangement of all layers whose shapes fit; None if there is none."""
    layers = layers_of({name: tensor for name, tensor in state.items() if not re.match(OTHERS, name)})
    if not layers:
        return None
    orders = iter([layers]) if ordered else _orders(layers)
    return next((result for order in orders if (result := _arranged(order)) is not None), None)


def _orders(layers: list[Layer]) -> Iterator[list[Layer]]:
    """Yield orders of the layers of a file without order: by number, and with its groups permuted."""

    def by_number(name: str) -> list[tuple[int, str]]:
        return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]

    groups: dict[str, list[Layer]] = {}
    for layer in sorted(layers, key=lambda layer: by_number(layer.name)):
        groups.setdefault(layer.name.partition(".")[0], []).append(layer)
    if len(groups) > MAX_GROUPS:
        yield [layer for group in groups.values() for layer in group]
        return
    for order in permutations(groups.values()):
        yield [layer for group in order for layer in group]


def _arranged(layers: list[Layer]) -> Arrangement | None:
    """Split layers into encoder and decoder at the narrowest latent that fits; else use names only."""
    starts = [i for i, layer in enumerate(layers) if layer.kind != "norm"]
    for dim, start in sorted((_inputs(layers[i]), i) for i in starts):
        for decoder in decoders(layers[start:], dim):
            encoders, heads = _encoders(layers[:start], dim, decoder)
            if start == 0 or encoders:
                return Arrangement(dim, decoder, encoders, heads)
    named = next((i for i, layer in enumerate(layers) if re.match(DECODER, layer.name)), 0)
    if named == 0:
        return None
    before = layers[named - 1]  # often a projection, outside of the Sequential of the decoder
    if layers[named].kind == "conv" and before.kind == "linear" and before.sizes[0] > before.sizes[1]:
        named -= 1
    dim = _inputs(layers[named])
    plans = decoders(layers[named:], dim)
    return Arrangement(dim, plans[0], (), (), complete=False) if plans else None


def _inputs(layer: Layer) -> int:
    """Return the number of inputs of a first layer, where a convolution is a transposed one."""
    return layer.sizes[1] if layer.kind == "linear" else layer.sizes[0]


def decoders(layers: Sequence[Layer], dim: int) -> list[Plan]:
    """Return the decoders that take `dim` values and return more pixels, the likely first."""
    plans = [plan for style in STYLES if (plan := _decoded(layers, dim, style)) is not None]
    images = {tuple(plan.steps): plan for plan in plans if plan.pixels > dim and _is_image(plan)}
    return sorted(
        images.values(), key=lambda plan: USUAL_SIDES.index(plan.shape[-1]) if plan.shape[1:] else 0
    )


def _is_image(plan: Plan) -> bool:
    """Return whether the result is a grey or colour image of a usual side, or a row of square images."""
    if len(plan.shape) == 2:
        return plan.shape[0] in (1, 3) and plan.shape[1] in USUAL_SIDES
    sides = [(channels, math.isqrt(plan.pixels // channels)) for channels in (1, 3)]
    return any(side >= MIN_SIDE and side * side * channels == plan.pixels for channels, side in sides)


def _decoded(layers: Sequence[Layer], dim: int, style: Style) -> Plan | None:
    """Return the decoder of a style; None if the shapes do not fit."""
    plan = Plan(shape=(dim,))
    last = max(number for number, layer in enumerate(layers) if layer.kind != "norm")
    # Equal numbers of inputs and outputs do not tell the direction; other layers do.
    transposed = any(layer.kind == "conv" and layer.sizes[0] > layer.sizes[1] for layer in layers)
    for number, layer in enumerate(layers):
        before = layers[number - 1] if number else None
        after = layers[number + 1] if number + 1 < len(layers) else None
        if layer.kind == "norm":
            fits = _normalized(plan, layer)
        elif layer.kind == "linear":
            if before is not None and _gap(before, layer) != 0:
                plan.add("act")
            fits = _joined(plan, layer)
        else:
            is_transposed = _is_transposed(layer, after, transposed)
            fits = _convolved(plan, layer, before, style, number == last, is_transposed)
        if not fits:
            return None
    return plan


def _is_transposed(layer: Layer, after: Layer | None, usual: bool) -> bool:
    """Return whether a convolution has its inputs first, by its biases or the norm after it."""
    first, second, _, _ = layer.sizes
    outputs = layer.bias or (after.sizes[0] if after is not None and after.kind == "norm" else 0)
    return usual if first == second or not outputs else outputs == second


def _normalized(plan: Plan, layer: Layer) -> bool:
    """Add a norm; an image layer's norm after a linear layer tells its number of channels."""
    (channels,) = layer.sizes
    if len(plan.shape) == 1 and plan.shape[0] != channels and not _unflattened(plan, channels):
        return False
    plan.add(f"norm{1 if len(plan.shape) == 1 else 2}d {channels}", layer)
    return plan.shape[0] == channels


def _unflattened(plan: Plan, channels: int) -> bool:
    """Shape a row as an image of this number of channels."""
    side = math.isqrt(plan.shape[0] // channels)
    if side < 1 or side * side * channels != plan.shape[0]:
        return False
    plan.add(f"unflatten {channels} {side}")
    plan.shape = (channels, side)
    return True


def _convolved(
    plan: Plan, layer: Layer, before: Layer | None, style: Style, last: bool, transposed: bool
) -> bool:
    """Add a convolution or a transposed one, with what stands before it; False if it does not fit."""
    first, second, kernel, _ = layer.sizes
    inputs, outputs = (first, second) if transposed else (second, first)
    flat = len(plan.shape) == 1
    gap = None if before is None else _gap(before, layer)
    if (flat and not _unflattened(plan, inputs)) or plan.shape[0] != inputs:
        return False
    side, bias = plan.shape[1], int(layer.bias > 0)
    doubles = not transposed and side > 1 and _doubles(style, gap, last)
    if before is not None and _activates(before, layer, gap, flat, doubles):
        plan.add("act")
    if doubles:
        plan.add("double")
        side *= 2
    if transposed:
        stride, padding, extra = _transposed(kernel, side, style, last)
        plan.add(f"deconv {inputs} {outputs} {kernel} {stride} {padding} {extra} {bias}", layer)
        side = (side - 1) * stride - 2 * padding + kernel + extra
    else:
        plan.add(f"conv {inputs} {outputs} {kernel} 1 {kernel // 2} {bias}", layer)
    plan.shape = (outputs, side)
    return transposed or (kernel % 2 == 1 and side > 1)


def _doubles(style: Style, gap: int | None, last: bool) -> bool:
    if style.doubled == "gaps" or gap == 0:
        return gap is not None and gap >= 2
    return style.doubled == "all" or (style.doubled == "all but last" and not last)


def _activates(before: Layer, layer: Layer, gap: int | None, flat: bool, doubles: bool) -> bool:
    """Return whether an activation stands before this convolution."""
    if gap is not None:
        return gap > int(doubles) + int(flat)
    # A linear layer outside the Sequential of the convolutions is usually a plain projection.
    return not (flat and before.kind == "linear" and layer.position is not None)


def _transposed(kernel: int, side: int, style: Style, last: bool) -> tuple[int, int, int]:
    """Return stride, padding and output padding of a transposed convolution."""
    if side == 1:
        return 1, 0, 0
    if not style.padded:
        return 2, 0, 0
    if kernel % 2 == 0:
        return 2, (kernel - 2) // 2, 0
    return (1, kernel // 2, 0) if (last and style.last_keeps) or kernel == 1 else (2, kernel // 2, 1)


def _gap(before: Layer, layer: Layer) -> int | None:
    """Return the number of layers without weights between two in one Sequential; None for others."""
    first, second = before.position, layer.position
    if first is None or second is None or first[0] != second[0]:
        return None
    return second[1] - first[1] - 1


def _encoders(layers: list[Layer], dim: int, decoder: Plan) -> tuple[tuple[Plan, ...], tuple[Layer, ...]]:
    """Return the encoders from the decoder's images to `dim` values, without their heads, and the heads."""
    linear = [layer for layer in layers if layer.kind == "linear"]
    if len(layers) < 1 or not linear or layers[-1] is not linear[-1] or linear[-1].sizes[0] != dim:
        return (), ()
    pair = len(layers) > 1 and layers[-2].kind == "linear" and layers[-2].sizes == layers[-1].sizes
    pair = pair and linear[-1].sizes[1] != dim  # else two layers one after the other
    heads = tuple(sorted(layers[-2 if pair else -1 :], key=lambda head: bool(re.search(SECOND, head.name))))
    trunk = layers[: -len(heads)]
    styles: tuple[str, ...] = ("half", "pool", "valid") if any(x.kind == "conv" for x in trunk) else ("half",)
    plans = [plan for style in styles if (plan := _encoded(trunk, heads, decoder, style)) is not None]
    return tuple(plans), heads


def _encoded(trunk: Sequence[Layer], heads: Sequence[Layer], decoder: Plan, style: str) -> Plan | None:
    """Return the encoder of a style; None if its shapes do not fit."""
    plan = Plan(shape=decoder.shape)
    for number, layer in enumerate(trunk):
        acts = number > 0 and _gap(trunk[number - 1], layer) != 0 and layer.kind != "norm"
        if acts:
            plan.add("act")
            if style == "pool" and trunk[number - 1].kind != "linear" and len(plan.shape) == 2:
                _pooled(plan)
        if layer.kind == "norm":
            if plan.shape[0] != layer.sizes[0]:
                return None
            plan.add(f"norm{1 if len(plan.shape) == 1 else 2}d {layer.sizes[0]}", layer)
        elif layer.kind == "conv":
            if (
                len(plan.shape) != 2
                or layer.sizes[1] != plan.shape[0]
                or layer.bias not in (0, layer.sizes[0])
            ):
                return None
            _reduced(plan, layer, style)
        elif not _joined(plan, layer):
            return None
    if trunk:
        plan.add("act")
        if style == "pool" and len(plan.shape) == 2:
            _pooled(plan)
    if len(plan.shape) == 2:
        plan.add("flatten")
    return plan if plan.pixels == heads[0].sizes[1] else None


def _joined(plan: Plan, layer: Layer) -> bool:
    """Add a linear layer; an image becomes a row before it."""
    if plan.pixels != layer.sizes[1]:
        return False
    if len(plan.shape) == 2:
        plan.add("flatten")
    plan.add(f"linear {layer.sizes[1]} {layer.sizes[0]} {int(layer.bias > 0)}", layer)
    plan.shape = (layer.sizes[0],)
    return True


def _pooled(plan: Plan) -> None:
    plan.add("pool")
    plan.shape = (plan.shape[0], plan.shape[1] // 2)


def _reduced(plan: Plan, layer: Layer, style: str) -> None:
    """Add a convolution that halves the side, or keeps it before a pooling."""
    outputs, inputs, kernel, _ = layer.sizes
    stride = 1 if style == "pool" or kernel == 1 else 2
    padding = 0 if style == "valid" else (kernel - 1) // 2
    plan.add(f"conv {inputs} {outputs} {kernel} {stride} {padding} {int(layer.bias > 0)}", layer)
    plan.shape = (outputs, (plan.shape[1] + 2 * padding - kernel) // stride + 1)
