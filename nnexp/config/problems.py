"""pydantic's errors in nnexp's words: the dotted key, what was found, what would be right, the nearest word."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from nnexp.components.base import EACH, ONE, Component, families, members, spellings
from nnexp.config.draft import Draft
from nnexp.config.yaml import KeyPath, Place, excerpt, scalar
from nnexp.errors import InputError, Problem, nearest

SWEEP_KEYS = (
    "grid",
    "zip",
    "cases",
    "seeds",
    "space",
    "search",
    "trials",
    "metric",
    "direction",
    "tune",
    "limits",
    "claim",
)
_BOUNDS = {"greater_than": ">", "greater_than_equal": ">=", "less_than": "<", "less_than_equal": "<="}
_BOUND_KEYS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "tuple": "a list such as [64, 32]",
    "list": "a list of values",
    "dict": "keys and values",
    "model": "keys and values",
}


class Report(InputError):
    """All problems in one error: each at its place, in the order of the file, and a line that counts them."""

    def __init__(self, texts: dict[str, Any], name: str):
        self.texts = dict(sorted(texts.items(), key=lambda item: item[1]))
        """Each problem's text, told once, and where it comes in the order."""
        count = len(texts)
        end = f"{count} problem{'s' if count > 1 else ''} in {name}; nothing was run."
        super().__init__("\n".join([*self.texts, end]))


def report(problems: Sequence[Problem], draft: Draft, name: str) -> Report:
    """The error that tells these problems of the draft."""
    texts = {}
    for problem in problems:
        place = _find(problem, draft)
        texts[located(place, problem, name)] = _order(place, problem.path, name)
    return Report(texts, name)


def together(errors: Iterable[InputError], name: str) -> Report:
    """One error for those of several configurations; what they share is told once."""
    texts: dict[str, Any] = {}
    for error in errors:
        texts |= error.texts if isinstance(error, Report) else {str(error): _order(None, "", name)}
    return Report(texts, name)


def _order(place: Place | None, path: str, name: str) -> tuple[Any, ...]:
    """Places in the named file, in other files, on the command line; then what has no place."""
    if place is None:
        return 3, "", 0, 0, path
    return 2 if not place.in_file else place.source != name, place.source, place.line, place.column, path


def problems_of(error: ValidationError, data: Any, schema: type[BaseModel]) -> list[Problem]:
    """pydantic's errors as problems. A key that is missing because it was misspelt is told once, as misspelt."""
    found = [explain(dict(one), data, schema) for one in error.errors()]
    meant = {f"did you mean '{one.path}'?" for one in found if one.message.startswith("missing")}
    meant &= {one.hint.partition("   ")[0] for one in found}
    return [one for one in found if f"did you mean '{one.path}'?" not in meant]


def explain(error: dict[str, Any], data: Any, schema: type[BaseModel]) -> Problem:
    """One of pydantic's errors as a problem."""
    path, owner = _resolve(error["loc"], data, schema)
    value, kind, context = error["input"], error["type"], error.get("ctx", {})
    found = _shown(value)
    what = f" for {owner.family} '{owner.label()}'" if issubclass(owner, Component) else ""
    hint, at_key = "", False
    if kind == "extra_forbidden":
        allowed = ", ".join(_fields(owner, schema)) or "none but name"
        suggestion = _suggestion(str(path[-1]), owner, schema)
        message, at_key = f"unknown key{what}", True
        hint = "   ".join(filter(None, (suggestion, f"(allowed: {allowed})")))
    elif kind == "missing":
        message, hint = f"missing; it is needed{what}", f"({owner.model_fields[str(path[-1])].description})"
    elif kind == "component":
        message = context["text"]
        hint = "several values are for the grid of 'nnexp sweep'" if isinstance(value, list) else ""
        keys = (*path, "name") if isinstance(value, dict) and "name" in value else path
        return Problem(_dotted(path, data), message, hint, at_key, keys)
    elif kind == "value_error":
        message = str(context["error"])
        message += f"; found {found}" if message.startswith("must be") else ""
    elif kind in _BOUNDS:
        bound = context[_BOUND_KEYS[kind]]
        limit = f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
        message = f"must be {_BOUNDS[kind]} {limit}, found {found}"
    elif kind == "literal_error":
        options = [option.strip("' ") for option in context["expected"].replace(" or ", ", ").split(", ")]
        near = nearest(value, options)
        message = f"must be one of {', '.join(options)}; found {found}"
        hint = f"did you mean '{near}'?" if near else ""
    elif kind == "string_pattern_mismatch":
        message = "must consist of a-z, A-Z, 0-9, '_', '.' and '-', 64 at most, and begin with a letter or digit"
        message += f"; found {found}"
    elif kind in ("string_too_long", "string_too_short"):
        message = f"must be {context.get('max_length') or context.get('min_length')} character long, found {found}"
        hint = 'write "\\t", in double quotes' if value == "\\t" else ""
    elif kind == "too_short":
        message = f"must hold at least {context['min_length']} value, found {found}"
    elif kind == "finite_number":
        message = f"must be a finite number, found {found}"
    else:
        wanted = next((prefix for prefix in _KINDS if kind.startswith(f"{prefix}_")), None)
        message = f"must be {_KINDS[wanted]}, found {found}" if wanted else f"{error['msg']}, found {found}"
        field = owner.model_fields.get(str(path[-1]))
        if wanted == "tuple" and field is not None and _holds_text(field.annotation):
            message = f"must be a list of names, found {found}"
            hint = f"write [{value}]" if isinstance(value, str | int) and not isinstance(value, bool) else ""
        elif wanted:
            hint = _trap(value, wanted, isinstance(path[-1], int))
    return Problem(_dotted(path, data), message, hint, at_key, path)


def _holds_text(annotation: Any) -> bool:
    return annotation is str or any(_holds_text(inner) for inner in get_args(annotation))


def _trap(value: Any, wanted: str, in_list: bool) -> str:
    """A hint where YAML itself, or a habit from elsewhere, is the likely cause."""
    text = str(value).strip()
    number = wanted in ("int", "float")
    if wanted == "bool" and text.lower() in ("yes", "on", "no", "off", "y", "n", "1", "0"):
        return f"write {'true' if text.lower() in ('yes', 'on', 'y', '1') else 'false'}"
    if wanted == "tuple":
        numbers = all(isinstance(scalar(part.strip()), int) for part in text.split(","))
        return f"write [{text}]" if numbers and not isinstance(value, bool) else ""
    if wanted == "list":
        if re.match(r"(range|logspace)\(", text):
            return "range(...) and logspace(...) are for the command line"
        if isinstance(value, dict):
            return "write dotted keys, such as optimizer.lr"
        return "" if value is None else f"write [{text}]"
    if wanted in ("dict", "model"):
        return "write {} for none" if value is None else ""
    if wanted == "string":
        return "put it in quotes" if isinstance(value, int | float) else ""
    if isinstance(value, list) and not in_list:
        return "several values are for the grid of 'nnexp sweep'"
    if isinstance(value, float) and value.is_integer() and number:
        return f"write {value:.0f}"
    if not isinstance(value, str) or not (number or wanted == "bool"):
        return ""
    if isinstance(scalar(text), int | float) and isinstance(scalar(text), bool) == (wanted == "bool"):
        return "write it without quotes"
    if re.fullmatch(r"[-+]?[0-9][0-9_.]*", text) and number:
        plain = re.sub(r"^([-+]?)0+(?=[0-9])", r"\1", text.replace("_", ""))
        return f"write {plain}" if plain != text else ""
    if re.fullmatch(r"0x[0-9a-fA-F]+|0o[0-7]+", text) and number:
        return f"write {int(text, 0)}"
    if re.fullmatch(r"[0-9]*\.?[0-9]+ ?%", text) and wanted == "float":
        return f"write {float(text.rstrip(' %')) / 100:g}"
    if re.fullmatch(r"[-+]?[0-9]+,[0-9]+", text):
        return "write a decimal point, not a comma; several values are for the grid of 'nnexp sweep'"
    return "several values are for the grid of 'nnexp sweep'" if "," in text and "(" not in text else ""


def _resolve(loc: Sequence[str | int], data: Any, schema: type[BaseModel]) -> tuple[KeyPath, type[BaseModel]]:
    """pydantic's location -> the path in the user's data, and the model that owns its last key.

    The location also names the chosen member after its field, and counts a lone component as a list of one.
    """
    path: list[str | int] = []
    node, owner, family = data, schema, None
    for part in loc:
        if part in (ONE, EACH) or (isinstance(part, int) and not isinstance(node, list)):
            continue
        if family is not None and part in members(family):
            owner, family = members(family)[str(part)], None
            continue
        if isinstance(part, str):
            field = owner.model_fields.get(part)
            family = _family_of(field.annotation) if field is not None else None
            inner = _settings_of(field.annotation) if field is not None else None
            if inner is not None:
                owner = inner if family is None and part != loc[-1] else owner
        path.append(part)
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            node = None
    return tuple(path), owner


def _settings_of(annotation: Any) -> type[BaseModel] | None:
    """The model that a field such as `Stop` or `Target | None` holds."""
    kinds = [annotation, *get_args(annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _family_of(annotation: Any) -> type[Component] | None:
    """The abstract family inside an annotation such as `Annotated[Loss, MEMBER] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Component):
        return annotation
    for inner in get_args(annotation):
        found = _family_of(inner)
        if found is not None:
            return found
    return None


def _fields(owner: type[BaseModel], schema: type[BaseModel]) -> list[str]:
    """The keys that a user may give to `owner`."""
    names = [name for name in owner.model_fields if not (name == "name" and issubclass(owner, Component))]
    return [*names, "base"] if owner is schema else names


def _suggestion(key: str, owner: type[BaseModel], schema: type[BaseModel]) -> str:
    """What may have been meant by a key that `owner` does not have."""
    key = key.lower()
    own = [*_fields(owner, schema), *(SWEEP_KEYS if owner is schema else ())]
    described = {name: field.description or "" for name, field in owner.model_fields.items()}
    if issubclass(owner, Component):
        family = next(f for f in families().values() if issubclass(owner, f))
        others = [name for name, cls in members(family).items() if key in cls.model_fields]
        if others:
            return f"a key of {', '.join(others)}"
    if owner is schema:
        described = inner_fields(schema) | described
        chosen = [f"{name}: {key}" for name, family in component_fields(schema) if key in spellings(family)]
        meant: dict[str, list[str]] = {}
        for dotted in described:
            meant.setdefault(dotted.rpartition(".")[2], []).append(dotted)
        meant |= {dotted: [dotted] for dotted in described} | {word: [word] for word in own}
        close = difflib.get_close_matches(key, meant, n=1, cutoff=0.75)
        first = [dotted for dotted in meant.get(key, []) if not dotted.startswith("streams.")]
        found = first or chosen or meant.get(key) or (meant[close[0]] if close else [])
        if found:
            return f"did you mean {' or '.join(map(repr, found))}?"
    phrase = key.replace("_", " ")
    told = next((name for name, text in described.items() if len(phrase) > 4 and phrase in text.lower()), None)
    guess = (told if " " in phrase else None) or nearest(key, own) or told
    return f"did you mean '{guess}'?" if guess else ""


def component_fields(schema: type[BaseModel]) -> list[tuple[str, type[Component]]]:
    """The schema's fields that hold a component, or a list of them."""
    found = ((name, _family_of(field.annotation)) for name, field in schema.model_fields.items())
    return [(name, family) for name, family in found if family is not None]


def inner_fields(schema: type[BaseModel]) -> dict[str, str]:
    """The fields inside the schema's fields, as `optimizer.lr`, with their descriptions."""
    families = dict(component_fields(schema))
    found: dict[str, str] = {}
    for name, field in schema.model_fields.items():
        owners: list[type[BaseModel]] = []
        if isinstance(field.default, BaseModel) and name not in families:
            owners = [type(field.default)]
        elif name in families and not isinstance(field.default, tuple):
            owners = list(members(families[name]).values())
        for owner in owners:
            found |= {f"{name}.{k}": f.description or "" for k, f in owner.model_fields.items() if k != "name"}
    return found


def _dotted(path: KeyPath, data: Any) -> str:
    """A path as the user would write it: a list's members by their name where they have keys of their own."""
    parts = []
    for number, part in enumerate(path):
        data = data[part] if isinstance(data, list) and isinstance(part, int) and part < len(data) else data
        inner = number + 1 < len(path)
        name = data.get("name") if isinstance(data, dict) and isinstance(part, int) and inner else None
        parts.append(str(name or part))
        data = data.get(part) if isinstance(data, dict) and not isinstance(part, int) else data
    return ".".join(parts)


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _find(problem: Problem, draft: Draft) -> Place | None:
    """Where to change it: an override of a key that the message names, or else where the value stands."""
    path = problem.keys
    if path is None:
        path = tuple(int(p) if p.isdigit() else p for p in problem.path.split("."))
    named = {"name", *re.findall(r"\w+", problem.message)}
    inside = [p for key, p in draft.keys.items() if key[: len(path)] == path and key != path and key[-1] in named]
    overrides = [place for place in inside if not place.in_file]
    return overrides[-1] if overrides else draft.place(path, problem.at_key)


def located(place: Place | None, problem: Problem, name: str) -> str:
    """The problem's text at its place."""
    message = f"{problem.path}: {problem.message}"
    if place is not None and place.in_file:
        return excerpt(place, message, problem.hint)
    head = name if place is None else place.source
    if place is not None and place.text:
        head = f"{head}: {place.text[0]}"
        message = problem.message if place.text[0].startswith(f"{problem.path}=") else message
    joint = "" if not problem.hint else " " if problem.hint.startswith("(") else "; "
    return f"{head}: {message}{joint}{problem.hint}"
