"""Weights from a seed, with the names and shapes of a reference network, for `write_references` and tests."""

import zlib
from itertools import pairwise

import numpy as np

KEPT_PIXELS = 499  # of an image, in a fixture
CONFIGS = {  # of BigGAN-deep: (size, channel width, number of classes, truncations)
    "biggan-128": (128, 8, 10, (1.0, 0.41)),
    "biggan-256": (256, 4, 10, (0.4,)),
    "biggan-512": (512, 4, 10, (0.02,)),
    "biggan-128-full": (128, 128, 1000, (0.5,)),
}
PROGANS = {  # of ProGAN: (side, largest width, classes, fused, lod)
    **{f"progan-{side}": (side, 16, 0, False, 0.0) for side in (8, 16, 32, 64, 128, 256, 512, 1024)},
    "progan-64-fused": (64, 16, 0, True, 0.0),
    "progan-64-classes": (64, 16, 5, False, 0.0),
    "progan-64-growing": (64, 16, 0, False, 1.25),
    "progan-256-full": (256, 512, 0, False, 0.0),
}
LIGHTS = {  # of stylegan2-pytorch: (side, network capacity, arguments of its generator)
    "light-16": (16, 2, {}),
    "light-32-attention": (32, 2, {"attn_layers": [1, 2], "no_const": True}),
    "light-16-opacity": (16, 2, {"transparent": True}),
    "light-256-full": (256, 16, {}),
}
PLAINS = {  # of BigGAN, not deep: (side, width, arguments of its generator)
    "plain-32": (32, 8, {"G_attn": "0"}),
    "plain-128": (128, 4, {"hier": True}),
    "plain-256": (256, 4, {"hier": True, "shared_dim": 24}),
    "plain-512": (512, 4, {"hier": True, "G_attn": "32", "mybn": True}),
}
Z_DIM = 16  # of a ProGAN that is not full-size; 128 classes for a BigGAN of any width


def layers_of(size):
    """The layers of the published BigGAN-deep of this size: doubles, channels before, channels after."""
    steps = {128: [16, 16, 8, 4, 2, 1], 256: [16, 16, 8, 8, 4, 2, 1], 512: [16, 16, 8, 8, 4, 2, 1, 1]}[size]
    layers = []
    for before, after in pairwise(steps):
        layers += [[False, before, before], [True, before, after]]
    return layers


def biggan_config(name):
    """The entries of a config.json of pytorch-pretrained-biggan."""
    size, width, classes, _ = CONFIGS[name]
    full = width == 128
    return {
        "output_dim": size,
        "z_dim": 128 if full else 16,
        "class_embed_dim": 128 if full else 16,
        "channel_width": width,
        "num_classes": classes,
        "layers": layers_of(size),
        "attention_layer_position": 8,
        "eps": 1e-4,
        "n_stats": 51,
    }


def weights(shapes, seed=0):
    """Return an array for each name; spectral norms have the vectors of one power iteration."""
    state = {}
    for name, shape in shapes.items():
        rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
        values = rng.standard_normal(shape).astype(np.float32)
        if name.endswith(("running_vars", "stored_var")):
            values = np.exp(0.3 * values)
        elif name.endswith(("running_means", "stored_mean")):
            values = 0.3 * values
        elif name.endswith(("bias", "gamma")):
            values = 0.5 * values
        elif name.endswith(("bn.weight", "output_layer.0.gain")):
            values = 1 + 0.3 * values
        elif name.endswith(".upsample.1.f"):
            values = np.array([1, 2, 1], np.float32)
        elif name.startswith("SE.net.") and name.endswith("weight"):
            values = 10 / np.sqrt(shape[1]) * values
        elif name.startswith("GE.") and "to_style" in name:
            values = values / np.sqrt(shape[-1])
        elif name.startswith("GE.") and name.endswith("rgb.conv.weight"):
            values = values / shape[1]
        elif name.startswith("GE.") and ".fn." in name and len(shape) == 4 and shape[0] > 1:
            values = values / np.sqrt(shape[1])
        elif name == "lod":
            values = np.float32(0) * values
        state[name] = values.astype(np.float32)
    for name in [name for name in state if name.endswith("weight_u")]:
        matrix = state[name.replace("weight_u", "weight_orig")]
        matrix = matrix.reshape(len(matrix), -1)
        v = matrix.T @ state[name]
        v /= np.linalg.norm(v)
        u = matrix @ v
        state[name.replace("weight_u", "weight_v")] = v
        state[name] = u / np.linalg.norm(u)
    return state


def latents(dim, count=2):
    """Latents (count, dim) of a fixture."""
    return np.random.default_rng(7).standard_normal((count, dim)).astype(np.float32)


def some_pixels(images):
    """The pixels of images that a fixture keeps, spread over all rows, columns and channels."""
    flat = images.reshape(len(images), -1)
    return flat[:, np.linspace(0, flat.shape[1] - 1, KEPT_PIXELS).astype(int)].astype(np.float32)


def light_noise(side):
    """The noise of stylegan2-pytorch (side, side)."""
    return np.random.default_rng(8).random((side, side), dtype=np.float32)


def plain_dim(name):
    """The dimensions of z of a BigGAN (not deep): 4 for each block and the first layer."""
    side, _, arguments = PLAINS[name]
    return 4 * (side.bit_length() - 2) if arguments.get("hier") else Z_DIM
