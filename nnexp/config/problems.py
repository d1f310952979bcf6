"""pydantic's errors in nnexp's words: the dotted key, what was found, what would be right, the nearest word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel

from nnexp.components.base import Component, families, members, spellings
from nnexp.config.draft import Draft
from nnexp.config.yaml import KeyPath, Place, excerpt
from nnexp.errors import InputError, Problem, nearest

_BOUNDS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
_BOUND_KEYS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list such as [64, 32]",
    "dict": "keys and values",
    "model": "keys and values",
}


def explain(error: dict[str, Any], data: Any, schema: type[BaseModel]) -> tuple[KeyPath, str, str, bool]:
    """One of pydantic's errors as (path in the data, message, hint, whether the key is at fault)."""
    path, owner = _resolve(error["loc"], data, schema)
    found = _shown(error["input"])
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _fields(owner)
        what = f" for {owner.family} '{owner.label()}'" if issubclass(owner, Component) else ""
        near = nearest(path[-1], allowed) or _elsewhere(str(path[-1]), schema, len(path))
        hint = f"did you mean '{near}'?   " if near else ""
        return path, f"unknown key{what}", f"{hint}(allowed: {', '.join(allowed)})", True
    if kind == "missing":
        what = f" for {owner.family} '{owner.label()}'" if issubclass(owner, Component) else ""
        return path, f"missing; it is needed{what}", _description(owner, str(path[-1])), False
    if kind == "component":
        return path, context["text"], "", False
    if kind == "value_error":
        return path, str(context["error"]), "", False
    if kind in _BOUNDS:
        return path, f"must be {_BOUNDS[kind]} {context[_BOUND_KEYS[kind]]:g}, found {found}", "", False
    if kind == "literal_error":
        options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(", ")]
        near = nearest(error["input"], options)
        return (
            path,
            f"must be one of {', '.join(options)}; found {found}",
            f"did you mean '{near}'?" if near else "",
            False,
        )
    if kind == "string_pattern_mismatch":
        return path, f"may hold letters, digits, '_', '.' and '-' only, 64 at most; found {found}", "", False
    for prefix, expected in _KINDS.items():
        if kind.startswith(prefix + "_") or kind == prefix:
            return path, f"must be {expected}, found {found}", _trap(error["input"], prefix), False
    if kind == "finite_number":
        return path, f"must be a finite number, found {found}", "", False
    return path, f"{error['msg'][0].lower()}{error['msg'][1:]}, found {found}", "", False


def _trap(value: Any, wanted: str) -> str:
    """A hint where YAML itself is the likely cause."""
    if wanted == "bool" and str(value).lower() in ("yes", "on", "no", "off", "y", "n"):
        return f"write {'true' if str(value).lower() in ('yes', 'on', 'y') else 'false'}"
    if not isinstance(value, str):
        return "write it without a decimal point" if wanted == "int" and value == int(value or 0) else ""
    plain = value.replace("_", "").lstrip("0") or "0"
    if wanted in ("int", "float") and ("_" in value or value.startswith("0")) and plain.replace(".", "").isdigit():
        return f"write {plain}"
    if wanted in ("int", "float") and "," in value:
        return "write a decimal point, not a comma; several values are for 'nnexp sweep'"
    return ""


def _resolve(loc: Sequence[str | int], data: Any, schema: type[BaseModel]) -> tuple[KeyPath, type[BaseModel]]:
    """pydantic's location -> the path in the user's data, and the model that owns its last key.

    The location also names the chosen member after its field, and counts a lone component as a list of one.
    """
    by_name = {name: cls for family in families().values() for name, cls in members(family).items()}
    path: list[str | int] = []
    node, owner, family = data, schema, None
    for part in loc:
        if isinstance(part, int) and not isinstance(node, list):
            continue
        if family is not None and part in members(family):
            owner, family = members(family)[str(part)], None
            continue
        if isinstance(part, str):
            field = owner.model_fields.get(part)
            family = _family_of(field.annotation, by_name) if field is not None else None
            if field is not None and isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                owner = field.annotation if family is None and part != loc[-1] else owner
        path.append(part)
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            node = None
    return tuple(path), owner


def _family_of(annotation: Any, by_name: dict[str, type[Component]]) -> type[Component] | None:
    """The abstract family inside an annotation such as `Annotated[Loss, MEMBER] | None`."""
    from typing import get_args

    if isinstance(annotation, type) and issubclass(annotation, Component):
        return annotation
    for inner in get_args(annotation):
        found = _family_of(inner, by_name)
        if found is not None:
            return found
    return None


def _fields(owner: type[BaseModel]) -> list[str]:
    return [name for name in owner.model_fields if not (name == "name" and issubclass(owner, Component))]


def _description(owner: type[BaseModel], key: str) -> str:
    field = owner.model_fields.get(key)
    return field.description or "" if field is not None else ""


def _elsewhere(key: str, schema: type[BaseModel], depth: int) -> str | None:
    """The dotted key that a bare field name at the top level may have meant: `lr` -> `optimizer.lr`."""
    if depth > 1:
        return None
    for name, field in schema.model_fields.items():
        annotation = field.annotation
        default = field.default
        if isinstance(default, BaseModel) and key in type(default).model_fields:
            return f"{name}.{key}"
        if isinstance(annotation, type) and issubclass(annotation, Component):
            if any(key in cls.model_fields for cls in members(annotation).values()) and key != "name":
                return f"{name}.{key}"
            if key in spellings(annotation) or key == annotation.family:
                return name
    return None


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def report(problems: Sequence[Problem], draft: Draft, name: str) -> InputError:
    """All problems in one error: each at its place, in the order of the file, and a line that counts them."""
    rows = [(_find(problem, draft), problem) for problem in problems]
    rows.sort(key=lambda row: (row[0] is None or not row[0].in_file, row[0].line if row[0] else 0, row[1].path))
    lines = [located(place, problem, name) for place, problem in rows]
    count = len(problems)
    lines.append(f"{count} problem{'s' if count > 1 else ''} in {name}; nothing was run.")
    return InputError("\n".join(lines))


def _find(problem: Problem, draft: Draft) -> Place | None:
    path: KeyPath = tuple(int(p) if p.isdigit() else p for p in problem.path.split(".")) if problem.path else ()
    inside = [p for key, p in draft.keys.items() if path and key[: len(path)] == path and len(key) > len(path)]
    overrides = [place for place in inside if not place.in_file]
    return overrides[-1] if overrides else draft.place(path, problem.at_key)


def located(place: Place | None, problem: Problem, name: str) -> str:
    """The problem's text at its place."""
    message = f"{problem.path}: {problem.message}" if problem.path else problem.message
    if place is not None and place.in_file:
        return excerpt(place, message, problem.hint)
    where = name if place is None else place.source
    given = f" ({place.text[0]})" if place is not None and place.text else ""
    hint = f"; {problem.hint}" if problem.hint else ""
    return f"{where}:{given} {message}{hint}"
