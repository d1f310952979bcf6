"""The usable range of a hyperparameter: the values around the best one at which nearly as much is reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from nnexp.report.numbers import number


@dataclass(frozen=True)
class Tried:
    """What came out at one value of the hyperparameter."""

    value: float
    mean: float | None
    """None where no run has a score."""
    std: float | None
    """The standard deviation between seeds."""
    failed: int = 0
    """How many runs have none."""


@dataclass(frozen=True)
class Usable:
    """A range of values around the best one."""

    best: float
    low: float
    high: float
    below: bool
    """Whether the range may go on below `low`: that is the smallest value, or nothing is known of the next."""
    above: bool
    within: float
    """How much worse than the best mean is still usable."""
    logarithmic: bool

    @property
    def width(self) -> float | None:
        """In decades, log₁₀ high / low, or in units of the hyperparameter; None for decades from 0 on."""
        if not self.logarithmic:
            return self.high - self.low
        return math.log10(self.high / self.low) if self.low > 0 else None

    @property
    def wide(self) -> str:
        """The width in words.

        >>> print(Usable(0.1, 0.1, 1.0, True, False, 0.01, True).wide)
        at least 1 decade
        """
        if self.width is None:
            return "from 0 on"
        width = number(float(f"{self.width:.2g}"))
        unit = " wide" if not self.logarithmic else " decade" if width == "1" else " decades"
        return f"{'at least ' if self.below or self.above else ''}{width}{unit}"

    def __str__(self) -> str:
        """In words.

        >>> print(Usable(0.1, 0.02, 0.5, False, False, 0.01, True))
        0.02 to 0.5, 1.4 decades
        >>> print(Usable(0.1, 0.1, 1.0, True, False, 0.01, True))
        0.1 or less to 1, at least 1 decade
        """
        low, high = (number(float(f"{v:.2g}")) for v in (self.low, self.high))
        said = f"{low}{' or less' if self.below else ''} to {high}{' or more' if self.above else ''}"
        return said if self.width is None else f"{said}, {self.wide}"


def usable(tried: Sequence[Tried], higher: bool, logarithmic: bool, within: float | None = None) -> Usable | None:
    """The widest range around the best value in which the mean is at most `within` worse than the best mean.

    Without `within` it is one standard deviation between seeds at the best value: what the luck of a seed makes of it.
    Between two values the mean is taken to be a straight line over the logarithm (or, where the axis is linear, over
    the value), and an end of the range is where that line leaves it. A value where a run failed is not usable, and
    nothing is known of where that begins: there the range ends at the last good value, and may go on. None where no
    value is without failures, or nothing is known of the spread.

    >>> found = usable([Tried(0.01, 0.6, 0.1), Tried(0.1, 0.9, 0.1), Tried(1.0, 0.7, 0.1)], True, True)
    >>> round(found.low, 4), round(found.high, 4), round(found.width, 3)
    (0.0464, 0.3162, 0.833)
    """
    good = [one for one in tried if one.mean is not None and math.isfinite(one.mean) and not one.failed]
    if not good:
        return None
    sign = 1.0 if higher else -1.0
    best = max(good, key=lambda one: sign * (one.mean or 0.0))
    if within is None:
        within = best.std
    if within is None:
        return None
    ordered = sorted(tried, key=lambda one: one.value)
    place = ordered.index(best)
    low, below = _end(ordered[place::-1], best, sign, logarithmic, within)
    high, above = _end(ordered[place:], best, sign, logarithmic, within)
    return Usable(best.value, low, high, below, above, within, logarithmic)


def _end(way: Sequence[Tried], best: Tried, sign: float, logarithmic: bool, within: float) -> tuple[float, bool]:
    """Where the range ends on the way from the best value to one side, and whether it may go on."""
    assert best.mean is not None
    least = sign * best.mean - within

    def at(value: float) -> float:
        return math.log10(value) if logarithmic else value

    last = best
    for one in way[1:]:
        if one.mean is None or one.failed or not math.isfinite(one.mean):
            return last.value, True
        here, there = sign * (last.mean or 0.0), sign * one.mean
        if there < least:
            if logarithmic and min(one.value, last.value) <= 0:  # 0 has no place on the axis
                return last.value, True
            share = (here - least) / (here - there)
            end = at(last.value) + share * (at(one.value) - at(last.value))
            return (10.0**end if logarithmic else end), False
        last = one
    return last.value, True
