"""What a component is: a frozen, validated set of YAML fields with its mathematics and its documentation.

A *family* is an abstract class (`class Optimizer(Component, family="optimizer")`); a *member* is a final subclass
with a `name`. The union that a configuration accepts, the lists that `nnexp list` prints, the JSON Schema and the
contract tests are computed from the family's subclasses: there is no second list.

The alphabet of shapes, used everywhere: N examples in a data set, B in a batch, F features, I inputs, O outputs,
C classes, D parameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_args

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from nnexp.errors import did_you_mean

# Bounded numbers, for fields.
Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Decay = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


F = TypeVar("F", bound=Callable[..., Any])


def default(method: F) -> F:
    """Marks a method of an abstract class below the family's that a member may replace."""
    method.is_default = True  # type: ignore[attr-defined]
    return method


def select(condition: Any, a: Any, b: Any) -> Any:
    """`a` where the condition holds, else `b`: on arrays as NumPy's `where`, in a fused loop as a branch."""
    return np.where(condition, a, b)


def one_thread() -> AbstractContextManager[Any]:
    """For matrix products on data, whose bits may change with the number of BLAS threads: they are made with one."""
    import threadpoolctl

    return threadpoolctl.threadpool_limits(1, user_api="blas")


class Settings(BaseModel):
    """Frozen, strict YAML fields: unknown keys, strings for numbers and NaN are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


_known: dict[type[Any], dict[str, Any]] = {}
"""The members of families, as long as there is no new component: asked for twenty times for each configuration."""


class Component(Settings):
    """One technique: its YAML fields, its mathematics, its documentation. It owns no array."""

    family: ClassVar[str] = ""
    """The family's name in the singular, as in `nnexp list optimizer`; set on the abstract class."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other spellings of the member's name that a configuration may use."""
    input_paths: ClassVar[tuple[str, ...]] = ()
    """Fields that name a file to read, relative to the configuration file that they stand in."""
    starts_with: ClassVar[dict[str, Any]] = {}
    """What `nnexp init` writes for the fields without a default."""
    alternatives: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of fields that say the same in two ways; one that is laid over the other replaces it."""
    dialects: ClassVar[dict[str, dict[str, Any]]] = {}
    """Other libraries' defaults: what fields are where they are not given, for a value of the field `dialect`."""

    @model_validator(mode="before")
    @classmethod
    def _in_dialect(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "dialect" not in data:
            return data
        return {**cls.dialects.get(str(data["dialect"]), {}), **data}

    def __init_subclass__(cls, family: str | None = None, **kwargs: Any):
        super().__init_subclass__(**kwargs)
        _known.clear()
        if family is not None:
            cls.family = family

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        _known.clear()  # the class has its fields only now

    if TYPE_CHECKING:
        name: str  # every member declares it, as Literal

    @classmethod
    def label(cls) -> str:
        """The member's name in YAML, or an empty string for an abstract class."""
        field = cls.__pydantic_fields__.get("name")  # model_fields takes a microsecond, and a sweep asks often
        return field.default if field is not None and isinstance(field.default, str) else ""


T = TypeVar("T", bound=Component)


def members(family: type[T]) -> dict[str, type[T]]:
    """The final classes of a family by YAML name, in the order of their definition."""
    if family in _known:
        return dict(_known[family])
    found: dict[str, type[T]] = {}
    for cls in family.__subclasses__():
        if cls.label():
            found[cls.label()] = cls
        else:
            found |= members(cls)
    _known[family] = found
    return dict(found)


def families() -> dict[str, type[Component]]:
    """Every family by name, in alphabetical order. Complete once `nnexp.config.schema` is imported."""
    found = {cls.family: cls for cls in Component.__subclasses__() if cls.family}
    return dict(sorted(found.items()))


def spellings(family: type[Component]) -> dict[str, str]:
    """Every accepted spelling of a family's names: name or alias -> name."""
    return {word: name for name, cls in members(family).items() for word in (name, *cls.aliases)}


class _Member:
    """The marker behind `Annotated[Optimizer, MEMBER]`: accepts any member of the family, short or long."""

    def __get_pydantic_core_schema__(self, family: type[Component], handler: GetCoreSchemaHandler) -> Any:
        choices = {name: handler.generate_schema(cls) for name, cls in members(family).items()}
        known = spellings(family)  # looked up once: a sweep asks a dozen times a run
        return core_schema.no_info_before_validator_function(
            lambda value: _long_form(family, known, value),
            core_schema.tagged_union_schema(choices, discriminator="name"),
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        long = handler(schema)
        names = list(schema["schema"]["choices"])
        return {"anyOf": [{"enum": names}, *long.get("oneOf", [long])]}


MEMBER = _Member()


def _long_form(family: type[Component], known: dict[str, str], value: Any) -> Any:
    """`adam` -> `{name: adam}`; one of the `known` aliases -> its name.

    Raises a one-line error for anything that is no member.
    """
    if isinstance(value, Component):
        return value
    article = "an" if family.family[0] in "aeiou" else "a"
    some = ", ".join(dict.fromkeys(known.values()))
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "component", "{text}", {"text": f"found {_shown(value)}; name {article} {family.family}: {some}"}
        )
    if "name" not in value:
        meant = next((word for word in value if word in known), None)
        text = f"write 'name: {meant}'" if meant else f"one of: {some}"
        raise PydanticCustomError("component", "{text}", {"text": f"'name' is missing; {text}"})
    name = value["name"]
    if not isinstance(name, str) or name not in known:
        guess = did_you_mean(name, known) or f"; one of: {some}"
        guess = "; a space must follow the ':'" if isinstance(name, str) and ":" in name else guess
        text = f"{_shown(name)} is not {article} {family.family}{guess}"
        raise PydanticCustomError("component", "{text}", {"text": text})
    return {**value, "name": known[name]}


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _as_list(value: Any) -> Any:
    """`none` and null -> no member; one member -> a list of one."""
    if value is None or value == "none":
        return ()
    if isinstance(value, list | tuple):
        return tuple(value)
    return (value,)


def _each_once(chosen: tuple[Component, ...]) -> tuple[Component, ...]:
    """A member of a list is known by its name, so a name stands there once."""
    names = [one.label() for one in chosen]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"'{name}' stands there twice")
    return chosen


class _AsList:
    """The marker behind AS_LIST; its JSON Schema offers a lone member and `none` beside the list."""

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> Any:
        chosen = core_schema.no_info_after_validator_function(_each_once, handler(kind))
        return core_schema.no_info_before_validator_function(_as_list, chosen)

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        many = handler(schema)
        return {"anyOf": [many["items"], many, {"enum": ["none", None]}]}


AS_LIST = _AsList()
"""For a field that takes several members: `Annotated[tuple[Annotated[Regularizer, MEMBER], ...], AS_LIST]`."""


def _some(value: Any) -> Any:
    if not value:
        raise ValueError("must hold at least one")
    return tuple(value)


class _OneOrEach:
    """The marker behind ONE_OR_EACH."""

    def __get_pydantic_core_schema__(self, kind: Any, handler: GetCoreSchemaHandler) -> Any:
        one = handler.generate_schema(get_args(kind)[0])
        each = core_schema.no_info_before_validator_function(_some, core_schema.tuple_variable_schema(one))
        return core_schema.tagged_union_schema(
            {ONE: one, EACH: each}, discriminator=lambda value: EACH if isinstance(value, list | tuple) else ONE
        )

    def __get_pydantic_json_schema__(self, schema: Any, handler: GetJsonSchemaHandler) -> Any:
        one = MEMBER.__get_pydantic_json_schema__(schema["choices"][ONE], handler)
        return {"anyOf": [one, {"type": "array", "items": one, "minItems": 1}]}


ONE, EACH = "<one>", "<each>"
"""What pydantic's locations say behind a field with ONE_OR_EACH."""
ONE_OR_EACH = _OneOrEach()
"""For a field that takes a member, or a list of them, alike ones, too: `Annotated[M | tuple[M, ...], ONE_OR_EACH]`."""

Sizes = Annotated[tuple[Count, ...], BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)]
"""A list of positive integers, such as the widths of hidden layers."""


@dataclass(frozen=True)
class Documentation:
    """A component's docstring in its parts."""

    summary: str
    formula: str
    notes: str
    source: str
    differs: str
    example: str

    @classmethod
    def of(cls, component: type[Component]) -> Documentation:
        """The parts of the docstring: summary, indented formula, `Source:`, `Differs:`, other text, doctest."""
        text = inspect.cleandoc(component.__doc__ or "")
        parts: dict[str, list[str]] = {k: [] for k in ("summary", "formula", "notes", "source", "differs", "example")}
        for number, block in enumerate(text.split("\n\n")):
            if block.lstrip().startswith(">>>"):
                parts["example"].append(inspect.cleandoc(block))
            elif block.startswith("Source:"):
                parts["source"].append(block.removeprefix("Source:").strip())
            elif block.startswith("Differs:"):
                parts["differs"].append(block.removeprefix("Differs:").strip())
            elif block.startswith("    "):
                parts["formula"].append(inspect.cleandoc(block))
            else:
                parts["summary" if number == 0 else "notes"].append(block)
        joined = {key: "\n\n".join(blocks) for key, blocks in parts.items()}
        for key in ("summary", "notes", "source", "differs"):
            joined[key] = "\n\n".join(" ".join(p.split()) for p in joined[key].split("\n\n"))
        return cls(**joined)
