"""What a search draws from: a range of values for each dotted key, and conditions on other keys."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from nnexp.components.base import Settings, families, spellings
from nnexp.config.draft import unnamed
from nnexp.config.yaml import Place
from nnexp.errors import did_you_mean

DIGITS = 6
"""Significant digits of a drawn number: what a run's folder shows is what it was trained with."""
EDGE = 0.05
"""A value this near to an end of its range, as a part of the range on its own scale, lies at the edge."""


def _pair(value: Any) -> tuple[float, float]:
    """Two bounds that leave something between them."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError("must be the two bounds, such as [0.001, 1]")
    low, high = value
    for bound in value:
        if isinstance(bound, bool) or not isinstance(bound, int | float) or not math.isfinite(bound):
            raise ValueError(f"the bounds must be finite numbers, found {bound!r}")
    if low == high:
        raise ValueError(f"[{low:g}, {high:g}] holds one value; set that, without a range")
    if low > high:
        raise ValueError(f"[{low:g}, {high:g}] is empty; the lower bound comes first: [{high:g}, {low:g}]")
    return low, high


def _positive(value: Any) -> tuple[float, float]:
    low, high = _pair(value)
    if low <= 0:
        raise ValueError(f"a logarithmic range has positive bounds, found {low:g}; use uniform for it")
    return low, high


def _whole(value: Any) -> tuple[float, float]:
    low, high = _pair(value)
    for bound in (low, high):
        if not isinstance(bound, int):
            raise ValueError(f"the bounds must be whole numbers, found {bound:g}")
    return low, high


def _several(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise ValueError("must be a list of values, such as [relu, tanh]")
    if len(value) == 1:
        raise ValueError("a choice of one is no choice; set the value, or name several")
    if any(value[i] in value[:i] for i in range(len(value))):
        raise ValueError("must not hold the same value twice")
    return tuple(value)


def _conditions(value: Any) -> dict[str, list[Any]]:
    if not isinstance(value, dict) or not value:
        raise ValueError("'when' must hold keys and values, such as {optimizer: adam}")
    return {unnamed(key): wanted if isinstance(wanted, list) else [wanted] for key, wanted in value.items()}


Bounds = Annotated[tuple[float, float], BeforeValidator(_pair, json_schema_input_type=list[float])]
PositiveBounds = Annotated[tuple[float, float], BeforeValidator(_positive, json_schema_input_type=list[float])]
WholeBounds = Annotated[tuple[int, int], BeforeValidator(_whole, json_schema_input_type=list[int])]
Values = Annotated[tuple[Any, ...], BeforeValidator(_several, json_schema_input_type=list[Any])]


class Range(Settings):
    """The values that one key may take, all of them where `when` holds."""

    model_config = ConfigDict(populate_by_name=True)

    kind: ClassVar[str] = ""
    """The key that names it in YAML, and its function on the command line."""

    when: Annotated[dict[str, list[Any]], BeforeValidator(_conditions, json_schema_input_type=dict[str, Any])] = Field(
        default_factory=dict, description="other keys and the value, or values, that they must have"
    )

    @abstractmethod
    def at(self, u: float) -> Any:
        """The value at the place u, 0 <= u < 1, of the range."""

    @abstractmethod
    def place(self, value: Any) -> float | None:
        """Where a value lies between the ends, 0 to 1; None where there is no order."""

    @abstractmethod
    def suggest(self, trial: Any, name: str) -> Any:
        """The value that an Optuna trial draws."""

    @abstractmethod
    def __str__(self) -> str:
        """The range in a few words."""


class _Numbers(Range):
    """A range of real numbers."""

    bounds: Any

    def _rounded(self, value: float) -> float:
        low, high = self.bounds
        return min(max(float(f"{value:.{DIGITS}g}"), float(low)), float(high))

    def __str__(self) -> str:
        return f"{self.kind} [{self.bounds[0]:g}, {self.bounds[1]:g}]"


class LogRange(_Numbers):
    """Positive numbers whose logarithm is uniform.

        x = low (high / low)^u

    >>> LogRange(log=[1e-4, 1]).at(0.5)
    0.01
    """

    kind = "log"
    bounds: PositiveBounds = Field(alias="log", description="lower and upper bound, evenly in the logarithm")

    def at(self, u: float) -> float:
        low, high = self.bounds
        return self._rounded(low * (high / low) ** u)

    def place(self, value: Any) -> float:
        low, high = self.bounds
        return math.log(value / low) / math.log(high / low)

    def suggest(self, trial: Any, name: str) -> float:
        return self._rounded(trial.suggest_float(name, *self.bounds, log=True))


class UniformRange(_Numbers):
    """Numbers that are equally likely between the bounds.

        x = low + (high - low) u

    >>> UniformRange(uniform=[0, 0.5]).at(0.5)
    0.25
    """

    kind = "uniform"
    bounds: Bounds = Field(alias="uniform", description="lower and upper bound")

    def at(self, u: float) -> float:
        low, high = self.bounds
        return self._rounded(low + (high - low) * u)

    def place(self, value: Any) -> float:
        low, high = self.bounds
        return (value - low) / (high - low)

    def suggest(self, trial: Any, name: str) -> float:
        return self._rounded(trial.suggest_float(name, *self.bounds))


class IntRange(_Numbers):
    """Whole numbers that are equally likely, both bounds among them.

        x = low + floor((high - low + 1) u)

    >>> [IntRange(int=[1, 3]).at(u) for u in (0.0, 0.3, 0.5, 0.99)]
    [1, 1, 2, 3]
    """

    kind = "int"
    bounds: WholeBounds = Field(alias="int", description="lowest and highest whole number")

    def at(self, u: float) -> int:
        low, high = self.bounds
        return min(low + math.floor((high - low + 1) * u), high)

    def place(self, value: Any) -> float:
        low, high = self.bounds
        return (value - low) / (high - low)

    def suggest(self, trial: Any, name: str) -> int:
        return trial.suggest_int(name, *self.bounds)


class ChoiceRange(Range):
    """One of the values of a list, all equally likely.

        x = values[floor(n u)]

    >>> [ChoiceRange(choice=["relu", "tanh"]).at(u) for u in (0.0, 0.49, 0.5)]
    ['relu', 'relu', 'tanh']
    """

    kind = "choice"
    values: Values = Field(alias="choice", description="the values, at least two")

    def at(self, u: float) -> Any:
        return self.values[min(math.floor(len(self.values) * u), len(self.values) - 1)]

    def place(self, value: Any) -> None:
        return None

    def suggest(self, trial: Any, name: str) -> Any:
        # values may be lists and components, which Optuna does not keep
        return self.values[trial.suggest_categorical(name, list(range(len(self.values))))]

    def __str__(self) -> str:
        return f"choice of {len(self.values)}"


def _kinds(of: type[Range] = Range) -> dict[str, type[Range]]:
    found: dict[str, type[Range]] = {}
    for cls in of.__subclasses__():
        found |= {cls.kind: cls} if cls.kind else _kinds(cls)
    return found


KINDS = _kinds()
"""Every range by its kind."""


def read_ranges(value: Any) -> tuple[Range, ...]:
    """The ranges that a key is given: one, or a list of them with conditions. Raises ValueError."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        found = tuple(map(_read_range, value))
        free = next((i for i, one in enumerate(found) if not one.when), None)
        if len(found) > 1 and free is not None:
            raise ValueError("of several ranges for one key, each needs a condition: when: {optimizer: adam}")
        return found
    return (_read_range(value),)


def _read_range(value: Any) -> Range:
    words = ", ".join(KINDS)
    if not isinstance(value, dict):
        raise ValueError(f"must be a range ({words}), such as {{log: [1e-4, 1]}}")
    unknown = [key for key in value if key not in KINDS and key != "when"]
    if unknown:
        raise ValueError(
            f"'{unknown[0]}' is no part of a range{did_you_mean(unknown[0], [*KINDS, 'when']) or f'; one of {words}'}"
        )
    named = [key for key in value if key in KINDS]
    if len(named) != 1:
        what = "says no range" if not named else f"says {' and '.join(named)}"
        raise ValueError(f"{what}; give one of {words}, such as {{log: [1e-4, 1]}}")
    try:
        return KINDS[named[0]].model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = str(first["loc"][0]) if first["loc"] else named[0]
        raise ValueError(f"{where}: {first.get('ctx', {}).get('error', first['msg'])}") from None


def looks_like_range(value: Any) -> bool:
    """Whether a value is meant as a range or a list of them, right or wrong.

    >>> [looks_like_range(v) for v in ({"log": [1, 2]}, [{"int": [1, 2], "when": {}}], {"name": "adam"}, [{}], 3)]
    [True, True, False, False, False]
    """
    ones = value if isinstance(value, list) else [value]
    return bool(ones) and all(isinstance(one, dict) and bool({*KINDS, "when"} & one.keys()) for one in ones)


@dataclass(frozen=True)
class Axis:
    """One range of one key."""

    key: str
    range: Range
    source: Place
    """Where it was written."""


class Space:
    """Axes in an order in which every condition is known when it is asked; several may share a key."""

    def __init__(self, axes: Sequence[Axis]):
        """Raises ValueError where conditions lead in a circle."""
        self.axes = list(axes)
        keys = {unnamed(axis.key) for axis in axes}
        done: set[str] = set()
        self.order: list[int] = []
        left = list(range(len(axes)))
        while left:
            ready = [i for i in left if not (axes[i].range.when.keys() & keys) - done]
            if not ready:
                raise ValueError(f"the conditions of {' and '.join(axes[i].key for i in left)} lead in a circle")
            self.order += ready
            left = [i for i in left if i not in ready]
            done = keys - {unnamed(axes[i].key) for i in left}

    def __len__(self) -> int:
        return len(self.axes)

    def point(self, draw: Callable[[int, Axis], Any], lookup: Callable[[str], Any]) -> dict[str, Any]:
        """A value for each key that has a range whose condition holds, in the order of the description.

        `draw(i, axis)` gives the i-th axis a value; `lookup(key)` is what a key has that is not searched. Raises
        ValueError where two ranges of one key hold at once.
        """
        drawn: dict[str, Any] = {}
        for i in self.order:
            axis = self.axes[i]
            if not self.holds(axis.range, drawn, lookup):
                continue
            if axis.key in drawn:
                raise ValueError(f"two ranges of {axis.key} hold at once; their conditions must exclude each other")
            drawn[axis.key] = draw(i, axis)
        return {key: drawn[key] for key in dict.fromkeys(axis.key for axis in self.axes) if key in drawn}

    def holds(self, one: Range, drawn: dict[str, Any], lookup: Callable[[str], Any]) -> bool:
        """Whether the condition of a range holds."""
        short = {unnamed(key): value for key, value in drawn.items()}
        for key, wanted in one.when.items():
            values = names_of(key, short[key] if key in short else lookup(key))
            if not any(value == name for value in values for w in wanted for name in names_of(key, w)):
                return False
        return True

    def axis_of(self, key: str, values: dict[str, Any], lookup: Callable[[str], Any]) -> Axis:
        """The axis that gave `key` its value at a point."""
        return next(a for a in self.axes if a.key == key and self.holds(a.range, values, lookup))


def names_of(key: str, value: Any) -> list[Any]:
    """What a condition on `key` compares: a value, a component's name, the names of a list of components.

    >>> names_of("stop.epochs", 3), names_of("optimizer", {"name": "adam", "lr": 0.1}), names_of("optimizer", "Adam")
    ([3], ['adam'], ['Adam'])
    >>> names_of("regularization", ["l2", {"name": "dropout"}])
    ['l2', 'dropout']
    """
    family = families().get(key)
    known = spellings(family) if family else {}
    values = value if isinstance(value, list | tuple) else [value]
    names = [one.get("name") if isinstance(one, dict) else one for one in values]
    return [known.get(name, name) if isinstance(name, str) else name for name in names]


def at_edge(one: Range, value: Any) -> str | None:
    """`lower` or `upper` where a value lies at an end of its range, else None.

    >>> [at_edge(LogRange(log=[1e-4, 1]), v) for v in (1.2e-4, 0.01, 0.9)]
    ['lower', None, 'upper']
    >>> [at_edge(IntRange(int=[1, 3]), v) for v in (1, 2, 3)]
    ['lower', None, 'upper']
    """
    place = one.place(value)
    if place is None:
        return None
    return "lower" if place < EDGE else "upper" if place > 1 - EDGE else None
