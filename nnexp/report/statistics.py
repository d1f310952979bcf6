"""What a mean over seeds is worth: standard deviation and Student-t interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """A sample's size n, mean, standard deviation (n - 1) and half the width of its 95 % interval.

    The last two are None below two values: one value says nothing about the spread.
    """

    n: int
    mean: float | None
    std: float | None
    half: float | None


def summarize(values: Sequence[float]) -> Summary:
    """Mean ± t_{0.975, n-1} s / √n, the Student-t interval of a mean (W. Gosset 1908).

    >>> s = summarize([1.0, 2.0, 3.0])
    >>> s.n, s.mean, s.std, round(s.half, 4)
    (3, 2.0, 1.0, 2.4841)
    """
    n = len(values)
    if n == 0:
        return Summary(0, None, None, None)
    # equal values have exactly their own mean, which the rounded sum over n may miss by a digit
    mean = values[0] if min(values) == max(values) else math.fsum(values) / n
    if n == 1:
        return Summary(1, mean, None, None)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    from scipy.special import stdtrit

    return Summary(n, mean, std, float(stdtrit(n - 1, 0.975)) * std / math.sqrt(n))


def detectable_difference(n: int, std: float, power: float = 0.8) -> float:
    """The difference of two means of n values each that a two-sided t test at the 5 % level finds with this power.

        P(|T| > t_{0.975, 2n-2}) = power,    T noncentral t with δ / (s √(2 / n))

    >>> round(detectable_difference(17, 1.0), 2)
    0.99
    """
    from scipy.special import nctdtr, stdtrit

    freedom = 2 * (n - 1)
    critical = float(stdtrit(freedom, 0.975))
    low, high = 0.0, 64.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        found = 1.0 - float(nctdtr(freedom, middle, critical)) + float(nctdtr(freedom, middle, -critical))
        low, high = (middle, high) if found < power else (low, middle)
    return high * std * math.sqrt(2 / n)
