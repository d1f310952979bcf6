"""Named, independent random streams from one seed.

Each purpose draws from its own stream, so changing the optimizer changes neither the split, nor the initial weights,
nor the order of the batches: runs of one seed are paired. A configuration can give single streams seeds of their own.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

from nnexp.config.seeds import Seeds, Streams

PURPOSES = (*Streams.model_fields, "search", "resample")


def legacy(seed: int) -> np.random.RandomState:
    """NumPy's legacy generator, for the bits of libraries that draw from it. Raises ValueError beyond 2³² - 1.

    >>> float(legacy(0).uniform()) == float(np.random.RandomState(0).uniform())
    True
    """
    return np.random.RandomState(seed)


def stream(seed: int | Seeds, purpose: str, *index: int) -> np.random.Generator:
    """The generator for a purpose, and for the `index`-th epoch or layer where the purpose has several.

    >>> stream(0, "init").random() == stream(0, "init").random()
    True
    >>> stream(0, "init").random() == stream(0, "shuffle").random()
    False
    """
    assert purpose in PURPOSES, purpose
    key = (crc32(purpose.encode()), *index)
    seed = seed if isinstance(seed, int) else seed.of(purpose)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))
