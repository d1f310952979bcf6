"""Verdicts: whether one level of an experiment is better than another, by how much, and whether that is known.

What is compared are outcomes, one for each *unit* of a level: a seed with its data. Two levels are paired by unit, for
runs of one seed share split, initial weights and batch order, and what these add to both falls out of the difference.

- **The claim** rests on a permutation test, which assumes no distribution and is exact for few seeds: sign flips for
  pairs, divisions of the runs where seeds do not match. p values are adjusted by Holm's method over all comparisons of
  a table. `better` and `worse` are p ≤ 0.05 after that.
- **The size** is the mean difference with its Student-t interval (Welch's where unpaired). Interval and claim are two
  methods, and may disagree close to p = 0.05; then the claim decides.
- **Equivalent** are two levels whose difference is shown to lie within ±margin (two one-sided t tests, by Holm, too).
  With a margin this comes before better and worse: a difference may be real and too small to matter.
- **Below six seeds there is no claim.** n pairs have 2ⁿ sign vectors, so the smallest two-sided p is 2 / 2ⁿ: with five
  pairs that agree without exception it is 0.0625. Unpaired levels need six runs each, too, for spreads of fewer runs
  are guesses. With k comparisons Holm asks for k 2 / 2ⁿ ≤ 0.05.
- **Runs that diverged or failed are outcomes.** They have no score to average, so means and differences are of the runs
  that succeeded, and would make a level look better the more often it fails. So where a comparison has failures, the
  test is made on ranks: all outcomes of both levels are ranked together, failures last and equal to each other, and
  the same permutation test is made on the ranks. This counts a failure as the worst outcome, however bad it was. A
  level that fails more often is not called better where an exact test (McNemar's for pairs, Fisher's otherwise) shows
  that it succeeds less often, nor where the difference of the successes points the other way; then the verdict is
  inconclusive, and says why. Levels with failures are not called equivalent.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from nnexp.report.permutation import Chance, discordant, sign_flips, two_samples, two_shares
from nnexp.report.ranks import mid_ranks
from nnexp.report.statistics import (
    LEVEL,
    MOST_SEEDS,
    Difference,
    hedges,
    holm,
    paired,
    seeds_to_equate,
    seeds_to_find,
    summarize,
    welch,
)

FEWEST = 6
"""Pairs, or runs of each level, below which there is no claim."""

Word = Literal["better", "worse", "equivalent", "inconclusive", "confounded"]
Outcomes = Mapping[Hashable, float | None]
"""The score of each unit of a level; None where the run diverged or failed."""
Scored = Mapping[int, tuple[Mapping[Hashable, float], Mapping[Hashable, float]]]
"""For levels by their number: what the test is made on where that is no outcome, of the level and of the baseline."""


@dataclass(frozen=True)
class Verdict:
    """One level against the baseline."""

    word: Word
    why: str
    """What stands in the way of a claim; nothing where there is one."""
    in_pairs: bool
    n: int
    """Pairs, or the runs of the smaller level."""
    alone: int
    """Runs of both levels that have no partner, and are left out of a paired comparison."""
    difference: float | None
    """Mean of the level minus mean of the baseline, of runs that succeeded."""
    half: float | None
    """Half the width of its 95 % interval."""
    p: float | None
    p_holm: float | None
    exact: bool
    """Whether p counts all relabellings, rather than drawn ones."""
    by_rank: bool
    """Whether the test is on ranks, because runs failed."""
    effect: float | None
    """Hedges' g."""
    superiority: float | None
    """P(the level is better than the baseline), ties half, failures last."""
    p_equivalent: float | None
    """Of two one-sided tests against the margin, by Holm."""
    p_success: float | None
    """Of the exact comparison of the success rates, where a run failed."""
    more_seeds: int | None
    """How many further seeds would settle it; None where it is settled, or MOST_SEEDS would not."""


@dataclass(frozen=True)
class _Meeting:
    """What two levels bring to a test."""

    in_pairs: bool
    a: list[float | None]
    b: list[float | None]
    alone: int
    scores: tuple[list[float], list[float]] | None = None
    """What the test is made on, larger is better, where it is not made on a and b."""

    @property
    def n(self) -> int:
        return min(len(self.a), len(self.b))

    @property
    def failed(self) -> bool:
        return None in self.a or None in self.b

    @property
    def telling(self) -> bool:
        """Whether means that agree say that the levels do: not where runs failed, nor where all scores are nothing."""
        return not self.failed and (self.scores is None or any(map(any, self.scores)))

    @property
    def both(self) -> tuple[list[float], list[float]]:
        """The scores of the runs that succeeded; of pairs, those of which both did."""
        if self.in_pairs:
            known = [(x, y) for x, y in zip(self.a, self.b, strict=True) if x is not None and y is not None]
            return [x for x, _ in known], [y for _, y in known]
        return [x for x in self.a if x is not None], [y for y in self.b if y is not None]


def judge(
    levels: Sequence[Outcomes],
    baseline: int,
    higher: bool,
    margin: float | None = None,
    confounded: str = "",
    scored: Scored | None = None,
) -> list[Verdict | None]:
    """A verdict for each level against the baseline; None for the baseline itself.

    `higher`: whether large scores are good. `margin`: the smallest difference that matters, > 0. `confounded`: why
    there is to be no verdict all the same. `scored`: for each other level, scores of the same units as its and the
    baseline's outcomes, larger is better; the test is then made on these, and the size is still that of the outcomes.

    >>> sgd = {seed: 0.90 + seed / 1000 for seed in range(6)}
    >>> adam = {seed: 0.95 - seed / 1000 for seed in range(6)}
    >>> verdict = judge([sgd, adam], 0, higher=True)[1]
    >>> verdict.word, round(verdict.difference, 4), verdict.p
    ('better', 0.045, 0.03125)
    """
    others = [i for i in range(len(levels)) if i != baseline]
    meetings = [_meet(levels[i], levels[baseline], None if scored is None else scored[i]) for i in others]
    chances = _test(meetings, higher)
    judged = [i for i, chance in enumerate(chances) if chance is not None]
    adjusted = dict(zip(judged, holm([chances[i].p for i in judged]), strict=True))  # type: ignore[union-attr]
    sizes = [_size(meeting) for meeting in meetings]
    within: dict[int, float] = {}
    if margin is not None:
        known = [i for i, size in enumerate(sizes) if size is not None and meetings[i].telling]
        raw = [size.within(margin) for i in known if (size := sizes[i]) is not None]
        within = dict(zip(known, holm(raw), strict=True))
    order = sorted(judged, key=lambda i: chances[i].p)  # type: ignore[union-attr]
    found: list[Verdict | None] = [None] * len(levels)
    for i, meeting in enumerate(meetings):
        level = LEVEL / (len(judged) - order.index(i)) if i in adjusted else LEVEL
        one = _Case(meeting, sizes[i], chances[i], adjusted.get(i), within.get(i), higher, margin, level, len(judged))
        found[others[i]] = one.verdict(confounded)
    return found


def judge_each(pairs: Sequence[tuple[Outcomes, Outcomes]], higher: bool) -> list[tuple[Word, Difference | None]]:
    """The words of many comparisons, each as if it stood alone in its table, and the differences: to try the verdict.

    >>> up, down = {seed: 1.0 + seed for seed in range(6)}, {seed: 0.5 * seed for seed in range(6)}
    >>> [word for word, _ in judge_each([(up, down), (down, up), (up, up)], higher=True)]
    ['better', 'worse', 'inconclusive']
    """
    meetings = [_meet(a, b) for a, b in pairs]
    found: list[tuple[Word, Difference | None]] = []
    for meeting, chance in zip(meetings, _test(meetings, higher), strict=True):
        size = _size(meeting)
        p = None if chance is None else chance.p
        found.append((_Case(meeting, size, chance, p, None, higher, None, LEVEL, 1).word()[0], size))
    return found


def _meet(
    a: Outcomes, b: Outcomes, scored: tuple[Mapping[Hashable, float], Mapping[Hashable, float]] | None = None
) -> _Meeting:
    """In pairs where all units of the smaller level are shared, or at least FEWEST are."""
    shared = [unit for unit in a if unit in b]
    if shared and (len(shared) == min(len(a), len(b)) or len(shared) >= FEWEST):
        alone = len(a) + len(b) - 2 * len(shared)
        scores = scored and ([scored[0][unit] for unit in shared], [scored[1][unit] for unit in shared])
        return _Meeting(True, [a[unit] for unit in shared], [b[unit] for unit in shared], alone, scores)
    scores = scored and ([scored[0][unit] for unit in a], [scored[1][unit] for unit in b])
    return _Meeting(False, list(a.values()), list(b.values()), 0, scores)


def _size(meeting: _Meeting) -> Difference | None:
    a, b = meeting.both
    if meeting.in_pairs:
        return paired([x - y for x, y in zip(a, b, strict=True)])
    return welch(summarize(a), summarize(b))


def _ranks(meeting: _Meeting, higher: bool) -> tuple[list[float], list[float]]:
    """Mid-ranks of all outcomes together, the best the largest, failures last and equal."""
    sign = 1.0 if higher else -1.0
    goodness = [-math.inf if v is None else sign * v for v in (*meeting.a, *meeting.b)]
    ranks = mid_ranks(goodness)
    return ranks[: len(meeting.a)], ranks[len(meeting.a) :]


def _tested(meeting: _Meeting, higher: bool) -> tuple[list[float], list[float]]:
    """What the test is made on: larger is better."""
    if meeting.scores is not None:
        return meeting.scores
    if meeting.failed:
        return _ranks(meeting, higher)
    sign = 1.0 if higher else -1.0
    a, b = meeting.both
    return [sign * v for v in a], [sign * v for v in b]


def _test(meetings: Sequence[_Meeting], higher: bool) -> list[Chance | None]:
    """The permutation test of each; None below two pairs, or two runs of a level."""
    found: list[Chance | None] = [None] * len(meetings)
    large = [i for i, meeting in enumerate(meetings) if meeting.n >= 2]
    pairs = [i for i in large if meetings[i].in_pairs]
    loose = [i for i in large if not meetings[i].in_pairs]
    samples, rounding = [], []
    for i in pairs:
        a, b = _tested(meetings[i], higher)
        samples.append([x - y for x, y in zip(a, b, strict=True)])
        rounding.append(4 * 2.2e-16 * sum(map(abs, (*a, *b))))
    for i, chance in zip(pairs, sign_flips(samples, rounding), strict=True):
        found[i] = chance
    for i, chance in zip(loose, two_samples([_tested(meetings[i], higher) for i in loose]), strict=True):
        found[i] = chance
    return found


def superiority(meeting_a: Sequence[float], meeting_b: Sequence[float], in_pairs: bool) -> float | None:
    """P(A > B): how often a is larger than b, ties half; of pairs, or of every a with every b.

    >>> superiority([1, 2, 3], [1, 1, 4], in_pairs=True), superiority([1, 2], [2], in_pairs=False)
    (0.5, 0.25)
    """
    if not meeting_a or not meeting_b:
        return None
    if in_pairs:
        won = sum((x > y) + 0.5 * (x == y) for x, y in zip(meeting_a, meeting_b, strict=True))
        return won / len(meeting_a)
    from bisect import bisect_left, bisect_right

    ordered = sorted(meeting_b)
    won = sum((bisect_left(ordered, x) + bisect_right(ordered, x)) / 2 for x in meeting_a)
    return won / (len(meeting_a) * len(meeting_b))


@dataclass(frozen=True)
class _Case:
    """All that is known when a verdict is made."""

    meeting: _Meeting
    size: Difference | None
    chance: Chance | None
    p_holm: float | None
    p_equivalent: float | None
    higher: bool
    margin: float | None
    level: float
    """What Holm's method asks of this comparison's p, at its place among the others."""
    comparisons: int

    def verdict(self, confounded: str) -> Verdict:
        meeting, size = self.meeting, self.size
        a, b = meeting.both
        word, why = self.word()
        if confounded:
            word, why = "confounded", confounded
        effect = None
        if size is not None:
            freedom = len(a) - 1 if meeting.in_pairs else len(a) + len(b) - 2
            effect = hedges(size.mean, summarize(a).std or 0.0, summarize(b).std or 0.0, freedom)
        plain = a[0] - b[0] if len(a) == len(b) == 1 else None
        return Verdict(
            word=word,
            why=why,
            in_pairs=meeting.in_pairs,
            n=meeting.n,
            alone=meeting.alone,
            difference=plain if size is None else size.mean,
            half=None if size is None else size.half,
            p=None if self.chance is None else self.chance.p,
            p_holm=self.p_holm,
            exact=self.chance is None or self.chance.exact,
            by_rank=meeting.failed,
            effect=effect,
            superiority=None if meeting.scores else superiority(*_tested(meeting, self.higher), meeting.in_pairs),
            p_equivalent=self.p_equivalent,
            p_success=self._success() if meeting.failed else None,
            more_seeds=self._more() if word == "inconclusive" else None,
        )

    def word(self) -> tuple[Word, str]:
        """The word, and what stands in the way of a claim."""
        meeting = self.meeting
        if meeting.n < FEWEST:
            return "inconclusive", self._too_few()
        if self.p_equivalent is not None and self.p_equivalent <= LEVEL:
            return "equivalent", ""
        assert self.p_holm is not None
        if self.p_holm > LEVEL:
            if self._least_p() * self.comparisons > LEVEL:
                return "inconclusive", (
                    f"{_counted(meeting)} cannot decide {self.comparisons} comparisons: "
                    f"the smallest p that Holm's method could give is {self._least_p() * self.comparisons:.2g}"
                )
            return "inconclusive", ""
        a, b = _tested(meeting, self.higher)
        ahead = sum(a) / len(a) - sum(b) / len(b)
        if meeting.failed and (why := self._against(ahead)):
            return "inconclusive", why
        if meeting.scores and self.size is not None and self.size.mean * (1 if self.higher else -1) * ahead < 0:
            return "inconclusive", "the test and the means point opposite ways"
        return ("better" if ahead > 0 else "worse"), ""

    def _against(self, ahead: float) -> str:
        """Why ranks that differ are no claim: where runs failed, and the winner is not better in all respects."""
        failures = [outcomes.count(None) / len(outcomes) for outcomes in (self.meeting.a, self.meeting.b)]
        winner, loser = failures if ahead > 0 else failures[::-1]
        if winner < loser:
            return ""
        if winner > loser and self._success() <= LEVEL:
            return f"the better scores are of the level that fails more often (p = {self._success():.2g})"
        if self.size is not None and self.size.mean * (1 if self.higher else -1) * ahead < 0:
            return "ranks and means of the runs that succeeded point opposite ways"
        return ""

    def _success(self) -> float:
        a, b = self.meeting.a, self.meeting.b
        if self.meeting.in_pairs:
            pairs = list(zip(a, b, strict=True))
            return discordant(
                sum(x is not None and y is None for x, y in pairs), sum(x is None and y is not None for x, y in pairs)
            )
        return two_shares(len(a) - a.count(None), len(a), len(b) - b.count(None), len(b))

    def _least_p(self) -> float:
        n = self.meeting.n
        if self.meeting.in_pairs:
            return 2.0 ** (1 - n)
        mirrored = len(self.meeting.a) == len(self.meeting.b)
        return (1 + mirrored) / math.comb(len(self.meeting.a) + len(self.meeting.b), n)

    def _too_few(self) -> str:
        n = self.meeting.n
        if n == 0:
            return "no run of the two levels can be compared"
        if self.meeting.in_pairs:
            return (
                f"{_counted(self.meeting)} cannot decide: even if all differences agree, "
                f"the smallest two-sided p is 2 / 2^{n} = {2.0 ** (1 - n):.3g}"
            )
        return f"{_counted(self.meeting)} cannot decide: their spread is a guess"

    def _more(self) -> int | None:
        """Seeds beyond those that are there with which the comparison would be settled, with power 0.8."""
        have = self.meeting.n
        # below FEWEST nothing is known of this comparison's place among the others
        level = self.level if have >= FEWEST else LEVEL / max(self.comparisons, 1)
        least = max(FEWEST, math.ceil(1 - math.log2(level))) if self.meeting.in_pairs else FEWEST
        if have < FEWEST:
            return least - have
        to_margin = self.margin is not None and not self.meeting.failed  # which is in units of the outcomes
        a, b = self.meeting.both if to_margin else _tested(self.meeting, self.higher)
        mean, spread = sum(a) / len(a) - sum(b) / len(b), self._spread(a, b)
        if spread is None or spread == 0:
            return max(least - have, 1) if mean else None
        needed: int | None
        if self.margin is not None and to_margin:
            effect = self.margin / spread
            both = (
                seeds_to_find(effect, self.level, self.meeting.in_pairs),
                seeds_to_equate(effect, self.level, self.meeting.in_pairs),
            )
            needed = None if None in both else max(n for n in both if n is not None)
        else:
            needed = seeds_to_find(abs(mean) / spread, self.level, self.meeting.in_pairs)
        return None if needed is None or needed > MOST_SEEDS else max(needed, least, have + 1) - have

    def _spread(self, a: Sequence[float], b: Sequence[float]) -> float | None:
        """Of the differences of pairs; else the mean spread of the two levels."""
        if self.meeting.in_pairs:
            return summarize([x - y for x, y in zip(a, b, strict=True)]).std
        one, other = summarize(a).std, summarize(b).std
        return None if one is None or other is None else math.hypot(one, other) / math.sqrt(2)


def _counted(meeting: _Meeting) -> str:
    if meeting.in_pairs:
        return f"{meeting.n} pair{'s' if meeting.n != 1 else ''}"
    return f"{len(meeting.a)} and {len(meeting.b)} unpaired runs"
