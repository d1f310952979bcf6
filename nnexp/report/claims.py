"""Claims: what a sweep's file may state of its runs before they are run, and how it is judged. One class a rule.

    better, than, by    a difference: the mean advantage of one side, paired by seed and data, lies above `by`
    ratio, to, above    a ratio: the geometric mean of the quotients lies above `above`
    exact               an assertion of every run: equal to a number, or to another level, or within a bound
    all                 several of these

- **The word** of a difference and of a ratio rests on the 95 % Student-t interval of the mean over seeds (for a ratio:
  of logarithms): *supported* where all of it lies above the bar, *refuted* where none of it does, so that an effect
  that is too small to matter refutes, *inconclusive* otherwise. Below six seeds there is no claim, as in verdict.py.
- **Runs that failed or diverged count.** Where a guess has a score (accuracy 1 / classes, r2 0) they have that one;
  else the worst score of all runs of both sides, which is kind to them, as is the cap for a run that never reached its
  target. A word that such kindness may have brought about is withheld: then the claim is inconclusive, and says why.
- **Runs that are not there** leave a claim inconclusive: whoever may stop when it looks good is right too often.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Union

from pydantic import BeforeValidator, Field, model_validator

from nnexp.components.base import NonNegative, Positive, Settings
from nnexp.report.judgement import Judged, Measure, Reading, Readings, Word, together
from nnexp.report.numbers import number
from nnexp.report.statistics import Difference, paired, summarize, welch
from nnexp.report.verdict import FEWEST

QUANTITIES = {"seconds": "train_seconds", "epochs": "epoch", "steps": "step", "parameters": "parameters"}
"""What a claim can be about beside final scores -> where a run in brief has it. Of all of them less is better."""
ROUNDING = 1e-12
"""Of the largest score: what a mean may lie above the bar by rounding alone."""


def _selection(value: Any) -> Any:
    if isinstance(value, str):
        return {"case": value}
    if not isinstance(value, dict) or not value:
        raise ValueError("must be swept keys and their values, such as {optimizer: adam}, or the name of a case")
    return value


Selection = Annotated[dict[str, Any], BeforeValidator(_selection, json_schema_input_type=str | dict[str, Any])]
"""The levels that have these values of some keys; `case` among them."""


class Rule(Settings):
    """What a claim may say. A rule is known by the YAML key that makes it one."""

    key: ClassVar[str] = ""
    """The YAML key; empty for an abstract class."""
    label: ClassVar[str] = ""
    """What to call it."""

    text: str | None = Field(None, description="the claim in a sentence")
    source: str | None = Field(None, description="where it is claimed")

    def plain(self) -> dict[str, Any]:
        """What it claims as plain data, without its wording and source."""
        return self.model_dump(exclude={"text", "source"})


def rules(kind: type[Rule] = Rule) -> dict[str, type[Rule]]:
    """Every rule by its YAML key, in the order of this file."""
    found: dict[str, type[Rule]] = {}
    for cls in kind.__subclasses__():
        found |= {cls.key: cls} if cls.key else rules(cls)
    return found


class Single(Rule):
    """A rule about one metric of some levels."""

    metric: str | None = Field(
        None,
        description="a final score such as test_accuracy, or seconds, epochs, steps; null: the first of validation",
    )

    @property
    @abstractmethod
    def sides(self) -> dict[str, dict[str, Any]]:
        """The fields that select levels."""

    @abstractmethod
    def statement(self, metric: str) -> str:
        """What it claims, in words made of its fields."""

    @abstractmethod
    def weigh(self, sides: Sequence[Readings], measure: Measure) -> Judged:
        """The judgement of runs that are all there, in the order of `sides`."""

    def judge(self, sides: Sequence[Readings], measure: Measure) -> Judged:
        """The judgement of the runs of each side."""
        states = [reading.state for side in sides for runs in side.values() for reading in runs]
        missing = states.count("missing")
        told = self._judged(measure, runs=len(states), failed=states.count("failed"), capped=states.count("capped"))
        if missing or not states:
            why = f"{missing} of {len(states)} planned runs are not there" if states else "there are no runs"
            return replace(told, why=why)
        found = self.weigh(sides, measure)
        return replace(found, runs=told.runs, failed=told.failed, capped=told.capped)

    def _judged(self, measure: Measure, **fields: Any) -> Judged:
        plain: dict[str, Any] = {"word": "inconclusive", "why": ""}
        return Judged(**(plain | fields), rule=self.label, statement=self.statement(measure.name), metric=measure.name)


class Compared(Single):
    """A rule that compares two sides by the Student-t interval of a mean over seeds."""

    @abstractmethod
    def scaled(self, value: float, measure: Measure) -> float:
        """A value on the scale on which differences are taken. Raises ValueError where it has no place there."""

    @abstractmethod
    def shown(self, value: float) -> float:
        """A difference on that scale as it is told."""

    @property
    @abstractmethod
    def bar(self) -> float:
        """What the effect has to exceed, as it is told."""

    @abstractmethod
    def overstates(self, measure: Measure) -> bool:
        """Whether kindness to a run of the first side makes the effect look larger than it is."""

    def weigh(self, sides: Sequence[Readings], measure: Measure) -> Judged:
        states = [{r.state for runs in side.values() for r in runs} for side in sides]
        known = [r.value for side in sides for runs in side.values() for r in runs if r.value is not None]
        if not known:
            return self._judged(measure, why=f"no run has a {measure.name}", bar=self.bar)
        worst = min(known) if measure.higher else max(known)
        guess = worst if measure.chance is None else measure.chance
        try:
            a, b = ({unit: self._mean(runs, guess, measure) for unit, runs in side.items()} for side in sides)
        except ValueError as error:
            return self._judged(measure, why=str(error), bar=self.bar)
        shared = [unit for unit in a if unit in b]
        if shared:
            n, found = len(shared), paired([a[unit] - b[unit] for unit in shared])
            plain = a[shared[0]] - b[shared[0]]
        else:
            n, found = min(len(a), len(b)), welch(summarize(list(a.values())), summarize(list(b.values())))
            plain = next(iter(a.values())) - next(iter(b.values()))
        told: dict[str, Any] = {"n": n, "in_pairs": bool(shared), "bar": self.bar}
        told |= self._interval(found, plain)
        if n < FEWEST or found is None:
            why = f"{n} seed{'s' if n != 1 else ''} cannot decide; from {FEWEST} on there is a verdict"
            return self._judged(measure, why=why, **told)
        rounding = ROUNDING * max(map(abs, (*a.values(), *b.values())))
        word = self._word(found, rounding)
        kind = {"capped"} if measure.chance is not None else {"capped", "failed"}
        lenient = [bool(state & kind) for state in states]
        towards, against = lenient if self.overstates(measure) else lenient[::-1]
        if (word == "supported" and towards) or (word == "refuted" and against):
            why = (
                f"as the numbers stand it is {word}, but runs that failed or never reached the target are worse than "
                "they are counted"
            )
            return self._judged(measure, why=why, **told)
        return self._judged(measure, word=word, **told)

    def _mean(self, runs: Sequence[Reading], guess: float, measure: Measure) -> float:
        """The mean of one unit's runs on the scale."""
        values = [self.scaled(guess if run.value is None else run.value, measure) for run in runs]
        return math.fsum(values) / len(values)

    def _interval(self, found: Difference | None, plain: float) -> dict[str, float | None]:
        if found is None:
            return {"estimate": self.shown(plain)}
        ends = {"low": found.mean - found.half, "high": found.mean + found.half}
        return {"estimate": self.shown(found.mean), **{key: self.shown(end) for key, end in ends.items()}}

    def _word(self, found: Difference, rounding: float) -> Word:
        bar = self._bar_on_scale
        if found.mean - found.half > bar + rounding:
            return "supported"
        return "refuted" if found.mean + found.half <= bar + rounding else "inconclusive"

    @property
    def _bar_on_scale(self) -> float:
        return self.bar


class Diff(Compared):
    """One side is better than another by more than so much, in units of the metric."""

    key = "better"
    label = "difference"

    better: Selection = Field(description="the levels that are claimed to be better")
    than: Selection = Field(description="the levels that they are compared with")
    by: float = Field(
        0.0, description="the advantage that the mean has to exceed, in units of the metric; below 0: not worse by more"
    )

    @property
    def sides(self) -> dict[str, dict[str, Any]]:
        return {"better": self.better, "than": self.than}

    @property
    def bar(self) -> float:
        return self.by

    def statement(self, metric: str) -> str:
        if self.by < 0:
            return f"{said(self.better)} is not worse than {said(self.than)} by {number(-self.by)} in {metric}"
        much = f" by more than {number(self.by)}" if self.by else ""
        return f"{said(self.better)} is better than {said(self.than)}{much} in {metric}"

    def scaled(self, value: float, measure: Measure) -> float:
        return value if measure.higher else -value

    def shown(self, value: float) -> float:
        return value

    def overstates(self, measure: Measure) -> bool:
        return True


class Ratio(Compared):
    """A metric of one side is more than so many times that of another."""

    key = "ratio"
    label = "ratio"

    ratio: Selection = Field(description="the levels whose metric is divided")
    to: Selection = Field(description="the levels by whose metric it is divided")
    above: Positive = Field(1.0, description="what the quotient has to exceed")

    @property
    def sides(self) -> dict[str, dict[str, Any]]:
        return {"ratio": self.ratio, "to": self.to}

    @property
    def bar(self) -> float:
        return self.above

    @property
    def _bar_on_scale(self) -> float:
        return math.log(self.above)

    def statement(self, metric: str) -> str:
        a, b = said(self.ratio), said(self.to)
        if self.above == 1:
            return f"{a} has a larger {metric} than {b}"
        return f"{a} has more than {number(self.above)} times the {metric} of {b}"

    def scaled(self, value: float, measure: Measure) -> float:
        if value <= 0:
            raise ValueError(f"a ratio needs values above 0, and a run has {measure.name} {number(value)}")
        return math.log(value)

    def shown(self, value: float) -> float:
        return math.exp(value) if value < 700 else math.inf

    def overstates(self, measure: Measure) -> bool:
        return measure.higher


class Exact(Single):
    """Every run has this number, or the same as the run of another level with the same seed and data."""

    key = "exact"
    label = "exact"
    bounds: ClassVar[tuple[str, ...]] = ("value", "same_as", "at_least", "at_most")

    exact: Selection = Field(description="the levels of which it is asserted")
    value: float | None = Field(None, description="the number that each run has")
    same_as: Selection | None = Field(None, description="levels whose runs have the same number, by seed and data")
    at_least: float | None = Field(None, description="a number that no run is below")
    at_most: float | None = Field(None, description="a number that no run is above")
    tolerance: NonNegative = Field(0.0, description="the largest deviation that still counts as none")

    @model_validator(mode="after")
    def _one_bound(self) -> Exact:
        if sum(getattr(self, name) is not None for name in self.bounds) != 1:
            raise ValueError(f"say what is exact: one of {', '.join(self.bounds)}")
        return self

    @property
    def sides(self) -> dict[str, dict[str, Any]]:
        return {"exact": self.exact} | ({} if self.same_as is None else {"same_as": self.same_as})

    def statement(self, metric: str) -> str:
        within = f" within {number(self.tolerance)}" if self.tolerance else ""
        if self.same_as is not None:
            return f"{metric} of {said(self.exact)} is that of {said(self.same_as)}{within}"
        how, bound = next((h, v) for h in self.bounds if (v := getattr(self, h)) is not None)
        words = {"value": "is", "at_least": "is at least", "at_most": "is at most"}
        return f"{metric} of {said(self.exact)} {words[how]} {number(bound)}{within}"

    def weigh(self, sides: Sequence[Readings], measure: Measure) -> Judged:
        found: list[float | None] = []
        units = [unit for unit in sides[0] if self.same_as is None or unit in sides[1]]
        for unit in units:
            others = sides[1][unit] if self.same_as is not None else [Reading(0.0, "measured")]
            found += [self._deviation(one.value, other.value) for one in sides[0][unit] for other in others]
        if not found:
            return self._judged(measure, why="no two runs have the same seed and data", bar=self.tolerance)
        known = [value for value in found if value is not None]
        wrong = sum(value is None or value > self.tolerance for value in found)
        told: dict[str, Any] = {"n": len(units), "bar": self.tolerance, "estimate": max(known, default=None)}
        why = f"{wrong} of {len(found)} deviate" if wrong else ""
        return self._judged(measure, word="refuted" if wrong else "supported", why=why, **told)

    def _deviation(self, value: float | None, other: float | None) -> float | None:
        """How far a run's value is off; None for a run without one, which deviates."""
        if value is None or other is None:
            return None
        if self.same_as is not None:
            return abs(value - other)
        if self.value is not None:
            return abs(value - self.value)
        return max(self.at_least - value, 0.0) if self.at_least is not None else max(value - (self.at_most or 0.0), 0.0)


AnySingle = Annotated[
    Single,
    BeforeValidator(lambda value: value, json_schema_input_type=Union[tuple(rules(Single).values())]),  # noqa: UP007
]
"""One rule about one metric; the members for the JSON Schema are computed."""


class All(Rule):
    """Several claims at once: supported or refuted where all are, mixed where some are supported and some refuted."""

    key = "all"
    label = "all"

    all: tuple[AnySingle, ...] = Field(description="the claims, each about one metric", min_length=2)

    def plain(self) -> dict[str, Any]:
        return {"all": [part.plain() for part in self.all]}

    def judge(self, parts: Sequence[Judged]) -> Judged:
        """The judgement that those of the parts amount to."""
        word = together([part.word for part in parts])
        least = min(part.n for part in parts)
        statement = "; ".join(part.statement for part in parts)
        return Judged(word, "", self.label, statement, n=least, parts=tuple(parts))


AnyRule: Any = Union[tuple(rules().values())]  # noqa: UP007
"""For the JSON Schema."""


def said(selection: Mapping[str, Any]) -> str:
    """A selection in words.

    >>> said({"case": "zeros"}), said({"optimizer": "adam", "batch.size": 2})
    ('zeros', 'optimizer adam, batch.size 2')
    """
    return ", ".join(number(value) if key == "case" else f"{key} {number(value)}" for key, value in selection.items())
