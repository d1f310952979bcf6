"""All that a worker imports and numba makes ready: done once in the process that the workers are forked from."""

import pebble  # noqa: F401
import threadpoolctl  # noqa: F401

import nnexp.sweep.pool  # noqa: F401
from nnexp.engine.loops import get_ready

get_ready()
