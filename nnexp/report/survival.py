"""How long until a target is reached, where some runs never do: restricted means, medians and log-rank scores.

A run that ends without having arrived is *censored* where it ended: all that is known is that it would have taken
longer. Leaving such runs out, or counting them with the time at which they ended, makes a level look quicker the more
of its runs fail. The curve of E. L. Kaplan and P. Meier (1958), the share that has not arrived yet, uses what each
run tells:

    S(t) = Π over times t_j ≤ t of (1 - d_j / Y_j)

d_j arrivals at t_j among the Y_j runs that have neither arrived nor ended before. A mean does not exist where some
runs never arrive; the mean *restricted* to a time τ that all levels were watched for does:

    restricted mean = ∫ S(t) dt from 0 to τ = the mean of min(time, τ), were no run censored before τ
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from nnexp.report.statistics import Summary, summarize


class Arrival(NamedTuple):
    """When a run arrived, or until when it was seen not to."""

    time: float
    """Infinite for a run that is known never to arrive."""
    arrived: bool


class _Moment(NamedTuple):
    """A time at which runs arrive: how many of how many, and the curve from there on."""

    time: float
    arrived: int
    waiting: int
    share: float


def _moments(arrivals: Sequence[Arrival]) -> list[_Moment]:
    """The steps of the Kaplan-Meier curve. A run that ends where others arrive was waiting then."""
    share, found = 1.0, []
    for time in sorted({one.time for one in arrivals if one.arrived}):
        count = sum(one.arrived and one.time == time for one in arrivals)
        waiting = sum(one.time >= time for one in arrivals)
        share *= 1 - count / waiting
        found.append(_Moment(time, count, waiting, share))
    return found


def not_yet(arrivals: Sequence[Arrival], time: float) -> float:
    """S(time): the share that has not arrived by then.

    >>> runs = [Arrival(1, True), Arrival(2, False), Arrival(3, True), Arrival(3, False)]
    >>> [not_yet(runs, time) for time in (0, 1, 2.5, 3)]
    [1.0, 0.75, 0.75, 0.375]
    """
    return min((moment.share for moment in _moments(arrivals) if moment.time <= time), default=1.0)


def median(arrivals: Sequence[Arrival]) -> float | None:
    """The first time by which half the runs have arrived, S(t) ≤ 1/2; None where that is not seen.

    >>> median([Arrival(1, True), Arrival(2, True), Arrival(5, False), Arrival(5, False)])
    2
    """
    return next((moment.time for moment in _moments(arrivals) if moment.share <= 0.5 + 1e-12), None)


def horizon(levels: Sequence[Sequence[Arrival]]) -> float:
    """τ, the largest time up to which S is known for all levels.

    Of a level it is known up to the last time at which one of its runs was seen, or everywhere where the last one seen
    arrived. Runs that are known never to arrive limit nothing, and say nothing of the others beyond that time.

    >>> early, late = [Arrival(3, True), Arrival(4, True)], [Arrival(2, True), Arrival(9, False), Arrival(7, False)]
    >>> horizon([early, late]), horizon([early])
    (9, 4)
    """
    ends = [_known_until(arrivals) for arrivals in levels]
    known = [end for end in ends if end < math.inf]
    return min(known) if known else max((one.time for one in _all(levels) if one.time < math.inf), default=0.0)


def _known_until(arrivals: Sequence[Arrival]) -> float:
    last = max((one.time for one in arrivals if one.time < math.inf), default=math.inf)
    return last if any(one.time == last and not one.arrived for one in arrivals) else math.inf


def _all(levels: Sequence[Sequence[Arrival]]) -> list[Arrival]:
    return [one for arrivals in levels for one in arrivals]


def pseudo(arrivals: Sequence[Arrival], tau: float) -> list[float]:
    """For each run the restricted mean plus the run's influence on it, so that their mean is the restricted mean.

        μ + n ∂μ/∂w_i,    μ = ∫ S from 0 to τ with runs weighted by w

    Where no run is censored before τ it is min(time, τ). Σ (n ∂μ/∂w_i)² / n² is the variance of M. Greenwood (1926) for
    μ (L. A. Jaeckel 1972, the infinitesimal jackknife), so the standard error of the mean of these values is his, with
    n - 1 in place of n, and levels and pairs are compared as means are.

    >>> pseudo([Arrival(1, True), Arrival(4, True), Arrival(6, False)], 5)
    [1, 4, 5]
    >>> [round(v, 3) for v in pseudo([Arrival(1, True), Arrival(2, False), Arrival(4, True)], 5)]
    [1.0, 4.0, 4.0]
    """
    if all(one.arrived or one.time >= tau for one in arrivals):
        return [min(one.time, tau) for one in arrivals]
    moments = [moment for moment in _moments(arrivals) if moment.time < tau]
    shares = [1.0, *(moment.share for moment in moments)]
    times = [0.0, *(moment.time for moment in moments), tau]
    pieces = [share * (end - begin) for share, (begin, end) in zip(shares, pairwise(times), strict=True)]
    mean = math.fsum(pieces)
    n, found = len(arrivals), []
    for one in arrivals:
        pulls = []
        for place, moment in enumerate(moments, start=1):
            if one.time < moment.time or moment.share == 0:
                continue
            after = math.fsum(pieces[place:])
            own = one.arrived and one.time == moment.time
            pulls.append(after * (own - moment.arrived / moment.waiting) / (moment.waiting - moment.arrived))
        found.append(mean - n * math.fsum(pulls))
    return found


def restricted(arrivals: Sequence[Arrival], tau: float) -> Summary:
    """The restricted mean, with Student's interval: those of the `pseudo` values."""
    return summarize(pseudo(arrivals, tau))


def logrank_scores(a: Sequence[Arrival], b: Sequence[Arrival]) -> tuple[list[float], list[float]]:
    """What each run adds to the log-rank statistic, large for early arrivals: 1 if it arrived, less what was expected.

        score_i = δ_i - Σ over t_j ≤ t_i of d_j / Y_j,    d_j arrivals among the Y_j waiting runs of a and b together

    The sum over the runs of a is its observed less its expected arrivals (N. Mantel 1966; R. and J. Peto 1972). The
    scores do not depend on which runs are a's, so permuting them is the permutation test of the log-rank statistic.

    >>> logrank_scores([Arrival(1, True)], [Arrival(2, True), Arrival(3, False)])
    ([0.6666666666666667], [0.16666666666666674, -0.8333333333333333])
    """
    steps = [(moment.time, moment.arrived / moment.waiting) for moment in _moments([*a, *b])]

    def score(one: Arrival) -> float:
        return one.arrived - math.fsum(step for time, step in steps if time <= one.time)

    return [score(one) for one in a], [score(one) for one in b]
