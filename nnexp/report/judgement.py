"""What a claim is judged by, and what a judgement is: readings of runs, and a word with its numbers."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from nnexp.report.numbers import decimals_for, score

Word = Literal["supported", "refuted", "mixed", "inconclusive"]


class Reading(NamedTuple):
    """What one run says of a metric."""

    value: float | None
    state: Literal["measured", "capped", "failed", "missing"]
    """`capped`: it never reached its target, and the value is where it ended; `failed`: it diverged, too."""


Readings = Mapping[Hashable, Sequence[Reading]]
"""The runs of one side by unit, a seed with its data; several where a side holds several levels."""


@dataclass(frozen=True)
class Measure:
    """The metric of a rule."""

    name: str
    higher: bool
    """Whether large is good."""
    chance: float | None = None
    """What a guess scores that knows nothing; None where that is not known."""


@dataclass(frozen=True)
class Judged:
    """What became of a claim, or of one part of it."""

    word: Word
    why: str
    """What stands in the way of another word; nothing where there is nothing to say."""
    rule: str
    statement: str
    metric: str = ""
    """Of a claim in parts this and most of what follows is said by the parts."""
    n: int = 0
    """Pairs of seeds, or seeds of the smaller side; of an exact rule all seeds."""
    in_pairs: bool = True
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    """What the estimate has to exceed; of an exact rule what no deviation may."""
    runs: int = 0
    failed: int = 0
    """Runs that failed or diverged, and count as said above."""
    capped: int = 0
    """Runs that never reached their target, and count with where they ended."""
    parts: tuple[Judged, ...] = ()

    def plain(self) -> dict[str, Any]:
        """All of it as plain data."""
        own = {key: value for key, value in vars(self).items() if key != "parts"}
        return {**own, "parts": [part.plain() for part in self.parts]} if self.parts else own

    @classmethod
    def read(cls, plain: Mapping[str, Any]) -> Judged:
        """From what `plain` made. Raises TypeError for anything else."""
        parts = tuple(cls.read(part) for part in plain.get("parts", ()))
        return cls(**{key: value for key, value in plain.items() if key != "parts"}, parts=parts)

    @property
    def interval(self) -> str:
        """The estimate with its interval, as people read it."""
        if self.estimate is None:
            return "-"
        half = None if self.low is None or self.high is None else (self.high - self.low) / 2
        decimals = decimals_for(half)
        text = score(self.estimate, decimals)
        if self.rule == "difference":
            text = text if text.startswith("-") else f"+{text}"
        return text if self.low is None else f"{text} [{score(self.low, decimals)}, {score(self.high, decimals)}]"

    def sentences(self) -> list[str]:
        """A line of numbers for each rule, and what there is to say of it."""
        if self.parts:
            return [line for part in self.parts for line in part.sentences()]
        estimate = "largest deviation " if self.rule == "exact" else f"{self.rule} "
        told = f"{self.word}: {self.statement}; {estimate}{self.interval}, n = {self.n}"
        told += "" if self.in_pairs else " (unpaired, Welch)"
        for count, what in ((self.failed, "failed or diverged"), (self.capped, "never reached the target")):
            told += f"; {count} of {self.runs} runs {what}" if count else ""
        return [told + (f"; {self.why}" if self.why else "")]


def together(words: Sequence[Word]) -> Word:
    """The word of several claims at once.

    >>> together(["supported", "refuted", "inconclusive"]), together(["refuted", "inconclusive"])
    ('mixed', 'inconclusive')
    """
    kinds = set(words)
    if kinds in ({"supported"}, {"refuted"}):
        return words[0]
    return "mixed" if {"supported", "refuted"} <= kinds else "inconclusive"
