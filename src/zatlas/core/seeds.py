"""Independent streams of random numbers from one seed, with a name for each use."""

import zlib

import numpy as np


def derive(seed: int, *path: str | int) -> int:
    """Return a 63-bit seed for one use, a pure function of the seed and the path."""
    words = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
    words += [zlib.crc32(str(part).encode()) for part in path]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Return a numpy generator for one use, as `stream(seed, "order", epoch)`."""
    return np.random.default_rng(derive(seed, *path))
