"""What a mean over seeds, and a difference of two, is worth: intervals, tests by t, effect sizes, seeds needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

LEVEL = 0.05
"""The error rate of every test here, and one minus the coverage of every interval."""
POWER = 0.8
"""How surely the number of seeds that is asked for finds a difference."""
MOST_SEEDS = 1000
"""Beyond these, no number of seeds is told."""


@dataclass(frozen=True)
class Summary:
    """A sample's size n, mean, standard deviation (n - 1) and half the width of its 95 % interval.

    The last two are None below two values: one value says nothing about the spread.
    """

    n: int
    mean: float | None
    std: float | None
    half: float | None

    @property
    def low(self) -> float | None:
        """Where the interval begins."""
        return None if self.mean is None or self.half is None else self.mean - self.half

    @property
    def high(self) -> float | None:
        """Where it ends."""
        return None if self.mean is None or self.half is None else self.mean + self.half


def summarize(values: Sequence[float]) -> Summary:
    """Mean ± t_{0.975, n-1} s / √n, the Student-t interval of a mean (W. Gosset 1908) of finite values.

    >>> s = summarize([1.0, 2.0, 3.0])
    >>> s.n, s.mean, s.std, round(s.half, 4)
    (3, 2.0, 1.0, 2.4841)
    """
    n = len(values)
    if n == 0:
        return Summary(0, None, None, None)
    if max(map(abs, values)) > 1e150:  # their squares, or their sum, would be too large for a float
        scale = 2.0**600
        s = summarize([v / scale for v in values])
        return Summary(n, *(None if v is None else v * scale for v in (s.mean, s.std, s.half)))
    # equal values have exactly their own mean, which the rounded sum over n may miss by a digit
    mean = values[0] if min(values) == max(values) else math.fsum(values) / n
    if n == 1:
        return Summary(1, mean, None, None)
    std = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Summary(n, mean, std, _t(n - 1, 1 - LEVEL / 2) * std / math.sqrt(n))


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (E. B. Wilson 1927), which stays within 0 and 1 and has a width at 0 and n of n.

        (p + z² / 2n ± z √(p (1 - p) / n + z² / 4n²)) / (1 + z² / n),    p = successes / n, z = 1.96

    >>> [round(end, 3) for end in wilson(9, 10)]
    [0.596, 0.982]
    """
    z = 1.959963984540054
    p = successes / n
    middle = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)
    return max(low, 0.0) if successes else 0.0, min(high, 1.0) if successes < n else 1.0


# -- differences -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A difference of two means, its standard error and the degrees of freedom of that."""

    mean: float
    error: float
    freedom: float

    @property
    def half(self) -> float:
        """Half the width of the 95 % Student-t interval."""
        return _t(self.freedom, 1 - LEVEL / 2) * self.error if self.error > 0 else 0.0

    def within(self, margin: float) -> float:
        """The p of two one-sided t tests against ±margin (D. J. Schuirmann 1987): small where |difference| < margin.

            p = max(P(T > (mean + margin) / error), P(T < (mean - margin) / error))

        p ≤ 0.05 says the same as a 90 % interval that lies within ±margin.
        """
        from scipy.special import stdtr

        if self.error == 0:
            return 0.0 if abs(self.mean) < margin else 1.0
        return float(stdtr(self.freedom, (abs(self.mean) - margin) / self.error))


def paired(differences: Sequence[float]) -> Difference | None:
    """The mean difference of pairs, with s / √n and n - 1 degrees of freedom; None below two pairs."""
    s = summarize(differences)
    if s.mean is None or s.std is None:
        return None
    return Difference(s.mean, s.std / math.sqrt(s.n), s.n - 1)


def welch(a: Summary, b: Summary) -> Difference | None:
    """mean(a) - mean(b) of samples with spreads of their own (B. L. Welch 1947); None where one has below two values.

    error² = s_a² / n_a + s_b² / n_b,    freedom = error⁴ / ((s_a² / n_a)² / (n_a - 1) + (s_b² / n_b)² / (n_b - 1))
    """
    if a.mean is None or b.mean is None or a.std is None or b.std is None:
        return None
    scale = max(a.std, b.std)
    if scale == 0:
        return Difference(a.mean - b.mean, 0.0, a.n + b.n - 2)
    va, vb = (a.std / scale) ** 2 / a.n, (b.std / scale) ** 2 / b.n
    freedom = (va + vb) ** 2 / (va**2 / (a.n - 1) + vb**2 / (b.n - 1))
    return Difference(a.mean - b.mean, scale * math.sqrt(va + vb), freedom)


def hedges(difference: float, std_a: float, std_b: float, freedom: float) -> float | None:
    """The difference in standard deviations between seeds, without the bias of few of them (L. V. Hedges 1981).

        g = J difference / √((s_a² + s_b²) / 2),    J = Γ(f / 2) / (√(f / 2) Γ((f - 1) / 2)),    f = freedom

    The denominator is the mean spread of the two levels, for pairs, too (d_av of G. Cumming 2012): the spread of the
    differences (d_z) would make the same gain look larger the better the pairing works, and could not be set beside a
    g of unpaired runs. None where neither level varies, or with less than two degrees of freedom.

    >>> round(hedges(1.0, 1.0, 1.0, 9), 4)
    0.9139
    """
    from scipy.special import gammaln

    spread = math.hypot(std_a, std_b) / math.sqrt(2)
    if spread == 0 or freedom < 2:
        return None
    correction = math.exp(gammaln(freedom / 2) - gammaln((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return correction * difference / spread


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values: all claims at p ≤ 0.05 are right together in 95 of 100 cases (S. Holm 1979).

        the i-th smallest of k, from i = 0:  max over j ≤ i of min(1, (k - j) p_j)

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p)), key=lambda i: p[i])
    adjusted, largest = [0.0] * len(p), 0.0
    for place, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - place) * p[i]))
        adjusted[i] = largest
    return adjusted


# -- how many seeds --------------------------------------------------------------------------------


def detectable_difference(n: int, std: float, power: float = POWER, in_pairs: bool = False) -> float:
    """The difference of two means of n values each that a two-sided t test at the 5 % level finds with this power.

        P(|T| > t_{0.975, f}) = power,    T noncentral t with f degrees of freedom, shifted by
        unpaired: f = 2n - 2, δ / (s √(2 / n)), s the standard deviation of either level
        in pairs: f = n - 1,  δ √n / s,         s the standard deviation of the differences

    >>> round(detectable_difference(17, 1.0), 2), round(detectable_difference(34, 1.0, in_pairs=True), 2)
    (0.99, 0.5)
    """
    freedom, error = (n - 1, std / math.sqrt(n)) if in_pairs else (2 * (n - 1), std * math.sqrt(2 / n))
    low, high = 0.0, 64.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if _power(freedom, middle, LEVEL) < power else (low, middle)
    return high * error


def seeds_to_find(effect: float, level: float = LEVEL, in_pairs: bool = True) -> int | None:
    """The seeds (of each level) with which a two-sided t test finds an effect with power 0.8; None beyond MOST_SEEDS.

    The effect is |difference| / s: s the spread of the differences of pairs, or of each of two unpaired levels.

    >>> seeds_to_find(0.5), seeds_to_find(0.5, in_pairs=False)
    (34, 64)
    """

    def found(n: int) -> bool:
        freedom, shift = (n - 1, effect * math.sqrt(n)) if in_pairs else (2 * n - 2, effect * math.sqrt(n / 2))
        return _power(freedom, shift, level) >= POWER

    return _least(found)


def seeds_to_equate(margin: float, level: float = LEVEL, in_pairs: bool = True) -> int | None:
    """The seeds with which two levels that do not differ are found equivalent with power 0.8; None beyond MOST_SEEDS.

    The margin is in units of s as in `seeds_to_find`; power = 2 P(T < margin √n / s - t_{1-level, f}) - 1.
    """
    from scipy.special import stdtr

    def found(n: int) -> bool:
        freedom, shift = (n - 1, margin * math.sqrt(n)) if in_pairs else (2 * n - 2, margin * math.sqrt(n / 2))
        return 2 * float(stdtr(freedom, shift - _t(freedom, 1 - level))) - 1 >= POWER

    return _least(found)


def _least(enough: Callable[[int], bool]) -> int | None:
    """The smallest n from 2 to MOST_SEEDS that is enough, where more always are."""
    if not enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _power(freedom: float, shift: float, level: float) -> float:
    """How often a two-sided t test rejects where t is shifted by so much."""
    from scipy.special import nctdtr

    critical = _t(freedom, 1 - level / 2)
    if shift > 30 + 2 * critical:  # certain, and beyond what nctdtr is good for
        return 1.0
    other = 0.0 if shift > 5 else float(nctdtr(freedom, shift, -critical))  # below 1e-10 there, where it may be NaN
    return 1.0 - float(nctdtr(freedom, shift, critical)) + other


def _t(freedom: float, probability: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))
