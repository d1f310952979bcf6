"""What scores of one configuration against itself say: the verdict's errors, and differences that are worth reading."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nnexp.engine.streams import stream
from nnexp.errors import InputError
from nnexp.report.numbers import decimals_for, number, score
from nnexp.report.statistics import LEVEL, POWER, detectable_difference, wilson
from nnexp.report.tables import Column, Grid
from nnexp.report.verdict import FEWEST, Verdict, judge, judge_each

if TYPE_CHECKING:
    import numpy as np

COUNTS = (6, 10, 20, 30)
"""Pairs, or runs of each level, for which is told what they can tell."""
COMPARISONS = {True: 1_000, False: 400}
"""How often the verdict is tried, in pairs and unpaired (which takes longer)."""
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
    in_pairs: bool
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
    in_pairs: bool
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
    """Seeds that were trained twice."""
    succeeded: int
    """Seeds of which both runs have a score."""
    failed: int
    """Runs that diverged or failed."""
    mean: float
    std: float
    """Standard deviation between seeds."""
    std_pairs: float
    """Standard deviation of the differences of twins."""
    share: float | None
    """What twins share, data and split, of the variance between seeds; None where nothing varies."""
    share_low: float | None
    share_high: float | None
    reach: list[Reach]
    errors: list[Errors]
    """In pairs and unpaired, as far as there are runs for one comparison."""
    itself: Verdict
    """All second twins against all first."""

    def of(self, n: int, in_pairs: bool) -> Reach:
        return next(one for one in self.reach if (one.n, one.in_pairs) == (n, in_pairs))


@dataclass(frozen=True)
class Spread:
    """The variance of scores of twins, taken apart."""

    mean: float
    between: float
    """The mean square between the pairs, 2 Σ (pair - mean)² / (N - 1)."""
    within: float
    """The mean square within them, Σ d² / 2 / N: twins have the same mean, so N degrees of freedom."""
    n: int

    @classmethod
    def of(cls, pairs: Sequence[tuple[float, float]]) -> Spread:
        """Of N pairs of scores, in a one-way layout with random effects.

        >>> s = Spread.of([(1.0, 3.0), (5.0, 5.0)])
        >>> s.mean, s.between, s.within, s.std, round(s.std_pairs, 4)
        (3.5, 9.0, 1.0, 2.23606797749979, 1.4142)
        """
        n = len(pairs)
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


def calibrate(a: Sequence[float | None], b: Sequence[float | None], higher: bool, n: int = 10) -> Calibration:
    """Try the verdict on scores of twins, a_s and b_s of seed s; None where a run diverged or failed.

    Twins are exchangeable, and so are seeds. *Errors*: comparisons of n seeds chosen at random, a coin deciding for
    each which twin stands for which level; unpaired, of two groups that share no seed. *Reach*: comparisons of seeds
    drawn with replacement, one level raised by a difference, which is sought so that 0.8 of them are `better`; the
    search begins at the closed form of the t test. Unpaired, where the permutation test finds what the t test finds,
    it is made for n only, or where runs failed. Raises InputError for fewer than FEWEST whole pairs.
    """
    whole = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if len(whole) < FEWEST:
        raise InputError(
            f"only {len(whole)} of the {len(a)} seeds have a score in both of their runs; a spread needs {FEWEST}. "
            "Runs that diverge have none: make the training stable first"
        )
    spread = Spread.of(whole)
    if max(map(max, whole)) == min(map(min, whole)):
        spread = Spread(whole[0][0], 0.0, 0.0, len(whole))
    trial = _Trial(list(zip(a, b, strict=True)), higher)
    failed = sum(score is None for score in (*a, *b))
    counts = sorted({*COUNTS, n})
    itself = judge([dict(enumerate(a)), dict(enumerate(b))], 0, higher)[1]
    assert itself is not None
    share, share_low, share_high = spread.share or (None, None, None)
    return Calibration(
        len(a),
        len(whole),
        failed,
        spread.mean,
        spread.std,
        spread.std_pairs,
        share,
        share_low,
        share_high,
        reach=[
            *(_reach(trial, spread, count, True, True) for count in counts),
            *(_reach(trial, spread, count, False, count == n or failed > 0) for count in counts),
        ],
        errors=[found for in_pairs in (True, False) if (found := trial.errors(n, in_pairs)) is not None],
        itself=itself,
    )


def _reach(trial: _Trial, spread: Spread, n: int, in_pairs: bool, tried: bool) -> Reach:
    std = spread.std_pairs if in_pairs else spread.std
    if std == 0:
        return Reach(n, in_pairs, 0.0, 0.0, 0.0, 0.0)
    by_t = detectable_difference(n, std, in_pairs=in_pairs)
    smallest: float | None = by_t
    if tried:
        smallest = sought(lambda size: trial.power(n, in_pairs, size), by_t, COMPARISONS[in_pairs])
    low = high = None
    if smallest is not None:
        low, high = (smallest * ratio for ratio in _ratios(spread.n if in_pairs else spread.freedom))
    return Reach(n, in_pairs, smallest, low, high, by_t)


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

    def __init__(self, pairs: list[tuple[float | None, float | None]], higher: bool):
        self.pairs, self.higher = pairs, higher

    def errors(self, n: int, in_pairs: bool) -> Errors | None:
        """Of seeds that are there once; None where these are too few for one comparison."""
        needed = n if in_pairs else 2 * n
        if needed > len(self.pairs):
            return None
        rng, count = stream(0, "resample"), COMPARISONS[in_pairs]
        seeds = rng.permuted([range(len(self.pairs))] * count, axis=1)[:, :needed]
        judged = self._judged(seeds, rng.integers(2, size=seeds.shape), in_pairs, 0.0)
        known = [size for _, size in judged if size is not None]
        missed = sum(abs(size.mean) > size.half for size in known) / len(known) if known else None
        return Errors(n, in_pairs, sum(word in ("better", "worse") for word, _ in judged), count, missed)

    def power(self, n: int, in_pairs: bool, size: float) -> float:
        """How often a difference of this size is found; of seeds drawn with replacement."""
        rng, count = stream(0, "resample"), COMPARISONS[in_pairs]
        seeds = rng.integers(len(self.pairs), size=(count, n if in_pairs else 2 * n))
        judged = self._judged(seeds, rng.integers(2, size=seeds.shape), in_pairs, size)
        return sum(word == "better" for word, _ in judged) / count

    def _judged(self, seeds: np.ndarray, coins: np.ndarray, in_pairs: bool, size: float) -> list[tuple[str, Any]]:
        """What is said of each comparison (a row), the first level better by `size`."""
        shift, found = size if self.higher else -size, list[tuple[str, Any]]()
        rows = list(zip(seeds.tolist(), coins.tolist(), strict=True))
        for first in range(0, len(rows), BATCH):
            made = [self._levels(s, c, in_pairs, shift) for s, c in rows[first : first + BATCH]]
            found += judge_each(made, self.higher)
        return found

    def _levels(
        self, seeds: Sequence[int], coins: Sequence[int], in_pairs: bool, shift: float
    ) -> tuple[Mapping[Hashable, float | None], Mapping[Hashable, float | None]]:
        one = [self.pairs[seed][coin] for seed, coin in zip(seeds, coins, strict=True)]
        other = [self.pairs[seed][1 - coin] for seed, coin in zip(seeds, coins, strict=True)]
        first = 0
        if not in_pairs:
            half = len(one) // 2
            one, other, first = one[:half], one[half:], half
        raised = [None if value is None else value + shift for value in one]
        return dict(enumerate(raised)), dict(enumerate(other, first))


# -- what people read ----------------------------------------------------------------------------------------------


def table(found: Calibration, sampling: Sampling | None, metric: str, dataset: str, held: Sequence[str]) -> Grid:
    """A row for each number of pairs, or of unpaired runs; `held` are streams that the configuration holds fixed."""
    counts = sorted({one.n for one in found.reach})
    rows = []
    for n in counts:
        pairs, loose = found.of(n, True), found.of(n, False)
        row: dict[str, Any] = {"n": n}
        for key, one in (("pairs", pairs), ("unpaired", loose)):
            row |= {key: one.smallest, f"{key}_interval": (one.low, one.high)}
            row |= {f"{key}_low": one.low, f"{key}_high": one.high, f"{key}_t": one.by_t}
        rows.append(row)
    known = [one.smallest for one in found.reach if one.smallest]
    digits = decimals_for(min(known) if known else None)

    def interval(ends: tuple[float | None, float | None]) -> str:
        low, high = ends
        return "-" if low is None or high is None else f"{score(low, digits)} to {score(high, digits)}"

    columns = [Column("n", "n", number, True)]
    for key, heading in (("pairs", "n pairs"), ("unpaired", "n and n unpaired")):
        columns.append(Column(key, heading, lambda value: score(value, digits), True, 0, (key, f"{key}_t")))
        ends = (f"{key}_low", f"{key}_high")
        columns.append(Column(f"{key}_interval", "95 % interval", interval, True, 1, ends))
    runs = f"{found.seeds} seeds, each trained twice, mean {score(found.mean)}"
    title = f"the smallest difference of {metric} worth reading on {dataset}: {runs}"
    told = {key: value for key, value in asdict(found).items() if key != "reach"}
    meta = {"kind": "calibration", "dataset": dataset, "metric": metric, **told}
    meta["sampling"] = None if sampling is None else asdict(sampling)
    return Grid(
        columns, rows, title=title, findings=findings(found, metric), notes=notes(found, sampling, held), meta=meta
    )


def findings(found: Calibration, metric: str) -> list[str]:
    """What the verdict finds, and how often it was wrong, in sentences."""
    if found.std == 0:
        return [f"{metric} is the same in all runs: chance does not change it, and any difference is one"]
    n = found.errors[0].n if found.errors else COUNTS[0]
    lines = []
    reach = found.of(n, True)
    if reach.smallest is None or reach.low is None or reach.high is None:
        lines.append(f"{n} pairs find no difference 4 times in 5, for {found.failed} of {2 * found.seeds} runs failed")
    elif found.std_pairs == 0:
        lines.append("two runs on one split have the same score: in pairs any difference is one")
    else:
        digits = decimals_for(reach.smallest)
        lines.append(
            f"{n} pairs tell differences from {score(reach.smallest, digits)} on ({score(reach.low, digits)} to "
            f"{score(reach.high, digits)}): such a one is found 4 times in 5, smaller ones mostly are not"
        )
    if found.errors:
        parts = []
        for one in found.errors:
            what = f"{one.n} pairs" if one.in_pairs else f"{one.n} and {one.n} unpaired runs"
            low, high = (100 * end for end in one.interval)
            parts.append(
                f"{one.false:,} of {one.of:,} comparisons of {what} ({100 * one.false / one.of:.1f} %, {low:.1f} to "
                f"{high:.1f} %)"
            )
        lines.append(f"false claims against itself: {', '.join(parts)}")
    verdict = found.itself
    if verdict.difference is not None and verdict.half is not None and verdict.p is not None:
        digits = decimals_for(verdict.half)
        said = "undecided, as it should be"
        if verdict.word != "inconclusive":
            said = f"'{verdict.word}', which is wrong, as it is in 5 of 100 calibrations"
        lines.append(
            f"all {verdict.n} second runs against the first: {verdict.difference:+.{digits}f} ± "
            f"{score(verdict.half, digits)}, p = {verdict.p:.2g}: {said}"
        )
    return lines


def notes(found: Calibration, sampling: Sampling | None, held: Sequence[str]) -> list[str]:
    """Where the chance comes from, and what the numbers rest on."""
    digits = decimals_for(found.std)
    spread = f"standard deviation: {score(found.std, digits)} between seeds"
    spread += f", {score(found.std_pairs, digits)} of the difference of two runs on one split"
    if "split" in held:
        spread += "; all runs are judged on one split (streams.split), and what they say holds for its examples only"
    elif found.share is not None and found.share_low is not None and found.share_high is not None:
        share, low, high = (100 * part for part in (found.share, found.share_low, found.share_high))
        spread += f"; data and split bring {share:.0f} % of the variance ({low:.0f} to {high:.0f} %)"
    lines = [spread] if found.std else []
    if sampling is not None:
        digits = decimals_for(sampling.error)
        text = f"a score on {sampling.examples:,} {sampling.split} examples has a standard error of "
        text += f"{score(sampling.error, digits)} ({sampling.how})"
        if sampling.error == 0:
            text += f": none was wrong, and up to {300 / sampling.examples:.2g} % may be all the same"
        elif found.std > 0 and "split" not in held:
            text += f", {100 * (sampling.error / found.std) ** 2:.0f} % of the variance between seeds"
        if sampling.test_error:
            text += f"; on {sampling.tested:,} test examples {score(sampling.test_error, digits)} (not looked at)"
        lines.append(text)
    else:
        lines.append("the sampling error of the examples is not known")
    if found.failed:
        lines.append(
            f"{found.failed} of {2 * found.seeds} runs diverged or failed; they count as the worst outcome in the "
            f"comparisons, and the standard deviations are of the {found.succeeded} seeds without"
        )
    lines.append(
        "n pairs: runs that share data and split and nothing else, which any two levels do; n and n unpaired: runs of "
        "other seeds. False claims are at most 5 % by construction, for runs of one configuration may be relabelled"
    )
    return lines


def listed(kept: Sequence[Any]) -> Grid:
    """The calibrations of a runs folder, a row each."""
    rows = []
    for one in kept:
        reach = next(r for r in one.result["reach"] if r["n"] == one.n and r["in_pairs"])
        errors = next((e for e in one.result["errors"] if e["in_pairs"]), None)
        rows.append(
            {
                "name": one.name,
                "dataset": one.dataset,
                "metric": one.metric,
                "seeds": one.result["seeds"],
                "std": one.result["std"],
                "n": one.n,
                "smallest": reach["smallest"],
                "smallest_low": reach["low"],
                "smallest_high": reach["high"],
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
        Column("n", "pairs", number, True),
        Column("smallest", "tell", score, True, 0, ("smallest", "smallest_low", "smallest_high")),
        Column("false_of", "false claims", _of, True, 1, ("false", "comparisons")),
        Column("split_error", "split error", score, True, 1),
        Column("nnexp", "nnexp", str, False, 2),
        Column("created", "made", lambda when: str(when)[:16].replace("T", " "), False, 2),
    ]
    return Grid(columns, rows, meta={"kind": "calibrations"})


def _of(counts: tuple[int, int] | None) -> str:
    return "-" if counts is None else f"{counts[0]:,} of {counts[1]:,}"
