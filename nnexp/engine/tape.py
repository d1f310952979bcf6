"""A step's calls on fixed arrays, written down once and played many times without Python in between.

A call of a compiled loop, a ufunc, a matrix product or a random draw is in the end a call of a machine function whose
arguments are words of 64 bits: addresses, sizes, strides. A tape holds those words for the calls of one training step,
in order; a compiled loop goes through them, step after step, and moves the few addresses that differ from step to step
(the batch, the optimizer's coefficients, where the loss is written) along. Nothing is computed in another way than by
the calls that Python would make: `tests/engine/test_tape.py` compares the two to the bit, but for products with a
single column, which NumPy hands to BLAS's matrix-vector product, and a tape does not: there they agree up to rounding.

Where the words come from:

- a loop of engine/loops: numba's native function, `(result, exception, arguments...)`, an array being
  `(0, 0, size, itemsize, data, shape..., strides...)`;
- a ufunc: its inner loop in NumPy's C API, `(pointers, count, steps, data)`;
- a matrix product: the BLAS that NumPy itself has loaded, else SciPy's, called as from Fortran, all by address;
- U(0, 1): the bit generator's `next_uint32` or `next_double`, as NumPy's own `random` uses them.

Several tapes can be played at once, each in a thread of its own, and wait for each other at a `Meeting`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from nnexp.components.activations import Call
from nnexp.engine.calls import Draw, product, product_by_transposed, product_of_transposed

COUNTS = {4, 15} | {2 + 7 * vectors + 9 * tables for vectors in range(10) for tables in range(6)}
"""How many words a call may have: a ufunc's, a product's, a loop's over so many arrays of one and two dimensions."""


class Unplayable(Exception):
    """A call that only Python can make; says which."""


class Meeting:
    """A place in several tapes where each waits until all have come."""

    def __init__(self, tapes: int):
        self.tapes = tapes
        self.arrived = np.zeros(1, np.int64)

    def place(self) -> Call:
        """The call that waits, for one of the tapes."""
        from nnexp.engine import machine  # it imports numba, which the plain form does without

        return machine.meet, self.arrived, np.zeros(1, np.int64), np.array([self.tapes])


class Tape:
    """The calls of one step. What moves from step to step is told by the arrays that stand for it in the calls."""

    def __init__(self, calls: Sequence[Call], value: Call | None = None, moving: Sequence[np.ndarray] = ()):
        """Raises Unplayable.

        `value` is the call among them that returns the step's value, where there is one; wherever one of the `moving`
        arrays begins, a step reads or writes what `play` was given for it.
        """
        self._kept: list[Any] = [calls]
        self._result, self._exception = np.zeros(2), np.zeros(1, np.int64)
        places: list[list[int]] = [[] for _ in (*moving, None)]
        starts = {array.ctypes.data: number for number, array in enumerate(moving)}
        addresses: list[int] = []
        first, words = [0], list[int]()
        for call in calls:
            address, arguments = self._written(call)
            for number, word in enumerate(arguments):
                if word in starts:
                    places[starts[word]].append(len(words) + number)
            if call is value:
                places[-1].append(len(words))
            addresses.append(address)
            words += arguments
            first.append(len(words))
        self._addresses, self._first = np.array(addresses, np.int64), np.array(first, np.int64)
        self._words = np.array(words, np.int64)
        self._places = [np.array(place, np.int64) for place in places]
        self._moved = np.concatenate(self._places)
        self._strides = np.zeros(len(self._moved), np.int64)

    def play(self, sources: Sequence[tuple[int, int]], values: np.ndarray, column: int = 0) -> int:
        """Make len(values) steps, or fewer: up to the first whose value is not finite. Returns how many.

        For each of the moving arrays: the address for the first step, and how many bytes to move from step to step.
        The values go to a column of `values`, float64 (steps, tapes), and a step ends when its row is finite.
        """
        position = 0
        out = values.ctypes.data + column * values.itemsize, values.strides[0]
        for place, (address, stride) in zip(self._places, (*sources, out), strict=True):
            self._words[place] = address
            self._strides[position : position + len(place)] = stride
            position += len(place)
        from nnexp.engine import machine

        return machine.play(self._addresses, self._first, self._words, self._moved, self._strides, values)

    def _written(self, call: Call) -> tuple[int, list[int]]:
        """The address of a call's machine function, and its words."""
        function, *arguments = call
        if function in PRODUCTS:
            return self._product(*PRODUCTS[function], *arguments)
        if isinstance(function, np.ufunc):
            return self._ufunc(function, *arguments)
        if isinstance(function, Draw):
            function, arguments = self._draw(function, *arguments)
        if not hasattr(function, "overloads"):
            raise Unplayable(getattr(function, "__qualname__", str(function)))
        return self._loop(function, arguments)

    def _loop(self, dispatcher: Any, arguments: Sequence[np.ndarray]) -> tuple[int, list[int]]:
        self._kept.append(arguments)
        types = tuple(_type(array.dtype.char, array.ndim, _layout(array)) for array in arguments)
        address = _native(dispatcher, types)
        words = [self._result.ctypes.data, self._exception.ctypes.data]
        for array in arguments:
            words += [0, 0, array.size, array.itemsize, array.ctypes.data, *array.shape, *array.strides]
        if len(words) not in COUNTS:
            raise Unplayable(f"{len(words)} words")
        return address, words

    def _product(self, left: str, right: str, a: np.ndarray, b: np.ndarray, out: np.ndarray) -> tuple[int, list[int]]:
        """out = op(a) op(b) for arrays in rows: in Fortran's columns outᵀ = op(b)ᵀ op(a)ᵀ."""
        address, integer = _gemm(out.dtype.char)
        n, m = out.shape
        k = a.shape[0] if left == "T" else a.shape[1]
        sizes: np.ndarray = np.array([m, n, k, b.shape[1], a.shape[1], m], integer)
        factors, letters = np.array([1, 0], out.dtype), np.frombuffer((right + left).encode(), np.uint8).copy()
        self._kept += [sizes, factors, letters]
        size = [sizes.ctypes.data + i * sizes.itemsize for i in range(6)]
        letter, factor = letters.ctypes.data, factors.ctypes.data
        head = [letter, letter + 1, *size[:3], factor, b.ctypes.data, size[3], a.ctypes.data, size[4]]
        return address, [*head, factor + factors.itemsize, out.ctypes.data, size[5], 1, 1]

    def _ufunc(self, ufunc: np.ufunc, *arguments: Any) -> tuple[int, list[int]]:
        if not is_numpys(ufunc):
            raise Unplayable(ufunc.__name__)
        out = arguments[-1]
        arrays = [a if isinstance(a, np.ndarray) else np.array([a], out.dtype) for a in arguments]
        if any(a.dtype != out.dtype or not a.flags.c_contiguous or a.size not in (1, out.size) for a in arrays):
            raise Unplayable(ufunc.__name__)
        function, data = _inner_loop(ufunc, out.dtype.char * len(arrays))
        pointers = np.array([a.ctypes.data for a in arrays])
        count, steps = np.array([out.size]), np.array([a.itemsize if a.size == out.size else 0 for a in arrays])
        self._kept += [arrays, pointers, count, steps]
        return function, [pointers.ctypes.data, count.ctypes.data, steps.ctypes.data, data]

    def _draw(self, draw: Draw, u: np.ndarray) -> tuple[Any, list[np.ndarray]]:
        if draw.kind != "uniform":
            raise Unplayable(draw.kind)
        interface = draw.rng.bit_generator.ctypes
        source = interface.next_uint32 if u.itemsize == 4 else interface.next_double
        address = ctypes.cast(source, ctypes.c_void_p).value
        words = np.array([address, interface.state_address], np.int64)
        from nnexp.engine import machine

        return (machine.uniform32 if u.itemsize == 4 else machine.uniform64), [u, words]


PRODUCTS: Mapping[Callable[..., None], tuple[str, str]] = {
    product: ("N", "N"),
    product_of_transposed: ("T", "N"),
    product_by_transposed: ("N", "T"),
}
"""Which factor is transposed."""


@cache
def _type(kind: str, dimensions: int, layout: Literal["C", "F", "A"]) -> Any:
    """numba's type of an array: its own for one that may be written, for what is written never is another."""
    from numba.core import types
    from numba.np.numpy_support import from_dtype

    return types.Array(from_dtype(np.dtype(kind)), dimensions, layout)


def _layout(array: np.ndarray) -> Literal["C", "F", "A"]:
    """How numba calls an array's order: by rows, by columns, any."""
    return "C" if array.flags.c_contiguous else "F" if array.flags.f_contiguous else "A"


@cache
def _native(dispatcher: Any, types: tuple[Any, ...]) -> int:
    """The address of a compiled loop for arguments of these types."""
    dispatcher.compile(types)
    compiled = dispatcher.overloads[types]
    return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)


@cache
def _gemm(kind: str) -> tuple[int, type]:
    """The address of sgemm (kind f) or dgemm (d), and the type of its integers. Raises Unplayable."""
    name = {"f": "sgemm", "d": "dgemm"}[kind]
    for path in (Path(np.__file__).parent.parent / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))  # NumPy has it loaded already
        if hasattr(library, f"scipy_{name}_64_"):
            return _address(getattr(library, f"scipy_{name}_64_")), np.int64
    import threadpoolctl
    from numba.extending import get_cython_function_address

    try:
        address = get_cython_function_address("scipy.linalg.cython_blas", name)
        threadpoolctl.threadpool_limits(1, user_api="blas")  # this library was not there when others were limited
        return address, np.int32
    except (ImportError, ValueError) as error:
        raise Unplayable(f"BLAS ({error})") from None


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


class _Ufunc(ctypes.Structure):
    """The beginning of NumPy's PyUFuncObject, which its C API documents."""

    _fields_ = (
        ("refcount", ctypes.c_ssize_t),
        ("type", ctypes.c_void_p),
        ("nin", ctypes.c_int),
        ("nout", ctypes.c_int),
        ("nargs", ctypes.c_int),
        ("identity", ctypes.c_int),
        ("functions", ctypes.POINTER(ctypes.c_void_p)),
        ("data", ctypes.POINTER(ctypes.c_void_p)),
        ("ntypes", ctypes.c_int),
    )


def is_numpys(ufunc: np.ufunc) -> bool:
    """Whether a ufunc is one of NumPy's own; the loops of SciPy's (erf) crash when called like this."""
    return getattr(np, ufunc.__name__, None) is ufunc


def _inner_loop(ufunc: np.ufunc, kinds: str) -> tuple[int, int]:
    """The address of a ufunc's loop for operands of these types, such as 'fff', and of the data that it wants."""
    known = [signature.replace("->", "") for signature in ufunc.types]
    seen = _Ufunc.from_address(id(ufunc))
    if kinds not in known or (seen.nin, seen.nout, seen.ntypes) != (ufunc.nin, ufunc.nout, len(known)):
        raise Unplayable(ufunc.__name__)
    number = known.index(kinds)
    return seen.functions[number] or 0, seen.data[number] or 0 if seen.data else 0


def attend(number: np.ndarray, taken: int, looks: int) -> bool:
    """Look at a number (1,) until another thread has made it greater than `taken`; False when `looks` were in vain."""
    from nnexp.engine import machine

    return machine.attend(number, taken, looks)
