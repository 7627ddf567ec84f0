"""The operators of ONNX that convolutional networks use, as functions of torch tensors with gradients."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

Operator = Callable[..., Tensor]
INTEGERS = (6, 7)  # the types int32 and int64 of ONNX
BOOLEAN = 9
MAX_CONSTANT = 1 << 24  # numbers of a constant that a file describes by its shape


def _padded(
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    auto_pad: str,
    value: float = 0.0,
) -> Tensor:
    """Pad rows and columns, by `pads` (top, left, bottom, right) or so that strides divide the sizes."""
    top, left, bottom, right = pads
    if auto_pad.startswith("SAME"):
        sizes = zip(x.shape[2:], kernel, strides, dilations, strict=True)
        total = [max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0) for n, k, s, d in sizes]
        before = [(each + 1) // 2 if auto_pad == "SAME_LOWER" else each // 2 for each in total]
        (top, left), (bottom, right) = before, [a - b for a, b in zip(total, before, strict=True)]
    if not (top or left or bottom or right):
        return x
    return F.pad(x, (left, right, top, bottom), value=value)


def _conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    auto_pad: str = "NOTSET",
    group: int = 1,
    kernel_shape: Sequence[int] = (),
) -> Tensor:
    x = _padded(x, weight.shape[2:], strides, dilations, pads, auto_pad)
    return F.conv2d(x, weight, bias, tuple(strides), 0, tuple(dilations), group)


def _max_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    storage_order: int = 0,
) -> Tensor:
    x = _padded(x, kernel_shape, strides, dilations, pads, auto_pad, value=float("-inf"))
    steps, gaps = tuple(strides), tuple(dilations)
    return F.max_pool2d(x, tuple(kernel_shape), steps, 0, gaps, ceil_mode=bool(ceil_mode))


def _average_pool(
    x: Tensor,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
) -> Tensor:
    def pooled(values: Tensor) -> Tensor:
        values = _padded(values, kernel_shape, strides, (1, 1), pads, auto_pad)
        return F.avg_pool2d(values, tuple(kernel_shape), tuple(strides), ceil_mode=bool(ceil_mode))

    return pooled(x) if count_include_pad else pooled(x) / pooled(torch.ones_like(x[:1, :1]))


def _batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor, *, epsilon: float = 1e-5, **_: Any
) -> Tensor:
    return F.batch_norm(x, mean, var, weight, bias, eps=epsilon)


def _instance_norm(x: Tensor, weight: Tensor, bias: Tensor, *, epsilon: float = 1e-5) -> Tensor:
    return F.instance_norm(x, weight=weight, bias=bias, eps=epsilon)


def _response_norm(
    x: Tensor, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0
) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, bias)


def _clip(
    x: Tensor, low: Tensor | None = None, high: Tensor | None = None, *, min: Any = None, max: Any = None
) -> Tensor:
    low_value, high_value = (min if low is None else low), (max if high is None else high)
    return x if low_value is None and high_value is None else torch.clip(x, low_value, high_value)


def _gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    *,
    alpha: float = 1.0,
    beta: float = 1.0,
    transA: int = 0,
    transB: int = 0,
) -> Tensor:
    product = alpha * ((a.t() if transA else a) @ (b.t() if transB else b))
    return product if c is None else product + beta * c


def _div(a: Tensor, b: Tensor) -> Tensor:
    integers = not a.is_floating_point() and not b.is_floating_point()
    return torch.div(a, b, rounding_mode="trunc" if integers else None)


def _cast(x: Tensor, *, to: int, **_: Any) -> Tensor:
    return x.long() if to in INTEGERS else x.bool() if to == BOOLEAN else x.float()


def _flatten(x: Tensor, *, axis: int = 1) -> Tensor:
    return x.flatten(1) if axis == 1 else x.reshape(int(torch.tensor(x.shape[:axis]).prod()), -1)


def _reshape(x: Tensor, shape: Tensor, *, allowzero: int = 0) -> Tensor:
    sizes = shape.tolist()
    return x.reshape([x.shape[i] if size == 0 and not allowzero else size for i, size in enumerate(sizes)])


def _transpose(x: Tensor, *, perm: Sequence[int] | None = None) -> Tensor:
    return x.permute(*(range(x.ndim)[::-1] if perm is None else perm))


def _squeeze(x: Tensor, given: Tensor | None = None, *, axes: Sequence[int] | None = None) -> Tensor:
    removed = axes if given is None else given.tolist()
    return x.squeeze() if removed is None else x.squeeze(tuple(removed))


def _unsqueeze(x: Tensor, given: Tensor | None = None, *, axes: Sequence[int] = ()) -> Tensor:
    added = axes if given is None else given.tolist()
    for axis in sorted(each % (x.ndim + len(added)) for each in added):
        x = x.unsqueeze(axis)
    return x


def _slice(
    x: Tensor, starts: Tensor, ends: Tensor, axes: Tensor | None = None, steps: Tensor | None = None
) -> Tensor:
    count = len(starts)
    dimensions = range(count) if axes is None else axes.tolist()
    strides = [1] * count if steps is None else steps.tolist()
    for axis, start, end, step in zip(dimensions, starts.tolist(), ends.tolist(), strides, strict=True):
        rows = torch.tensor(range(x.shape[axis])[start:end:step], dtype=torch.int64, device=x.device)
        x = x.index_select(axis, rows)
    return x


def _gather(x: Tensor, index: Tensor, *, axis: int = 0) -> Tensor:
    axis %= x.ndim
    flat = x.index_select(axis, index.reshape(-1) % x.shape[axis])
    return flat.reshape(*x.shape[:axis], *index.shape, *x.shape[axis + 1 :])


def _pad(
    x: Tensor,
    given: Tensor | None = None,
    fill: Tensor | None = None,
    axes: Tensor | None = None,
    *,
    mode: str = "constant",
    pads: Sequence[int] = (),
    value: float = 0.0,
) -> Tensor:
    if axes is not None:
        raise ValueError("axes are not supported")
    widths = list(pads) if given is None else given.tolist()
    last = 2 if mode != "constant" else x.ndim  # torch reflects and repeats the last dimensions only
    if any(widths[i] or widths[i + x.ndim] for i in range(x.ndim - last)):
        raise ValueError(f"mode {mode} in other dimensions")
    sides = [side for i in range(x.ndim)[::-1][:last] for side in (widths[i], widths[i + x.ndim])]
    if mode != "constant":
        return F.pad(x, sides, mode={"reflect": "reflect", "edge": "replicate", "wrap": "circular"}[mode])
    return F.pad(x, sides, value=value if fill is None else float(fill))


def _mean(
    x: Tensor,
    given: Tensor | None = None,
    *,
    axes: Sequence[int] | None = None,
    keepdims: int = 1,
    noop_with_empty_axes: int = 0,
) -> Tensor:
    over = axes if given is None else given.tolist()
    return x.mean(tuple(range(x.ndim) if over is None else over), keepdim=bool(keepdims))


def _constant(**settings: Any) -> Tensor:
    (value,) = settings.values()
    return value if isinstance(value, Tensor) else torch.tensor(value)


def _constant_of_shape(shape: Tensor, *, value: Tensor | None = None) -> Tensor:
    sizes = shape.tolist()
    if math.prod(sizes) > MAX_CONSTANT:
        raise ValueError(f"a constant of shape {sizes}")
    return torch.zeros(sizes) if value is None else value.reshape(()).expand(sizes)


def _shape(x: Tensor, *, start: int = 0, end: int | None = None) -> Tensor:
    return torch.tensor(x.shape[start:end])


OPERATORS: Mapping[str, Operator] = {
    "Abs": torch.abs,
    "Add": torch.add,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": lambda *parts, axis: torch.cat(parts, axis),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "Div": _div,
    "Dropout": lambda x, *_, **settings: x,
    "Elu": lambda x, alpha=1.0: F.elu(x, alpha),
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gelu": lambda x, approximate="none": F.gelu(x, approximate=approximate),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdim=True),
    "GlobalMaxPool": lambda x: x.amax((2, 3), keepdim=True),
    "HardSigmoid": lambda x, alpha=0.2, beta=0.5: (alpha * x + beta).clip(0, 1),
    "HardSwish": F.hardswish,
    "Identity": lambda x: x,
    "InstanceNormalization": _instance_norm,
    "LRN": _response_norm,
    "LeakyRelu": lambda x, alpha=0.01: F.leaky_relu(x, alpha),
    "Log": torch.log,
    "LogSoftmax": lambda x, axis=-1: x.log_softmax(axis),
    "MatMul": torch.matmul,
    "MaxPool": _max_pool,
    "Mul": torch.mul,
    "Neg": torch.neg,
    "PRelu": lambda x, weight: torch.where(x > 0, x, weight * x),
    "Pad": _pad,
    "Pow": torch.pow,
    "ReduceMean": _mean,
    "Relu": F.relu,
    "Reshape": _reshape,
    "Selu": lambda x, **_: F.selu(x),
    "Shape": _shape,
    "Sigmoid": torch.sigmoid,
    "Slice": _slice,
    "Softmax": lambda x, axis=-1: x.softmax(axis),
    "Softplus": F.softplus,
    "Sqrt": torch.sqrt,
    "Squeeze": _squeeze,
    "Sub": torch.sub,
    "Tanh": torch.tanh,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
