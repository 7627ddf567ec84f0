"""Named streams of random numbers: one seed, and a name for each use, so that no use disturbs another."""

import zlib

import numpy as np


def derive(seed: int, *path: str | int) -> int:
    """A 63-bit seed for one use: a pure function of the seed and of the names that lead to it."""
    words = [seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF]
    words += [zlib.crc32(str(part).encode()) for part in path]
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """A numpy generator for one use, as `stream(seed, "order", epoch)`."""
    return np.random.default_rng(derive(seed, *path))
