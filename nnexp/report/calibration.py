"""What scores of one configuration against itself say: the verdict's errors, and differences that are worth reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nnexp.engine.streams import stream
from nnexp.errors import InputError
from nnexp.report.numbers import decimals_for, number, score
from nnexp.report.statistics import LEVEL, POWER, Difference, detectable_difference, wilson
from nnexp.report.tables import Column, Grid
from nnexp.report.verdict import FEWEST, Outcomes, Verdict, judge, judge_each
from nnexp.store.calibrations import APART, SPLIT, START

if TYPE_CHECKING:
    import numpy as np

KINDS = {START: "same split and start", SPLIT: "same split", APART: "other seeds"}
"""What two runs that are compared share, in words."""
COUNTS = (6, 10, 20, 30)
"""Pairs, or runs of each level, for which is told what they can tell."""
COMPARISONS = {START: 1_000, SPLIT: 1_000, APART: 400}
"""How often the verdict is tried; unpaired it takes longer."""
BATCH = 100
"""Comparisons that are judged at once."""
CLOSE = 0.01
"""A power this close to the wanted one is that."""
STEPS = 8
"""Differences that are tried at most, before the last counts as good enough."""
FARTHEST = 16
"""Times the difference of the t test beyond which none is looked for."""


@dataclass(frozen=True)
class Sampling:
    """How much one run's score is by the examples that it was measured on."""

    split: str
    examples: int
    error: float
    """The standard error of one score."""
    how: str
    tested: int
    """Examples of the test split."""
    test_error: float | None
    """Of the same score on as many examples as the test split has."""


@dataclass(frozen=True)
class Reach:
    """What n pairs, or n unpaired runs of each level, can tell."""

    n: int
    kind: str
    smallest: float | None
    """The difference that the verdict finds with power 0.8; None where it finds none."""
    low: float | None
    high: float | None
    """Its 95 % interval, for the spread is known from so many runs only."""
    by_t: float
    """What a t test would find, in closed form."""


@dataclass(frozen=True)
class Errors:
    """What the verdict said of the configuration against itself, with n pairs or n unpaired runs of each level."""

    n: int
    kind: str
    false: int
    """Comparisons that got a claim."""
    of: int
    missed: float | None
    """The share of 95 % intervals that do not hold the true difference, 0."""

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's, of the share of false claims."""
        return wilson(self.false, self.of)


@dataclass(frozen=True)
class Calibration:
    """What is known of a configuration's chance."""

    seeds: int
    """Seeds that were trained three times."""
    succeeded: int
    """Seeds of which all runs have a score."""
    failed: int
    """Runs that diverged or failed."""
    mean: float
    std: float
    """Standard deviation between seeds."""
    std_start: float
    """Of the difference of two runs with the same data, split and initial parameters."""
    std_split: float
    """Of the difference of two runs with the same data and split."""
    start: tuple[float, float, float] | None
    """What data, split and initial parameters are of the variance between seeds, and its 95 % interval."""
    split: tuple[float, float, float] | None
    """What data and split are of it; None where nothing varies."""
    reach: list[Reach]
    errors: list[Errors]
    """Of each kind, as far as there are runs for one comparison."""
    itself: list[Verdict]
    """All second runs, and all third ones, against all first."""

    def of(self, n: int, kind: str) -> Reach:
        return next(one for one in self.reach if (one.n, one.kind) == (n, kind))


@dataclass(frozen=True)
class Spread:
    """The variance of scores of pairs of runs that share something, taken apart."""

    mean: float
    between: float
    """The mean square between the pairs, 2 Σ (pair - mean)² / (N - 1)."""
    within: float
    """The mean square within them, Σ d² / 2 / N: both runs have the same mean, so N degrees of freedom."""
    n: int

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Spread:
        """Of N pairs of scores, in a one-way layout with random effects.

        >>> s = Spread.of([(1.0, 3.0), (5.0, 5.0)])
        >>> s.mean, s.between, s.within, s.std, round(s.std_pairs, 4)
        (3.5, 9.0, 1.0, 2.23606797749979, 1.4142)
        """
        n = len(pairs)
        if len({score for pair in pairs for score in pair}) == 1:  # their mean may miss them by a digit
            return cls(pairs[0][0], 0.0, 0.0, n)
        middles = [(a + b) / 2 for a, b in pairs]
        mean = math.fsum(middles) / n
        between = 2 * math.fsum((m - mean) ** 2 for m in middles) / (n - 1)
        return cls(mean, between, math.fsum((a - b) ** 2 for a, b in pairs) / 2 / n, n)

    @property
    def std(self) -> float:
        """Of one run: E[between] = σ² + σ_shared², E[within] = σ² - σ_shared²."""
        return math.sqrt((self.between + self.within) / 2)

    @property
    def std_pairs(self) -> float:
        return math.sqrt(2 * self.within)

    @property
    def freedom(self) -> float:
        """Of `std`² (F. E. Satterthwaite 1946)."""
        if self.between == self.within == 0:
            return self.n
        return (self.between + self.within) ** 2 / (self.between**2 / (self.n - 1) + self.within**2 / self.n)

    @property
    def share(self) -> tuple[float, float, float] | None:
        """σ_shared² / σ², the intraclass correlation, and its exact 95 % interval by F (R. A. Fisher 1925)."""
        from scipy.special import fdtri

        if self.within == 0:
            return None if self.between == 0 else (1.0, 1.0, 1.0)
        f = self.between / self.within
        low = f / float(fdtri(self.n - 1, self.n, 1 - LEVEL / 2))
        high = f / float(fdtri(self.n - 1, self.n, LEVEL / 2))
        return tuple(max(0.0, (one - 1) / (one + 1)) for one in (f, low, high))  # type: ignore[return-value]


Scores = Sequence[float | None]


def calibrate(first: Scores, near: Scores, far: Scores, higher: bool, n: int = 10) -> Calibration:
    """Try the verdict on scores of one configuration; None where a run diverged or failed.

    Of each seed there is a `first` run, one that is `near`, with the same data, split and initial parameters, and one
    that is `far`, with the same data and split. The two runs of a pair are exchangeable, and so are seeds. *Errors*:
    comparisons of n seeds chosen at random, a coin deciding for each which of its runs stands for which level;
    unpaired, of two groups that share no seed. *Reach*: comparisons of seeds drawn with replacement, one level raised
    by a difference, which is sought so that 0.8 of them are `better`; the search begins at the closed form of the t
    test. Unpaired, where the permutation test finds what the t test finds, it is made for n only, or where runs
    failed. Raises InputError for fewer than FEWEST seeds without a failed run.
    """
    whole = [(a, b, c) for a, b, c in zip(first, near, far, strict=True) if not (a is None or b is None or c is None)]
    if len(whole) < FEWEST:
        raise InputError(
            f"only {len(whole)} of the {len(first)} seeds have a score in all of their runs; a spread needs {FEWEST}. "
            "Runs that diverge have none: make the training stable first"
        )
    close, wide = Spread.of([(a, b) for a, b, _ in whole]), Spread.of([(a, c) for a, _, c in whole])
    failed = sum(score is None for score in (*first, *near, *far))
    counts = sorted({*COUNTS, n})
    trials = {kind: _Trial(list(zip(first, other, strict=True)), kind, higher)
              for kind, other in ((START, near), (SPLIT, far), (APART, far))}  # fmt: skip
    stds = {START: (close.std_pairs, close.n), SPLIT: (wide.std_pairs, wide.n), APART: (wide.std, wide.freedom)}
    judged = judge([dict(enumerate(scores)) for scores in (first, near, far)], 0, higher)
    return Calibration(
        seeds=len(first),
        succeeded=len(whole),
        failed=failed,
        mean=wide.mean,
        std=wide.std,
        std_start=close.std_pairs,
        std_split=wide.std_pairs,
        start=close.share,
        split=wide.share,
        reach=[
            _reach(trial, *stds[kind], count, kind != APART or count == n or failed > 0)
            for kind, trial in trials.items()
            for count in counts
        ],
        errors=[found for trial in trials.values() if (found := trial.errors(n)) is not None],
        itself=[verdict for verdict in judged if verdict is not None],
    )


def _reach(trial: _Trial, std: float, freedom: float, n: int, tried: bool) -> Reach:
    if std == 0:
        return Reach(n, trial.kind, 0.0, 0.0, 0.0, 0.0)
    by_t = detectable_difference(n, std, in_pairs=trial.in_pairs)
    smallest: float | None = by_t
    if tried:
        smallest = sought(lambda size: trial.power(n, size), by_t, COMPARISONS[trial.kind])
    low = high = None
    if smallest is not None:
        low, high = (smallest * ratio for ratio in _ratios(freedom))
    return Reach(n, trial.kind, smallest, low, high, by_t)


def _ratios(freedom: float) -> tuple[float, float]:
    """The 95 % interval of a standard deviation in units of its estimate: √(f / χ²), for normal values."""
    from scipy.special import chdtri

    low, high = (math.sqrt(freedom / float(chdtri(freedom, p))) for p in (LEVEL / 2, 1 - LEVEL / 2))
    return low, high


def sought(power: Callable[[float], float], start: float, of: int) -> float | None:
    """The difference > 0 at which a growing power is POWER, up to CLOSE; None where FARTHEST times `start` has less.

    Powers are shares of so many comparisons. `start` is the answer unless its power differs by more than two standard
    errors: the closed form is more exact than these.
    """
    low, high, size = 0.0, math.inf, start
    below, above = 0.0, 1.0
    for _ in range(STEPS):
        found = power(size)
        if abs(found - POWER) <= (2 * math.sqrt(POWER * (1 - POWER) / of) if size == start else CLOSE):
            return size
        if found < POWER:
            low, below = size, found
        else:
            high, above = size, found
        if high == math.inf:
            if size >= FARTHEST * start:
                return None
            size *= 1.25 if below > POWER / 2 else 2.0
        else:  # between a straight line and the middle, so that neither end stays
            line = low + (high - low) * (POWER - below) / (above - below)
            size = (line + (low + high) / 2) / 2
    return None if high == math.inf else high


class _Trial:
    """Comparisons of the configuration with itself; the same draws each time."""

    def __init__(self, pairs: list[tuple[float | None, float | None]], kind: str, higher: bool):
        self.pairs, self.kind, self.higher = pairs, kind, higher
        self.in_pairs, self.count = kind != APART, COMPARISONS[kind]

    def errors(self, n: int) -> Errors | None:
        """Of seeds that are there once; None where these are too few for one comparison."""
        needed = n if self.in_pairs else 2 * n
        if needed > len(self.pairs):
            return None
        rng = stream(0, "resample")
        seeds = rng.permuted([range(len(self.pairs))] * self.count, axis=1)[:, :needed]
        judged = self._judged(seeds, rng.integers(2, size=seeds.shape), 0.0)
        known = [size for _, size in judged if size is not None]
        missed = sum(abs(size.mean) > size.half for size in known) / len(known) if known else None
        return Errors(n, self.kind, sum(word in ("better", "worse") for word, _ in judged), self.count, missed)

    def power(self, n: int, size: float) -> float:
        """How often a difference of this size is found; of seeds drawn with replacement."""
        rng = stream(0, "resample")
        seeds = rng.integers(len(self.pairs), size=(self.count, n if self.in_pairs else 2 * n))
        judged = self._judged(seeds, rng.integers(2, size=seeds.shape), size)
        return sum(word == "better" for word, _ in judged) / self.count

    def _judged(self, seeds: np.ndarray, coins: np.ndarray, size: float) -> list[tuple[str, Difference | None]]:
        """What is said of each comparison (a row), the first level better by `size`."""
        shift, found = size if self.higher else -size, list[tuple[str, Difference | None]]()
        rows = list(zip(seeds.tolist(), coins.tolist(), strict=True))
        for first in range(0, len(rows), BATCH):
            found += judge_each([self._levels(s, c, shift) for s, c in rows[first : first + BATCH]], self.higher)
        return found

    def _levels(self, seeds: Sequence[int], coins: Sequence[int], shift: float) -> tuple[Outcomes, Outcomes]:
        one = [self.pairs[seed][coin] for seed, coin in zip(seeds, coins, strict=True)]
        other = [self.pairs[seed][1 - coin] for seed, coin in zip(seeds, coins, strict=True)]
        first = 0
        if not self.in_pairs:
            half = len(one) // 2
            one, other, first = one[:half], one[half:], half
        raised = [None if value is None else value + shift for value in one]
        return dict(enumerate(raised)), dict(enumerate(other, first))


# -- what people read ----------------------------------------------------------------------------------------------


def table(found: Calibration, sampling: Sampling | None, metric: str, dataset: str, held: Sequence[str]) -> Grid:
    """A row for each number of pairs, or of unpaired runs; `held` are streams that the configuration holds fixed."""
    rows = []
    for n in sorted({one.n for one in found.reach}):
        row: dict[str, Any] = {"n": n}
        for kind in KINDS:
            one = found.of(n, kind)
            row |= {kind: one.smallest, f"{kind}_interval": (one.low, one.high)}
            row |= {f"{kind}_low": one.low, f"{kind}_high": one.high, f"{kind}_t": one.by_t}
        rows.append(row)
    known = [one.smallest for one in found.reach if one.smallest]
    digits = decimals_for(min(known) if known else None)

    def interval(ends: tuple[float | None, float | None]) -> str:
        low, high = ends
        return "-" if low is None or high is None else f"{score(low, digits)} to {score(high, digits)}"

    columns = [Column("n", "n", number, True)]
    for kind, heading in KINDS.items():
        columns.append(Column(kind, heading, lambda value: score(value, digits), True, 0, (kind, f"{kind}_t")))
        ends = (f"{kind}_low", f"{kind}_high")
        columns.append(Column(f"{kind}_interval", "95 % interval", interval, True, 1, ends))
    runs = f"{found.seeds} seeds, each trained three times, mean {score(found.mean)}"
    title = f"the smallest difference of {metric} worth reading on {dataset}: {runs}"
    told = {key: value for key, value in asdict(found).items() if key != "reach"}
    meta = {"kind": "calibration", "dataset": dataset, "metric": metric, **told}
    meta["sampling"] = None if sampling is None else asdict(sampling)
    said, below = findings(found, metric), notes(found, sampling, held)
    return Grid(columns, rows, title=title, findings=said, notes=below, meta=meta)


def findings(found: Calibration, metric: str) -> list[str]:
    """What the verdict finds, and how often it was wrong, in sentences."""
    if found.std == 0:
        return [f"{metric} is the same in all runs: chance does not change it, and any difference is one"]
    n = found.errors[0].n
    ends = []
    for kind, what in ((START, "split and initial parameters"), (SPLIT, "the split only")):
        one = found.of(n, kind)
        if one.smallest is None:
            ends.append(f"none where levels share {what}, for {found.failed} of {3 * found.seeds} runs failed")
        elif one.smallest == 0:
            ends.append(f"any where levels share {what}, for such runs have the same score")
        else:
            ends.append(f"those from {score(one.smallest, decimals_for(one.smallest))} on where levels share {what}")
    lines = [f"differences that {n} pairs find 4 times in 5: {'; '.join(ends)}"]
    parts = []
    for error in found.errors:
        low, high = (100 * end for end in error.interval)
        share = f"{100 * error.false / error.of:.1f} %, {low:.1f} to {high:.1f} %"
        parts.append(f"{error.false:,} of {error.of:,} ({KINDS[error.kind]}; {share})")
    lines.append(f"false claims in comparisons with itself, n = {n}: {', '.join(parts)}")
    for verdict, which in zip(found.itself, ("second", "third"), strict=True):
        if verdict.difference is None or verdict.half is None or verdict.p_holm is None:
            continue
        digits = decimals_for(verdict.half)
        said = "undecided, as it should be"
        if verdict.word != "inconclusive":
            said = f"'{verdict.word}', which is wrong, as one of the two is in 5 of 100 calibrations"
        lines.append(
            f"all {verdict.n} {which} runs against the first: {verdict.difference:+.{digits}f} ± "
            f"{score(verdict.half, digits)}, p = {verdict.p_holm:.2g}: {said}"
        )
    return lines


def notes(found: Calibration, sampling: Sampling | None, held: Sequence[str]) -> list[str]:
    """Where the chance comes from, and what the numbers rest on."""
    lines = []
    if found.std:
        digits = decimals_for(found.std)
        spread = f"standard deviation: {score(found.std, digits)} between seeds; of a difference "
        spread += f"{score(found.std_start, digits)} with the same split and start, "
        spread += f"{score(found.std_split, digits)} with the same split"
        lines.append(spread)
    if "split" in held:
        lines.append("all runs are judged on one split (streams.split), and what they say holds for its examples only")
    elif found.split is not None and found.start is not None:
        (split, *ends), (start, *others) = ([f"{100 * part:.0f}" for part in one] for one in (found.split, found.start))
        lines.append(
            f"of the variance between seeds, data and split bring {split} % ({ends[0]} to {ends[1]} %), with the "
            f"initial parameters {start} % ({others[0]} to {others[1]} %)"
        )
    if sampling is None:
        lines.append("the sampling error of the examples is not known")
    else:
        lines.append(_sampled(sampling, found.std if "split" not in held else 0.0))
    if found.failed:
        lines.append(
            f"{found.failed} of {3 * found.seeds} runs diverged or failed; they count as the worst outcome in the "
            f"comparisons, and the standard deviations are of the {found.succeeded} seeds without"
        )
    lines.append(
        "false claims are at most 5 % by construction, for runs of one configuration may be relabelled; fewer where "
        "scores are equal"
    )
    return lines


def _sampled(sampling: Sampling, std: float) -> str:
    """The sentence on the examples; `std` between seeds whose splits differ, else 0."""
    digits = decimals_for(sampling.error)
    text = f"a score on {sampling.examples:,} {sampling.split} examples has a standard error of "
    text += f"{score(sampling.error, digits)} ({sampling.how})"
    if sampling.error == 0:
        return f"{text}: none was wrong, and up to {300 / sampling.examples:.2g} % may be all the same"
    if std > 0:
        text += f", {sampling.error / std:.1f} standard deviations between seeds"
    if sampling.test_error:
        text += f"; on {sampling.tested:,} test examples {score(sampling.test_error, digits)} (not looked at)"
    return text


def listed(kept: Sequence[Any]) -> Grid:
    """The calibrations of a runs folder, a row each."""
    rows = []
    for one in kept:
        found = {r["kind"]: r for r in one.result["reach"] if r["n"] == one.n}
        errors = next((e for e in one.result["errors"] if e["kind"] == SPLIT), None)
        rows.append(
            {
                "name": one.name,
                "dataset": one.dataset,
                "metric": one.metric,
                "seeds": one.result["seeds"],
                "std": one.result["std"],
                "n": one.n,
                **{kind: found[kind]["smallest"] if kind in found else None for kind in KINDS},
                "false": None if errors is None else errors["false"],
                "comparisons": None if errors is None else errors["of"],
                "false_of": None if errors is None else (errors["false"], errors["of"]),
                "split_error": None if one.sampling is None else one.sampling["error"],
                "nnexp": one.nnexp,
                "created": one.created,
            }
        )
    columns = [
        Column("name", "name"),
        Column("dataset", "data"),
        Column("metric", "metric"),
        Column("seeds", "seeds", number, True, 1),
        Column("std", "std", score, True),
        Column("n", "n", number, True),
        *(Column(kind, heading, score, True, 0 if kind == SPLIT else 1) for kind, heading in KINDS.items()),
        Column("false_of", "false claims", _of, True, 1, ("false", "comparisons")),
        Column("split_error", "split error", score, True, 1),
        Column("nnexp", "nnexp", str, False, 2),
        Column("created", "made", lambda when: str(when)[:16].replace("T", " "), False, 2),
    ]
    return Grid(columns, rows, title="smallest differences that n pairs, or n and n unpaired runs, tell",
                meta={"kind": "calibrations"})  # fmt: skip


def _of(counts: tuple[int, int] | None) -> str:
    return "-" if counts is None else f"{counts[0]:,} of {counts[1]:,}"
