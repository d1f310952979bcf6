"""All that a worker imports and numba makes ready: done once in the process that the workers are forked from."""

import gc

gc.disable()  # a tenth of the time of imports

import pebble  # noqa: E402, F401
import threadpoolctl  # noqa: E402, F401

import nnexp.sweep.pool  # noqa: E402, F401
from nnexp.engine.compiling import get_ready  # noqa: E402
from nnexp.runner import machine  # noqa: E402

get_ready()
machine()
gc.freeze()  # what is there stays there, in pages that the workers share
gc.enable()
