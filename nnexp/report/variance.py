"""Where the variance of a score comes from: components of a crossed design of random streams, with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from nnexp.engine.streams import stream
from nnexp.errors import InputError
from nnexp.report.numbers import number, score
from nnexp.report.tables import Column, Grid

if TYPE_CHECKING:
    import numpy as np

DRAWS = 20_000
"""Surrogates that an interval is read off."""
LEVEL = 0.95
INTERACTIONS = "interactions"
TOTAL = "total"

Subset = frozenset[int]
"""The streams of an effect, by their numbers."""


@dataclass(frozen=True)
class Part:
    """What one stream, or all interactions together, add to the variance."""

    source: str
    variance: float
    """The unbiased estimate, which may be below zero."""
    share: float | None
    """Of the total, estimates below zero taken as zero; None where nothing varies."""
    interval: tuple[float, float] | None
    """The 95 % interval of the share."""
    whole: float | None = None
    """The share of a stream with all interactions that it is part of; None for the interactions."""
    whole_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Components:
    """The variance of a score, taken apart."""

    parts: list[Part]
    """One for each stream, then the interactions, where there are several streams."""
    variance: float
    """The sum of the parts, those below zero taken as zero."""
    mean: float
    blocks: int
    levels: int

    @property
    def streams(self) -> list[Part]:
        return [part for part in self.parts if part.source != INTERACTIONS]


def subsets(streams: int) -> list[Subset]:
    """All sets of streams but the empty one, the small ones first."""
    return [frozenset(s) for size in range(1, streams + 1) for s in combinations(range(streams), size)]


def squares(y: np.ndarray) -> dict[Subset, float]:
    """The sums of squares of each effect T in scores y (B, K, ..., K): B blocks, in each of them S crossed streams.

        SS_T = sum_b sum_k (sum_{U ⊆ T} (-1)^(|T| - |U|) mean of y_b over the streams not in U)^2

    They have B (K - 1)^|T| degrees of freedom, and with the sum of squares between the blocks they add up to that of
    all scores.
    """
    streams = y.ndim - 1
    found: dict[Subset, float] = {}
    rest = y - y.mean(axis=tuple(range(1, y.ndim)), keepdims=True)
    for effect in subsets(streams):
        others = tuple(1 + i for i in range(streams) if i not in effect)
        part = rest.mean(axis=others, keepdims=True) if others else rest
        found[effect] = float((part**2).sum()) * math.prod(y.shape[axis] for axis in others)
        rest = rest - part  # the design is balanced, so what a smaller effect takes away leaves the others as they are
    return found


def from_mean_squares(mean: dict[Subset, Any], levels: int) -> dict[Subset, Any]:
    """The variance components V_T whose expected mean squares are these: the method of moments.

        E[MS_T] = sum_{U ⊇ T} K^(S - |U|) V_U
        V_T     = K^(|T| - S) sum_{U ⊇ T} (-1)^(|U| - |T|) MS_U

    Source: J. Cornfield and J. W. Tukey, "Average values of mean squares in factorials", Annals of Mathematical
    Statistics 1956.
    """
    streams = max(map(len, mean))
    return {
        effect: levels ** (len(effect) - streams)
        * sum((-1) ** (len(other) - len(effect)) * value for other, value in mean.items() if effect <= other)
        for effect in mean
    }


def components(y: np.ndarray, names: Sequence[str]) -> Components:
    """The variance components of scores y (B, K, ..., K): B blocks with seeds of their own, an axis for each stream.

        y = μ + sum_T a_T,    Var[a_T] = V_T,    T the sets of streams
        share_s = V_{s} / sum_T V_T,    whole_s = sum_{T ∋ s} V_T / sum_T V_T

    These are Sobol's first-order and total indices (T. Homma and A. Saltelli, Reliability Engineering and System
    Safety 1996), with the seeds of the streams as inputs. A run is determined by its seeds, so there is no error beside
    the effects and their interactions. The interval of a share puts for each mean square the surrogate SS_T / X, with X
    drawn from the χ² distribution of its degrees of freedom, and takes the 2.5 % and 97.5 % quantiles of the shares
    that come out (A. K. L. Chiang, "A simple general method for constructing confidence intervals for functions of
    variance components", Technometrics 2001). It supposes normal effects. Raises ValueError for fewer than two blocks
    or two levels.
    """
    import numpy as np

    blocks, levels = y.shape[0], y.shape[1]
    if blocks < 2 or levels < 2 or set(y.shape[1:]) != {levels}:
        raise ValueError(f"needs two blocks and two levels of each stream, found {y.shape}")
    equal = float(y.max()) == float(y.min())
    sums = dict.fromkeys(subsets(y.ndim - 1), 0.0) if equal else squares(y)
    freedom = {effect: blocks * (levels - 1) ** len(effect) for effect in sums}
    plain = from_mean_squares({effect: value / freedom[effect] for effect, value in sums.items()}, levels)
    rng = stream(0, "resample")
    drawn = from_mean_squares({t: value / rng.chisquare(freedom[t], DRAWS) for t, value in sums.items()}, levels)

    def summed(values: dict[Subset, Any]) -> list[Any]:
        """Each stream's variance and that of all interactions."""
        alone = [values[frozenset([i])] for i in range(len(names))]
        return [*alone, sum(v for t, v in values.items() if len(t) > 1)] if len(names) > 1 else alone

    def apart(values: dict[Subset, Any]) -> tuple[list[Any], list[Any], Any]:
        """The shares of all parts and those of the streams with their interactions; the total."""
        kept = [np.maximum(value, 0.0) for value in summed(values)]
        total = sum(kept)
        floor = np.maximum(total, np.finfo(float).tiny)
        wholes = [sum(v for t, v in values.items() if i in t) for i in range(len(names))]
        return [value / floor for value in kept], [np.clip(one / floor, 0.0, 1.0) for one in wholes], total

    def interval(draws: Any) -> tuple[float, float]:
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return float(low), float(high)

    (shares, wholes, total), (drawn_shares, drawn_wholes, _) = apart(plain), apart(drawn)
    parts = []
    for i, (name, value) in enumerate(zip([*names, INTERACTIONS], summed(plain), strict=False)):
        share = whole = between = around = None
        if total > 0:
            share, between = float(shares[i]), interval(drawn_shares[i])
            if i < len(names):
                whole, around = float(wholes[i]), interval(drawn_wholes[i])
        parts.append(Part(name, float(value), share, between, whole, around))
    return Components(parts, float(total), float(y.mean()), blocks, levels)


def table(found: Components, metric: str) -> Grid:
    """A row for each stream, one for the interactions, and one for the whole."""
    rows: list[dict[str, Any]] = [
        {
            "source": part.source,
            "share": part.share,
            "interval": part.interval,
            **_ends("share", part.interval),
            "whole": part.whole,
            "whole_interval": part.whole_interval,
            **_ends("whole", part.whole_interval),
            "std": math.sqrt(max(part.variance, 0.0)),
            "variance": part.variance,
        }
        for part in found.parts
    ]
    rows.append({"source": TOTAL, "std": math.sqrt(found.variance), "variance": found.variance})
    columns = [
        Column("source", "source"),
        Column("share", "share", _percent, True),
        Column("interval", "95 % interval", _interval, True, parts=("share_low", "share_high")),
        Column("whole", "with interactions", _percent, True),
        Column("whole_interval", "95 % interval", _interval, True, parts=("whole_low", "whole_high")),
        Column("std", "std", score, True),
        Column("variance", "variance", number, True, 1),
    ]
    streams = len(found.streams)
    size = found.blocks * found.levels**streams
    title = f"where the variance of {metric} comes from: {size} runs, mean {score(found.mean)}"
    meta = {"kind": "variance", "metric": metric, "mean": found.mean, "blocks": found.blocks, "levels": found.levels}
    return Grid(columns, rows, title=title, notes=sentences(found, metric), meta=meta)


def sentences(found: Components, metric: str) -> list[str]:
    """What the table says of pairing, in words; and which estimates lie below zero."""
    if found.variance == 0:
        return [f"{metric} is the same in all runs: no stream changes it"]
    told = ["share: by itself, whatever the other streams; with interactions: also in what depends on the others"]
    below = [part.source for part in found.parts if part.variance < 0]
    if below:
        which = " and ".join(below) if len(below) < 3 else ", ".join(below)
        told.append(
            f"the estimate for {which} is below zero, as it may be by chance where little or nothing is there; "
            "its share counts as zero"
        )
    if len(found.parts) == 1:
        return told
    largest = max(found.streams, key=lambda part: (part.share or 0.0, part.whole or 0.0))
    share, (_, high) = largest.share or 0.0, largest.interval or (0.0, 1.0)
    told.append(
        f"pairing: where two levels share {largest.source} and nothing else, the variance of their difference shrinks "
        f"by its share at most, {_percent(share)} (up to {_percent(high)} by the interval), if the other level varies "
        "alike; where they share all streams, as runs of one seed do, by all of it at most. How much it does shrink "
        "depends on whether both are moved alike, which only a sweep of the two can tell"
    )
    if share > 0:
        one = f"runs that all have one {largest.source}"
        told.append(f"{one} show on average a variance that is {_percent(share)} too small")
    return told


def _ends(key: str, interval: tuple[float, float] | None) -> dict[str, float | None]:
    low, high = interval or (None, None)
    return {f"{key}_low": low, f"{key}_high": high}


def _percent(value: Any) -> str:
    return "" if value is None else f"{100 * value:.0f} %"


def _interval(value: Any) -> str:
    return "" if value is None else f"{100 * value[0]:.0f} to {100 * value[1]:.0f} %"


def arranged(scores: Sequence[float | None], blocks: int, levels: int, streams: int) -> tuple[np.ndarray, int]:
    """Scores in the order of the runs as an array (B', K, ..., K), without the blocks that lack one, and their number.

    Raises InputError where fewer than two blocks are whole.
    """
    import numpy as np

    given = [np.nan if value is None else value for value in scores]
    y = np.array(given, float).reshape(blocks, *[levels] * streams)
    whole = np.isfinite(y).all(axis=tuple(range(1, y.ndim)))
    if whole.sum() < 2:
        raise InputError(
            f"only {whole.sum()} of the {blocks} blocks of runs have a score in every run; shares need two. "
            "Runs that diverge have none: make the training stable first"
        )
    return y[whole], int(blocks - whole.sum())
