"""Members of a family as instances: with defaults, with every choice of a switch, with every number moved."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import product
from typing import Any, Literal, TypeVar, get_args, get_origin

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from nnexp.components.base import Component, members

T = TypeVar("T", bound=Component)


def variants(family: type[T]) -> list[T]:
    """Every member that needs no field: each combination of its switches, and once with its numbers moved."""
    return [one for cls in members(family).values() for one in _variants(cls)]


def each(name: str, family: type[Component], only: Any = lambda component: True) -> Any:
    """Parametrizes a test over the variants of a family for which `only` holds."""
    chosen = [pytest.param(one, id=described(one), marks=_needs(type(one))) for one in variants(family) if only(one)]
    return pytest.mark.parametrize(name, chosen)


def each_member(name: str, family: type[Component]) -> Any:
    """Parametrizes a test over the classes of a family."""
    chosen = [pytest.param(cls, id=key, marks=_needs(cls)) for key, cls in members(family).items()]
    return pytest.mark.parametrize(name, chosen)


def _needs(cls: type[Component]) -> list[Any]:
    """A mark that skips the test where a package that the member needs is not installed."""
    package = getattr(cls, "package", None)
    missing = package is not None and find_spec(package) is None
    return [pytest.mark.skip(reason=f"{cls.label()} needs the package {package}")] if missing else []


def described(component: Component) -> str:
    """The name, and the fields that differ from their defaults."""
    differing = [
        f"{key}={getattr(component, key)}"
        for key, field in type(component).model_fields.items()
        if key != "name" and getattr(component, key) != field.default
    ]
    return "-".join([component.label(), *differing])


def moved(cls: type[T]) -> T:
    """The member with every number different from its default, as far as its bounds allow."""
    values: dict[str, Any] = {}
    for key, field in cls.model_fields.items():
        for value in _other_numbers(field.default):
            try:
                cls(**{**values, key: value})
            except ValidationError:
                continue
            values[key] = value
            break
    return cls(**values)


def _variants(cls: type[T]) -> Iterator[T]:
    if any(field.is_required() for field in cls.model_fields.values()):
        return
    switches = {key: choices for key, field in cls.model_fields.items() if (choices := _choices(key, field))}
    seen = []
    for values in product(*switches.values()):
        seen.append(cls(**dict(zip(switches, values, strict=True))))
    seen.append(moved(cls))
    for number, one in enumerate(seen):
        if one not in seen[:number]:
            yield one


def _choices(key: str, field: FieldInfo) -> tuple[Any, ...]:
    if key == "name":
        return ()
    if field.annotation is bool:
        return (True, False)
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def _other_numbers(default: Any) -> tuple[Any, ...]:
    if isinstance(default, bool):
        return ()
    if isinstance(default, int):
        return (default + 1, default - 1)
    if isinstance(default, float):
        return (default * 1.5, default * 0.75, default + 0.25) if default else (0.25, 1)
    return ()
