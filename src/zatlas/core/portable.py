"""Random numbers that are equal in Python and TypeScript for equal seeds."""

import numpy as np

_STEP = np.uint32(0x9E3779B9)  # of the Weyl sequence that is hashed


class PortableRandom:
    """Uniform and normal random numbers, equal to those of web/src/latent/random.ts.

    The n-th number is a hash of n (the finalizer of MurmurHash3), so arrays are computed at once.
    Not for training or statistics: the state has 32 bits.
    """

    def __init__(self, seed: int, stream: int = 0) -> None:
        low, high = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
        self._state = _scalar(_scalar(_scalar(high) ^ low) ^ stream)

    def uniform(self, count: int) -> np.ndarray:
        """Return `count` float64 numbers in [0, 1)."""
        steps = np.arange(1, count + 1, dtype=np.uint32) * _STEP
        numbers: np.ndarray = _mix(steps + np.uint32(self._state)) / 2**32
        self._state = (self._state + count * int(_STEP)) & 0xFFFFFFFF
        return numbers

    def normal(self, *shape: int) -> np.ndarray:
        """Return standard normal float32 numbers: Box and Muller 1958, https://doi.org/10.1214/aoms/1177706645."""
        count = int(np.prod(shape))
        pairs = self.uniform(count + count % 2).reshape(-1, 2)
        radius, angle = np.sqrt(-2 * np.log(1 - pairs[:, 0])), 2 * np.pi * pairs[:, 1]
        both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        return both.astype(np.float32).ravel()[:count].reshape(shape)


def _mix(x: np.ndarray) -> np.ndarray:
    x = (x ^ x >> np.uint32(16)) * np.uint32(0x85EBCA6B)
    x = (x ^ x >> np.uint32(13)) * np.uint32(0xC2B2AE35)
    return np.asarray(x ^ x >> np.uint32(16))


def _scalar(x: int) -> int:
    return int(_mix(np.array([x], np.uint32))[0])
