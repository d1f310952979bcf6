"""How formulas are compiled by numba, and where what was compiled is kept.

numba keeps what it has compiled on disk, in the user's cache folder. Its key is the loop's source, the argument types
and the loop's closure: so the closure holds the formula by reference (`register_jitable`, not `njit`, whose id is new
in each process) and `stamp`, a digest of the formula's code, without which an edited formula would run in its old form.
Processes that need the same loop at once compile it once: the others wait for it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import IO, Any

import numpy as np

from nnexp import __version__
from nnexp.components.base import select

FORMS = ("fused", "numpy")
Formula = Callable[..., Any]


def form() -> str:
    """`fused` or `numpy`, from NNEXP_FORM."""
    return os.environ.get("NNEXP_FORM") or "fused"


@cache
def versions() -> dict[str, str]:
    """Of what the bits of a run may depend on, beside the machine."""
    from importlib.metadata import version

    return {
        "nnexp": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": version("numba"),  # without importing it, which the parent of a sweep does not need to do
    }


def plain() -> bool:
    return form() == "numpy"


def _nobody(name: str) -> None:
    """Whom compiling concerns by default."""


on_compile: Callable[[str], None] = _nobody
"""Hears the name of each loop before it is compiled."""
PATIENCE = 60.0
"""Seconds to wait for a loop that another process compiles."""


@cache
def cache_folder() -> Path | None:
    """Where compiled loops are kept: NNEXP_CACHE, or nnexp's folder in the user's cache; None where it is read-only."""
    given = os.environ.get("NNEXP_CACHE")
    folder = Path(given) if given else _user_cache() / "nnexp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder.resolve()
    except (OSError, RuntimeError):
        return None


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def uncached() -> str | None:
    """A sentence for the user where compiled loops cannot be kept; None where they are, or where none are compiled."""
    if plain() or cache_folder() is not None:
        return None
    folder = os.environ.get("NNEXP_CACHE") or "the user's cache folder"
    return (
        f"compiled loops cannot be kept, for {folder} cannot be written; each process compiles them again, a few "
        "seconds; NNEXP_CACHE=FOLDER chooses another folder"
    )


def stamp_of(formula: Formula) -> str:
    """A digest of a formula's bytecode, constants and names, and of the functions that it calls by name."""
    code = formula.__code__
    parts = [
        code.co_code,
        repr([c for c in code.co_consts if not hasattr(c, "co_code")]),
        repr(code.co_names),
    ]
    for name in code.co_names:
        inner: Any = formula.__globals__.get(name)
        if hasattr(inner, "__code__") and inner is not select:
            parts.append(stamp_of(inner))
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def fixed(c: np.ndarray, count: int) -> tuple[Any, ...]:
    """The first `count` coefficients as a tuple; a global, as numba's own has a new id in each process."""
    return tuple(c[:count])


def named_after_its_formula(function: Formula) -> str:
    """A loop's name with a digest of what it was made for: its stamps and counts.

    Machine code is looked up by its name and a number that each process counts for itself. Without the digest two loops
    that two processes have compiled can have one name in a third that loads both, and one would run as the other.
    """
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    told = {name: cell.cell_contents for name, cell in cells.items()}
    parts = sorted((name, value) for name, value in told.items() if isinstance(value, str | int | float))
    if not parts:
        return function.__qualname__
    return f"{function.__qualname__}_{hashlib.sha256(repr(parts).encode()).hexdigest()[:16]}"


@contextmanager
def _without_scipy() -> Iterator[None]:
    """numba, imported meanwhile, does not look for SciPy's BLAS: it would take as long again as numba itself.

    numba wants it for matrix products inside of compiled functions, and no formula has any.
    """
    if "scipy.linalg" in sys.modules:
        yield
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]  # what Python takes for: there is none
    try:
        yield
    finally:
        del sys.modules["scipy.linalg"]


@cache
def compiler() -> tuple[Callable[[Formula], Any], Callable[[Formula], Any]]:
    """numba's (njit for loops, marker for formulas), with `select` and `fixed` taught to it."""
    with _without_scipy():
        import numba
        import numba.np.arraymath
    from numba.core import types
    from numba.np.unsafe.ndarray import to_fixed_tuple

    @numba.extending.overload(select, inline="always")
    def _select(condition, a, b):
        # An integer beside a float takes the float's type: a branch in float32 stays in float32.
        if isinstance(a, types.Integer) and isinstance(b, types.Float):
            return lambda condition, a, b: b if not condition else type(b)(a)
        if isinstance(b, types.Integer) and isinstance(a, types.Float):
            return lambda condition, a, b: a if condition else type(a)(b)
        return lambda condition, a, b: a if condition else b

    @numba.extending.overload(fixed, prefer_literal=True)
    def _fixed(c, count):
        length = count.literal_value
        return lambda c, count: to_fixed_tuple(c, length)

    compiled = numba.njit(error_model="numpy", nogil=True)

    def loop(function: Formula) -> Any:
        function.__qualname__ = named_after_its_formula(function)
        dispatcher = compiled(function)
        dispatcher._cache = kept(function)
        return dispatcher

    kept = _keeper(cache_folder())
    return loop, numba.extending.register_jitable


def _keeper(folder: Path | None) -> Callable[[Formula], Any]:
    """What makes the cache of a function's compiled forms, in files below `folder` or in memory alone."""
    from numba.core import config
    from numba.core.caching import FunctionCache, NullCache

    class InMemory(NullCache):
        """Forgets all with the process, and tells of each compilation."""

        def __init__(self, function: Formula):
            self.name = function.__qualname__

        def load_overload(self, sig: Any, target_context: Any) -> None:
            on_compile(self.name)

    class OnDisk(FunctionCache):
        """numba's files; while a process compiles a function, the others that need it wait."""

        def __init__(self, function: Formula):
            super().__init__(function)
            self.name = function.__qualname__
            self.lock: IO[bytes] | None = None

        def load_overload(self, sig: Any, target_context: Any) -> Any:
            found = super().load_overload(sig, target_context)
            if found is None:
                self.release()
                self.lock = _alone(Path(self.cache_path) / f"{self.name.replace('<locals>', '')}.lock")
                found = super().load_overload(sig, target_context)
                if found is None:
                    on_compile(self.name)
                else:
                    self.release()
            return found

        def save_overload(self, sig: Any, data: Any) -> None:
            try:
                super().save_overload(sig, data)
            finally:
                self.release()

        def release(self) -> None:
            if self.lock is not None:
                self.lock.close()
                self.lock = None

    if folder is None:
        return InMemory
    config.CACHE_DIR = str(folder)
    return OnDisk


def _alone(path: Path) -> IO[bytes] | None:
    """The file, locked for this process as long as it is open; None where the system has no locks."""
    try:
        import fcntl

        file = path.open("ab")
    except (ImportError, OSError):
        return None
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            break
    return file


def get_ready() -> None:
    """Let numba make ready what every loop needs: a tenth of a second, best spent before processes are forked."""
    if not plain():
        jit, _ = compiler()

        @jit
        def nothing(x):
            x[0] = x[0] * 1.0

        for dtype in (np.float32, np.float64):
            nothing(np.ones(1, dtype))
