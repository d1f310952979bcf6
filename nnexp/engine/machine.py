"""The compiled functions that play tapes. Import it where it is used: it imports numba.

numba's intrinsics stand at the top of the module, for in a closure their new id in each process would be part of what
the compiled forms on disk are known by.
"""

from __future__ import annotations

import os
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from nnexp.engine.compiling import compiler
from nnexp.engine.tape import COUNTS

LOOKS = 2000
"""Looks at a number that another thread is to change, before the processor is offered to others."""

jit, _ = compiler()
word = ir.IntType(64)
give_way = types.ExternalFunction("sched_yield", types.int32()) if os.name == "posix" else numba.njit(int)


@intrinsic
def call(typing: Any, address: Any, words: Any, count: Any) -> Any:
    """Call the function at an address with `count` words."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        address, words, count = arguments
        base = builder.inttoptr(words, word.as_pointer())
        done = builder.append_basic_block("done")
        switch = builder.switch(count, done)
        for n in sorted(COUNTS):
            block = builder.append_basic_block(f"words{n}")
            switch.add_case(ir.Constant(word, n), block)
            builder.position_at_end(block)
            given = [builder.load(builder.gep(base, [ir.Constant(word, i)])) for i in range(n)]
            kind = ir.FunctionType(ir.IntType(32), [word] * n)
            builder.call(builder.inttoptr(address, kind.as_pointer()), given)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), build


@intrinsic
def draw32(typing: Any, address: Any, state: Any) -> Any:
    """Call a bit generator's function with its state: 32 random bits."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.IntType(32), [word])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])

    return types.uint32(types.int64, types.int64), build


@intrinsic
def draw64(typing: Any, address: Any, state: Any) -> Any:
    """Call a bit generator's function with its state: U(0, 1) in float64."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = ir.FunctionType(ir.DoubleType(), [word])
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [arguments[1]])

    return types.float64(types.int64, types.int64), build


@intrinsic
def arrive(typing: Any, address: Any) -> Any:
    """Add 1 to the number at an address, seen by all threads."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], word.as_pointer())
        builder.atomic_rmw("add", pointer, ir.Constant(word, 1), "seq_cst")
        return context.get_dummy_value()

    return types.none(types.int64), build


@intrinsic
def look(typing: Any, address: Any) -> Any:
    """The number at an address, as other threads have left it."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], word.as_pointer())
        return builder.load_atomic(pointer, "seq_cst", 8)

    return types.int64(types.int64), build


@jit
def play(addresses, first, words, moved, strides, values):
    """Go through a tape, a step for each row of `values`; returns after the first with a number that is not finite."""
    base = words.ctypes.data
    for step in range(values.shape[0]):
        for k in range(addresses.size):
            call(addresses[k], base + 8 * first[k], first[k + 1] - first[k])
        for m in range(moved.size):
            words[moved[m]] += strides[m]
        for tape in range(values.shape[1]):
            if not np.isfinite(values[step, tape]):
                return step + 1
    return values.shape[0]


@jit
def meet(arrived, own, tapes):
    """Wait until all tapes have come here; `own` counts how many should have arrived up to now."""
    own[0] += tapes[0]
    arrive(arrived.ctypes.data)
    looks = 0
    while look(arrived.ctypes.data) < own[0]:
        looks += 1
        if looks % LOOKS == 0:
            give_way()


@jit
def attend(number, taken, most):
    """Whether a number (1,) becomes greater than `taken` while it is looked at `most` times."""
    for _ in range(most):  # noqa: SIM110
        if look(number.ctypes.data) > taken:
            return True
    return False


@jit
def uniform32(u, source):
    """Fill u (B, O) as NumPy's random does in float32: 24 bits of each draw."""
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            u[i, j] = np.float32(draw32(source[0], source[1]) >> np.uint32(8)) * np.float32(2.0**-24)


@jit
def uniform64(u, source):
    """Fill u (B, O) as NumPy's random does in float64."""
    for i in range(u.shape[0]):
        for j in range(u.shape[1]):
            u[i, j] = draw64(source[0], source[1])
