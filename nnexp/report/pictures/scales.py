"""Axes: where a value stands, and which values are written beside an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from nnexp.report.numbers import number

TICKS = 9
"""Values that are written below an axis, at most."""
FEW = 5
"""Values that are written whatever their digits; of more, as a random search has, only round ones are."""


@dataclass(frozen=True)
class Scale:
    """From values to places: the values themselves, or their log₁₀ (with 0 a step below the least positive one)."""

    logarithmic: bool
    zero: float | None = None
    """Where 0 stands on a logarithmic axis that has it."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Scale:
        """Logarithmic where values lie geometrically: their ratios vary less than their differences do.

        Two values need a ratio of 5 for that.

        >>> [Scale.of(v).logarithmic for v in ([0.001, 0.01, 0.1], [1, 2, 3], [1, 10], [0.1, 0.2], [0, 0.01, 0.1, 1])]
        [True, False, True, False, True]
        """
        known = sorted({v for v in values if v != 0})
        if len(known) < 2 or known[0] < 0:
            return cls(False)
        logs = [math.log10(v) for v in known]
        geometric = logs[-1] - logs[0] >= math.log10(5) if len(known) == 2 else _uneven(logs) < _uneven(known)
        if not geometric:
            return cls(False)
        step = max((logs[-1] - logs[0]) / (len(logs) - 1), 0.1)
        return cls(True, logs[0] - step if 0 in values else None)

    def place(self, value: float) -> float:
        """Where a value stands. Raises ValueError for what has no place on a logarithmic axis."""
        if not self.logarithmic:
            return float(value)
        if value == 0 and self.zero is not None:
            return self.zero
        return math.log10(value)

    def below(self, values: Sequence[float], letters: int) -> list[tuple[float, str]]:
        """What is written below an axis of so many letters with these sorted values: places from 0 to 1 and texts.

        The values themselves where they are few, or round, and apart; else round numbers between them.

        >>> [text for _, text in Scale(True).below([0.001, 0.01, 0.1], 50)]
        ['0.001', '0.01', '0.1']
        >>> [text for _, text in Scale(True).below([0.00054, 0.0049, 0.0058, 0.0299, 0.0424, 0.1702], 50)]
        ['0.001', '0.01', '0.1']
        """
        left, right = self.place(values[0]), self.place(values[-1])
        shown = values[:: -(-len(values) // TICKS)]
        ticks = [(self.place(v), number(v)) for v in shown]
        apart = all(
            (there - here) / (right - left) * letters > (len(one) + len(other)) / 2 + 1
            for (here, one), (there, other) in pairwise(ticks)
        )
        if not apart or (len(values) > FEW and not all(map(_is_round, shown))):
            start = self.place(values[1]) if self.zero == left else left
            ticks = [(start + at * (right - start), text) for at, text in marks(start, right, self.logarithmic)]
            ticks = [*([] if start == left else [(left, "0")]), *ticks]
        return [((at - left) / (right - left), text) for at, text in ticks]


def _is_round(value: float) -> bool:
    return value == int(value) or value == float(f"{value:.3g}")


def _uneven(values: Sequence[float]) -> float:
    """The coefficient of variation of the steps between sorted values."""
    steps = [b - a for a, b in pairwise(values)]
    mean = sum(steps) / len(steps)
    return math.sqrt(sum((step - mean) ** 2 for step in steps) / len(steps)) / mean


def round_values(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from low to high, at most so many and where it can be at least two.

    >>> [round_values(0.03, 0.97), round_values(0, 12, 4)]
    [[0.2, 0.4, 0.6, 0.8], [0.0, 5.0, 10.0]]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10, 20, 50):
        step = factor * power
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
    return [low, high]


def marks(low: float, high: float, logarithmic: bool = False, most: int = 5) -> list[tuple[float, str]]:
    """What is written beside an axis from low to high: places from 0 to 1 and texts.

    On a logarithmic axis low and high are logarithms.
    """
    if not logarithmic:
        values = round_values(low, high, most)
        digits = max((len(number(v, 12).partition(".")[2]) for v in values), default=0)
        plain = digits <= 6 and all(abs(v) < 1e6 for v in values)
        texts = [f"{v:.{digits}f}" if plain else number(v) for v in values]
        return [((v - low) / ((high - low) or 1), text) for v, text in zip(values, texts, strict=True)]
    powers = [float(k) for k in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)]
    if len(powers) < 2:  # within a decade or two: 1, 2 and 5 times each power
        steps = [k + math.log10(f) for k in range(math.floor(low), math.ceil(high) + 1) for f in (1, 2, 5)]
        powers = [step for step in steps if low <= step <= high]
    if len(powers) < 2:
        powers = [math.log10(v) for v in round_values(10**low, 10**high, most)]
    every = -(-len(powers) // most)
    return [((p - low) / ((high - low) or 1), number(float(f"{10**p:.3g}"))) for p in powers[::every]]
