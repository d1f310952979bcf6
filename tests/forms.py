"""The two forms of every loop, fused and NumPy, for tests that compare them or run under each."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from typing import Any

import pytest

from nnexp.engine import compiling, loops

HOMES = {
    name: module
    for module in (import_module(f"{loops.__name__}.{found.name}") for found in pkgutil.iter_modules(loops.__path__))
    for name, builder in vars(module).items()
    if hasattr(builder, "__wrapped__") and str(builder.__annotations__.get("return")).startswith("Callable[...")
}
"""The module of nnexp.engine.loops that each function that builds a loop is in, by the function's name."""
BUILDERS: dict[str, Callable[..., Any]] = {name: getattr(module, name).__wrapped__ for name, module in HOMES.items()}
"""These functions without their cache."""

_CACHED = {form: {name: cache(builder) for name, builder in BUILDERS.items()} for form in compiling.FORMS}

each_form = pytest.mark.parametrize("form", compiling.FORMS)


@contextmanager
def running(form: str) -> Iterator[None]:
    """Inside, the engine builds its loops in this form, whatever was built and cached before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NNEXP_FORM", form)
        for name, builder in _CACHED[form].items():
            patch.setattr(HOMES[name], name, builder)
        yield


def built(form: str, name: str, *formulas: Any) -> Callable[..., Any]:
    """One loop in one form."""
    with running(form):
        return _CACHED[form][name](*formulas)
