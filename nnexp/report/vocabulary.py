"""What a component says of itself, as plain data: for `nnexp explain`, `nnexp list` and the reference pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

import nnexp.config.schema as schema  # importing it defines every family
from nnexp.components import base
from nnexp.components.base import Component, Documentation


def families() -> dict[str, type[Component]]:
    """Every family by name, in alphabetical order."""
    assert schema
    return base.families()


def described(cls: type[Component]) -> dict[str, Any]:
    """Everything the class says of itself."""
    fields = [
        {"field": key, "default": _default(field), "bounds": _bounds(field), "description": field.description or ""}
        for key, field in cls.model_fields.items()
        if key != "name"
    ]
    described = {"family": cls.family, "name": cls.label(), "aliases": list(cls.aliases), **vars(Documentation.of(cls))}
    return {**described, "fields": fields, "dialects": cls.dialects}


def dialect_lines(cls: type[Component]) -> list[str]:
    """What the fields are where a dialect is chosen and they are not given, a line a dialect."""
    return [
        f"Defaults with dialect {dialect}: " + ", ".join(f"{key} {shown(value)}" for key, value in defaults.items())
        for dialect, defaults in cls.dialects.items()
    ]


def first_sentence(cls: type[Component]) -> str:
    """The summary in short, without its full stop."""
    return Documentation.of(cls).summary.split(". ")[0].rstrip(".")


# -- how a configuration names it ------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where members of a family stand in a configuration."""

    keys: tuple[str, ...]
    """`("optimizer",)`, or `("dataset", "preprocessing")` for what stands inside the data set."""
    default: str
    """What stands there where nothing is said, as YAML; `needed` where something must be said."""
    about: str
    """The key's description."""


def place(family: type[Component]) -> Place | None:
    """Where a configuration names members of the family; None where they are not chosen (metrics)."""
    outer = schema.ExperimentConfig.model_fields
    for key, field in outer.items():
        if family in _kinds(field.annotation):
            return _place((key,), field)
    for key, field in outer.items():
        for kind in _kinds(field.annotation):
            for cls in (kind, *_below(kind)):
                for inner, inner_field in cls.model_fields.items():
                    if family in _kinds(inner_field.annotation):
                        return _place((key, inner), inner_field)
    return None


def _below(cls: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """All classes that come from this one."""
    for child in cls.__subclasses__():
        yield child
        yield from _below(child)


def _place(keys: tuple[str, ...], field: Any) -> Place:
    return Place(keys, _default(field), field.description or "")


def _kinds(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a type speaks of."""
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _kinds(argument)


def sample(cls: type[Component]) -> str:
    """Two of the fields with their defaults, as in a flow mapping; `...` for what only the user knows."""
    above = families()[cls.family].model_fields

    def common(key: str) -> bool:
        return key in above and above[key].default == cls.model_fields[key].default

    fields = [field for field in described(cls)["fields"] if field["default"] != "null"]
    fields.sort(key=lambda field: (field["default"] != "needed", common(field["field"])))
    return ", ".join(f"{field['field']}: {field['default'].replace('needed', '...')}" for field in fields[:2])


def forms(cls: type[Component]) -> list[str]:
    """The short and the long form that a configuration may use, as far as there are any."""
    fields = sample(cls)
    short = [] if "..." in fields else [cls.label()]
    return short + ([f"{{name: {cls.label()}, {fields}}}"] if fields else [])


# -- fields ----------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    """A default as YAML."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "[" + ", ".join(shown(v) for v in value) + "]"
    if isinstance(value, Component):
        return value.label()
    return f"{value:g}" if isinstance(value, float) else str(value)


def _default(field: Any) -> str:
    return "needed" if field.is_required() else shown(field.default)


def _bounds(field: Any) -> str:
    """What a field accepts, in a few signs."""
    return _accepted(field.annotation, field.metadata)


def _accepted(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _accepted(arguments[0], [m for meta in arguments[1:] for m in getattr(meta, "metadata", [meta])])
    if get_origin(annotation) in (Union, UnionType):
        choices = [_accepted(a, metadata) for a in arguments if a is not type(None)]
        return " | ".join(filter(None, choices))
    if get_origin(annotation) is Literal:
        return " | ".join(map(str, arguments))
    if get_origin(annotation) is tuple:
        return "list of " + _accepted(arguments[0]).replace("number", "numbers")
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return annotation.family
    words = {bool: "true | false", int: "whole number", float: "number", str: "text"}
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [f"{signs[k]} {getattr(m, k):g}" for m in metadata for k in signs if getattr(m, k, None) is not None]
    return " ".join(filter(None, (words.get(annotation, ""), " and ".join(bounds))))
