"""More seeds until it is known: verdicts on paired differences that may be looked at after every seed.

The budget of seeds is fixed in advance, and the error rate is spent on it evenly: after n of N seeds at most α n / N
of it is used up (K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 1983;
this is the function with ρ = 1 of K. Kim and D. L. DeMets, Biometrika 1987). Where the boundary lies at each look is
found from the differences themselves, by flipping their signs (R. A. Fisher, "The Design of Experiments", 1935), so
that it holds for any distribution that is symmetric where there is no difference, also for few values or heavy tails.
benchmarks/sequential.py says what that costs and saves beside other rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from nnexp.engine.streams import stream
from nnexp.report.statistics import summarize

if TYPE_CHECKING:
    import numpy as np

ALPHA = 0.05
"""The probability of a wrong verdict anywhere in a sweep."""
LEAST = 6
"""Seeds below which nothing is claimed."""
COUNTED = 15
"""Seeds whose signs are flipped in all ways there are; those of the seeds beyond are drawn, so 2^15 vectors do."""
MOST = 200
"""The largest budget: the sign vectors have to fit into memory, and the error rate has to last."""
Side = Literal["both", "above", "below"]
Word = Literal["better", "worse", "equivalent", "open"]


@cache
def sign_vectors(budget: int) -> np.ndarray:
    """Rows of +1 and -1, (2^min(budget, COUNTED), budget); the first has no -1."""
    import numpy as np

    known = min(budget, COUNTED)
    bits = np.arange(1 << known)[:, None] >> np.arange(known) & 1
    drawn = stream(0, "resample", budget).integers(0, 2, (1 << known, budget - known), np.int8)
    drawn[0] = 0
    return np.asfortranarray(1 - 2 * np.hstack([bits.astype(np.int8), drawn]))


def first_crossing(differences: Sequence[float], budget: int, level: float, side: Side = "both") -> int | None:
    """After how many differences d a sequential sign-flip test first rejects; None where it has not.

        S_n(ε) = ε_1 d_1 + ... + ε_n d_n
        R_n    = the largest |S_n(ε)| among the sign vectors ε that no look before has rejected, as many as keep
                 |R_1 ∪ ... ∪ R_n| <= level n / budget |all ε|
        reject at n if ε = (1, ..., 1) is in R_n

    Where d and -d are equally likely, every sign vector is as likely to be the one that is seen, so the probability to
    reject at any look up to n is level n / budget at most. `side` above takes S_n instead of |S_n|, below -S_n. Equal
    sums are rejected together or not at all. Raises ValueError for more differences than the budget has.

    >>> first_crossing([1.0] * 10, budget=10, level=0.05)
    7
    """
    import numpy as np

    if len(differences) > budget:
        raise ValueError(f"{len(differences)} differences are more than the budget of {budget}")
    signs = sign_vectors(budget)
    spent = [math.floor(level * n / budget * len(signs) * (1 + 1e-12)) for n in range(len(differences) + 1)]
    # what is rejected at n is among the spent[n] that reach farthest at n, so most often no boundary is needed
    extreme = [n for n, reach, tie in _reaches(differences, signs, side) if (reach >= reach[0] - tie).sum() <= spent[n]]
    if not extreme:
        return None
    open_ones, used = np.ones(len(signs), bool), 0
    for n, reach, tie in _reaches(differences[: extreme[-1]], signs, side):
        allowed = spent[n] - used
        if allowed < 1:
            continue
        reach[~open_ones] = -math.inf
        bound = np.partition(reach, -allowed - 1)[-allowed - 1] if allowed < len(reach) else -math.inf
        rejected = reach > bound + tie
        if rejected[0]:
            return n
        used += int(rejected.sum())
        open_ones &= ~rejected
    return None


def _reaches(differences: Sequence[float], signs: np.ndarray, side: Side) -> Iterator[tuple[int, np.ndarray, float]]:
    """From LEAST on: n, how far each sign vector's sum reaches to the side, and what is no difference between two."""
    import numpy as np

    sums, size = np.zeros(len(signs)), 0.0
    for n, d in enumerate(differences, 1):
        sums += signs[:, n - 1] * float(d)
        size += abs(d)
        if n >= LEAST:
            yield n, np.abs(sums) if side == "both" else sums.copy() if side == "above" else -sums, 1e-12 * size


@dataclass(frozen=True)
class Verdict:
    """What is known of one level beside the baseline."""

    word: Word
    at: int | None
    """After how many pairs it was settled, which may be when others were; None for an open one."""
    n: int
    """Pairs of runs that were looked at."""
    mean: float | None
    std: float | None

    @property
    def settled(self) -> bool:
        return self.word != "open"


def judge(
    differences: Sequence[Sequence[float]],
    budget: int,
    margin: float | None = None,
    higher: bool = True,
    alpha: float = ALPHA,
) -> list[Verdict]:
    """The verdict on each level: its differences to the baseline, level minus baseline, in the order of the seeds.

    Different: the sign-flip test of d rejects. Equivalent: those of d - margin (below) and d + margin (above) both do
    (D. J. Schuirmann's two one-sided tests, 1987); what is settled first counts. Without a margin the levels of the
    tests are Holm's, by `in_turn`: the error rate over the comparisons that are not settled yet. With one it is divided
    by all, for one that is found equivalent could still be found different by mistake.

    >>> [one.word for one in judge([[0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.1, 0.2, 0.3], [0.1, -0.1] * 4], budget=20)]
    ['better', 'open']
    """

    def outcome(i: int, level: float) -> tuple[Word, int] | None:
        return _outcome(differences[i], budget, margin, higher, level)

    count = len(differences)
    if margin is None:
        found = in_turn(count, outcome, alpha)
    else:
        found = {i: one for i in range(count) if (one := outcome(i, alpha / count)) is not None}
    still: tuple[Word, None] = ("open", None)
    verdicts = []
    for i, d in enumerate(differences):
        s = summarize(d)
        word, at = found.get(i, still)
        verdicts.append(Verdict(word, at, s.n, s.mean, s.std))
    return verdicts


def in_turn(
    count: int, outcome: Callable[[int, float], tuple[Word, int] | None], alpha: float = ALPHA
) -> dict[int, tuple[Word, int]]:
    """Holm's method as seeds are added: what is settled leaves its error rate to the others, from then on.

    `outcome` tells what comparison i comes to at a level, and after how many pairs; the result, when each is settled.

    >>> in_turn(2, lambda i, level: ("better", 9) if i == 0 else ("worse", 7) if level == 0.05 else None)
    {0: ('better', 9), 1: ('worse', 9)}
    """
    found: dict[int, tuple[Word, int]] = {}
    now = 0
    while len(found) < count:
        level = alpha / (count - len(found))
        new = {i: one for i in range(count) if i not in found and (one := outcome(i, level)) is not None}
        if not new:
            break
        now = max(now, min(at for _, at in new.values()))
        found |= {i: (word, now) for i, (word, at) in new.items() if at <= now}
    return found


def _outcome(
    d: Sequence[float], budget: int, margin: float | None, higher: bool, level: float
) -> tuple[Word, int] | None:
    """The first thing that a comparison settles to, and when."""
    different = first_crossing(d, budget, level)
    if margin is not None:
        below = first_crossing([v - margin for v in d], budget, level, "below")
        above = first_crossing([v + margin for v in d], budget, level, "above")
        if below is not None and above is not None and max(below, above) <= (different or budget):
            return "equivalent", max(below, above)
    if different is None:
        return None
    return ("better" if (math.fsum(d[:different]) > 0) == higher else "worse"), different


def looks(begin: int, budget: int) -> Iterator[int]:
    """How many seeds each look has, from `begin` on: one more at a time, an eighth more from 16 on, up to the budget.

    >>> list(looks(14, 22))
    [14, 15, 16, 18, 20, 22]
    """
    n = min(begin, budget)
    while True:
        yield n
        if n == budget:
            return
        n = min(n + max(1, n // 8), budget)


def earliest(budget: int, comparisons: int, alpha: float = ALPHA) -> int:
    """The seeds before which no comparison can be settled: two of 2^n sign vectors are more than what may be spent.

    >>> earliest(50, 1), earliest(50, 4)
    (8, 10)
    """
    for n in range(LEAST, budget):
        if 2.0 ** (1 - n) <= alpha / comparisons * n / budget:
            return n
    return budget
