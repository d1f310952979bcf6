"""A small validator for JSON Schema: as much of the standard as nnexp's schemas use, and an error for anything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "integer": lambda v: isinstance(v, int | float) and not isinstance(v, bool) and v == int(v),
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
}
BOUNDS: dict[str, tuple[type | tuple[type, ...], Callable[[Any, Any], bool]]] = {
    "minimum": ((int, float), lambda v, bound: v >= bound),
    "maximum": ((int, float), lambda v, bound: v <= bound),
    "exclusiveMinimum": ((int, float), lambda v, bound: v > bound),
    "exclusiveMaximum": ((int, float), lambda v, bound: v < bound),
    "minLength": (str, lambda v, bound: len(v) >= bound),
    "maxLength": (str, lambda v, bound: len(v) <= bound),
    "pattern": (str, lambda v, bound: re.search(bound, v) is not None),
    "minItems": (list, lambda v, bound: len(v) >= bound),
    "maxItems": (list, lambda v, bound: len(v) <= bound),
}
WORDS = {"$schema", "$defs", "title", "description", "default"}


def fits(value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None) -> bool:
    """Whether plain data meet a schema. Raises NotImplementedError for a keyword that is not known here."""
    whole = schema if root is None else root
    return all(_meets(value, key, rule, schema, whole) for key, rule in schema.items())


def _meets(value: Any, key: str, rule: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    if key in WORDS:
        return True
    if key in BOUNDS:
        kind, holds = BOUNDS[key]
        return not isinstance(value, kind) or isinstance(value, bool) or holds(value, rule)
    if key == "$ref":
        return fits(value, root["$defs"][rule.removeprefix("#/$defs/")], root)
    if key == "anyOf":
        return any(fits(value, option, root) for option in rule)
    if key == "type":
        return TYPES[rule](value)
    if key in ("enum", "const"):
        return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in _options(rule))
    if key == "prefixItems":
        return not isinstance(value, list) or all(fits(v, one, root) for v, one in zip(value, rule, strict=False))
    if key == "items":
        return not isinstance(value, list) or all(fits(item, rule, root) for item in value)
    if key == "required":
        return not isinstance(value, dict) or value.keys() >= set(rule)
    if key == "properties":
        inside = value if isinstance(value, dict) else {}
        return all(fits(inside[name], rule[name], root) for name in rule.keys() & inside.keys())
    if key == "patternProperties":
        inside = value if isinstance(value, dict) else {}
        return all(fits(inside[n], one, root) for n in inside for pattern, one in rule.items() if re.search(pattern, n))
    if key == "additionalProperties":
        others = value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else set()
        patterns = schema.get("patternProperties", {})
        others = {name for name in others if not any(re.search(pattern, name) for pattern in patterns)}
        return not others if rule is False else rule is True or all(fits(value[name], rule, root) for name in others)
    raise NotImplementedError(f"JSON Schema's '{key}'")


def _options(rule: Any) -> list[Any]:
    return rule if isinstance(rule, list) else [rule]
